"""Steps of a station against the meter, from samples that are late and limits that are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from app.domain.limits import Reason, ReasonCode
from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.domain.station import ConnectorKey
from app.domain.units import PhaseCurrents
from app.energy.meter_trace import MeterTrace
from app.energy.plan import LimitChange
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState
from app.energy.steps import Step, StepFinder, connectors_seen
from tests.support.energy_site import SUPPLY, amps, circuit, key, model_of, station


class Bench:
    """One meter and some stations, second by second; draws in A per conductor."""

    def __init__(self, *names: str, interval_s: int = 10) -> None:
        circuits = [circuit(limit=400), circuit("feeder", parent="supply")]
        stations = [station(name, "feeder", station_max=16, outlets=1) for name in names]
        self.model = model_of(circuits, stations, {**SUPPLY, "feeder": MeterPlacement.BUILDING})
        self.finder = StepFinder(self.model)
        self.now_s = 1_000.0
        self.base = amps(20)
        self.draws = {key(name): PhaseCurrents() for name in names}
        self.interval_s = interval_s
        self.states = {
            key(name): ConnectorState(key(name), online=True, sample_interval_s=interval_s)
            for name in names
        }
        self.steps: list[Step] = []
        self.quality = Quality.GOOD
        self.unphased = False
        self.reports = True
        self.shown: Callable[[ConnectorKey], ConnectorSample] | None = None

    def plug(self, name: str, number: int = 1) -> None:
        self.change(name, transaction_id=number, arrived_s=self.now_s, sample=None)

    def change(self, name: str, **values: Any) -> None:
        self.states[key(name)] = msgspec.structs.replace(self.states[key(name)], **values)

    def draw(self, name: str, *currents: float) -> None:
        self.draws[key(name)] = amps(*currents)

    def send(self, name: str, limit_a: float) -> None:
        change = LimitChange(
            key(name), round(limit_a * 1000), False, Reason(ReasonCode.CIRCUIT), self.now_s + 600
        )
        self.finder.commanded([change], self.now_s)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1.0
            total = self.base
            for draw in self.draws.values():
                total += draw
            for name, one in self.states.items():
                if one.transaction_id is None or not self.reports:
                    continue
                if int(self.now_s) % self.interval_s == 0:
                    self.states[name] = msgspec.structs.replace(one, sample=self.sample(name))
            reading = MeterReading("m", self.now_s - 0.1, total, self.quality)
            state = SiteState(self.now_s, {"supply": reading}, tuple(self.states.values()))
            self.steps += self.finder.take(state)

    def sample(self, name: ConnectorKey) -> ConnectorSample:
        if self.shown is not None:
            return self.shown(name)
        draw = self.draws[name]
        if not self.unphased:
            return ConnectorSample(self.now_s, draw, draw)
        return ConnectorSample(
            self.now_s, PhaseCurrents(draw.l1), PhaseCurrents.uniform(draw.l1), (0,)
        )


def test_a_step_carries_what_the_station_and_the_meter_did() -> None:
    bench = Bench("A", "B")
    bench.run(20)
    bench.plug("A")
    bench.draw("A", 16, 0, 0)
    bench.run(60)
    (one,) = bench.steps
    assert [mover.key for mover in one.movers] == [key("A")]
    assert one.movers[0].change_a == (16.0, 0.0, 0.0)
    assert [round(value, 3) for value in one.meter_a] == [16.0, 0.0, 0.0]
    assert one.circuit_id == "supply"
    assert not one.movers[0].balanced


def test_a_limit_sent_tells_the_instant() -> None:
    bench = Bench("A", interval_s=30)
    bench.plug("A")
    bench.draw("A", 16, 16, 16)
    bench.run(120)
    bench.steps.clear()
    bench.send("A", 16)
    bench.run(60)
    # The building moves, and is answered 3 s later: only what follows the command is the step.
    bench.base = amps(26)
    bench.run(3)
    bench.send("A", 6)
    bench.run(2)
    bench.draw("A", 6, 6, 6)
    bench.run(120)
    (one,) = bench.steps
    assert one.movers[0].balanced
    assert [round(value, 3) for value in one.meter_a] == [-10.0, -10.0, -10.0]


def test_a_step_that_took_several_commands_is_no_witness() -> None:
    bench = Bench("A", "B")
    for n, name in enumerate("AB"):
        bench.plug(name, n + 1)
        bench.draw(name, 16, 16, 16)
    bench.run(60)
    bench.steps.clear()
    bench.send("A", 10)
    bench.run(3)
    bench.send("B", 10)
    bench.draw("A", 10, 10, 10)
    bench.draw("B", 10, 10, 10)
    bench.run(100)
    assert bench.steps == []


def test_changes_at_the_same_time_are_one_step() -> None:
    bench = Bench("A", "B", "C")
    for n, name in enumerate("ABC"):
        bench.plug(name, n + 1)
        bench.draw(name, 10, 10, 10)
    bench.run(60)
    bench.steps.clear()
    bench.draw("A", 16, 16, 16)
    bench.draw("B", 6, 6, 6)
    bench.run(60)
    (one,) = bench.steps
    assert {mover.key for mover in one.movers} == {key("A"), key("B")}


def test_the_end_of_a_charge_is_a_step() -> None:
    bench = Bench("A")
    bench.run(20)
    bench.plug("A")
    bench.unphased = True
    bench.draw("A", 16, 0, 0)
    bench.run(60)
    bench.change("A", transaction_id=None, sample=None)
    bench.draw("A", 0, 0, 0)
    bench.run(60)
    assert [round(one.meter_a[0]) for one in bench.steps] == [16, -16]
    assert bench.steps[1].movers[0].counts == (1,)
    assert not bench.steps[1].movers[0].balanced


def test_a_single_report_between_two_others_is_no_plateau() -> None:
    bench = Bench("A")
    bench.plug("A")
    bench.draw("A", 16, 16, 16)
    bench.run(60)
    bench.steps.clear()
    bench.draw("A", 12, 12, 12)
    bench.run(10)
    bench.draw("A", 6, 6, 6)
    bench.run(60)
    (one,) = bench.steps
    assert one.movers[0].change_a == (-10.0, -10.0, -10.0)


def test_what_lasted_too_long_or_was_not_reported_is_dropped() -> None:
    bench = Bench("A")
    bench.plug("A")
    for current in range(20, 4, -2):  # never twice the same
        bench.draw("A", current, current, current)
        bench.run(10)
    bench.run(40)
    bench.reports = False
    bench.run(60)  # silent: nothing is known any more
    bench.reports = True
    bench.draw("A", 20, 20, 20)
    bench.run(60)
    bench.change("A", online=False)
    bench.run(30)
    bench.change("A", online=True)
    bench.draw("A", 6, 6, 6)
    bench.run(60)
    assert bench.steps == []


def test_what_follows_a_silence_is_a_step_again() -> None:
    bench = Bench("A")
    bench.run(20)
    bench.change("A", online=False)
    bench.run(20)
    bench.change("A", online=True)
    bench.run(20)
    bench.plug("A")
    bench.draw("A", 16, 16, 16)
    bench.run(60)
    assert len(bench.steps) == 1


def test_a_mute_station_stops_nobody_else() -> None:
    bench = Bench("A", "B")
    bench.change("B", online=False)
    bench.run(20)
    bench.plug("A")
    bench.draw("A", 16, 16, 16)
    bench.run(60)
    assert len(bench.steps) == 1


def test_another_whose_report_is_long_awaited_ends_the_wait() -> None:
    bench = Bench("A", "B")
    bench.run(20)
    bench.plug("A")
    bench.plug("B", 2)
    bench.change("B", sample_interval_s=900.0)
    bench.draw("A", 16, 16, 16)
    only = ConnectorSample(bench.now_s, amps(3), amps(3))

    def shown(name: ConnectorKey) -> ConnectorSample:
        draw = bench.draws[name]
        return ConnectorSample(bench.now_s, draw, draw) if name == key("A") else only

    bench.shown = shown
    bench.run(200)
    assert bench.steps == []


def test_readings_that_are_not_believed_show_no_step() -> None:
    bench = Bench("A")
    bench.run(20)
    bench.plug("A")
    bench.quality = Quality.IMPLAUSIBLE
    bench.draw("A", 16, 16, 16)
    bench.run(150)
    assert bench.steps == []


def test_a_gap_in_the_readings_shows_no_step() -> None:
    bench = Bench("A")
    bench.run(20)
    bench.plug("A")
    bench.draw("A", 16, 16, 16)
    bench.quality = Quality.IMPLAUSIBLE
    bench.run(30)
    bench.quality = Quality.GOOD
    bench.run(60)
    assert bench.steps == []


def test_a_power_without_a_current_tells_no_step() -> None:
    bench = Bench("A")
    bench.run(20)
    bench.plug("A")
    bench.shown = lambda _: ConnectorSample(
        bench.now_s, PhaseCurrents(), PhaseCurrents.uniform(16_000)
    )
    bench.draw("A", 16, 0, 0)
    bench.run(60)
    assert bench.steps == []


def test_a_changed_configuration_drops_what_was_pending() -> None:
    bench = Bench("A", "B")
    bench.run(20)
    bench.plug("A")
    bench.plug("B", 2)
    bench.draw("A", 16, 16, 16)
    bench.draw("B", 10, 10, 10)
    bench.run(30)
    bench.steps.clear()
    bench.draw("A", 6, 6, 6)
    bench.run(12)
    bench.draw("B", 12, 12, 12)
    bench.run(8)  # the step of A waits for what becomes of B
    assert bench.steps == []
    bench.finder.replace_model(bench.model)
    bench.finder.commanded(
        [LimitChange(key("X"), 0, True, Reason(ReasonCode.CIRCUIT), 0.0)], bench.now_s
    )
    bench.run(60)
    assert bench.steps == []
    assert connectors_seen(bench.model, "feeder") == []


def test_noise_follows_the_building_both_ways() -> None:
    trace = MeterTrace()
    for second in range(600):
        swing = 12_000 if second // 9 % 2 else 0
        trace.take(MeterReading("m", float(second), PhaseCurrents(swing, 0, 0)))
    assert trace.noise_a[0] > 2.0
    assert trace.noise_a[1] == 0.15
    trace.take(MeterReading("m", 5.0, PhaseCurrents(1, 1, 1)))
    assert trace.last_s == 599.0
    assert trace.spread_a(48.0)[1] == 0.3
    assert trace.mean(700.0, 701.0) is None
