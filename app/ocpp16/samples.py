"""Meter values to samples in SI units: which phase, which unit, and what a bare number means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, MutableMapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from app.domain.transaction import Sample
from app.ocpp16.actions.station_calls import MeterValue, SampledValue
from app.ocpp16.actions.types import (
    UNREADABLE_TIME,
    Location,
    Measurand,
    Phase,
    UnitOfMeasure,
    ValueFormat,
)

_CONDUCTORS: Final[dict[Phase | None, int]] = {
    Phase.L1: 0,
    Phase.L2: 1,
    Phase.L3: 2,
    Phase.L1_N: 0,
    Phase.L2_N: 1,
    Phase.L3_N: 2,
}
_UNPHASED: Final = 3

_UNIT_MEASURANDS: Final[dict[UnitOfMeasure | None, Measurand]] = {
    None: Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
    UnitOfMeasure.WH: Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
    UnitOfMeasure.KWH: Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
    UnitOfMeasure.A: Measurand.CURRENT_IMPORT,
    UnitOfMeasure.W: Measurand.POWER_ACTIVE_IMPORT,
    UnitOfMeasure.KW: Measurand.POWER_ACTIVE_IMPORT,
    UnitOfMeasure.PERCENT: Measurand.SOC,
}
"""What a value without measurand is. The default is the energy register, but the unit is stronger:
1.64 A must never become 1.64 Wh because a firmware misspells ``measurand``."""

_SCALES: Final[dict[Measurand, dict[UnitOfMeasure | None, float]]] = {
    Measurand.CURRENT_IMPORT: {None: 1e3, UnitOfMeasure.A: 1e3},
    Measurand.CURRENT_OFFERED: {None: 1e3, UnitOfMeasure.A: 1e3},
    Measurand.POWER_ACTIVE_IMPORT: {None: 1.0, UnitOfMeasure.W: 1.0, UnitOfMeasure.KW: 1e3},
    Measurand.POWER_ACTIVE_EXPORT: {None: 1.0, UnitOfMeasure.W: 1.0, UnitOfMeasure.KW: 1e3},
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: {
        None: 1.0,
        UnitOfMeasure.WH: 1.0,
        UnitOfMeasure.KWH: 1e3,
    },
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: {
        None: 1.0,
        UnitOfMeasure.WH: 1.0,
        UnitOfMeasure.KWH: 1e3,
    },
    Measurand.SOC: {None: 1.0, UnitOfMeasure.PERCENT: 1.0},
}
"""Factor to mA, W, Wh or percent, by unit; a unit that does not fit the measurand is not read."""

_BOUNDS: Final[dict[Measurand, float]] = {
    Measurand.CURRENT_IMPORT: 1e6,
    Measurand.CURRENT_OFFERED: 1e6,
    Measurand.POWER_ACTIVE_IMPORT: 1e6,
    Measurand.POWER_ACTIVE_EXPORT: 1e6,
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: 1e12,
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: 1e6,
    Measurand.SOC: 100.0,
}
"""Magnitudes beyond these (mA, W, Wh, percent) are no measurement of a charging station."""

_PLACES: Final[dict[Measurand, int]] = {
    measurand: 4 * number for number, measurand in enumerate(_BOUNDS)
}
"""Where a measurand's four values begin in ``_Values``."""
_NOTHING: Final = (None,) * (4 * len(_PLACES))
_SILENT: Final = [None] * 4
_CURRENT: Final = _PLACES[Measurand.CURRENT_IMPORT]
_OFFERED: Final = _PLACES[Measurand.CURRENT_OFFERED]
_POWER: Final = _PLACES[Measurand.POWER_ACTIVE_IMPORT]
_EXPORT: Final = _PLACES[Measurand.POWER_ACTIVE_EXPORT]
_REGISTER: Final = _PLACES[Measurand.ENERGY_ACTIVE_IMPORT_REGISTER]
_INTERVAL: Final = _PLACES[Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL]
_SOC: Final = _PLACES[Measurand.SOC]

_MOST_W: Final = 400_000.0
"""More than any station gives to a car."""

_WATT_MEASURANDS: Final = frozenset({Measurand.POWER_ACTIVE_IMPORT, Measurand.POWER_ACTIVE_EXPORT})

_INSTANTS_KEPT: Final = 64
"""A repeat comes soon after the original, or not at all."""


class Scales(NamedTuple):
    """Factors that make Wh and W of what a station calls so."""

    energy: float = 1.0
    power: float = 1.0


TRUE_SCALES: Final = Scales()

Repaired = MutableMapping[str, None]
"""Takes the names of the repairs of one message, each once."""

_Values = list[float | None]
"""For each measurand the first, second, third conductor, and the value without phase."""


class IntervalRegister:
    """An energy register for stations that only report energy by interval.

    Adds up the intervals of one connector from ``restart`` on, each instant once, so that a
    repeated message does not count twice. Instants may go back: a station's clock is set now and
    then. ``UNREADABLE_TIME`` tells nothing, and always counts.
    """

    def __init__(self, start_wh: float = 0.0) -> None:
        self.restart(start_wh)

    def restart(self, start_wh: float = 0.0) -> None:
        """A new transaction, whose meter began at ``start_wh``."""
        self._energy_wh = start_wh
        self._counted: deque[datetime] = deque(maxlen=_INSTANTS_KEPT)

    def add(self, at_utc: datetime, interval_wh: float) -> float:
        """The register (Wh) after the interval that ended at ``at_utc``."""
        if at_utc not in self._counted:
            if at_utc != UNREADABLE_TIME:
                self._counted.append(at_utc)
            self._energy_wh += max(0.0, interval_wh)
        return self._energy_wh


