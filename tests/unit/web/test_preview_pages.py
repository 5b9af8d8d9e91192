"""Forms of circuits and stations with what they would change, by button and by script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from app.domain.limits import Allocation, Reason, ReasonCode
from app.domain.station import ConnectorKey
from app.domain.units import PhaseCurrents
from app.energy.plan import BalanceSource, CircuitBalance, Plan
from app.energy.site_state import ConnectorState, SiteState
from tests.support.html import Element, parsed
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


def plain(element: Element) -> str:
    return element.text.replace("\u202f", " ").replace("\xa0", " ")


def row(page: Element, circuit: str, label: str) -> str:
    """The line of a circuit's figures that begins with ``label``, without that."""
    for section in page.all("details"):
        if section.all("h3") and section.all("h3")[0].text == circuit:
            for line in section.all("tr"):
                text = plain(line)
                if text.startswith(label):
                    return text.removeprefix(label).strip()
    raise AssertionError(f"{circuit}: no {label}")


def circuit(room: Showroom, circuit_id: str) -> Any:
    return room.services.circuits.tree()[circuit_id]


@pytest.fixture
def charging(room: Showroom) -> Iterator[None]:
    """A cycle in which two cars charge on Allée A, beside a building of 100 A."""
    keys = [ConnectorKey("A-001", 1), ConnectorKey("A-002", 1)]
    state = SiteState(
        1_000.0,
        {},
        tuple(ConnectorState(key, online=True, transaction_id=n) for n, key in enumerate(keys)),
    )
    root = circuit(room, "supply")
    balance = CircuitBalance(
        circuit_id="supply",
        limit=root.limit,
        usable=root.usable,
        background=PhaseCurrents.uniform(100_000),
        background_upper=PhaseCurrents.uniform(100_000),
        charging=PhaseCurrents(),
        limits=PhaseCurrents(),
        ceilings=PhaseCurrents(),
        meter=None,
        source=BalanceSource.MEASURED,
        age_s=0.5,
        tightest_phase=0,
    )
    share = Reason(ReasonCode.CIRCUIT, "aa", 0)
    plan = Plan(tuple(Allocation(key, 16_000, share) for key in keys), (), (balance,))
    room.services.preview.observe(state, plan)
    yield
    room.services.preview._seen = None


async def test_the_form_shows_the_figures_of_the_circuit_and_those_above(owner: Visitor) -> None:
    page = await owner.get("/settings/energy/aa")
    names = [title.text for title in page.one("aside").all("h3")]
    assert names == ["Allée A", "Parking −1", "Arrivée générale", "Voitures en charge"]
    assert "Cela tient" in page.one(id="pv-verdict").text
    assert row(page, "Allée A", "Limite") == "125 A"
    assert row(page, "Allée A", "Autres usages au plus") == "non déclarés"
    assert row(page, "Arrivée générale", "Voitures à 6 A en même temps").endswith("sur 4")
    assert "Aucune voiture en charge" in page.one("aside").text


async def test_the_button_shows_before_and_after_and_saves_nothing(
    owner: Visitor, room: Showroom, charging: None
) -> None:
    before = circuit(room, "aa")
    answer = await owner.submit(
        "/settings/energy/aa",
        {"limit-1": "20", "power": "50", "unbalance": "20", "action": "preview"},
    )
    assert answer.status_code == 200
    page = parsed(answer.text)
    assert row(page, "Allée A", "Limite") == "125 → devient 20 125 125"
    assert "Puissance totale – → devient 50,0 kW" in plain(page.one("aside"))
    assert "Déséquilibre – → devient 20 A" in plain(page.one("aside"))
    assert "A-001 32 A → devient 10 A" in plain(page.one("aside"))
    assert page.labelled("Nom")["value"] == "Allée A"
    assert page.one(id="f-limit-1")["value"] == "20"
    assert circuit(room, "aa") == before


async def test_the_script_is_given_the_preview_alone(owner: Visitor) -> None:
    answer = await owner.submit(
        "/settings/energy/aa", {"limit-1": "100", "action": "preview", "part": "preview"}
    )
    assert answer.status_code == 200
    part = parsed(answer.text)
    verdict, body = (element for element in part.children if isinstance(element, Element))
    assert "Cela tient" in verdict.text
    assert verdict.has("data-verdict")
    assert body.has("data-body")
    assert row(part, "Allée A", "Limite") == "125 → devient 100 125 125"


async def test_a_preview_needs_the_token_of_the_form(owner: Visitor) -> None:
    answer = await owner.post("/settings/energy/aa", {"action": "preview", "part": "preview"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit-1": "abc"}, "Écrivez un nombre"),
        ({"margin": "200"}, "marge"),
        ({"power": "0"}, "de 0,1 à 4 000"),
    ],
)
async def test_what_cannot_be_read_yet_is_said_quietly(
    owner: Visitor, changes: dict[str, str], words: str
) -> None:
    answer = await owner.submit(
        "/settings/energy/aa", {**changes, "action": "preview", "part": "preview"}
    )
    assert answer.status_code == 200
    part = parsed(answer.text)
    assert words in plain(part)
    assert part.all("details") == []


