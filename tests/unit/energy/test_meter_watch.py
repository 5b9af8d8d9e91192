"""Meters that answer and lie: found out, and nobody else accused."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from app.domain.limits import Reason, ReasonCode
from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.domain.station import ConnectorStatus
from app.domain.units import PhaseCurrents, Rotation
from app.energy.meter_verdict import Lie, Verdict, apply
from app.energy.meter_watch import GOOD_AGAIN_S, GOOD_LONG_S, MeterWatch
from app.energy.phase_detective import PhaseEvidence, Standing
from app.energy.plan import LimitChange
from app.energy.planner import Planner
from app.energy.settings import EnergySettings
from app.energy.site_model import SiteModel
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState
from app.energy.site_watch import SiteWatch
from app.energy.steps import Mover, Step
from tests.support.closed_loop import Car, Loop
from tests.support.energy_site import SUPPLY, amps, circuit, key, model_of, station
from tests.support.wired_site import Building, WiredSite, outlets_of

Shown = tuple[float, float, float]


class Bench:
    """One watched meter, turned by hand; three-phase stations A to F."""

    def __init__(self, generating: tuple[str, ...] = (), limit: float = 100) -> None:
        self.model = model_of([circuit(limit=limit)], [station(name) for name in "ABCDEF"])
        self.watch = MeterWatch(self.model, generating)
        self.now_s = 1_000.0
        self.random = Random(5)
        self.states = {
            name: ConnectorState(key(name), online=True, sample_interval_s=10.0)
            for name in "ABCDEF"
        }
        self.extra: dict[str, object] = {}

    def charge(self, name: str, current: float, phases: int = 3) -> None:
        """A report arrives now."""
        three = amps(*[current if n < phases else 0 for n in range(3)])
        self.states[name] = ConnectorState(
            key(name),
            online=True,
            status=ConnectorStatus.CHARGING,
            transaction_id=1,
            sample=ConnectorSample(self.now_s, three, three, tuple(range(phases))),
            sample_interval_s=10.0,
        )

    def send(self, name: str, limit: float) -> None:
        change = LimitChange(
            key(name), round(limit * 1000), False, Reason(ReasonCode.CIRCUIT), self.now_s + 600
        )
        self.watch.commanded([change], self.now_s)

    def show(self, shown: Shown, seconds: int = 1, noise: float = 0.0) -> Verdict | None:
        for _ in range(seconds):
            self.now_s += 1.0
            moved = [value + self.random.uniform(-noise, noise) for value in shown]
            reading = MeterReading("m", self.now_s - 0.1, amps(*moved), **self.extra)  # type: ignore[arg-type]
            state = SiteState(self.now_s, {"supply": reading}, tuple(self.states.values()))
            self.watch.judge(state)
        return self.watch.verdicts().get("supply")

    def step(self, name: str, change: Shown, shown: Shown) -> None:
        mover = Mover(key(name), change, None, 3)
        self.watch.take(Step(self.now_s, "supply", (mover,), shown, (0.5, 0.5, 0.5)))


# ------------------------------------------------------------- frozen


def test_a_lively_meter_that_stops_is_found_by_the_first_report_of_a_change() -> None:
    bench = Bench()
    bench.charge("A", 6)
    bench.show((30, 30, 30), 130, noise=1)
    frozen = (30.0, 30.0, 30.0)
    bench.charge("A", 6)
    bench.show(frozen, 4)
    bench.send("A", 16)
    bench.show(frozen, 8)
    bench.charge("A", 16)
    verdict = bench.show(frozen, 2)
    assert verdict is not None
    assert verdict.lie is Lie.FROZEN
    assert verdict.numbers == {"polls": 14, "moved_ma": 10_000}
    # It moves again: after a minute in which a step has shown, it is believed.
    assert bench.show((40, 40, 40), 30, noise=1) is not None
    bench.step("A", (10, 10, 10), (10, 10, 10))
    assert bench.show((40, 40, 40), round(GOOD_AGAIN_S), noise=1) is None


def test_a_meter_that_rests_by_itself_needs_two_witnesses() -> None:
    bench = Bench()
    bench.show((10, 10, 10), 20)
    bench.now_s += 0.5
    bench.charge("A", 6)
    assert bench.show((10, 10, 10), 10) is None
    bench.charge("A", 16)
    verdict = bench.show((10, 10, 10), 2)
    assert verdict is not None
    assert (verdict.lie, verdict.confidence) == (Lie.FROZEN, 0.999)
    # Nobody charges any more: after long enough it is believed without a step.
    bench.states["A"] = ConnectorState(key("A"), online=True)
    assert bench.show((10, 10, 10), round(GOOD_LONG_S) // 2, noise=1) is not None
    assert bench.show((10, 10, 10), round(GOOD_LONG_S) // 2 + 2, noise=1) is None


def test_a_change_from_before_the_rest_is_no_witness() -> None:
    bench = Bench()
    bench.charge("A", 6)
    bench.show((10, 10, 10), 8, noise=1)
    # The car rose by itself, the meter showed it and rests since; the report comes later.
    bench.show((20, 20, 20), 12)
    bench.charge("A", 16)
    bench.show((20, 20, 20), 12)
    bench.charge("B", 0)
    bench.states["B"] = ConnectorState(key("B"), online=False)
    bench.states["C"] = ConnectorState(key("C"), online=True, transaction_id=4)
    assert bench.show((20, 20, 20), 30) is None


def test_a_limit_raised_when_the_car_fell_is_no_reason() -> None:
    bench = Bench()
    bench.charge("A", 16)
    bench.show((20, 20, 20), 130, noise=1)
    bench.show((20, 20, 20), 3)
    bench.send("A", 20)
    bench.send("A", 20)
    bench.show((20, 20, 20), 9)
    bench.charge("A", 6)
    assert bench.show((20, 20, 20), 3) is None


def test_an_energy_register_that_stands_under_power() -> None:
    bench = Bench()
    for tick in range(1, 8):
        bench.extra = {"power_w": 20_000.0, "energy_wh": 10.0 * tick}
        bench.show((30, 30, 30), 2, noise=1)
    bench.extra = {"power_w": 20_000.0, "energy_wh": 10.0}  # a counter that begins anew
    bench.show((30, 30, 30), 2, noise=1)
    bench.extra = {"power_w": 20_000.0, "energy_wh": 20.0}
    bench.show((30, 30, 30), 2)
    assert bench.show((30, 30, 30), 4) is None
    verdict = bench.show((30, 30, 30), 10)
    assert verdict is not None
    assert verdict.lie is Lie.FROZEN


def test_voltages_that_rest_as_they_never_did() -> None:
    bench = Bench()
    for second in range(200):
        bench.extra = {"voltages_v": (230.1 + second % 7 / 10, 231.2, 229.9)}
        bench.show((0, 0, 0))
    assert bench.show((0, 0, 0), 55) is None
    verdict = bench.show((0, 0, 0), 10)
    assert verdict is not None
    assert verdict.lie is Lie.FROZEN


# ------------------------------------------------------------- less than is certain


def test_less_than_many_cars_draw_convicts_in_five_seconds_once_one_reports() -> None:
    bench = Bench()
    for name in "ABCD":
        bench.charge(name, 16)
    bench.show((70, 70, 70), 3, noise=1)
    assert bench.show((14, 14, 14), 3, noise=1) is None
    bench.charge("A", 16)
    assert bench.show((14, 14, 14), 2, noise=1) is None
    verdict = bench.show((14, 14, 14), 1, noise=1)
    assert verdict is not None
    assert verdict.lie is Lie.TOO_LOW
    assert verdict.numbers["certain_ma"] == 32_000  # two of them may just have stopped
    assert verdict.distrusted


def test_all_that_fall_silent_together_may_have_lost_their_power() -> None:
    bench = Bench()
    for name in "ABCD":
        bench.charge(name, 16)
    bench.show((70, 70, 70), 3, noise=1)
    assert bench.show((6, 6, 6), 60, noise=1) is None


def test_one_car_may_have_stopped_until_it_reports() -> None:
    bench = Bench()
    bench.charge("A", 16)
    bench.show((18, 18, 18), 3, noise=1)
    assert bench.show((2, 2, 2), 9, noise=1) is None
    bench.charge("A", 16)
    verdict = bench.show((2, 2, 2), 1, noise=1)
    assert verdict is not None
    assert verdict.numbers["certain_ma"] == 16_000


def test_what_a_car_was_told_counts_at_once() -> None:
    bench = Bench()
    for name in "ABCD":
        bench.charge(name, 16)
    bench.show((66, 66, 66), 3, noise=1)
    for name in "ABCD":
        bench.send(name, 6)
    assert bench.show((26, 26, 26), 9, noise=1) is None


def test_who_does_not_charge_or_is_away_draws_nothing_for_certain() -> None:
    bench = Bench()
    for name in "ABCDEF":
        bench.charge(name, 16)
    for name, status in (("A", ConnectorStatus.SUSPENDED_EV), ("B", ConnectorStatus.FINISHING)):
        state = bench.states[name]
        bench.states[name] = ConnectorState(
            state.key, online=True, status=status, transaction_id=1, sample=state.sample
        )
    state = bench.states["C"]
    bench.states["C"] = ConnectorState(state.key, online=False, sample=state.sample)
    bench.now_s += 5
    for name in "D":
        bench.charge(name, 6)
    bench.now_s += 16  # E and F have not reported for more than two intervals
    assert bench.show((8, 8, 8), 4, noise=1) is None


def test_a_phase_counts_only_where_the_wiring_is_sure() -> None:
    def run(*, sure: bool) -> Verdict | None:
        bench = Bench()
        verdict = None
        for _ in range(8):
            bench.charge("A", 16, phases=1)
            for _ in range(2):
                bench.now_s += 1.0
                reading = MeterReading("m", bench.now_s, amps(2, 40, bench.random.uniform(1, 3)))
                state = SiteState(bench.now_s, {"supply": reading}, tuple(bench.states.values()))
                verdict = bench.watch.judge(state, {key("A")} if sure else ()).get("supply")
        return verdict

    assert run(sure=False) is None
    verdict = run(sure=True)
    assert verdict is not None
    assert verdict.numbers["phases"] == "L1"


def test_export_without_a_source_is_a_wrong_sign() -> None:
    bench = Bench()
    assert bench.show((-20, 22, 19), 60, noise=1) is None  # nothing depends on it yet
    verdict = bench.show((-20, 22, 19), 2, noise=1)
    assert verdict is not None
    assert (verdict.lie, verdict.numbers["phases"]) == (Lie.SIGN, "L1")
    bench = Bench()
    bench.charge("A", 6)
    assert bench.show((-20, 22, 19), 7, noise=1) is not None
    bench = Bench()
    bench.charge("A", 6)
    assert bench.show((-3, -4, -3), 9, noise=0.5) is None  # a lift going down
    bench = Bench(generating=("supply",))
    assert bench.show((-20, -22, -19), 200, noise=1) is None


# ------------------------------------------------------------- absurd, unreadable


def test_what_no_supply_can_carry_is_not_believed_for_a_while() -> None:
    bench = Bench()
    verdict = bench.show((600, 10, 10))
    assert verdict is not None
    assert verdict.lie is Lie.ABSURD
    assert bench.show((10, 10, 10), 9, noise=1) is not None
    assert bench.show((10, 10, 10), 3, noise=1) is None


def test_a_reading_marked_elsewhere_is_not_judged() -> None:
    bench = Bench()
    bench.extra = {"quality": Quality.IMPLAUSIBLE}
    assert bench.show((600, 10, 10)) is None
    state = SiteState(bench.now_s, {"supply": None}, ())
    assert bench.watch.judge(state) == {}
    reading = MeterReading("m", bench.now_s, amps(5))
    state = SiteState(bench.now_s, {"supply": reading}, ())
    assert bench.watch.judge(state) == bench.watch.judge(state) == {}


# ------------------------------------------------------------- what steps say


def test_a_wrong_sign_shows_in_steps_even_where_a_source_feeds_in() -> None:
    bench = Bench(generating=("supply",))
    for _ in range(3):
        bench.step("A", (10, 10, 10), (10, -10, 10))
    verdict = bench.show((5, 5, 5), noise=1)
    assert verdict is not None
    assert (verdict.lie, verdict.numbers["phases"]) == (Lie.SIGN, "L2")


def test_a_ratio_needs_two_outlets_to_agree() -> None:
    bench = Bench()
    for _ in range(4):
        bench.step("A", (16, 16, 16), (8, 8, 8))
    assert bench.show((40, 40, 40), noise=1) is None
    bench.step("B", (10, 10, 10), (5, 5, 5))
    verdict = bench.show((40, 40, 40), noise=1)
    assert verdict is not None
    assert (verdict.lie, verdict.numbers["ratio"]) == (Lie.RATIO, 0.5)
    # Time alone does not mend it; steps do.
    assert bench.show((40, 40, 40), round(GOOD_LONG_S) + 5, noise=1) is not None
    for _ in range(6):
        bench.step("B", (10, 10, 10), (10, 10, 10))
    assert bench.show((40, 40, 40), round(GOOD_AGAIN_S) + 2, noise=1) is None


def test_a_meter_that_shows_too_much_is_told_and_used() -> None:
    bench = Bench()
    for name in "ABAB":
        bench.step(name, (10, 10, 10), (20, 20, 20))
    verdict = bench.show((80, 80, 80), noise=1)
    assert verdict is not None
    assert (verdict.lie, verdict.distrusted) == (Lie.RATIO_HIGH, False)


def test_an_order_of_phases_needs_nearly_all_outlets_to_agree() -> None:
    bench = Bench()
    for name in "ABABAB":
        bench.step(name, (12, 0, 0), (0, 12, 0))
        bench.step(name, (12, 12, 0), (12, 12, 0))
    assert bench.show((30, 30, 30), noise=1) is None
    for name in "CCCC":
        bench.step(name, (12, 0, 0), (0, 12, 0))
        bench.step(name, (12, 12, 0), (12, 12, 0))
    verdict = bench.show((30, 30, 30), noise=1)
    assert verdict is not None
    assert (verdict.lie, verdict.numbers["order"]) == (Lie.ORDER, "L2 L1 L3")
    assert set(bench.watch.verdicts()) == {"supply"}
    bench.watch.pardon("supply")
    bench.watch.pardon("nowhere")
    assert not bench.watch.verdicts()


def test_some_outlets_wired_alike_accuse_no_meter() -> None:
    bench = Bench()
    for name in "ABCABC":
        bench.step(name, (12, 0, 0), (0, 12, 0))
    for name in "DEFDEF":
        bench.step(name, (12, 0, 0), (12, 0, 0))
    for name in "ABCABC":
        bench.step(name, (12, 0, 0), (0, 12, 0))
    assert bench.show((30, 30, 30), noise=1) is None


def test_a_meter_of_something_else_shows_nothing() -> None:
    bench = Bench()
    for name in "ABCABCABC":
        bench.step(name, (12, 0, 0), (0.1, 0.0, -0.1))
    verdict = bench.show((30, 30, 30), noise=1)
    assert verdict is not None
    assert verdict.lie is Lie.BLIND


def test_steps_that_tell_nothing_sure_are_not_counted() -> None:
    bench = Bench()
    scores = bench.watch.scores("supply")
    assert scores is not None
    two = (Mover(key("A"), (9, 0, 0), None, 3), Mover(key("B"), (9, 0, 0), None, 3))
    bench.watch.take(Step(0.0, "supply", two, (0, 9, 9), (0.5, 0.5, 0.5)))
    stranger = (Mover(key("X"), (9, 0, 0), None, 3),)
    bench.watch.take(Step(0.0, "supply", stranger, (0, 9, 0), (0.5, 0.5, 0.5)))
    bench.watch.take(Step(0.0, "nowhere", stranger, (0, 9, 0), (0.5, 0.5, 0.5)))
    assert all(score.value == 0 for score in scores.scores)
    many = tuple(Mover(key(n), (9, 9, 9), (3,), 3) for n in "ABCDE")
    open_count = Mover(key("F"), (9, 9, 9), (1, 2, 3), 3)
    for _ in range(3):
        bench.watch.take(Step(0.0, "supply", (*many, open_count), (54, 45, 45), (0.5, 0.5, 0.5)))
    assert scores.right_steps == 3
    scores.restart()
    assert scores.right_steps == 0
    assert bench.watch.scores("nowhere") is None


# ------------------------------------------------------------- effect and upkeep


def test_a_verdict_marks_the_readings() -> None:
    verdict = Verdict("supply", Lie.FROZEN, 0.99, 0.0, {})
    reading = MeterReading("m", 1.0, amps(5))
    readings = {"supply": reading, "other": reading, "third": None}
    marked = apply(readings, {"supply": verdict, "third": verdict})
    assert marked["supply"] is not None
    assert (marked["supply"].quality, marked["supply"].reason) == (Quality.DISTRUSTED, "MTR-001")
    assert (marked["other"], marked["third"]) == (reading, None)


def test_a_verdict_survives_a_restart_and_a_changed_configuration() -> None:
    bench = Bench()
    kept = Verdict("supply", Lie.RATIO, 0.99, 5.0, {})
    bench.watch.restore(kept, bench.now_s)
    bench.watch.restore(Verdict("gone", Lie.RATIO, 0.99, 5.0, {}), bench.now_s)
    assert bench.show((10, 10, 10), 900, noise=1) is not None
    bench.watch.replace_model(bench.model)
    assert bench.watch.verdicts()["supply"].lie is Lie.RATIO
    bench.watch.replace_model(model_of([circuit()], [station("A")], {}))
    assert bench.watch.verdicts() == {}


def test_a_meter_of_the_building_alone_is_watched_too() -> None:
    model = model_of([circuit()], [station("A")], {"supply": MeterPlacement.BUILDING})
    watch = MeterWatch(model)
    for second in range(70):
        reading = MeterReading("m", second, amps(-20, 5, 5 + second % 3))
        watch.judge(SiteState(second, {"supply": reading}, ()))
    assert watch.verdicts()["supply"].lie is Lie.SIGN


# ------------------------------------------------------------- living sites


def site_of(
    seed: int, resolution_ma: int, count: int = 20, **building: object
) -> tuple[WiredSite, SiteModel]:
    random = Random(seed)
    outlets = outlets_of(count, random)
    model = model_of(
        [circuit(limit=400)],
        [
            station(
                one.key.station_id,
                phases=one.wired,
                rotation=random.choice(list(Rotation)) if random.random() < 0.2 else one.rotation,
            )
            for one in outlets
        ],
    )
    return WiredSite(outlets, Building(random, **building), seed, resolution_ma), model  # type: ignore[arg-type]


def accused(site: WiredSite, model: SiteModel, hours: float) -> list[str]:
    watch = SiteWatch(model)
    found = []
    for _ in range(round(hours * 3600)):
        watch.screen(site.step())
        watch.sent(site.changes, site.now_s)
        found += [verdict.lie.name for verdict in watch.verdicts().values()]
    return found


@pytest.mark.parametrize(("seed", "resolution_ma"), [(11, 1), (12, 100), (13, 1_000)])
def test_a_living_site_with_wrong_rotations_accuses_nobody(seed: int, resolution_ma: int) -> None:
    assert accused(*site_of(seed, resolution_ma), hours=3) == []


@pytest.mark.parametrize("resolution_ma", [1, 100, 1_000])
def test_a_quiet_night_accuses_nobody(resolution_ma: int) -> None:
    site, model = site_of(21, resolution_ma, lifts=False, switching=False)
    watch = SiteWatch(model)

    def pass_by(seconds: int) -> None:
        for _ in range(seconds):
            watch.screen(site.step())
            watch.sent(site.changes, site.now_s)
            assert watch.verdicts() == {}

    # An evening that moves; then every car is full, and nothing in the building moves at all.
    pass_by(3600)
    site.placid = True
    site.building.deviation_a = 0.0
    site.building.correlation = 1.0
    for outlet in site.outlets:
        outlet.wants_a = 0.0
        outlet.until_s = float("inf")
    pass_by(4 * 3600)


# ------------------------------------------------------------- in the control loop


def loop_of(seed: int, sample_every_s: float) -> tuple[Loop, SiteWatch]:
    """Sixteen cars that come within a quarter of an hour, under a supply of 200 A."""
    random = Random(seed)
    model = model_of(
        [circuit(limit=200, margin=5, worst=110)], [station(f"S{n}") for n in range(16)]
    )
    cars = [
        Car(
            key(f"S{n}"),
            random.choice([16_000, 32_000]),
            random.choice([(0,), (0, 1, 2), (0, 1, 2)]),
            (0, 1, 2),
            ("supply",),
            lag_s=random.uniform(0.5, 4),
            arrived_s=1_000 + random.uniform(0, 900),
            sample_every_s=sample_every_s,
            sample_offset_s=random.randrange(round(sample_every_s)),
            transaction_id=n + 1,
        )
        for n in range(16)
    ]
    building = Building(random, base_a=(45, 42, 47))
    seen: dict[int, tuple[float, float, float]] = {}

    def background(now_s: float) -> tuple[float, float, float]:
        second = int(now_s)
        if second not in seen:
            l1, l2, l3 = (1000 * min(110.0, max(0.0, one)) for one in building.step(now_s))
            seen[second] = (l1, l2, l3)
        return seen[second]

    return Loop(Planner(model, EnergySettings()), cars, background, seed), SiteWatch(model)


def ridden(
    loop: Loop, watch: SiteWatch, lie: Callable[[PhaseCurrents], PhaseCurrents], from_s: float
) -> tuple[float, list[Lie]]:
    """Longest overload above 105 % (s), and what the watch found, in 25 minutes."""
    found: list[Lie] = []

    def before_planning(running: Loop) -> None:
        if running.plan is not None:
            watch.sent(running.plan.changes, running.now_s - 1.0)
        reading = running.reading
        assert reading is not None
        if running.now_s >= from_s:
            running.reading = MeterReading("m", reading.at_s, lie(reading.currents))
        screened = watch.screen(running.state())
        running.reading = screened.readings["supply"]
        found.extend(one.lie for one in watch.verdicts().values() if one.lie not in found)

    overload = [0.0, 0.0]

    def measure(running: Loop) -> None:
        over = max(running.currents("supply")) > 1.05 * 200_000
        overload[0] = overload[0] + 0.25 if over else 0.0
        overload[1] = max(overload)

    loop.on_cycle = before_planning
    loop.run(1_500, measure)
    return overload[1], found


def _frozen() -> Callable[[PhaseCurrents], PhaseCurrents]:
    held: list[PhaseCurrents] = []

    def lie(true: PhaseCurrents) -> PhaseCurrents:
        held.append(true)
        return held[0]

    return lie


def _turned(true: PhaseCurrents) -> PhaseCurrents:
    return PhaseCurrents(-true.l1, true.l2, true.l3)


def _small(true: PhaseCurrents) -> PhaseCurrents:
    return PhaseCurrents.of(value // 5 for value in true)


def _dead(true: PhaseCurrents) -> PhaseCurrents:
    return PhaseCurrents()


@pytest.mark.parametrize(("from_s", "sample_every_s"), [(1_000.0, 10.0), (1_600.0, 30.0)])
@pytest.mark.parametrize(
    ("make", "lies"),
    [
        (_frozen, {Lie.FROZEN}),
        (lambda: _turned, {Lie.SIGN}),
        (lambda: _small, {Lie.TOO_LOW, Lie.RATIO}),
        (lambda: _dead, {Lie.TOO_LOW, Lie.FROZEN}),
    ],
)
def test_no_lie_overloads_the_supply(
    make: Callable[[], Callable[[PhaseCurrents], PhaseCurrents]],
    lies: set[Lie],
    from_s: float,
    sample_every_s: float,
) -> None:
    loop, watch = loop_of(1, sample_every_s)
    overload_s, found = ridden(loop, watch, make(), from_s)
    assert found
    assert found[0] in lies
    assert overload_s <= 15.0


def test_in_the_control_loop_a_true_meter_is_not_accused() -> None:
    loop, watch = loop_of(2, 10.0)
    overload_s, found = ridden(loop, watch, lambda true: true, 1_000.0)
    assert found == []
    assert overload_s <= 15.0


def test_proposals_wait_while_the_meter_is_in_doubt() -> None:
    model = model_of([circuit(worst=10)], [station("A"), station("B")], SUPPLY)
    watch = SiteWatch(model)
    step = [-4.0, -4.0, 0.0, -4.0, -4.0, -4.0, -4.0]
    watch.phases.restore(key("A"), PhaseEvidence([step] * 4))
    sure = [0.0, -4.0, -4.0, -4.0, -4.0, -4.0, -4.0]
    watch.phases.restore(key("B"), PhaseEvidence([sure] * 4))
    watch.refresh()
    first, second = watch.findings()
    assert (first.standing, first.candidates) == (Standing.PROPOSED, (Rotation.SRT,))
    assert second.standing is Standing.CONFIRMED
    watch.meters.restore(Verdict("supply", Lie.ORDER, 0.99, 0.0, {}), 0.0)
    assert [one.standing for one in watch.findings()] == [Standing.METER_LIES, Standing.CONFIRMED]
    watch.replace_model(model_of([circuit()], [station("A")]))
    assert len(watch.findings()) == 1


def test_what_a_doubted_meter_shows_teaches_nothing() -> None:
    def learnt(*, dead: bool) -> int:
        site, model = site_of(31, 1, 6)
        watch = SiteWatch(model)
        if dead:
            site.lie = lambda now_s, true: [0.0, 0.0, 0.0]
            watch.meters.restore(Verdict("supply", Lie.FROZEN, 0.99, 0.0, {}), site.now_s)
        for _ in range(2 * 3600):
            watch.screen(site.step())
            watch.sent(site.changes, site.now_s)
        return len(watch.changed)

    assert learnt(dead=False) > 0
    assert learnt(dead=True) == 0
