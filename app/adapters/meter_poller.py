"""Reads one meter again and again, over any source of register words.

The same poller runs over Modbus TCP on a site and over memory in a rehearsal: it waits only with
``asyncio.sleep`` and reads time only from the ``Clock`` port. It never writes to a meter, and
trouble with the meter is a state (``status``), never an exception out of ``run``.

What the meter refuses is asked differently: another function code (exception 01), smaller reads
(02, 03), and at last another register map among the model's candidates.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from app.domain.errors import BornierError, InvalidInputError
from app.domain.meter import MeterConfig, MeterReading
from app.meters.catalogue import Catalogue
from app.meters.decode import POWER, Decoder, Image, place, to_reading
from app.meters.identify import Dialogue, Finding, detect_in_image, identify
from app.meters.plausibility import Doubt, Verdict, judge
from app.meters.scale import Ratios
from app.meters.schema import Block, Family, ReadPlan, WordFormat
from app.meters.status import MeterStatus, Trouble
from app.services.ports import Clock
from app.services.tasks import TaskSupervisor

_log = logging.getLogger(__name__)

SLOW_PERIOD_S = 600.0
OPTIONAL_RETRY_S = 60.0
IDENTIFY_RETRY_S = 60.0
FIRST_BACKOFF_S = 0.5
LAST_BACKOFF_S = 5.0

_ILLEGAL_FUNCTION = 1
_REFUSED_RANGE = frozenset({2, 3})


class MeterReadError(BornierError):
    """One read failed; ``trouble`` says how, ``code`` is the Modbus exception, if it was one."""

    def __init__(self, trouble: Trouble, code: int | None = None) -> None:
        super().__init__(trouble.value, code=code)
        self.trouble = trouble
        self.code = code


class RegisterSource(Protocol):
    """Where register words come from."""

    async def read(self, function_code: int, address: int, count: int) -> Sequence[int]:
        """Exactly ``count`` words from ``address`` (0-based); raises ``MeterReadError``."""
        ...


async def converse(source: RegisterSource, dialogue: Dialogue) -> Finding:
    """Plays an identification; a read that fails counts as no answer.

    Raises ``MeterReadError`` when the meter cannot be reached at all.
    """
    words: Sequence[int] | None = None
    try:
        request = next(dialogue)
        while True:
            try:
                words = await source.read(request.function_code, request.address, request.count)
            except MeterReadError as error:
                if error.trouble is Trouble.UNREACHABLE:
                    raise
                words = None
            request = dialogue.send(words)
    except StopIteration as end:
        finding: Finding = end.value
        return finding


def _word_format(config: MeterConfig) -> WordFormat:
    try:
        return WordFormat(config.word_format)
    except ValueError as error:
        raise InvalidInputError(
            "meter-profile-invalid", field="word_format", detail=str(error)
        ) from error


class MeterPoller:
    """Polls one meter; a ``RunningMeter`` of the services.

    ``on_reading``, if any, is called with every complete reading, plausible or not. ``expected_kta`` is the
    transformer ratio the installer confirmed; without it the first one read is expected for good.

    Raises ``NotFoundError`` for an unknown model, ``InvalidInputError`` for a word format that
    does not exist.
    """

    def __init__(
        self,
        config: MeterConfig,
        catalogue: Catalogue,
        source: RegisterSource,
        clock: Clock,
        on_reading: Callable[[MeterReading], None] | None = None,
        *,
        expected_kta: int | None = None,
    ) -> None:
        self.config = config
        self.model = catalogue.model(config.model)
        self.status = MeterStatus()
        self._catalogue = catalogue
        self._source = source
        self._clock = clock
        self._on_reading = on_reading
        self._expected_kta = expected_kta
        self._tasks = TaskSupervisor()
        self._word_format = _word_format(config)
        self._identify_at_s = clock.monotonic_s()
        self._speak(catalogue.family_of(self.model))

    @property
    def last_reading(self) -> MeterReading | None:
        """The newest complete reading, whatever its age."""
        return self.status.last_reading

    @property
    def error_key(self) -> str | None:
        """Message key of the present trouble or doubt; ``None`` when the last poll was good."""
        if self.status.error_key is not None:
            return self.status.error_key
        reading = self.status.last_reading
        return (reading.reason or None) if reading is not None else None

    async def start(self) -> None:
        """Begins to poll in the background."""
        self._tasks.start(self.run(), f"meter {self.config.meter_id}")

    async def stop(self) -> None:
        """Ends the poll."""
        await self._tasks.stop()

    async def run(self) -> None:
        """Polls for ever, without drift; ends only when cancelled."""
        next_at_s = self._clock.monotonic_s()
        backoff_s = FIRST_BACKOFF_S
        while True:
            await self.poll()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A connection refused at the very instant of the cancellation hides it
                # (asyncio.wait_for of Python 3.11), and nobody would ask a second time.
                raise asyncio.CancelledError
            now_s = self._clock.monotonic_s()
            if self.status.connected:
                backoff_s = FIRST_BACKOFF_S
                period_s = self.config.poll_period_s
                missed = max(0.0, now_s - next_at_s) // period_s
                next_at_s += (missed + 1) * period_s
            else:
                next_at_s = now_s + backoff_s
                backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)
            await asyncio.sleep(max(0.0, next_at_s - now_s))

    async def poll(self) -> MeterReading | None:
        """One reading; ``None`` when the meter could not be read."""
        try:
            image = await self._read_adapting()
            await self._read_slow_blocks()
            reading = self._decoded(image)
            if reading.reason == Doubt.VOLTAGE:
                await self._try_other_families()
        except MeterReadError as error:
            self._failed(error)
            return None
        if self._on_reading is not None:
            self._on_reading(reading)
        return reading

    def _speak(self, family: Family) -> None:
        """Uses ``family`` from now on, from its first way of reading."""
        self._family = family
        self._decoder = Decoder.of_model(self.model, family, self._word_format)
        self._ways: list[tuple[int, ReadPlan]] = [
            (code, plan) for code in family.function_codes for plan in family.read_plans
        ]
        self._way = 0
        self._first_way_at_s = 0.0
        self._answered_at_s = 0.0
        self._skip_until_s: dict[Block, float] = {}
        self._slow_due_s = self._clock.monotonic_s()
        self._slow_image: Image = {}
        self._last_image: Image = {}

    async def _read_adapting(self) -> Image:
        if self._way and self._clock.monotonic_s() >= self._first_way_at_s:
            self._way = 0  # the refusal may have been a passing one
        while True:
            try:
                return await self._read_plan()
            except MeterReadError as error:
                if self._next_way(error):
                    continue
                if error.trouble is Trouble.REFUSED and await self._try_other_families():
                    continue
                raise

    def _next_way(self, error: MeterReadError) -> bool:
        """Moves to another function code or plan; false when all were refused."""
        code, _ = self._ways[self._way]
        remaining = range(self._way + 1, len(self._ways))
        if error.code == _ILLEGAL_FUNCTION:
            remaining_ways = [way for way in remaining if self._ways[way][0] != code]
        elif error.code in _REFUSED_RANGE:
            remaining_ways = list(remaining)
        else:
            return False
        self._way = remaining_ways[0] if remaining_ways else 0
        self._first_way_at_s = self._clock.monotonic_s() + SLOW_PERIOD_S
        return bool(remaining_ways)

    async def _read_plan(self) -> Image:
        code, plan = self._ways[self._way]
        image: Image = {}
        for block in plan.blocks:
            if block.optional:
                await self._read_optional(code, block, image)
                continue
            words = await self._source.read(code, block.start, block.count)
            if not image:
                self._answered_at_s = self._clock.monotonic_s()
            place(image, self._family, block, words)
        return image

    async def _read_optional(self, code: int, block: Block, image: Image) -> None:
        now_s = self._clock.monotonic_s()
        if self._skip_until_s.get(block, now_s) > now_s:
            return
        try:
            words = await self._source.read(code, block.start, block.count)
        except MeterReadError as error:
            if error.trouble is Trouble.UNREACHABLE:
                raise
            self._skip_until_s[block] = now_s + OPTIONAL_RETRY_S
        else:
            place(image, self._family, block, words)

    async def _read_slow_blocks(self) -> None:
        """Ratios and slow counters; after the fast blocks, so that a silent meter costs little."""
        now_s = self._clock.monotonic_s()
        if now_s < self._slow_due_s:
            return
        self._slow_due_s = now_s + SLOW_PERIOD_S
        code, _ = self._ways[self._way]
        for block in self._family.slow_blocks:
            try:
                words = await self._source.read(code, block.start, block.count)
            except MeterReadError as error:
                if error.trouble is Trouble.UNREACHABLE:
                    raise
                if error.trouble is not Trouble.REFUSED:
                    self._slow_due_s = now_s + OPTIONAL_RETRY_S
            else:
                place(self._slow_image, self._family, block, words)

    async def _try_other_families(self) -> bool:
        """Probes the model's candidate maps, now and then; true when another one fits."""
        now_s = self._clock.monotonic_s()
        if now_s < self._identify_at_s:
            return False
        self._identify_at_s = now_s + IDENTIFY_RETRY_S
        candidates = [self._catalogue.families[key] for key in self.model.candidates]
        finding = await converse(self._source, identify(candidates))
        if finding.family is None or finding.family == self._family.key:
            return False
        _log.warning(
            "meter %s answers as %s, not %s",
            self.config.meter_id,
            finding.family,
            self._family.key,
        )
        self._speak(self._catalogue.families[finding.family])
        return True

    def _decoded(self, image: Image) -> MeterReading:
        whole = {**self._slow_image, **image}
        ratios = self._decoder.ratios(whole)
        quantities = self._decoder.quantities(whole, ratios)
        verdict = self._judge(whole, quantities, ratios)
        reading = to_reading(
            self.config.meter_id,
            self._answered_at_s,
            quantities,
            quality=verdict.quality,
            reason=verdict.reason,
            trust_power=verdict.trust_power,
        )
        unchanged = self.status.unchanged_polls + 1 if image == self._last_image else 0
        self._last_image = image
        if self.status.error_key is not None:
            _log.info("meter %s answers again", self.config.meter_id)
        self.status = MeterStatus(
            connected=True,
            last_reading=reading,
            quantities=quantities,
            ratios=ratios,
            family=self._family.key,
            read_plan=self._ways[self._way][1].name,
            unchanged_polls=unchanged,
        )
        return reading

    def _judge(self, image: Image, quantities: dict[str, float], ratios: Ratios) -> Verdict:
        if self._expected_kta is None:
            self._expected_kta = ratios.kta
        verdict = judge(
            quantities,
            phases=self._decoder.phases,
            ratios=ratios,
            max_current_a=self.model.max_current_a,
            expected_kta=self._expected_kta,
            power_scale_confirmed=self._decoder.scale_confirmed(POWER),
        )
        if verdict.reason == Doubt.VOLTAGE and detect_in_image(
            self._family, image, self._decoder.phases
        ):
            return msgspec.structs.replace(verdict, reason=Doubt.WORD_FORMAT.value)
        return verdict

    def _failed(self, error: MeterReadError) -> None:
        if self.status.error_key is not error.trouble:
            _log.warning("meter %s: %s", self.config.meter_id, error)
        # The meter may have been replaced meanwhile: read its ratios again when it answers.
        self._slow_due_s = self._clock.monotonic_s()
        self.status = msgspec.structs.replace(
            self.status,
            connected=error.trouble is not Trouble.UNREACHABLE,
            error_key=error.trouble,
            error_code=error.code,
            consecutive_failures=self.status.consecutive_failures + 1,
        )
