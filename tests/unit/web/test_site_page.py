"""What the Site page draws, state by state."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.domain.limits import Reason, ReasonCode
from app.domain.meter import MeterPlacement
from app.domain.units import PhaseCurrents
from app.services.live import Alarm, ConnectorView, DisplayState, Severity, SiteView
from app.services.provisioning import parse_site
from app.web.circuits_view import Load as Below
from app.web.circuits_view import diagram_row, list_row, loads, power_card, source_text
from app.web.fragments import Board
from app.web.i18n import languages
from app.web.site_page import SitePage, alarm_strip, chips, grouped, pending_note
from app.web.tiles import tile, tile_id
from app.web.wording import STATES
from tests.support.html import Element, parsed
from tests.support.showroom import Painter, site_document

FRENCH, ENGLISH = languages()["fr"], languages()["en"]
PARIS = ZoneInfo("Europe/Paris")


def plain(element: Element) -> str:
    return element.text.replace("\u202f", " ").replace("\xa0", " ")


def painter(stations: int = 100, connectors: int = 1) -> Painter:
    configuration, _ = parse_site(json.dumps(site_document(stations, connectors)).encode())
    return Painter(configuration)


@pytest.fixture(scope="module")
def site() -> SiteView:
    return painter().picture()


def in_state(site: SiteView, state: DisplayState) -> ConnectorView:
    return next(view for view in site.connectors if view.state is state)


def drawn(view: ConnectorView, **changes: Any) -> Element:
    changed = msgspec.structs.replace(view, **changes)
    return parsed(tile(changed, FRENCH, PARIS, {"aa": "Allée A"})).one("li")


# ------------------------------------------------------------------ tiles


@pytest.mark.parametrize("state", DisplayState)
def test_a_tile_tells_its_state_in_a_word_and_an_icon(site: SiteView, state: DisplayState) -> None:
    view = in_state(site, state)
    shown = drawn(view)
    assert shown["data-s"] == state
    assert view.station_name in shown.text
    icon = shown.all("use")[0]["href"]
    assert icon == f"#i-{STATES[state].icon}"
    assert shown.one("a")["href"] == f"/stations/{view.key.station_id}"


def test_a_charging_tile_tells_amps_limit_reason_energy_and_badge(site: SiteView) -> None:
    shown = drawn(
        in_state(site, DisplayState.CHARGING),
        measured=PhaseCurrents(15_840, 15_700, 15_600),
        limit_ma=16_000,
        reason=Reason(ReasonCode.CIRCUIT, "aa", 1),
        energy_wh=12_440,
        badge_label="Claire <Martin>",
    )
    text = plain(shown)
    for part in ("En charge", "15,8", "/16 A", "L2 partagée · Allée A", "12,4 kWh", "<Martin>"):
        assert part in text


def test_phases_are_drawn_against_the_maximum_with_a_tick_at_the_limit(site: SiteView) -> None:
    shown = drawn(
        in_state(site, DisplayState.CHARGING),
        measured=PhaseCurrents(16_000, 0, 40_000),
        limit_ma=8_000,
        max_ma=32_000,
    )
    bars, tick = shown.one("svg", class_="f").all("path")
    assert bars["d"] == "M0 2H50M0 6H0M0 10H100"
    assert tick["d"] == "M25 0V12"


def test_an_unknown_measurement_or_limit_is_a_dash(site: SiteView) -> None:
    shown = drawn(in_state(site, DisplayState.CHARGING), measured=None, limit_ma=None)
    assert "– /– A" in plain(shown)
    assert len(shown.one("svg", class_="f").all("path")) == 1


def test_an_offline_tile_tells_since_when_and_what_is_reserved(site: SiteView) -> None:
    view = in_state(site, DisplayState.OFFLINE)
    since = datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
    text = plain(drawn(view, offline_since_utc=since, limit_ma=16_000))
    assert "Hors ligne depuis 14:02" in text
    assert "16 A en réserve" in text
    never = drawn(view, offline_since_utc=None, limit_ma=None)
    assert "Hors ligne" in plain(never)


def test_a_fault_tells_its_code(site: SiteView) -> None:
    assert "Défaut · GroundFailure" in plain(drawn(in_state(site, DisplayState.FAULTED)))


def test_a_station_that_ignores_its_limit_says_so(site: SiteView) -> None:
    assert "ignore sa limite" in plain(drawn(in_state(site, DisplayState.CHARGING), obeys=False))


def test_an_old_measurement_is_marked(site: SiteView) -> None:
    view = in_state(site, DisplayState.CHARGING)
    assert "old" in drawn(view, measured_age_s=61.0)["class"].split()
    assert "old" not in drawn(view, measured_age_s=10.0)["class"].split()


def test_an_identity_with_odd_characters_stays_one_id() -> None:
    view = painter(1).picture().connectors[0]
    key = view.key._replace(station_id='Bor/ne "1"')
    shown = drawn(view, key=key)
    assert shown["id"] == tile_id(key) == "t-Bor%2Fne%20%221%22-1"
    assert shown.one("a")["href"] == "/stations/Bor%2Fne%20%221%22"


# ------------------------------------------------------------------ supply and circuits


def test_the_supply_shows_each_phase_with_building_charging_and_limit(site: SiteView) -> None:
    supply = msgspec.structs.replace(
        site.supply,
        limit=PhaseCurrents.uniform(100_000),
        total=PhaseCurrents(70_000, 96_000, 101_000),
        charging=PhaseCurrents(40_000, 60_000, 60_000),
        building=PhaseCurrents(30_000, 36_000, 41_000),
        binding_phases=(1,),
    )
    card = parsed(power_card(supply, 42_000, FRENCH))
    text = plain(card)
    assert "42,0 kW" in text
    phases = card.all(class_="ph")
    assert [row["class"].split()[1] for row in phases] == ["ok", "full", "over"]
    assert "70/100 A" in plain(phases[0]).replace(" /", "/")
    assert "bâtiment 30 · charge 40 · normal" in plain(phases[0])
    assert "décide des limites" in plain(phases[1])
    assert "dépassement" in plain(phases[2])


def test_a_silent_meter_greys_the_supply_and_tells_the_age(site: SiteView) -> None:
    silent = msgspec.structs.replace(site.supply, stale=True, age_s=12.0)
    card = parsed(power_card(silent, 0, FRENCH)).children[0]
    assert isinstance(card, Element)
    assert "old" in card["class"].split()
    assert "compteur muet depuis 12 s" in plain(card)
    never = msgspec.structs.replace(silent, age_s=None)
    assert source_text(never, FRENCH) == "compteur muet"


@pytest.mark.parametrize(
    ("metered", "placement", "age_s", "expected"),
    [
        (True, MeterPlacement.SUPPLY, 1.0, "mesuré"),
        (True, MeterPlacement.SUPPLY, 4.0, "mesuré · il y a 4 s"),
        (True, MeterPlacement.CHARGING, 1.0, "charge mesurée"),
        (True, MeterPlacement.BUILDING, 1.0, "bâtiment mesuré"),
        (False, None, None, "calculé d’après les bornes"),
    ],
)
def test_values_tell_where_they_come_from(
    site: SiteView,
    metered: bool,
    placement: MeterPlacement | None,
    age_s: float | None,
    expected: str,
) -> None:
    view = msgspec.structs.replace(
        site.supply, metered=metered, placement=placement, age_s=age_s, stale=False
    )
    text = source_text(view, FRENCH).replace("\u202f", " ")
    assert text == expected


def test_cars_are_counted_at_and_above_their_circuit(site: SiteView) -> None:
    counted = loads(site)
    charging = site.counts()[DisplayState.CHARGING]
    assert counted["supply"].charging == charging
    assert counted["supply"].waiting == site.counts()[DisplayState.WAITING_FOR_POWER]
    assert counted["p1"].charging == counted["aa"].charging + counted["ab"].charging


def test_diagram_and_list_say_the_same(site: SiteView) -> None:
    circuit = next(item for item in site.circuits if item.circuit_id == "aa")
    below = Below(3, 2)
    row = parsed(diagram_row(circuit, below, 2, FRENCH))
    item = parsed(list_row(circuit, below, FRENCH))
    for phase in range(3):
        total = f"{circuit.total[phase] / 1000:.0f}"
        assert f"{total} / 125 A" in plain(row)
        assert f"{total}/125 A" in plain(item).replace(" /", "/")
    for part in ("Allée A", "3 en charge", "2 en attente", "décide des limites sur L2"):
        assert part in plain(row)
        assert part in plain(item)


def test_a_long_name_is_cut_in_the_diagram_only(site: SiteView) -> None:
    long = msgspec.structs.replace(site.supply, name="Tableau divisionnaire du sous-sol numéro 2")
    assert "Tableau divisionnaire du…" in plain(parsed(diagram_row(long, Below(0, 0), 0, FRENCH)))
    assert long.name in plain(parsed(list_row(long, Below(0, 0), FRENCH)))


# ------------------------------------------------------------------ alarms, chips, inbox


def test_alarms_come_worst_first_with_what_to_do(site: SiteView) -> None:
    since = site.at_utc - timedelta(minutes=3)
    alarms = (
        Alarm("STN-003", Severity.WARNING, {"subject": "A-001"}, since),
        Alarm("DLM-003", Severity.CRITICAL, {"subject": "Nemo", "age_s": 12}, since),
        Alarm("STN-001", Severity.INFO, {"count": 1, "first": "B-002"}, since),
    )
    strip = parsed(alarm_strip(msgspec.structs.replace(site, alarms=alarms), FRENCH, PARIS))
    rows = strip.all("li")
    assert [row["class"] for row in rows] == ["critical", "warning", "info"]
    assert "Le compteur Nemo est muet (12 s)" in plain(rows[0])
    assert rows[0].button("Que faire ?")["href"] == "/help/errors/DLM-003"


def test_no_alarm_tells_when_that_was_checked(site: SiteView) -> None:
    quiet = msgspec.structs.replace(site, alarms=())
    strip = parsed(alarm_strip(quiet, FRENCH, PARIS))
    assert f"Vérifié à {site.at_utc.astimezone(PARIS):%H:%M}" in plain(strip)


def test_chips_count_the_states_that_occur(site: SiteView) -> None:
    counts = dict.fromkeys(DisplayState, 0) | {DisplayState.CHARGING: 2, DisplayState.FAULTED: 1}
    made = parsed(chips(counts, 3, ENGLISH)).all("a")
    assert [chip.text for chip in made] == ["All 3", "Charging 2", "Fault 1"]
    assert made[1]["href"] == "/?state=charging#points"


def test_unknown_callers_are_announced() -> None:
    assert parsed(pending_note(0, FRENCH)).one("p").has("hidden")
    note = parsed(pending_note(2, FRENCH))
    assert note.one("a")["href"] == "/stations/new"
    assert "2 bornes inconnues" in note.text


def test_connectors_are_grouped_by_circuit_in_the_order_of_the_tree(site: SiteView) -> None:
    assert list(grouped(site)) == ["aa", "ab", "p2", "pv"]
    lost = msgspec.structs.replace(site.connectors[0], circuit_id="gone")
    assert "gone" in grouped(msgspec.structs.replace(site, connectors=(lost,)))


# ------------------------------------------------------------------ the whole


@pytest.mark.parametrize("language", languages().values(), ids=languages())
def test_every_block_is_one_well_formed_element(site: SiteView, language: Any) -> None:
    board = Board(SitePage(), language)
    board.show(site)
    for name, block in board.blocks().items():
        tree = parsed(block)
        assert len(tree.children) == 1, name
        assert "\n" not in block
        assert "style=" not in block
    ids = [element["id"] for element in parsed(board.snapshot()).walk() if element.has("id")]
    assert len(ids) == len(set(ids))


def test_an_update_holds_the_connectors_that_changed() -> None:
    room = painter()
    board = Board(SitePage(), FRENCH)
    board.show(room.picture())
    first = room.connectors[0]
    room.connectors[0] = msgspec.structs.replace(first, badge_label="Somebody else")
    newer = room.picture()
    board.show(newer)
    changed = [element["id"] for element in parsed(board.since(newer.cycle - 1)).all("li")]
    assert changed == [tile_id(first.key)]


def test_a_renamed_circuit_is_renamed_in_the_reasons() -> None:
    room = painter(4)
    room.connectors = [
        msgspec.structs.replace(
            view, state=DisplayState.CHARGING, reason=Reason(ReasonCode.CIRCUIT, "aa", 0)
        )
        for view in room.connectors
    ]
    board = Board(SitePage(), FRENCH)
    board.show(room.picture())
    site = room.picture()
    circuits = tuple(
        msgspec.structs.replace(item, name="Rangée A") if item.circuit_id == "aa" else item
        for item in site.circuits
    )
    board.show(msgspec.structs.replace(site, circuits=circuits))
    assert "L1 partagée · Rangée A" in board.since(site.cycle - 1)


def test_a_site_without_circuits_still_shows_its_tiles(site: SiteView) -> None:
    board = Board(SitePage(), FRENCH)
    board.show(msgspec.structs.replace(site, circuits=()))
    assert "power" not in board.blocks()
    assert "tiles" in board.blocks()


@pytest.mark.parametrize(("connectors", "most"), [(1, 11_000), (2, 18_000)])
def test_the_blocks_of_100_stations_stay_small_on_the_wire(connectors: int, most: int) -> None:
    board = Board(SitePage(), FRENCH)
    board.show(painter(100, connectors).picture())
    assert len(gzip.compress(board.snapshot().encode(), 5)) < most
