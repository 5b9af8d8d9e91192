"""The pages of sharing: policy, weekly rules, the sun, limits from outside and their tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.domain.circuit import Circuit
from app.domain.outside_limit import PAGE
from app.domain.rules import (
    Bound,
    LimitScope,
    PriorityWindow,
    ScheduledLimit,
    SharingPolicy,
    SiteRules,
    SolarMode,
    TariffCharge,
    TariffWindow,
    WeekWindow,
    WithoutNews,
)
from app.domain.units import PhaseCurrents
from app.energy.surplus import SolarState
from app.services.rule_book import rule_key
from app.services.rules import SolarView
from app.web import rule_words
from app.web.i18n import languages
from tests.support.html import parsed
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor
from tests.unit.web.test_form_pages import refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRENCH = languages()["fr"]
HOUR = timedelta(hours=1)
SHARING = "/settings/sharing"
OUTSIDE = "/settings/sharing/outside"
DAYS = [f"day-{day}" for day in range(7)]


@pytest.fixture(autouse=True)
async def afresh(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/settings")
    token = page.all("input", name="csrf")[0]["value"]
    await owner.post("/language", {"csrf": token, "language": "fr", "next": "/"})
    configuration = room.manager.configuration
    cleared = msgspec.structs.replace(configuration.current, rules=SiteRules())
    await configuration.apply(cleared, "test", "cleared", "")
    for order in room.services.external.orders():
        await room.services.external.end(order.circuit_id, order.source, "test")


def rules(room: Showroom) -> SiteRules:
    return room.manager.configuration.current.rules


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ").replace("’", "'")


# ------------------------------------------------------------------ policy and sun


async def test_a_policy_is_chosen_in_words(owner: Visitor, room: Showroom) -> None:
    page = await owner.get(SHARING)
    options = page.all("input", name="policy")
    assert {option["value"] for option in options} == set(SharingPolicy)
    assert [option["value"] for option in options if option.has("checked")] == ["weighted"]
    answer = await owner.submit(SHARING, {"policy": "first-come"}, f"{SHARING}/policy")
    assert answer.headers["location"] == f"{SHARING}?done=sharing-saved"
    assert rules(room).policy is SharingPolicy.FIRST_COME
    page = await owner.get(answer.headers["location"])
    assert plain(page.one("p", class_="notice").text).startswith("Partage enregistré")
    assert (await owner.submit(SHARING, {"policy": "x"}, f"{SHARING}/policy")).status_code == 422


async def test_the_sun_is_followed_on_the_metered_circuit(owner: Visitor, room: Showroom) -> None:
    solar = f"{SHARING}/solar"
    answer = await owner.submit(SHARING, {"mode": "surplus", "circuit_id": "p1"}, solar)
    refused(answer, "circuit_id")
    answer = await owner.submit(SHARING, {"mode": "surplus", "circuit_id": ""}, solar)
    assert answer.status_code == 303
    assert rules(room).solar.mode is SolarMode.SURPLUS
    assert "attend la première mesure" in (await owner.get(SHARING)).one("main").text


async def test_what_the_sun_allows_is_shown(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = SolarView(SolarState.CHARGING, "supply", 9_000, 8_200)
    monkeypatch.setattr(room.services.rules, "solar", lambda: shown)
    text = plain((await owner.get(SHARING)).one("main").text)
    assert "charge solaire en cours, 8,2 kW pour les voitures" in text
    assert "surplus 9,0 kW" in text


# ------------------------------------------------------------------ weekly rules


async def test_a_weekly_limit_is_added_shown_changed_and_removed(
    owner: Visitor, room: Showroom
) -> None:
    week = dict.fromkeys(DAYS[5:], "")
    answer = await owner.submit(
        f"{SHARING}/limits/add",
        {**week, "circuit_id": "p1", "from": "07:00", "to": "20:00", "limit-1": "120,5"},
    )
    assert answer.headers["location"] == f"{SHARING}?done=sharing-saved"
    (rule,) = rules(room).schedules
    # a box that is not ticked is not sent; an empty one is the same
    assert rule == ScheduledLimit(
        "p1", WeekWindow((0, 1, 2, 3, 4), 420, 1_200), Bound(PhaseCurrents.uniform(120_500))
    )
    page = await owner.get(SHARING)
    text = plain(page.one("main").text)
    assert "lun–ven" in text
    assert "07:00–20:00" in text
    assert "120,5 A" in text
    assert page.all("figure", class_="week")
    edit = f"{SHARING}/limits/{rule_key(rule)}"
    answer = await owner.submit(edit, {"limit-1": "", "limit-2": "", "limit-3": "", "power": "80",
                                       "scope": "charging", **dict.fromkeys(DAYS, "on")})  # fmt: skip
    assert answer.status_code == 303
    (changed,) = rules(room).schedules
    assert changed.bound == Bound(None, 80_000, LimitScope.CHARGING)
    assert changed.window.days == (0, 1, 2, 3, 4, 5, 6)
    assert (await owner.raw(edit)).status_code == 404
    page = await owner.get(SHARING)
    assert "tirets" in page.one("main").text
    form = await owner.get(f"{SHARING}/limits/{rule_key(changed)}")
    assert (form.one(id="f-power")["value"], form.one(id="f-limit-1")["value"]) == ("80", "")
    remove = f"{SHARING}/limits/{rule_key(changed)}/remove"
    asked = plain((await owner.get(remove)).one("main").text)
    assert "80,0 kW, charge seule" in asked
    answer = await owner.submit(remove, {})
    assert answer.headers["location"] == f"{SHARING}?done=rule-removed"
    assert rules(room).schedules == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (dict.fromkeys(DAYS, ""), "day-0"),
        ({"from": "25:00"}, "from"),
        ({"to": ""}, "to"),
        ({"limit-1": "x"}, "limit-1"),
        ({"limit-1": "1", "limit-2": "2", "limit-3": ""}, "limit-3"),
        ({"limit-1": "7000"}, "limit-1"),
        ({"limit-1": ""}, "limit-1"),
        ({"power": "-1"}, "power"),
        ({"circuit_id": "nowhere"}, "circuit_id"),
        ({"scope": "x"}, "scope"),
    ],
)
async def test_a_bad_weekly_limit_is_refused_at_its_field(
    owner: Visitor, room: Showroom, changes: dict[str, str], field: str
) -> None:
    answer = await owner.submit(f"{SHARING}/limits/add", {"limit-1": "10", **changes})
    refused(answer, field)
    assert rules(room).schedules == ()


async def test_three_different_currents_are_kept(owner: Visitor, room: Showroom) -> None:
    await owner.submit(
        f"{SHARING}/limits/add", {"limit-1": "10", "limit-2": "11", "limit-3": "12.5"}
    )
    (rule,) = rules(room).schedules
    assert rule.bound.limit == PhaseCurrents(10_000, 11_000, 12_500)
    page = await owner.get(f"{SHARING}/limits/{rule_key(rule)}")
    assert page.one(id="f-limit-3")["value"] == "12.5"
    assert "10/11/12,5 A" in plain((await owner.get(SHARING)).one("main").text)


async def test_a_time_slot_names_whom_it_means(owner: Visitor, room: Showroom) -> None:
    named = {
        "badges": "claire martin, 04a1b201",
        "stations": "A-001,A-001",
        "circuits": "Parking −2",
        "priority": "0",
        "from": "00:00",
        "to": "00:00",
    }
    answer = await owner.submit(f"{SHARING}/priorities/add", named)
    assert answer.status_code == 303
    (rule,) = rules(room).priorities
    assert rule == PriorityWindow(
        WeekWindow(end_minute=0), 0, ("A-001",), ("p2",), ("04A1B200", "04A1B201")
    )
    text = plain((await owner.get(SHARING)).one("main").text)
    assert "Claire Martin, Karim Benali, A-001 +1" in text
    assert "toute la journée" in text
    assert "classe d'abord (0)" in text
    edit = f"{SHARING}/priorities/{rule_key(rule)}"
    form = await owner.get(edit)
    assert form.one(id="f-badges")["value"] == "04A1B200, 04A1B201"
    assert "d'abord" in plain((await owner.get(f"{edit}/remove")).one("main").text)


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({"stations": "Z-1"}, "stations"),
        ({"badges": "nobody"}, "badges"),
        ({"circuits": "nowhere"}, "circuits"),
        ({}, "badges"),
        ({"stations": "A-001", "priority": "4"}, "priority"),
    ],
)
async def test_a_bad_time_slot_is_refused_at_its_field(
    owner: Visitor, named: dict[str, str], field: str
) -> None:
    refused(await owner.submit(f"{SHARING}/priorities/add", named), field)


async def test_tariff_hours_hold_charging_back(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit(
        f"{SHARING}/tariff/add", {"charge": "none", "spares_first": "on", "to": "22:00"}
    )
    assert answer.status_code == 303
    (rule,) = rules(room).tariff
    assert rule == TariffWindow(
        WeekWindow(start_minute=1_320, end_minute=1_320), TariffCharge.NONE, None, True
    )
    text = plain((await owner.get(SHARING)).one("main").text)
    assert "heures de tarif : pas de charge" in text
    assert "sauf classe 0" in text
    edit = f"{SHARING}/tariff/{rule_key(rule)}"
    assert (await owner.get(edit)).one(id="f-spares_first").has("checked")
    answer = await owner.submit(edit, {"charge": "minimum", "circuit_id": "p1", "to": "06:00"})
    assert rules(room).tariff[0].circuit_id == "p1"
    remove = f"{SHARING}/tariff/{rule_key(rules(room).tariff[0])}/remove"
    assert "courant minimal" in (await owner.get(remove)).one("main").text
    refused(await owner.submit(f"{SHARING}/tariff/add", {"charge": "x"}), "charge")


async def test_an_unknown_kind_of_rule_is_no_page(owner: Visitor) -> None:
    assert (await owner.raw(f"{SHARING}/colours/add")).status_code == 404


async def test_a_bad_edit_keeps_the_input(owner: Visitor, room: Showroom) -> None:
    rule = TariffWindow(WeekWindow(), TariffCharge.NONE)
    await room.services.rule_book.add("tariff", rule, "test")
    answer = await owner.submit(f"{SHARING}/tariff/{rule_key(rule)}", {"from": "x"})
    page = refused(answer, "from")
    assert page.one(id="f-from")["value"] == "x"


# ------------------------------------------------------------------ limits from outside


async def test_a_limit_is_set_by_hand_and_ended(owner: Visitor, room: Showroom) -> None:
    until = (room.services.clock.utc_now() + HOUR).astimezone(ZoneInfo("Europe/Paris"))
    answer = await owner.submit(
        OUTSIDE, {"until": f"{until:%H:%M}", "limit-1": "50", "power": "20"}, f"{OUTSIDE}/set"
    )
    assert answer.headers["location"] == f"{OUTSIDE}?done=outside-limit-set"
    (order,) = room.services.external.orders()
    assert (order.source, order.by, order.circuit_id) == (PAGE, "admin", "supply")
    assert order.bound == Bound(PhaseCurrents.uniform(50_000), 20_000)
    assert abs(order.until_utc - until) < timedelta(minutes=1)
    for path in (OUTSIDE, SHARING):
        text = plain((await owner.get(path)).one("main").text)
        assert "50 A · 20,0 kW" in text
        assert "jusqu'à" in text
        assert f"{until:%H:%M}" in text  # with its day, when that is tomorrow
    answer = await owner.submit(OUTSIDE, {}, f"{OUTSIDE}/end")
    assert answer.headers["location"] == f"{OUTSIDE}?done=outside-limit-ended"
    assert room.services.external.orders() == ()


async def test_a_time_that_is_past_is_that_of_tomorrow(owner: Visitor, room: Showroom) -> None:
    now = room.services.clock.utc_now().astimezone(ZoneInfo("Europe/Paris"))
    past = now - HOUR
    await owner.submit(OUTSIDE, {"until": f"{past:%H:%M}", "limit-1": "50"}, f"{OUTSIDE}/set")
    (order,) = room.services.external.orders()
    assert timedelta(hours=21) < order.until_utc - now < timedelta(hours=24)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": ""}, "until"),
        ({"limit-1": ""}, "limit-1"),
        ({"limit-1": "x"}, "limit-1"),
    ],
)
async def test_a_bad_limit_by_hand_is_refused(
    owner: Visitor, room: Showroom, changes: dict[str, str], field: str
) -> None:
    sent = {"until": "12:00", "limit-1": "50", **changes}
    refused(await owner.submit(OUTSIDE, sent, f"{OUTSIDE}/set"), field)
    assert room.services.external.orders() == ()


async def test_a_program_that_fell_silent_is_shown(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit(
        f"{SHARING}/without-news/add", {"circuit_id": "supply", "limit-1": "40"}
    )
    assert answer.headers["location"] == f"{OUTSIDE}?done=sharing-saved"
    (rule,) = rules(room).without_news
    assert rule == WithoutNews("supply", Bound(PhaseCurrents.uniform(40_000)))
    edit = f"{SHARING}/without-news/{rule_key(rule)}"
    assert (await owner.get(edit)).one(id="f-limit-2")["value"] == "40"
    assert "40 A" in plain((await owner.get(f"{edit}/remove")).one("main").text)
    await room.services.external.order(
        "supply", Bound(), timedelta(microseconds=1), source="t1", by="Enedis"
    )
    text = plain((await owner.get(OUTSIDE)).one("main").text)
    assert "sans limite" in text
    assert "sans nouvelles" in text
    text = plain((await owner.get(SHARING)).one("main").text)
    assert "40 A, faute de nouvelles" in text
    assert "échue à" in text


async def test_a_tokens_secret_is_shown_once(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit(OUTSIDE, {"name": "GTB"}, f"{OUTSIDE}/token")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    secret = parsed(answer.text).one("code").text
    assert room.services.tokens.authenticate(secret, "192.0.2.1").name == "GTB"
    page = await owner.get(OUTSIDE)
    assert "GTB" in page.one("main").text
    assert secret not in page.one("main").text
    refused(await owner.submit(OUTSIDE, {"name": "gtb"}, f"{OUTSIDE}/token"), "name")
    answer = await owner.submit(OUTSIDE, {}, f"{OUTSIDE}/revoke")
    assert answer.headers["location"] == f"{OUTSIDE}?done=token-revoked"
    assert room.services.tokens.list() == ()


# ------------------------------------------------------------------ badges and stations


async def test_a_badge_has_share_and_class(owner: Visitor, room: Showroom) -> None:
    edit = "/badges/04A1B205/edit"
    answer = await owner.submit(edit, {"weight": "2,5", "priority": "0"})
    assert answer.status_code == 303
    badge = room.services.badges.get("04A1B205")
    assert (badge.weight, badge.priority) == (2_500, 0)
    page = await owner.get(edit)
    assert page.one(id="f-weight")["value"] == "2.5"
    await owner.submit(edit, {"weight": "", "priority": ""})
    badge = room.services.badges.get("04A1B205")
    assert (badge.weight, badge.priority) == (1_000, None)
    refused(await owner.submit(edit, {"weight": "11"}), "weight")


async def test_a_station_has_a_class_and_keeps_its_wiring(owner: Visitor, room: Showroom) -> None:
    configuration = room.manager.configuration
    station = configuration.current.stations[1]
    outlet = msgspec.structs.replace(station.connectors[0], phases=1, line_to_line=True)
    wired = msgspec.structs.replace(station, connectors=(outlet,))
    await configuration.replace_station(wired, "test", "station-edited", new=False)
    edit = f"/stations/{station.station_id}/edit"
    assert (await owner.submit(edit, {"priority": "3"})).status_code == 303
    saved = configuration.current.stations[1]
    assert saved.priority == 3
    assert saved.connectors[0].line_to_line
    refused(await owner.submit(edit, {"priority": "4"}), "priority")


# ------------------------------------------------------------------ words and strips


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0, 1, 2, 3, 4, 5, 6), "tous les jours"),
        ((0, 1, 2, 3, 4), "lun–ven"),
        ((5, 6), "sam, dim"),
        ((2,), "mer"),
        ((0, 2, 3, 4, 6), "lun, mer–ven, dim"),
    ],
)
async def test_days_are_said_shortly(days: tuple[int, ...], expected: str) -> None:
    assert rule_words.days(WeekWindow(days), FRENCH) == expected


async def test_every_value_has_words() -> None:
    tables: list[tuple[Any, Any]] = [
        (rule_words.POLICIES, SharingPolicy),
        (rule_words.SCOPES, LimitScope),
        (rule_words.CHARGES, TariffCharge),
        (rule_words.SOLAR_MODES, SolarMode),
        (rule_words.SOLAR_STATES, SolarState),
        (rule_words.PRIORITY_NAMES, range(4)),
    ]
    for table, values in tables:
        assert set(table) == set(values)


async def test_a_week_is_drawn_as_steps() -> None:
    circuit = Circuit("p1", "Parking", None, PhaseCurrents.uniform(100_000))
    night = WeekWindow((6,), 1_320, 360)  # from Sunday night to Monday morning
    bounds = (Bound(PhaseCurrents(50_000, 90_000, 90_000)), Bound(None, 17_250))
    schedules = [ScheduledLimit("p1", night, bound) for bound in bounds]
    schedules.append(ScheduledLimit("p2", WeekWindow(), bounds[0]))
    steps = rule_words.least(circuit, schedules, LimitScope.ALL)
    assert steps == [(0, 360, 0.25), (360, 9_960, 1.0), (9_960, 10_080, 0.25)]
    assert rule_words.line(steps) == "M0 75H360L360 0H9960L9960 75H10080"
    assert rule_words.area(steps).endswith("V100H0z")
    assert rule_words.least(circuit, schedules, LimitScope.CHARGING) == [(0, 10_080, 1.0)]


async def test_the_tariffs_week_has_three_heights() -> None:
    day, noon = WeekWindow((0,)), WeekWindow((0,), 720, 780)
    windows = [
        TariffWindow(day, TariffCharge.MINIMUM),
        TariffWindow(WeekWindow((0,), 600, 780), TariffCharge.NONE),
        TariffWindow(noon, TariffCharge.FULL),
        TariffWindow(WeekWindow((1,)), TariffCharge.NONE, "p1"),
    ]
    assert rule_words.tariff_steps(windows) == [
        (0, 600, 0.5), (600, 720, 0.0), (720, 780, 1.0), (780, 1_440, 0.5), (1_440, 10_080, 1.0),
    ]  # fmt: skip
