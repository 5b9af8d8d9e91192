"""Rules of sharing: from the site document to what the planner sees, and how they are edited."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.badge import Badge
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.limits import CircuitCap, LimitSource
from app.domain.meter import MeterPlacement
from app.domain.rules import (
    Bound,
    LimitScope,
    PriorityWindow,
    ScheduledLimit,
    SharingPolicy,
    SiteRules,
    SolarMode,
    SolarRule,
    TariffCharge,
    TariffWindow,
    WeekWindow,
    WithoutNews,
)
from app.domain.units import PhaseCurrents
from app.energy.plan import Plan
from app.energy.site_state import ConnectorState, SiteState
from app.energy.surplus import SolarState
from app.services.configuration import check
from app.services.provisioning import parse_site
from app.services.rule_book import rule_key
from app.services.rule_checks import MOST_RULES
from tests.support.scripted import MemoryManager
from tests.unit.services.test_intake import SITE, charging

# The clock of the tests starts on Sunday 2026-11-22 at 09:00 in Paris.
RULES: dict[str, Any] = {
    "policy": "equal-power",
    "schedules": [
        {"circuit": "supply", "days": ["sun"], "from": "08:00", "to": "10:00", "limit_a": 40},
        {"circuit": "supply", "from": "22:00", "to": "06:00", "limit_a": [1, 2, 3]},
        {"circuit": "supply", "power_kw": 20, "scope": "charging"},
    ],
    "priorities": [{"priority": 0, "badges": ["c0ffee"], "from": "09:00", "to": "10:00"}],
    "tariff": [{"charge": "minimum", "spares_first": True}],
    "without_news": [{"circuit": "supply", "limit_a": 10.5}],
}


def site_with(**rules: Any) -> dict[str, Any]:
    return {**SITE, "rules": rules}


class Seen:
    """A manager whose cycles are watched."""

    def __init__(self, folder: Path, document: dict[str, Any]) -> None:
        self.site = MemoryManager(folder, document)
        self.states: list[SiteState] = []
        self.site.manager.control.on_cycle(self._take)

    def _take(self, state: SiteState, plan: Plan) -> None:
        self.states.append(state)

    async def state(self) -> SiteState:
        await self.site.cycle(readings=(10, 10, 10))
        return self.states[-1]

    def caps(self) -> list[CircuitCap]:
        return list(self.states[-1].caps)

    def connector(self, name: str = "A-1") -> ConnectorState:
        states = self.states[-1].connectors
        return next(each for each in states if each.key.station_id == name)


@pytest.fixture
async def seen(tmp_path: Path) -> AsyncIterator[Seen]:
    made = Seen(tmp_path, site_with(**RULES))
    await made.site.start()
    yield made
    await made.site.stop()


# ------------------------------------------------------------------ the site document


def test_a_document_becomes_rules() -> None:
    configuration, _ = parse_site(json.dumps(site_with(**RULES)).encode())
    rules = configuration.rules
    assert rules.policy is SharingPolicy.EQUAL_POWER
    assert rules.schedules == (
        ScheduledLimit(
            "supply", WeekWindow((6,), 480, 600), Bound(PhaseCurrents.uniform(40_000))
        ),
        ScheduledLimit(
            "supply", WeekWindow(start_minute=1_320, end_minute=360),
            Bound(PhaseCurrents(1_000, 2_000, 3_000)),
        ),
        ScheduledLimit("supply", WeekWindow(), Bound(None, 20_000, LimitScope.CHARGING)),
    )  # fmt: skip
    assert rules.priorities[0].badges == ("C0FFEE",)
    assert rules.tariff == (TariffWindow(WeekWindow(), TariffCharge.MINIMUM, None, True),)
    assert rules.without_news == (WithoutNews("supply", Bound(PhaseCurrents.uniform(10_500))),)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=SiteRules) == rules


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ({"schedules": [{"circuit": "supply", "from": "25:00"}]}, "$.rules.schedules[0].from"),
        ({"schedules": [{"circuit": "supply", "from": "9:00"}]}, "$.rules.schedules[0].from"),
        ({"tariff": [{"charge": "full", "days": ["dim"]}]}, "$.rules.tariff[0].days[0]"),
        ({"tariff": [{"charge": "full", "days": []}]}, "$.rules.tariff[0].days"),
        ({"policy": "fair"}, "$.rules.policy"),
        ({"solar": {"moon": True}}, "$.rules.solar"),
    ],
)
def test_a_fault_of_form_names_its_place(rules: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_site(json.dumps(site_with(**rules)).encode())
    assert place in str(refused.value.params["detail"])


SUPPLY = {"circuit": "supply"}


@pytest.mark.parametrize(
    ("rules", "key", "place"),
    [
        ({"schedules": [{"circuit": "x", "limit_a": 1}]}, "rule-unknown-circuit", "schedules[0]"),
        ({"schedules": [SUPPLY]}, "rule-limit-missing", "schedules[0]"),
        ({"schedules": [{**SUPPLY, "limit_a": -1}]}, "rule-limit-range", "schedules[0]"),
        ({"schedules": [{**SUPPLY, "limit_a": 1e308}]}, "rule-limit-range", "schedules[0]"),
        ({"schedules": [{**SUPPLY, "power_kw": 1e308}]}, "rule-power-range", "schedules[0]"),
        ({"schedules": [{**SUPPLY, "limit_a": 1, "from": "24:00"}]}, "rule-times-invalid",
         "schedules[0]"),
        ({"priorities": [{"priority": 4, "stations": ["A-1"]}]}, "priority-range",
         "priorities[0]"),
        ({"priorities": [{"priority": 0}]}, "rule-names-nobody", "priorities[0]"),
        ({"priorities": [{"priority": 0, "stations": ["Z"]}]}, "rule-unknown-station",
         "priorities[0]"),
        ({"priorities": [{"priority": 0, "circuits": ["Z"]}]}, "rule-unknown-circuit",
         "priorities[0]"),
        ({"tariff": [{"charge": "none"}, {"charge": "none", "circuit": "x"}]},
         "rule-unknown-circuit", "tariff[1]"),
        ({"without_news": [{**SUPPLY, "limit_a": 1}] * 2}, "rule-one-per-circuit",
         "without_news"),
        ({"without_news": [SUPPLY]}, "rule-limit-missing", "without_news[0]"),
        ({"without_news": [{"circuit": "x", "limit_a": 1}]}, "rule-unknown-circuit",
         "without_news[0]"),
        ({"solar": {"mode": "surplus", "circuit": "x"}}, "rule-unknown-circuit", "solar"),
        ({"tariff": [{"charge": "none"}] * (MOST_RULES + 1)}, "too-many-rules", "tariff"),
    ],
)  # fmt: skip
def test_a_fault_of_sense_names_its_place(rules: dict[str, Any], key: str, place: str) -> None:
    def read_and_check() -> None:
        check(parse_site(json.dumps(site_with(**rules)).encode())[0])

    with pytest.raises(InvalidInputError) as refused:
        read_and_check()
    assert (refused.value.key, refused.value.params["place"]) == (key, place)


def test_what_forms_could_send_is_refused_too() -> None:
    configuration, _ = parse_site(json.dumps(SITE).encode())
    for window, key in ((WeekWindow(()), "rule-days-missing"),
                        (WeekWindow((1, 1)), "rule-days-missing"),
                        (WeekWindow((7,)), "rule-days-missing"),
                        (WeekWindow((1,), 0, 1_441), "rule-times-invalid")):  # fmt: skip
        rules = SiteRules(tariff=(TariffWindow(window, TariffCharge.NONE),))
        with pytest.raises(InvalidInputError) as refused:
            check(msgspec.structs.replace(configuration, rules=rules))
        assert refused.value.key == key


@pytest.mark.parametrize("placement", [None, MeterPlacement.CHARGING])
def test_the_sun_needs_a_meter_that_sees_the_building(placement: MeterPlacement | None) -> None:
    meters = [] if placement is None else [{**SITE["meters"][0], "placement": placement.value}]
    document = {**site_with(solar={"mode": "surplus"}), "meters": meters}
    configuration, _ = parse_site(json.dumps(document).encode())
    with pytest.raises(InvalidInputError) as refused:
        check(configuration)
    assert refused.value.key == "solar-meter-missing"


def test_classes_of_stations_are_checked() -> None:
    stations = [{**SITE["stations"][0], "priority": 4}]
    configuration, _ = parse_site(json.dumps({**SITE, "stations": stations}).encode())
    with pytest.raises(InvalidInputError) as refused:
        check(configuration)
    assert (refused.value.key, refused.value.field) == ("priority-range", "priority")


# ------------------------------------------------------------------ what the planner sees


async def test_limits_and_policy_reach_the_planner_by_the_hour(seen: Seen) -> None:
    state = await seen.state()
    assert state.policy is SharingPolicy.EQUAL_POWER
    assert state.caps == (
        CircuitCap("supply", LimitSource.SCHEDULE, limit=PhaseCurrents.uniform(40_000)),
        CircuitCap("supply", LimitSource.SCHEDULE, charging_power_w=20_000),
    )
    seen.site.clock.advance(3_600)
    assert len((await seen.state()).caps) == 1


async def test_an_outside_limit_reaches_the_planner_at_once(seen: Seen) -> None:
    bound = Bound(PhaseCurrents.uniform(8_000))
    await seen.site.manager.external.order(
        "supply", bound, timedelta(hours=1), source="t1", by="Enedis"
    )
    assert bound.cap("supply", LimitSource.EXTERNAL) in (await seen.state()).caps
    seen.site.clock.advance(3_600)
    fallback = Bound(PhaseCurrents.uniform(10_500))
    assert fallback.cap("supply", LimitSource.EXTERNAL) in (await seen.state()).caps


async def test_a_session_has_the_weight_and_class_of_station_badge_and_slot(seen: Seen) -> None:
    badges = seen.site.manager.badges
    await badges.edit("C0FFEE", Badge("C0FFEE", "Claire", weight=2_500, priority=2), "admin")
    await seen.state()
    assert (seen.connector().weight, seen.connector().priority) == (1_000, 1)
    await charging(seen.site)
    assert (seen.connector().weight, seen.connector().priority) == (2_500, 0)
    # at ten the slot ends, and with it the exemption from the tariff
    assert seen.connector().cap_ma is None
    seen.site.clock.advance(3_600)
    await seen.state()
    held = seen.connector()
    assert (held.priority, held.cap_ma, held.cap_source) == (2, 6_000, LimitSource.TARIFF)


async def test_a_refused_badge_stays_at_nothing_whatever_the_tariff(seen: Seen) -> None:
    station = seen.site.connect("A-1")
    await station.boot()
    await station.call(
        "StartTransaction", connectorId=1, idTag="nobody", meterStart=0,
        timestamp=seen.site.clock.utc_now().isoformat(),
    )  # fmt: skip
    await seen.state()
    assert seen.connector().cap_ma == 0
    assert seen.connector().cap_source is LimitSource.INSTALLATION


async def test_rules_that_fail_leave_those_of_before_in_force(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await seen.state()).caps

    def fail(*_: Any) -> Any:
        raise ValueError("a fault in the rules")

    monkeypatch.setattr(seen.site.manager.rules, "ruling", fail)
    assert (await seen.state()).caps == before
    assert seen.site.manager.control.failures == 1


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "Europe"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    configuration, _ = parse_site(json.dumps({**SITE, "timezone": name}).encode())
    with pytest.raises(InvalidInputError) as refused:
        check(configuration)
    assert (refused.value.key, refused.value.field) == ("timezone-unknown", "timezone")


# ------------------------------------------------------------------ the sun


async def test_charging_follows_the_sun_of_the_meter(tmp_path: Path) -> None:
    seen = Seen(tmp_path, site_with(solar={"mode": "surplus"}))
    await seen.site.start()
    rules = seen.site.manager.rules
    assert rules.solar() is not None
    await seen.site.cycle()
    assert seen.caps() == []
    await seen.site.cycle(2, readings=(-20, -20, -20))
    assert seen.caps() == [CircuitCap("supply", LimitSource.SOLAR, charging_power_w=13_800)]
    solar = rules.solar()
    assert solar is not None
    assert (solar.state, solar.surplus_w, solar.allowed_w) == (SolarState.CHARGING, 13_800, 13_800)
    await seen.site.cycle(300, readings=(5, 5, 5))
    assert seen.caps() == [CircuitCap("supply", LimitSource.SOLAR, charging_power_w=0)]
    await seen.site.manager.services.rule_book.set_solar(SolarRule(), "admin")
    assert rules.solar() is None
    assert (await seen.state()).caps == ()
    await seen.site.stop()


@pytest.mark.parametrize(
    ("placement", "expected"), [(MeterPlacement.SUPPLY, 4_830), (MeterPlacement.BUILDING, 690)]
)
async def test_the_cars_draw_is_added_where_the_meter_counts_it(
    tmp_path: Path, placement: MeterPlacement, expected: int
) -> None:
    document = site_with(solar={"mode": "surplus-plus-minimum", "circuit": "supply"})
    document["meters"] = [{**SITE["meters"][0], "placement": placement.value}]
    seen = Seen(tmp_path, document)
    await seen.site.start()
    station, _ = await charging(seen.site)
    for _ in range(30):  # the car takes 6 A on each phase, and tells it every ten seconds
        await seen.site.cycle(10, readings=(-1, -1, -1))
        now = seen.site.clock.utc_now().isoformat()
        sampled = [
            {"value": "6.1", "measurand": "Current.Import", "phase": f"L{n}", "unit": "A"}
            for n in (1, 2, 3)
        ]
        values = [{"timestamp": now, "sampledValue": sampled}]
        await station.call("MeterValues", connectorId=1, meterValue=values)
    solar = seen.site.manager.rules.solar()
    assert solar is not None
    assert solar.surplus_w == pytest.approx(expected, abs=100)
    assert (solar.allowed_w or 0) >= 4_140
    await seen.site.stop()


# ------------------------------------------------------------------ editing


async def test_rules_are_added_changed_and_removed(seen: Seen) -> None:
    book = seen.site.manager.services.rule_book
    rule = TariffWindow(WeekWindow((0,), 60, 120), TariffCharge.NONE)
    await book.add("tariff", rule, "admin")
    assert book.rules.tariff[-1] == rule
    changed = msgspec.structs.replace(rule, charge=TariffCharge.FULL)
    await book.replace("tariff", rule_key(rule), changed, "admin")
    assert book.find("tariff", rule_key(changed)) == changed
    with pytest.raises(NotFoundError) as refused:
        await book.replace("tariff", rule_key(rule), changed, "admin")
    assert refused.value.key == "rule-changed"
    await book.remove("tariff", rule_key(changed), "admin")
    assert len(book.rules.tariff) == 1
    await book.set_policy(SharingPolicy.FIRST_COME, "admin")
    assert (await seen.state()).policy is SharingPolicy.FIRST_COME
    actions = [record.action for record in await seen.site.store.audit.recent(4)]
    assert actions == ["sharing-changed"] * 4


async def test_a_bad_edit_changes_nothing(seen: Seen) -> None:
    book = seen.site.manager.services.rule_book
    before = book.rules
    with pytest.raises(InvalidInputError):
        await book.add("priorities", PriorityWindow(WeekWindow(), 0), "admin")
    with pytest.raises(InvalidInputError):
        await book.set_solar(SolarRule(SolarMode.SURPLUS, "nowhere"), "admin")
    assert book.rules == before


async def test_rules_are_there_after_a_restart(seen: Seen, tmp_path: Path) -> None:
    before = seen.site.manager.configuration.current.rules
    await seen.site.manager.stop()
    again = MemoryManager(tmp_path)
    await again.start()
    assert again.manager.configuration.current.rules == before
    await again.stop()


@pytest.mark.parametrize(
    ("badge", "key"),
    [
        (Badge("B", weight=99), "badge-weight-range"),
        (Badge("B", weight=10_001), "badge-weight-range"),
        (Badge("B", priority=4), "priority-range"),
    ],
)
async def test_weight_and_class_of_a_badge_are_checked(seen: Seen, badge: Badge, key: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await seen.site.manager.badges.create(badge, "admin")
    assert refused.value.key == key
