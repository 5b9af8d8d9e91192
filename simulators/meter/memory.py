"""The register memory of a meter, as its firmware would fill it."""

from __future__ import annotations

import math

from simulators.meter.models import Layout, SimulatedModel
from simulators.meter.truth import MeterTruth

_U32 = 0xFFFF_FFFF
SQRT3 = math.sqrt(3)


class Wiring:
    """What an electrician sets on the meter: ratios and the order of 32-bit values."""

    def __init__(self, kta: int = 1, ktv: float = 1.0, word_format: str = "big") -> None:
        if word_format not in {"big", "little", "swap"}:
            raise ValueError(f"unknown word format {word_format!r}")
        self.kta = kta
        self.ktv = ktv
        self.word_format = word_format

    def double_word(self, value: int) -> bytes:
        """Four bytes on the wire of an unsigned 32-bit value."""
        a, b, c, d = (value & _U32).to_bytes(4, "big")
        match self.word_format:
            case "big":
                return bytes((a, b, c, d))
            case "little":
                return bytes((d, c, b, a))
            case _:
                return bytes((c, d, a, b))

    def power_counts(self, watts: float) -> int:
        """Magnitude in counts of 0.01 W, or of 1 W when the ratios multiply to 5000 or more."""
        return round(abs(watts) * (1 if self.kta * self.ktv >= 5000 else 100))

    def energy_counts(self, watt_hours: float) -> int:
        """Counts of 10 Wh, and ten times as much for every decade of the ratios' product."""
        ratio = self.kta * self.ktv
        decades = 0 if ratio < 10 else min(5, int(math.log10(ratio * (1 + 1e-12))))
        return int(watt_hours // 10 ** (decades + 1))


class Memory:
    """Words of the word-addressed layouts, bytes of the byte-addressed one."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.words: dict[int, int] = {}
        self.bytes: dict[int, int] = {}
        self.lone_bytes: set[int] = set()

    def word(self, address: int, value: int) -> None:
        """A 16-bit word, negative values in two's complement."""
        self.words[address] = value & 0xFFFF

    def double(self, address: int, *values: int) -> None:
        """32-bit values one after the other, in words."""
        for index, value in enumerate(values):
            wire = self.wiring.double_word(value)
            self.words[address + 2 * index] = int.from_bytes(wire[:2], "big")
            self.words[address + 2 * index + 1] = int.from_bytes(wire[2:], "big")

    def byte_double(self, address: int, *values: int) -> None:
        """32-bit values one after the other, in bytes."""
        for index, value in enumerate(values):
            self._bytes(address + 4 * index, self.wiring.double_word(value))

    def byte_word(self, address: int, value: int) -> None:
        """A 16-bit value, in bytes."""
        self._bytes(address, (value & 0xFFFF).to_bytes(2, "big"))

    def lone_byte(self, address: int, value: int) -> None:
        """A one-byte item, which can only be read alone."""
        self.bytes[address] = value & 0xFF
        self.lone_bytes.add(address)

    def _bytes(self, address: int, data: bytes) -> None:
        for index, byte in enumerate(data):
            self.bytes[address + index] = byte


class _Values:
    """Truth in the integers a meter shows; ``signs`` are 1 for export."""

    def __init__(self, truth: MeterTruth, wiring: Wiring, *, wrong_sign: bool) -> None:
        counts = wiring.power_counts
        powers = truth.powers_w
        tangent = math.tan(math.acos(min(1.0, abs(truth.power_factor))))
        apparent = [
            volts * abs(amps)
            for volts, amps in zip(truth.voltages_v, truth.currents_a, strict=True)
        ]
        self.volts = [round(volts * 1000) for volts in truth.voltages_v]
        a, b, c = truth.voltages_v
        self.lines = [
            round(math.sqrt(u * u + v * v + u * v) * 1000) for u, v in ((a, b), (b, c), (c, a))
        ]
        self.amps = [round(abs(amps) * 1000) for amps in truth.currents_a]
        self.neutral = round(truth.neutral_a * 1000)
        self.mean = round(sum(abs(amps) for amps in truth.currents_a) * 1000 / 3)
        self.power = [counts(watts) for watts in powers]
        self.total = counts(sum(powers))
        self.watts = round(abs(sum(powers)))
        self.reactive = [counts(watts * tangent) for watts in powers]
        self.reactive_total = counts(sum(powers) * tangent)
        self.apparent = [counts(va) for va in apparent]
        self.apparent_total = counts(sum(apparent))
        self.signs = [int((watts < 0) != wrong_sign and watts != 0) for watts in powers]
        self.sign = int((sum(powers) < 0) != wrong_sign and sum(powers) != 0)
        self.factor = round(truth.power_factor * 100)
        self.sector = 0 if self.factor == 100 else 1
        self.hertz = round(truth.frequency_hz * 10)
        self.energy_in = wiring.energy_counts(truth.import_wh)
        self.energy_out = wiring.energy_counts(truth.export_wh)
        self.kilowatt_hours = int(truth.import_wh // 1000)
        self.hours = int(truth.running_s // 3600)
        self.seconds = int(truth.running_s)


def fill(
    model: SimulatedModel, truth: MeterTruth, wiring: Wiring, *, wrong_sign: bool = False
) -> Memory:
    """The whole memory for one instant; ``wrong_sign`` swaps import and export flags."""
    memory = Memory(wiring)
    values = _Values(truth, wiring, wrong_sign=wrong_sign)
    for layout in model.layouts:
        _FILLERS[layout](memory, values, model)
    for address, value in model.ids.items():
        memory.word(address, value)
    return memory


def _fill_1000(memory: Memory, v: _Values, model: SimulatedModel) -> None:
    memory.double(0x1000, *v.volts, *v.amps, v.neutral, *v.lines)
    memory.double(0x1014, v.total, v.reactive_total, v.apparent_total)
    memory.word(0x101A, v.sign)
    memory.word(0x101B, 0)
    memory.double(0x101C, v.energy_in, 0, v.energy_out, 0)
    memory.word(0x1024, v.factor)
    memory.word(0x1025, v.sector)
    memory.word(0x1026, v.hertz)
    memory.double(0x1027, v.total, v.total)
    memory.word(0x102B, 0)
    memory.double(0x102C, *v.power)
    for phase in range(3):
        memory.word(0x1032 + phase, v.signs[phase])
        memory.word(0x103B + phase, 0)
        memory.word(0x1044 + phase, v.factor)
    memory.double(0x1035, *v.reactive)
    memory.double(0x103E, *v.apparent)
    memory.double(0x1050, *v.amps)
    memory.double(0x105C, v.mean)
    memory.word(0x106E, v.hours)
    memory.word(0x1200, memory.wiring.kta)
    memory.word(0x1201, round(memory.wiring.ktv / model.ktv_per_count))


def _fill_0301(memory: Memory, v: _Values, _model: SimulatedModel) -> None:
    memory.byte_double(0x0301, *v.volts, *v.amps)
    memory.byte_double(0x0319, v.total, v.reactive_total, v.apparent_total)
    memory.byte_double(0x0325, v.energy_in)
    memory.byte_double(0x0329, *v.lines, v.energy_out)
    memory.byte_word(0x0339, v.hertz)
    memory.byte_word(0x033B, v.hours)
    memory.byte_word(0x033D, v.factor)
    memory.lone_byte(0x033F, v.sector)
    memory.lone_byte(0x0340, 1)
    memory.byte_double(0x0343, 0)
    memory.lone_byte(0x0347, v.sign)
    memory.byte_double(0x0348, 0)
    memory.lone_byte(0x034C, 0)
    memory.byte_double(0x0350, v.total, v.total)
    memory.lone_byte(0x0358, 0)
    memory.byte_double(0x0359, v.neutral)
    memory.byte_double(0x035D, *v.power)
    for phase in range(3):
        memory.lone_byte(0x0369 + phase, v.signs[phase])
    memory.byte_double(0x036C, *v.reactive)
    memory.byte_double(0x037B, *v.apparent)
    for phase in range(3):
        memory.byte_word(0x0387 + 2 * phase, v.factor)


def _fill_5000(memory: Memory, v: _Values, _model: SimulatedModel) -> None:
    memory.double(0x5000, *v.amps)
    memory.double(0x501D, *v.volts)


def _fill_2000(memory: Memory, v: _Values, _model: SimulatedModel) -> None:
    memory.double(0x2000, v.volts[0], v.amps[0], v.watts)
    memory.word(0x2006, v.signs[0])
    memory.word(0x2007, v.factor)
    memory.word(0x2008, v.sector)
    memory.word(0x2009, v.hertz)
    memory.double(0x200A, v.kilowatt_hours, v.kilowatt_hours, v.seconds)


_FILLERS = {
    Layout.WORDS_1000: _fill_1000,
    Layout.BYTES_0301: _fill_0301,
    Layout.WORDS_5000: _fill_5000,
    Layout.WORDS_2000: _fill_2000,
}