async def test_a_new_circuit_is_previewed_before_it_has_a_name(owner: Visitor) -> None:
    page = await owner.get("/settings/energy/add?parent=p2")
    assert "Ce qui change apparaît ici" in page.one(id="pv-verdict").text
    typed = {"limit-1": "32", "limit-2": "32", "limit-3": "32", "action": "preview"}
    answer = await owner.submit("/settings/energy/add?parent=p2", typed)
    shown = parsed(answer.text)
    names = [title.text for title in shown.one("aside").all("h3")]
    assert names[:3] == ["…", "Parking −2", "Arrivée générale"]
    assert "nouveau" in shown.one("aside").text


async def test_limits_of_power_and_unbalance_are_saved_and_taken_away(
    owner: Visitor, room: Showroom
) -> None:
    answer = await owner.submit("/settings/energy/p2", {"power": "36,5", "unbalance": "20"})
    assert answer.status_code == 303
    saved = circuit(room, "p2")
    assert (saved.max_power_w, saved.max_unbalance_ma) == (36_500, 20_000)
    page = await owner.get("/settings/energy/p2")
    assert page.one(id="f-power")["value"] == "36.5"
    assert page.one(id="f-unbalance")["value"] == "20"
    listed = plain((await owner.get("/settings/energy")).one("main"))
    assert "au plus 36,5 kW" in listed
    assert "déséquilibre 20 A" in listed
    await owner.submit("/settings/energy/p2", {"power": "", "unbalance": ""})
    assert circuit(room, "p2").max_power_w is None
    assert circuit(room, "p2").max_unbalance_ma is None


# ------------------------------------------------------------------------------- refused


async def test_a_refused_preview_says_line_by_line_why_and_what_would_do(owner: Visitor) -> None:
    answer = await owner.submit("/stations/A-001/edit", {"fallback_a": "16", "action": "preview"})
    assert answer.status_code == 200
    page = parsed(answer.text)
    assert "Ce serait refusé" in page.one(id="pv-verdict").text
    refused = page.one("div", class_="refused")
    sums = [plain(item) for item in refused.one("ul", class_="sums").all("li")]
    assert sums[0].startswith(
        "1 point × 16 A = 16 A + autres usages 160 A = 176 A > 125 A sur L1, L2, L3 (départ Allée A)"
    )
    assert "ceux de Arrivée générale" in sums[0]
    ways = [plain(item) for item in refused.one("ul", class_="ways").all("li")]
    assert ways[0] == (
        "0 A de repli pour A-001 : elle s’arrête alors quand le gestionnaire se tait."
    )
    assert any("Déclarer les autres usages de Allée A" in way for way in ways)
    assert row(page, "Allée A", "Repli, au total") == "0 A → devient 16 A"


async def test_a_refused_form_has_the_arithmetic_in_its_summary_once(
    owner: Visitor, room: Showroom
) -> None:
    answer = await owner.submit("/stations/A-001/edit", {"fallback_a": "16"})
    assert answer.status_code == 422
    page = parsed(answer.text)
    assert "176 A > 125 A" in plain(page.one(id="summary"))
    assert page.all("div", class_="refused") == []
    assert "Ce serait refusé" in page.one("aside").text


async def test_the_largest_set_of_stations_is_named(owner: Visitor, room: Showroom) -> None:
    current = room.manager.configuration.current
    generous = tuple(
        msgspec.structs.replace(one, fallback_ma=6_000) if one.circuit_id == "aa" else one
        for one in current.stations
    )
    circuits = tuple(
        msgspec.structs.replace(one, worst_background=PhaseCurrents.uniform(100_000))
        if one.circuit_id == "aa"
        else one
        for one in current.circuits
    )
    candidate = msgspec.structs.replace(current, stations=generous, circuits=circuits)
    await room.manager.configuration.apply(candidate, "test", "test", "")
    try:
        typed = {"limit-1": "114", "limit-2": "114", "limit-3": "114", "action": "preview"}
        page = parsed((await owner.submit("/settings/energy/aa", typed)).text)
    finally:
        await room.manager.configuration.apply(current, "test", "test", "")
    count = sum(one.circuit_id == "aa" for one in current.stations)
    ways = plain(page.one("ul", class_="ways"))
    assert f"0 A de repli pour ces {count} bornes" in ways
    assert f"6 A pour 2 bornes sur {count}" in ways
    assert "Cela tient pour : A-001, A-002." in ways
    assert "Corriger les autres usages de Allée A" in ways


