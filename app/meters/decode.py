"""From register words to quantities in SI units, and to a reading of the domain.

An *image* maps a PDU address to the 16-bit word the meter returned for it; ``place`` adds the
answer to one request. The sign of a current is the flag of its phase's power; a flag that is
missing or is neither 0 nor 1 counts as import, the safe side for a supply limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.domain.meter import MeterReading, Quality
from app.domain.units import PhaseCurrents
from app.meters.scale import Ratios, energy_scale, ktv_value, power_scale
from app.meters.schema import Block, Family, Kind, MeterModel, Register, ScaleRule, WordFormat

Image = dict[int, int]

CURRENTS = ("current_l1", "current_l2", "current_l3")
VOLTAGES = ("voltage_l1_n", "voltage_l2_n", "voltage_l3_n")
LINE_VOLTAGES = ("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1")
POWER = "power_active_total"
ENERGY = "energy_active_import"

_EXPORT = 1


def place(image: Image, family: Family, block: Block, words: Sequence[int]) -> None:
    """Puts the answer to ``block`` in the image."""
    step = family.step()
    for index, word in enumerate(words):
        image[block.start + index * step] = word


def join_words(first: int, second: int, word_format: WordFormat) -> int:
    """The unsigned 32-bit value of two words in wire order."""
    if word_format is WordFormat.BIG:
        return first << 16 | second
    if word_format is WordFormat.SWAP:
        return second << 16 | first
    return _swap_bytes(second) << 16 | _swap_bytes(first)


def _swap_bytes(word: int) -> int:
    return (word & 0xFF) << 8 | word >> 8


class Decoder:
    """Decodes the answers of one meter.

    ``phases`` is the model's: a single-phase meter gives a current on L1 only.
    """

    def __init__(
        self,
        family: Family,
        *,
        phases: int = 3,
        word_format: WordFormat = WordFormat.BIG,
        ktv_scale: float | None = None,
    ) -> None:
        self.family = family
        self.phases = min(phases, family.phases)
        self.word_format = word_format
        self._ktv_scale = family.ktv_scale if ktv_scale is None else ktv_scale
        self._by_name = {register.name: register for register in family.registers}
        self._invalid = frozenset(family.invalid_raw)

    @classmethod
    def of_model(cls, model: MeterModel, family: Family, word_format: WordFormat) -> Decoder:
        """The decoder of a reference, with the family it turned out to speak."""
        return cls(family, phases=model.phases, word_format=word_format, ktv_scale=model.ktv_scale)

    def raw(self, image: Mapping[int, int], register: Register) -> int | None:
        """The raw integer; ``None`` when unread or marked by the meter as not available."""
        first = image.get(register.address)
        if first is None:
            return None
        kind = register.kind
        if kind.words == 1:
            if kind is Kind.UINT8:
                return first if first <= 0xFF else None
            return first - 0x1_0000 if kind is Kind.INT16 and first & 0x8000 else first
        second = image.get(register.address + self.family.step())
        if second is None:
            return None
        value = join_words(first, second, self.word_format)
        if value in self._invalid:
            return None
        if kind is Kind.INT32 and value & 0x8000_0000:
            return value - 0x1_0000_0000
        return value

    def ratios(self, image: Mapping[int, int]) -> Ratios:
        """KTA and KTV, where the image holds them; a KTA of 0 is no answer."""
        kta = self._raw_named(image, "ct_ratio_kta")
        ktv = self._raw_named(image, "vt_ratio_ktv")
        return Ratios(kta=kta or None, ktv=None if ktv is None else ktv_value(ktv, self._ktv_scale))

    def quantities(self, image: Mapping[int, int], ratios: Ratios) -> dict[str, float]:
        """Every readable quantity by name, signed, in its register's unit."""
        values: dict[str, float] = {}
        for register in self.family.registers:
            raw = self.raw(image, register)
            if raw is None:
                continue
            scale = self._scale(register, ratios)
            if scale is None:
                continue
            if register.magnitude:
                raw = abs(raw)
            if register.sign is not None and self._exports(image, register.sign):
                raw = -raw
            values[register.name] = raw * scale if scale >= 1 else raw / round(1 / scale)
        if self.phases == 1:
            for name in (*CURRENTS[1:], *VOLTAGES[1:]):
                values.pop(name, None)
        return values

    def scale_confirmed(self, name: str) -> bool:
        """Whether the unit per count of this quantity is documented."""
        register = self._by_name.get(name)
        return register is None or register.scale_confirmed

    def _raw_named(self, image: Mapping[int, int], name: str) -> int | None:
        register = self._by_name.get(name)
        return None if register is None else self.raw(image, register)

    def _scale(self, register: Register, ratios: Ratios) -> float | None:
        match register.scale:
            case ScaleRule.POWER:
                return power_scale(ratios.k)
            case ScaleRule.ENERGY:
                return energy_scale(ratios.k)
            case ScaleRule.KTV:
                return self._ktv_scale
            case scale:
                return scale

    def _exports(self, image: Mapping[int, int], flag_address: int) -> bool:
        return image.get(flag_address) == _EXPORT


def to_reading(
    meter_id: str,
    at_s: float,
    quantities: Mapping[str, float],
    *,
    quality: Quality = Quality.GOOD,
    reason: str = "",
    trust_power: bool = True,
) -> MeterReading:
    """The domain's reading; a phase without a current reads 0."""
    return MeterReading(
        meter_id=meter_id,
        at_s=at_s,
        currents=PhaseCurrents.of(round(quantities.get(name, 0.0) * 1000) for name in CURRENTS),
        quality=quality,
        power_w=quantities.get(POWER) if trust_power else None,
        voltages_v=_voltages(quantities),
        energy_wh=quantities.get(ENERGY),
        reason=reason,
    )


def _voltages(quantities: Mapping[str, float]) -> tuple[float, float, float] | None:
    if not any(name in quantities for name in VOLTAGES):
        return None
    l1, l2, l3 = _each(quantities, VOLTAGES)
    return (l1, l2, l3)


def _each(quantities: Mapping[str, float], names: Iterable[str]) -> list[float]:
    return [quantities.get(name, 0.0) for name in names]
