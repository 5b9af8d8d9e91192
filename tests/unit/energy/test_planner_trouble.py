"""Trouble: lost answers, defiance, restarts, changed configurations, and the safe plan."""

from __future__ import annotations

from app.domain.limits import ReasonCode
from app.domain.meter import MeterPlacement, Quality
from app.energy.plan import BalanceSource, LimitChange
from app.energy.planner import Planner
from app.energy.site_state import ConnectorState, SiteState
from tests.support.energy_site import Desk, amps, circuit, key, model_of, station

# ----------------------------------------------------------------- trouble


def test_a_lost_answer_is_asked_for_again() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A")])
    desk.plug("A")
    desk.answer = "unanswered"
    desk.run(1)
    assert len(desk.sent) == 1
    desk.answer = "accepted"
    desk.run(12)
    assert len(desk.sent) == 2
    assert desk.planner.ceilings.limit_in_force(key("A"), desk.now_s) == desk.sent[-1].limit_ma


def test_a_decrease_without_an_answer_is_sent_again_soon() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A"), station("B")])
    desk.plug("A", "B")
    desk.run(60)
    desk.building = amps(20)
    desk.answer = "none"
    count = len(desk.sent)
    desk.run(4)
    assert len(desk.sent) == count + 2
    desk.run(2)
    assert len(desk.sent) == count + 4
    assert {change.limit_ma for change in desk.sent[count:]} == {10_000}


def test_a_defiant_station_is_reserved_and_switched_off_when_current_is_short() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A"), station("B")])
    desk.plug("A", "B")
    desk.run(60)

    def cheat(building: float, seconds: int) -> None:
        for _ in range(seconds):
            desk.now_s += 1
            b = (desk.planner.ceilings.limit_in_force(key("B"), desk.now_s) or 0) / 1000
            if int(desk.now_s) % 10 == 0:
                desk.draw("A", 30)
                desk.draw("B", b)
            desk.meter(amps(building + 30 + b))
            desk.cycle()

    cheat(0, 40)
    assert desk.why("A") == "not-controllable"
    assert desk.planner.ceilings.asked(key("A"), desk.now_s) == 0
    assert desk.amps("B") <= 10
    assert desk.planner.ceilings.disobeys(key("A"), desk.now_s)


def test_a_restarted_manager_cuts_nobody() -> None:
    desk = Desk.of([circuit(limit=60)], [station(n) for n in "ABC"], building=amps(12))
    desk.plug("A", "B", "C")
    desk.run(60)
    assert [desk.amps(n) for n in "ABC"] == [16, 16, 16]
    model = desk.planner.model
    fresh = Planner(model)
    for n, name in enumerate("ABC"):
        fresh.ceilings.restore(key(name), n + 1, 16_000, desk.now_s + 400)
    desk.planner = fresh
    for name in "ABC":
        desk.change(name, online=False, sample=None)
    desk.metered = None
    count = len(desk.sent)
    for second in range(40):
        desk.now_s += 1
        if second == 3:
            for name in "ABC":
                desk.change(name, online=True)
        if second % 10 == 9:
            for name in "ABC":
                desk.draw(name, 16)
        desk.meter(amps(60))
        desk.cycle()
    assert [desk.amps(n) for n in "ABC"] == [16, 16, 16]
    assert desk.sent[count:] == []
    desk.building = amps(12)
    desk.metered = "supply"
    desk.run(400)
    assert {change.limit_ma for change in desk.sent[count:]} == {16_000}


# ----------------------------------------------------------------- the guard and the safe plan


def test_permits_judges_at_the_instant_of_sending() -> None:
    desk = Desk.of([circuit(limit=20)], [station("A"), station("B")])
    desk.plug("A", "B")
    reason = desk.planner.plan
    assert reason is not None
    desk.now_s += 1
    desk.meter(amps(0))
    plan = desk.planner.plan(_state(desk))
    first, second = plan.changes
    assert desk.planner.permits(first, desk.now_s)
    bigger = LimitChange(first.key, 21_000, False, first.reason, first.lease_until_s)
    assert not desk.planner.permits(bigger, desk.now_s)
    unknown = LimitChange(key("Z"), 0, True, first.reason, first.lease_until_s)
    assert not desk.planner.permits(unknown, desk.now_s)
    # The plan is too old for increases, not for decreases.
    assert not desk.planner.permits(second, desk.now_s + 60)
    lower = LimitChange(second.key, 0, True, first.reason, first.lease_until_s)
    assert desk.planner.permits(lower, desk.now_s + 60)


def _state(desk: Desk) -> SiteState:
    return SiteState(desk.now_s, dict(desk.readings), tuple(desk.states.values()))


