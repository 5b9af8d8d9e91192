"""The poller on a virtual clock, over simulated registers without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.adapters.meter_poller import MeterPoller, MeterReadError
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.meter import MeterConfig, MeterReading, Quality
from app.domain.units import PhaseCurrents
from app.meters.plausibility import Doubt
from app.meters.scale import Ratios
from app.meters.status import Trouble
from simulators import virtual_time
from simulators.meter.bank import Fault, RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import LEGACY, MODELS, Layout, SimulatedModel, find_model
from simulators.meter.truth import RunningTruth
from tests.support.meters import BankSource, LoopClock, catalogue


class Bench:
    """A simulated meter on the bench, and a poller wired to it."""

    def __init__(
        self,
        model: str = "IME Nemo D4-Le",
        *,
        simulated: SimulatedModel | None = None,
        wiring: Wiring | None = None,
        word_format: str = "big",
        max_words: int = 125,
        **options: Any,
    ) -> None:
        self.truth = RunningTruth()
        self.truth.update((10.0, 20.0, -5.0), 0.0)
        self.bank = RegisterBank(
            find_model(model) if simulated is None else simulated,
            self.truth,
            wiring=wiring,
            max_words=max_words,
        )
        self.source = BankSource(self.bank)
        self.readings: list[MeterReading] = []
        self.poller = MeterPoller(
            MeterConfig("m", model, "", "supply", word_format=word_format),
            catalogue(),
            self.source,
            LoopClock(),
            self.readings.append,
            **options,
        )

    def last(self) -> MeterReading:
        return self.readings[-1]

    def blocks_read(self) -> list[tuple[int, int]]:
        """Address and count of the reads since the last call."""
        reads = [(address, count) for _, address, count in self.bank.reads]
        self.bank.reads.clear()
        return reads


def on_bench(story: Callable[[Bench], Awaitable[None]], **bench: Any) -> None:
    async def main() -> None:
        await story(Bench(**bench))

    virtual_time.run(main())


async def run_for(bench: Bench, seconds: float) -> None:
    await bench.poller.start()
    await asyncio.sleep(seconds)
    await bench.poller.stop()


def test_a_reading_has_everything() -> None:
    async def story(bench: Bench) -> None:
        await asyncio.sleep(7)
        reading = await bench.poller.poll()
        assert reading is not None
        assert reading is bench.poller.last_reading
        assert reading.currents == PhaseCurrents(10_000, 20_000, -5_000)
        assert reading.power_w == pytest.approx(5750.0)
        assert reading.voltages_v == (230.0, 230.0, 230.0)
        assert reading.energy_wh == 0.0
        assert (reading.quality, reading.reason, reading.at_s) == (Quality.GOOD, "", 7.0)
        status = bench.poller.status
        assert (status.connected, status.error_key, status.family) == (True, None, "ime_1000")
        assert status.ratios == Ratios(1, 1.0)
        assert bench.poller.error_key is None

    on_bench(story)


class HidesCancellation:
    """What a connection does that is refused at the instant of its cancellation."""

    async def read(self, function_code: int, address: int, count: int) -> list[int]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise MeterReadError(Trouble.UNREACHABLE) from None
        return []


def test_it_ends_even_when_its_cancellation_is_hidden() -> None:
    async def story(bench: Bench) -> None:
        bench.poller._source = HidesCancellation()
        await run_for(bench, 1.0)
        assert bench.poller.status.error_key is Trouble.UNREACHABLE

    on_bench(story)


def test_polls_once_a_second_and_reads_the_ratios_every_ten_minutes() -> None:
    async def story(bench: Bench) -> None:
        await run_for(bench, 1_500.5)
        blocks = bench.blocks_read()
        assert len(bench.readings) == 1_501
        assert [reading.at_s for reading in bench.readings] == [float(n) for n in range(1_501)]
        assert set(blocks) == {(0x1000, 53), (0x1200, 2)}

    on_bench(story)

    async def ratios(bench: Bench) -> None:
        seen: list[float] = []
        read = bench.source.read

        async def watched(function_code: int, address: int, count: int) -> Any:
            if address == 0x1200:
                seen.append(asyncio.get_running_loop().time())
            return await read(function_code, address, count)

        bench.source.read = watched  # type: ignore[method-assign]
        await run_for(bench, 1_500.5)
        assert seen == [0.0, 600.0, 1200.0]

    on_bench(ratios)


def test_a_poll_that_takes_longer_than_its_period_does_not_drift() -> None:
    async def story(bench: Bench) -> None:
        read = bench.source.read

        async def slow(function_code: int, address: int, count: int) -> Any:
            await asyncio.sleep(0.7 if len(bench.readings) < 2 else 0.1)
            return await read(function_code, address, count)

        bench.source.read = slow  # type: ignore[method-assign]
        await run_for(bench, 4.5)
        # The first poll reads two blocks (1.4 s), so the slot at 1 s is lost, not shifted.
        assert [reading.at_s for reading in bench.readings] == pytest.approx([0.7, 2.7, 3.1, 4.1])

    on_bench(story)


def test_a_silent_meter_is_a_state_and_heals() -> None:
    async def story(bench: Bench) -> None:
        await bench.poller.poll()
        before = bench.last()
        bench.bank.fault = Fault.SILENT
        for count in (1, 2, 3):
            assert await bench.poller.poll() is None
            status = bench.poller.status
            assert (status.error_key, status.consecutive_failures) == (Trouble.TIMEOUT, count)
        assert status.connected
        assert bench.poller.last_reading is before
        assert bench.poller.error_key == "meter-timeout"
        bench.bank.fault = Fault.NONE
        await bench.poller.poll()
        healed = bench.poller.status
        assert (healed.error_key, healed.consecutive_failures) == (None, 0)

    on_bench(story)


@pytest.mark.parametrize(
    ("fault", "trouble", "code"),
    [(Fault.GATEWAY, Trouble.GATEWAY, 0x0B), (Fault.EXCEPTION, Trouble.REFUSED, 0x04)],
)
def test_an_exception_is_no_reading(fault: Fault, trouble: Trouble, code: int) -> None:
    async def story(bench: Bench) -> None:
        bench.bank.fault = fault
        await run_for(bench, 70)
        assert bench.readings == []
        status = bench.poller.status
        assert (status.error_key, status.error_code, status.connected) == (trouble, code, True)

    on_bench(story)


def test_backs_off_while_unreachable_and_returns_at_once_to_its_period() -> None:
    async def story(bench: Bench) -> None:
        attempts: list[float] = []
        read = bench.source.read

        async def watched(function_code: int, address: int, count: int) -> Any:
            attempts.append(asyncio.get_running_loop().time())
            return await read(function_code, address, count)

        bench.source.read = watched  # type: ignore[method-assign]
        bench.source.unreachable = True
        await bench.poller.start()
        await asyncio.sleep(20)
        assert attempts == [0.0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5]
        assert not bench.poller.status.connected
        assert bench.poller.error_key == "meter-unreachable"
        bench.source.unreachable = False
        await asyncio.sleep(5)
        await bench.poller.stop()
        assert [reading.at_s for reading in bench.readings] == [22.5, 23.5, 24.5]

    on_bench(story)


@pytest.mark.parametrize(
    ("max_words", "blocks"),
    [
        (24, [(0x1000, 24), (0x102C, 9), (0x1018, 20)]),
        (
            2,
            [
                (0x1006, 2), (0x1008, 2), (0x100A, 2), (0x1000, 2), (0x1002, 2), (0x1004, 2),
                (0x1032, 1), (0x1033, 1), (0x1034, 1), (0x1014, 2), (0x101A, 1),
            ],
        ),
    ],
)  # fmt: skip
def test_falls_back_to_smaller_reads_and_remembers(
    max_words: int, blocks: list[tuple[int, int]]
) -> None:
    async def story(bench: Bench) -> None:
        first = await bench.poller.poll()
        assert first is not None
        assert first.quality is Quality.GOOD
        assert first.currents == PhaseCurrents(10_000, 20_000, -5_000)
        bench.blocks_read()
        await bench.poller.poll()
        assert bench.blocks_read() == blocks
        # After ten minutes the whole block is tried again: the refusal may have passed.
        bench.bank.max_words = 125
        await asyncio.sleep(600)
        await bench.poller.poll()
        assert (0x1000, 53) in bench.blocks_read()
        assert bench.poller.status.read_plan == "whole"

    on_bench(story, max_words=max_words)


def test_nothing_fits_in_one_word() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.poller.poll() is None
        assert bench.poller.status.error_key is Trouble.REFUSED

    on_bench(story, max_words=1)


def test_another_function_code_is_tried() -> None:
    simulated = SimulatedModel("x", (Layout.WORDS_5000,), functions=(3,))

    async def story(bench: Bench) -> None:
        reading = await bench.poller.poll()
        assert reading is not None
        assert reading.currents == PhaseCurrents(10_000, 20_000, 5_000)
        assert [function for function, _, _ in bench.bank.reads] == [4, 3, 3]

    on_bench(story, model="Conto D4-Pd", simulated=simulated)


def test_a_wrong_first_guess_is_corrected_from_the_candidates() -> None:
    """A Legrand 4 120 93 that turns out to speak the multifunction map."""

    async def story(bench: Bench) -> None:
        reading = await bench.poller.poll()
        assert reading is not None
        assert reading.quality is Quality.GOOD
        assert reading.currents == PhaseCurrents(10_000, 20_000, -5_000)
        assert bench.poller.status.family == "ime_1000"

    on_bench(story, model="4 120 93", simulated=MODELS["IME Nemo D4-Le"])


def test_a_map_that_answers_with_absurd_voltages_is_doubted_then_replaced() -> None:
    """Zeros at 0x1000, measurements at 0x0301."""

    async def story(bench: Bench) -> None:
        read = bench.source.read

        async def patched(function_code: int, address: int, count: int) -> Any:
            if address == 0x1000:
                return [0] * count
            return await read(function_code, address, count)

        bench.source.read = patched  # type: ignore[method-assign]
        first = await bench.poller.poll()
        assert first is not None
        assert first.reason == Doubt.VOLTAGE
        second = await bench.poller.poll()
        assert second is not None
        assert second.quality is Quality.GOOD
        assert bench.poller.status.family == "ime_0301"

    on_bench(story, simulated=LEGACY)


def test_probing_is_not_repeated_at_every_poll() -> None:
    async def story(bench: Bench) -> None:
        for _ in range(30):
            await bench.poller.poll()
            await asyncio.sleep(1)
        probes = [read for read in bench.blocks_read() if read == (0x0300, 1)]
        assert len(probes) == 1
        assert bench.readings == []

    on_bench(story, simulated=SimulatedModel("nothing", ()))


def test_the_cable_pulled_while_probing_is_a_state() -> None:
    async def story(bench: Bench) -> None:
        read = bench.source.read

        async def patched(function_code: int, address: int, count: int) -> Any:
            if address == 0x0300:
                bench.source.unreachable = True
            return await read(function_code, address, count)

        bench.source.read = patched  # type: ignore[method-assign]
        assert await bench.poller.poll() is None
        assert bench.poller.status.error_key is Trouble.UNREACHABLE

    on_bench(story, simulated=SimulatedModel("nothing", ()))


@pytest.mark.parametrize("pulled_at", [0x0369, 0x0325])
def test_the_cable_pulled_between_two_blocks_is_a_state(pulled_at: int) -> None:
    async def story(bench: Bench) -> None:
        read = bench.source.read

        async def patched(function_code: int, address: int, count: int) -> Any:
            if address == pulled_at:
                bench.source.unreachable = True
            return await read(function_code, address, count)

        bench.source.read = patched  # type: ignore[method-assign]
        assert await bench.poller.poll() is None
        assert bench.poller.status.error_key is Trouble.UNREACHABLE

    async def main() -> None:
        bench = Bench("Nemo 96HD-Le", simulated=LEGACY)
        await bench.poller.poll()
        bench.poller.status = bench.poller.status.__class__()
        # Ten minutes later, so that the slow blocks are due again.
        await asyncio.sleep(700)
        await story(bench)

    virtual_time.run(main())


def test_optional_blocks_that_fail_leave_the_reading_and_are_retried_later() -> None:
    async def story(bench: Bench) -> None:
        await bench.poller.poll()
        assert bench.poller.status.family == "ime_0301"
        broken = True
        read = bench.source.read

        async def patched(function_code: int, address: int, count: int) -> Any:
            if broken and address == 0x036B:
                bench.bank.fault = Fault.SILENT
            try:
                return await read(function_code, address, count)
            finally:
                bench.bank.fault = Fault.NONE

        bench.source.read = patched  # type: ignore[method-assign]
        reading = await bench.poller.poll()
        assert reading is not None
        assert reading.currents.l3 == 5_000  # no flag: taken as import, the safe side
        bench.blocks_read()
        await bench.poller.poll()
        assert (0x036B, 1) not in bench.blocks_read()
        broken = False
        await asyncio.sleep(61)
        reading = await bench.poller.poll()
        assert reading is not None
        assert reading.currents.l3 == -5_000

    on_bench(story, model="Nemo 96HD-Le", simulated=LEGACY)


def test_a_ratio_read_that_is_refused_or_silent_does_not_stop_the_currents() -> None:
    async def story(bench: Bench) -> None:
        read = bench.source.read
        attempts: list[float] = []

        async def patched(function_code: int, address: int, count: int) -> Any:
            if address == 0x1200:
                attempts.append(asyncio.get_running_loop().time())
                bench.bank.fault = Fault.SILENT
            try:
                return await read(function_code, address, count)
            finally:
                bench.bank.fault = Fault.NONE

        bench.source.read = patched  # type: ignore[method-assign]
        await run_for(bench, 70)
        assert bench.last().quality is Quality.GOOD
        assert bench.last().power_w == pytest.approx(5750.0)
        assert bench.last().energy_wh is None
        assert attempts == pytest.approx([0.0, 60.0])

    on_bench(story)


def test_a_changed_transformer_ratio_is_doubted_until_confirmed() -> None:
    async def story(bench: Bench) -> None:
        await bench.poller.poll()
        assert bench.last().quality is Quality.GOOD
        bench.bank.wiring.kta = 60
        await asyncio.sleep(600)
        await bench.poller.poll()
        assert bench.last().reason == Doubt.RATIO_CHANGED
        assert bench.last().quality is Quality.IMPLAUSIBLE
        assert bench.poller.error_key == Doubt.RATIO_CHANGED

    on_bench(story, wiring=Wiring(kta=80))


def test_the_confirmed_ratio_binds_from_the_first_reading() -> None:
    async def story(bench: Bench) -> None:
        await bench.poller.poll()
        assert bench.last().reason == Doubt.RATIO_CHANGED

    on_bench(story, wiring=Wiring(kta=80), expected_kta=100)


@pytest.mark.parametrize("word_format", ["big", "little", "swap"])
@pytest.mark.parametrize("model", ["Nemo D4-Le", "Nemo 96HD+", "Conto D4-Pd", "Conto D2"])
def test_word_format_as_configured_or_named_as_the_doubt(model: str, word_format: str) -> None:
    async def story(bench: Bench) -> None:
        await bench.poller.poll()
        assert bench.last().quality is Quality.GOOD
        assert bench.last().currents.l1 == 10_000

    on_bench(story, model=model, wiring=Wiring(word_format=word_format), word_format=word_format)

    async def mistaken(bench: Bench) -> None:
        await bench.poller.poll()
        assert bench.last().reason == Doubt.WORD_FORMAT

    other = {"big": "little", "little": "swap", "swap": "big"}[word_format]
    on_bench(mistaken, model=model, wiring=Wiring(word_format=word_format), word_format=other)


def test_identical_answers_are_counted() -> None:
    async def story(bench: Bench) -> None:
        for expected in (0, 1, 2):
            await bench.poller.poll()
            assert bench.poller.status.unchanged_polls == expected
        bench.truth.update((11.0, 20.0, -5.0), 3.0)
        await bench.poller.poll()
        assert bench.poller.status.unchanged_polls == 0

    on_bench(story)


def test_a_poller_without_listener_keeps_its_last_reading() -> None:
    async def main() -> None:
        bench = Bench()
        config = bench.poller.config
        poller = MeterPoller(config, catalogue(), bench.source, LoopClock())
        reading = await poller.poll()
        assert poller.last_reading is reading is not None

    virtual_time.run(main())


def test_before_the_first_poll_there_is_neither_reading_nor_trouble() -> None:
    async def story(bench: Bench) -> None:
        assert bench.poller.last_reading is None
        assert bench.poller.error_key is None

    on_bench(story)


def test_unknown_model_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(NotFoundError):
            MeterPoller(
                MeterConfig("m", "Acme 1", "", "supply"),
                catalogue(),
                Bench().source,
                LoopClock(),
            )

    virtual_time.run(main())


def test_unknown_word_format_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(InvalidInputError, match="meter-profile-invalid"):
            Bench(word_format="middle")

    virtual_time.run(main())


@pytest.mark.parametrize("label", sorted(MODELS))
def test_every_reference_is_read_by_its_first_guess(label: str) -> None:
    async def story(bench: Bench) -> None:
        reading = await bench.poller.poll()
        assert reading is not None
        assert reading.quality is Quality.GOOD
        model = catalogue().model(label)
        assert bench.poller.status.family == model.family
        assert reading.currents.l1 == 10_000
        assert reading.currents.l2 == (20_000 if model.phases == 3 else 0)
        signed = model.family == "ime_1000"
        assert reading.currents.l3 == ((-5_000 if signed else 5_000) if model.phases == 3 else 0)

    on_bench(story, model=label)