def read_samples(
    values: Iterable[MeterValue],
    received_s: float,
    intervals: IntervalRegister | None = None,
    *,
    scales: Scales = TRUE_SCALES,
    repaired: Repaired | None = None,
) -> list[Sample]:
    """One sample per meter value, in the order given.

    ``received_s`` is the monotonic instant of reception. Readings that cannot be measurements (not
    a number, wrong unit, absurd) are left out. Currents are magnitudes: they load the conductor
    whatever their direction. ``intervals`` turns interval energy into a register; without it,
    interval energy is left out. ``scales`` corrects energy and power of a station that is known to
    call them by the wrong unit; ``repaired`` takes the names of what was read other than as said.
    """
    log = {} if repaired is None else repaired
    return [_sample(value, received_s, intervals, scales, log) for value in values]


def _sample(
    meter_value: MeterValue,
    received_s: float,
    intervals: IntervalRegister | None,
    scales: Scales,
    log: Repaired,
) -> Sample:
    read = _read(meter_value.sampled_value, scales, log)
    l1, l2, l3, unphased = read[_CURRENT : _CURRENT + 4]
    register = _total(read, _REGISTER)
    if register is None and intervals is not None:
        interval = _total(read, _INTERVAL)
        if interval is not None:
            register = intervals.add(meter_value.timestamp, interval)
    power = _total(read, _POWER)
    if power is None:  # one maker calls it "export" (the outlet's view) and sends no import
        power = _total(read, _EXPORT)
    offered = None
    if read[_OFFERED : _OFFERED + 4] != _SILENT:
        offered = min(value for value in read[_OFFERED : _OFFERED + 4] if value is not None)
    soc = _total(read, _SOC)
    return Sample(
        at_utc=meter_value.timestamp,
        received_s=received_s,
        current_ma=(
            None if l1 is None else round(abs(l1)),
            None if l2 is None else round(abs(l2)),
            None if l3 is None else round(abs(l3)),
        ),
        current_unphased_ma=None if unphased is None else round(abs(unphased)),
        power_w=None if power is None else round(power),
        energy_wh=None if register is None else round(register),
        offered_ma=None if offered is None else round(offered),
        soc_percent=None if soc is None else round(soc),
    )


class _Meaning(NamedTuple):
    """What a number under this description is; everything but the number itself."""

    measurand: Measurand
    place: int
    scale: float
    most: float
    at_outlet: bool
    in_kilowatts: bool


@lru_cache(maxsize=512)
def _meaning(
    measurand: Measurand | None,
    unit: UnitOfMeasure | None,
    phase: Phase | None,
    location: Location | None,
    form: ValueFormat | None,
) -> _Meaning | None:
    """``None`` for what is not read. Stations describe the same few values again and again."""
    if measurand is None:
        measurand = _UNIT_MEASURANDS.get(unit)
    units = _SCALES.get(measurand) if measurand is not None else None
    if units is None or measurand is None or form is ValueFormat.SIGNED_DATA:
        return None
    scale = units.get(unit)
    conductor = _UNPHASED if phase is None else _CONDUCTORS.get(phase)
    if scale is None or conductor is None:
        return None
    at_outlet = location is None or location is Location.OUTLET
    kilowatts = unit is UnitOfMeasure.KW
    place = _PLACES[measurand] + conductor
    return _Meaning(measurand, place, scale, _BOUNDS[measurand], at_outlet, kilowatts)


def _read(sampled: Iterable[SampledValue], scales: Scales, log: Repaired) -> _Values:
    """Scaled values. At the outlet wins over elsewhere; then the later wins."""
    read: _Values = [*_NOTHING]
    elsewhere: dict[int, float] = {}
    for value in sampled:
        meaning = _meaning(value.measurand, value.unit, value.phase, value.location, value.format)
        if meaning is None:
            continue
        measurand, place, scale, most, at_outlet, in_kilowatts = meaning
        try:
            number = float(value.value) * scale
        except ValueError:
            number = _with_comma(value.value, log) * scale
        if scales is not TRUE_SCALES:
            number *= _correction(measurand, scales, log)
        if in_kilowatts and abs(number) > _MOST_W:
            # 7,400 kW are 7,400 W that were called by the wrong name.
            number /= scale
            log["unit-impossible"] = None
        if -most <= number <= most:  # else it is no measurement, or no number at all
            if at_outlet:
                read[place] = number
            else:
                elsewhere[place] = number
    if elsewhere:
        _fill(read, elsewhere)
    return read


def _fill(read: _Values, elsewhere: dict[int, float]) -> None:
    """Takes what was measured elsewhere for the measurands that the outlet says nothing of."""
    silent = {first for first in _PLACES.values() if read[first : first + 4] == _SILENT}
    for place, number in elsewhere.items():
        if place - place % 4 in silent:
            read[place] = number


def _correction(measurand: Measurand, scales: Scales, log: Repaired) -> float:
    """The factor for a station that calls energy or power by the wrong unit."""
    if measurand in _WATT_MEASURANDS and scales.power != 1.0:
        log["power-scale"] = None
        return scales.power
    if measurand is Measurand.ENERGY_ACTIVE_IMPORT_REGISTER and scales.energy != 1.0:
        log["energy-scale"] = None
        return scales.energy
    return 1.0


def _with_comma(text: str, log: Repaired) -> float:
    """A number with a decimal comma; not a number where it is none."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return math.nan
    log["decimal-comma"] = None
    return number


def _total(read: _Values, first: int) -> float | None:
    """A measurand's value without phase, else the sum of the phases that were given."""
    l1, l2, l3, unphased = read[first : first + 4]
    if unphased is not None:
        return unphased
    if l1 is None and l2 is None and l3 is None:
        return None
    return (l1 or 0.0) + (l2 or 0.0) + (l3 or 0.0)