# ------------------------------------------------------------------------------- stations


async def test_a_new_station_is_previewed(owner: Visitor) -> None:
    typed = {"circuit_id": "p2", "action": "preview", "part": "preview"}
    part = parsed((await owner.submit("/stations/add", typed)).text)
    assert row(part, "Parking −2", "Voitures à 6 A en même temps").startswith("0 sur 0 →")
    unfinished = {"circuit_id": "", "action": "preview"}
    page = parsed((await owner.submit("/stations/add", unfinished)).text)
    assert "nécessaire" in page.one(id="pv-verdict").text
    taken = {"station_id": "A-001", "circuit_id": "p2", "action": "preview", "part": "preview"}
    part = parsed((await owner.submit("/stations/add", taken)).text)
    assert "déjà" in part.text


async def test_an_edited_station_is_previewed_by_the_script_too(owner: Visitor) -> None:
    typed = {"circuit_id": "p2", "action": "preview", "part": "preview"}
    part = parsed((await owner.submit("/stations/A-001/edit", typed)).text)
    names = [title.text for title in part.all("h3")]
    assert names[:4] == ["Parking −2", "Arrivée générale", "Allée A", "Parking −1"]


async def test_a_connector_between_two_phases(owner: Visitor, room: Showroom) -> None:
    await owner.submit("/stations/A-003/edit", {"phases-1": "1", "line_to_line-1": "on"})

    def connector() -> Any:
        stations = room.services.stations.configuration()
        return next(one for one in stations if one.station_id == "A-003").connectors[0]

    assert connector().line_to_line
    page = await owner.get("/stations/A-003/edit")
    assert page.one(id="f-line_to_line-1").has("checked")
    assert page.one("details", class_="advanced").has("open")
    await owner.submit("/stations/A-003/edit", {"phases-1": "3"})
    assert not connector().line_to_line


async def test_the_strict_class_of_a_station_outlives_its_form(
    owner: Visitor, room: Showroom
) -> None:
    current = room.manager.configuration.current
    first = msgspec.structs.replace(current.stations[0], priority=3)
    candidate = msgspec.structs.replace(current, stations=(first, *current.stations[1:]))
    await room.manager.configuration.apply(candidate, "test", "test", "")
    await owner.submit("/stations/A-001/edit", {"place": "ailleurs"})
    assert room.manager.configuration.current.stations[0].priority == 3


# ------------------------------------------------------------------------------- moving


def order(room: Showroom) -> list[str]:
    return [one.circuit_id for one in room.services.circuits.tree()]


async def test_circuits_move_up_and_down_by_buttons(owner: Visitor, room: Showroom) -> None:
    assert order(room) == ["supply", "p1", "aa", "ab", "p2", "pv"]
    page = await owner.get("/settings/energy")
    assert page.button("Monter Parking −1").has("disabled")
    assert not page.button("Descendre Parking −1").has("disabled")
    assert page.button("Descendre Parvis visiteurs").has("disabled")
    answer = await owner.submit("/settings/energy", {"to": "down"}, "/settings/energy/p1/move")
    assert answer.headers["location"] == "/settings/energy?done=circuit-moved"
    assert order(room) == ["supply", "p2", "p1", "aa", "ab", "pv"]
    await owner.submit("/settings/energy", {"to": "up"}, "/settings/energy/p1/move")
    assert order(room) == ["supply", "p1", "aa", "ab", "p2", "pv"]
    bad = await owner.submit("/settings/energy", {"to": "left"}, "/settings/energy/p1/move")
    assert bad.status_code == 422


async def test_a_circuit_is_attached_elsewhere(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/settings/energy/ab/attach")
    choices = [option["value"] for option in page.one("select", id="f-parent").all("option")]
    assert choices == ["supply", "p1", "aa", "p2", "pv"]
    typed = {"parent": "p2", "action": "preview"}
    shown = parsed((await owner.submit("/settings/energy/ab/attach", typed)).text)
    assert "Cela tient" in shown.one(id="pv-verdict").text
    part = await owner.submit("/settings/energy/ab/attach", {**typed, "part": "preview"})
    assert "<html" not in part.text
    refused = await owner.submit("/settings/energy/ab/attach", {"parent": "ab"})
    assert refused.status_code == 422
    answer = await owner.submit("/settings/energy/ab/attach", {"parent": "p2"})
    assert answer.headers["location"] == "/settings/energy?done=circuit-moved"
    assert order(room) == ["supply", "p1", "aa", "p2", "ab", "pv"]
    await owner.submit("/settings/energy/ab/attach", {"parent": "p1"})


async def test_the_root_hangs_on_nothing(owner: Visitor) -> None:
    page = await owner.get("/settings/energy/supply/attach", 422)
    assert page.one("h1").text