def test_a_changed_configuration_permits_no_increase_until_it_is_planned() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A"), station("B")])
    desk.plug("A", "B")
    desk.run(60)
    increase = LimitChange(key("A"), 21_000, False, desk.allocation("A").reason, 1e9)
    renewal = LimitChange(key("A"), 20_000, True, desk.allocation("A").reason, 1e9)
    smaller = model_of([circuit(limit=30)], [station("A"), station("C")])
    desk.planner.replace_model(smaller)
    desk.planner.ceilings.fallback_installed(key("C"), 0, desk.now_s)
    desk.states[key("C")] = ConnectorState(key("C"), online=True)
    assert not desk.planner.permits(increase, desk.now_s)
    assert desk.planner.permits(renewal, desk.now_s)
    del desk.states[key("B")]
    desk.run(30)
    assert desk.amps("A") == 30
    assert desk.balance().source is BalanceSource.MEASURED
    # Another placement of the meter starts anew.
    moved = model_of(
        [circuit(limit=30, worst=0)], [station("A")], {"supply": MeterPlacement.BUILDING}
    )
    desk.planner.replace_model(moved)
    del desk.readings["supply"]
    desk.run(1, follow=False)
    assert desk.balance().source is BalanceSource.FROZEN


def test_the_safe_plan_only_lowers_and_only_under_overload() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A"), station("B"), station("C")])
    desk.plug("A", "B")
    desk.run(60)
    desk.change("B", online=False)
    desk.planner.ceilings.fallback_lost(key("C"))
    desk.states[key("X")] = desk.states[key("A")].__class__(key("X"), online=True)
    calm = desk.planner.safe_plan(_state(desk))
    assert calm.changes == ()
    desk.meter(amps(41, 0, 0))
    desk.readings["nowhere"] = desk.readings["supply"]
    hot = desk.planner.safe_plan(_state(desk))
    assert [(c.key.station_id, c.limit_ma) for c in hot.changes] == [("A", 6_000)]
    assert {a.key.station_id: a.limit_ma for a in hot.allocations} == {
        "A": 6_000,
        "B": 20_000,
        "C": 32_000,
    }
    ledger = desk.planner.ceilings
    ledger.accepted(key("A"), ledger.sent(key("A"), 6_000, desk.now_s, 1e9), desk.now_s)
    desk.now_s += 1
    assert desk.planner.safe_plan(_state(desk)).changes == ()
    desk.now_s += 10
    assert [c.limit_ma for c in desk.planner.safe_plan(_state(desk)).changes] == [0]
    desk.meter(amps(41, 0, 0), quality=Quality.IMPLAUSIBLE)
    assert desk.planner.safe_plan(_state(desk)).changes == ()
    assert calm.allocations[0].reason.code is ReasonCode.HOLDING


# ----------------------------------------------------------------- stations that are away


def test_a_station_that_is_away_is_not_counted_twice() -> None:
    """What it draws is in the meter, and what it may draw is reserved: once is enough."""
    desk = Desk.of([circuit(limit=60)], [station("A"), station("B")], building=amps(10))
    desk.plug("A", "B")
    desk.run(90)
    assert [desk.amps("A"), desk.amps("B")] == [25, 25]
    desk.change("A", online=False)
    desk.run(120)
    assert desk.amps("B") == 25
    assert desk.balance().background == amps(10)


def test_a_station_that_is_away_without_power_may_come_back_with_it() -> None:
    desk = Desk.of([circuit(limit=60)], [station("A"), station("B")], building=amps(3))
    desk.plug("A", "B")
    desk.run(90)
    held = desk.amps("A")
    desk.change("A", online=False)
    desk.run(2)
    for _ in range(60):
        desk.now_s += 1
        desk.meter(amps(3) + amps(desk.amps("B")))  # A draws nothing
        desk.draw("B", desk.amps("B"))
        desk.cycle()
    # Room for A stays reserved: B does not get it.
    assert held + desk.amps("B") <= 57


def test_a_contradiction_elsewhere_withdraws_nothing() -> None:
    stations = [station("A", "f"), station("B", "g")]
    circuits = [
        circuit(limit=100),
        circuit("f", 50, parent="supply"),
        circuit("g", 50, parent="supply"),
    ]
    meters = {"f": MeterPlacement.SUPPLY, "g": MeterPlacement.SUPPLY}
    desk = Desk.of(circuits, stations, meters)
    desk.plug("A", "B")
    for _ in range(40):
        desk.now_s += 1
        for name, on in (("A", "f"), ("B", "g")):
            limit = 0.0 if desk.plan is None else desk.amps(name)
            desk.meter(amps(limit), on)
            if int(desk.now_s) % 5 == 0:
                desk.draw(name, limit)
        desk.cycle()
    held = desk.amps("A")
    desk.change("A", online=False)
    for second in range(20):
        desk.now_s += 1
        desk.meter(amps(held), "f")
        desk.meter(amps(0 if second < 10 else desk.amps("B")), "g")
        desk.cycle()
    assert desk.balance("f").background == amps(0)


def test_a_station_that_comes_back_after_its_lease_is_not_raised_unchecked() -> None:
    """Two cars at 16 A under 32 A: one is away for longer than its lease, the other rises to 32 A."""
    desk = Desk.of([circuit(limit=32)], [station("A"), station("B")])
    desk.plug("A", "B")
    desk.run(120)
    assert [desk.amps("A"), desk.amps("B")] == [16, 16]
    desk.change("B", online=False)
    desk.run(760)
    assert desk.amps("A") == 32
    desk.change("B", online=True)
    for _ in range(30):
        desk.run(1)
        ceilings = [desk.planner.ceilings.ceiling(key(name), desk.now_s) for name in "AB"]
        assert sum(ceilings) <= 32_000
