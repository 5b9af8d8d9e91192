"""The registers of one meter as a master reads them, with the faults a meter can have."""

from __future__ import annotations

import enum
import random

from simulators.meter.memory import Memory, Wiring, fill
from simulators.meter.models import SimulatedModel
from simulators.meter.truth import Feed, MeterTruth

ILLEGAL_FUNCTION = 0x01
ILLEGAL_ADDRESS = 0x02
ILLEGAL_VALUE = 0x03
DEVICE_FAILURE = 0x04
GATEWAY_NO_RESPONSE = 0x0B

_MOST_WORDS = 125


class Fault(enum.StrEnum):
    """What may be wrong with the meter or the way to it."""

    NONE = "none"
    SILENT = "silent"
    """Never answers."""
    SLOW = "slow"
    """Answers after ``MeterServer.delay_s``."""
    FROZEN = "frozen"
    """Keeps answering with the values of the moment the fault began."""
    EXCEPTION = "exception"
    """Answers every read with exception 04."""
    GATEWAY = "gateway"
    """The gateway answers for a meter that does not (exception 0B)."""
    WRONG_SIGN = "wrong-sign"
    """Transformers mounted the wrong way round: import and export swapped."""
    GARBAGE = "garbage"
    """Well-formed answers full of random words."""
    NOISE = "noise"
    """Bytes that are not Modbus."""


class RefusedError(Exception):
    """The meter answers with a Modbus exception ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code:02X}")
        self.code = code


class NoAnswerError(Exception):
    """The meter does not answer; the master runs into its time-out."""


class RegisterBank:
    """One meter. ``max_words`` bounds a read, as some firmwares do (exception 02 beyond it)."""

    def __init__(
        self,
        model: SimulatedModel,
        feed: Feed,
        *,
        wiring: Wiring | None = None,
        max_words: int = _MOST_WORDS,
        seed: int = 1,
    ) -> None:
        self.model = model
        self.feed = feed
        self.wiring = Wiring() if wiring is None else wiring
        self.max_words = max_words
        self.reads: list[tuple[int, int, int]] = []
        """The last reads (function, address, count), newest at the end; at most 1000."""
        self._fault = Fault.NONE
        self._frozen = MeterTruth()
        self._random = random.Random(seed)

    @property
    def fault(self) -> Fault:
        """The fault in force."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._frozen = self.feed()
        self._fault = fault

    def read(self, function: int, address: int, count: int) -> list[int]:
        """``count`` words from ``address``.

        Raises ``RefusedError`` as the meter would refuse, ``NoAnswerError`` when it is silent.
        """
        self.reads.append((function, address, count))
        del self.reads[:-1000]
        if self._fault in {Fault.SILENT, Fault.NOISE}:
            raise NoAnswerError
        if self._fault is Fault.EXCEPTION:
            raise RefusedError(DEVICE_FAILURE)
        if self._fault is Fault.GATEWAY:
            raise RefusedError(GATEWAY_NO_RESPONSE)
        if function not in self.model.functions:
            raise RefusedError(ILLEGAL_FUNCTION)
        if not 1 <= count <= _MOST_WORDS:
            raise RefusedError(ILLEGAL_VALUE)
        if count > self.max_words:
            raise RefusedError(ILLEGAL_ADDRESS)
        if self._fault is Fault.GARBAGE:
            return [self._random.randrange(0x1_0000) for _ in range(count)]
        truth = self._frozen if self._fault is Fault.FROZEN else self.feed()
        memory = fill(self.model, truth, self.wiring, wrong_sign=self._fault is Fault.WRONG_SIGN)
        return _words_at(memory, address, count)


def _words_at(memory: Memory, address: int, count: int) -> list[int]:
    if address in memory.bytes:
        return _bytes_at(memory, address, count)
    try:
        return [memory.words[address + index] for index in range(count)]
    except KeyError:
        raise RefusedError(ILLEGAL_ADDRESS) from None


def _bytes_at(memory: Memory, address: int, count: int) -> list[int]:
    if count == 1 and address in memory.lone_bytes:
        return [memory.bytes[address]]
    wanted = range(address, address + 2 * count)
    if not memory.bytes.keys() >= set(wanted) or memory.lone_bytes & set(wanted):
        raise RefusedError(ILLEGAL_ADDRESS)
    data = bytes(memory.bytes[place] for place in wanted)
    return [int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2)]
