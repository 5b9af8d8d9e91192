"""The frozen input of one planning cycle: meter readings and what each connector says."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.domain.limits import CircuitCap, LimitSource
from app.domain.meter import MeterReading
from app.domain.rules import SharingPolicy
from app.domain.station import ConnectorKey, ConnectorStatus
from app.domain.transaction import Sample
from app.domain.units import NOMINAL_VOLTAGE_V, ZERO, PhaseCurrents

PROBE_MA = 3_000
"""Only a draw above this tells which phases a car uses."""

USED_MA = 1_000
"""A conductor above this is in use."""

_WHOLE_AMPERE_MA = 1_000


class ConnectorSample(msgspec.Struct, frozen=True):
    """What a connector measured, as an interval per conductor (mA, conductor order).

    ``low`` is the least and ``high`` the most that the report allows: a conductor that was not
    reported is 0 in ``low``; a value in whole amperes may be truncated and is one ampere more in
    ``high``. ``at_s`` is the monotonic instant of reception. ``conductors_in_use`` are the
    conductors that the report shows in use, by power over current when it has no phases; ``None``
    when it does not tell.
    """

    at_s: float
    low: PhaseCurrents
    high: PhaseCurrents
    conductors_in_use: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls,
        sample: Sample,
        wired: int,
        mean_power_w: int | None = None,
        *,
        exact: bool = False,
    ) -> ConnectorSample | None:
        """From a station's sample on an outlet with ``wired`` conductors (1 to 3).

        ``mean_power_w`` is what the energy register tells of the power while the current was the
        same; it counts the conductors in use where the reported power does not. ``exact`` is true of
        a station that is known not to truncate its currents.
        ``None`` when the sample carries no current and no power. A power alone is spread over
        the conductors: at most all of it on one (``high``), nothing sure (``low`` = 0).
        """
        most_of = _as_said if exact else _most_of
        phased = sample.current_ma[:wired]
        known = [abs(value) for value in phased if value is not None]
        if known:
            most = most_of(max(known))
            low = [abs(value) if value is not None else 0 for value in phased]
            high = [most_of(abs(value)) if value is not None else most for value in phased]
            in_use = _by_phase(low) if len(known) == wired else None
            return cls(sample.received_s, _three(low), _three(high), in_use)
        if sample.current_unphased_ma is not None:
            current = abs(sample.current_unphased_ma)
            in_use = _by_power(current, sample.power_w, wired)
            if in_use is None:
                in_use = _by_power(current, mean_power_w, wired)
            sure = in_use if in_use is not None else (0,)
            low = [current if conductor in sure else 0 for conductor in range(wired)]
            return cls(sample.received_s, _three(low), _three([most_of(current)] * wired), in_use)
        if sample.power_w is not None:
            high_ma = abs(sample.power_w) * 1000 // NOMINAL_VOLTAGE_V
            return cls(sample.received_s, ZERO, _three([high_ma] * wired))
        return None

    def between_lines(self) -> ConnectorSample:
        """The sample of a single-phase outlet between two line conductors: both carry its current."""
        in_use = (0, 1) if self.conductors_in_use else self.conductors_in_use
        return ConnectorSample(
            self.at_s,
            PhaseCurrents(self.low.l1, self.low.l1, 0),
            PhaseCurrents(self.high.l1, self.high.l1, 0),
            in_use,
        )


class ConnectorState(msgspec.Struct, frozen=True):
    """One connector at the instant of the snapshot.

    ``transaction_id`` is the open transaction's, or ``None``; ``arrived_s`` when the car came
    (monotonic); ``cap_ma`` a limit of the session itself (cable, badge), or ``None``;
    with ``cap_source`` who set it;
    ``weight`` its share in thousandths; ``priority`` its strict class, 0 served first;
    ``controllable`` false when the station is known not to follow limits.
    """

    key: ConnectorKey
    online: bool
    status: ConnectorStatus = ConnectorStatus.UNKNOWN
    transaction_id: int | None = None
    arrived_s: float = 0.0
    cap_ma: int | None = None
    cap_source: LimitSource = LimitSource.INSTALLATION
    weight: int = 1_000
    priority: int = 0
    controllable: bool = True
    sample: ConnectorSample | None = None
    sample_interval_s: float = 30.0


class SiteState(msgspec.Struct, frozen=True):
    """Everything one cycle sees.

    ``readings`` holds the last reading of each metered circuit, ``None`` when there was none yet.
    Connectors that are missing count as offline; unknown ones are ignored. ``caps`` are limits in
    force on circuits for now, on top of the installer's; ``policy`` is how scarce current is shared.
    """

    now_s: float
    readings: Mapping[str, MeterReading | None]
    connectors: tuple[ConnectorState, ...]
    caps: tuple[CircuitCap, ...] = ()
    policy: SharingPolicy = SharingPolicy.WEIGHTED


def shows_fractions(sample: Sample) -> bool:
    """Whether a sample proves that its station does not truncate currents to whole amperes."""
    currents = (*sample.current_ma, sample.current_unphased_ma)
    return any(current is not None and current % _WHOLE_AMPERE_MA for current in currents)


def _as_said(current_ma: int) -> int:
    return current_ma


def _most_of(current_ma: int) -> int:
    """The most that a reported current stands for: whole amperes may have been truncated."""
    if current_ma and current_ma % _WHOLE_AMPERE_MA == 0:
        return current_ma + _WHOLE_AMPERE_MA
    return current_ma


def _three(values: list[int]) -> PhaseCurrents:
    return PhaseCurrents(*values, *[0] * (3 - len(values)))


def _by_phase(low: list[int]) -> tuple[int, ...] | None:
    if max(low) <= PROBE_MA:
        return None
    return tuple(conductor for conductor, value in enumerate(low) if value > USED_MA)


def _by_power(current_ma: int, power_w: int | None, wired: int) -> tuple[int, ...] | None:
    """Conductors in use, from one current and the total power (unity power factor)."""
    if wired == 1:
        return (0,) if current_ma > PROBE_MA else None
    if power_w is None or current_ma <= PROBE_MA:
        return None
    ratio = abs(power_w) * 1000 / (NOMINAL_VOLTAGE_V * (current_ma + _most_of(current_ma)) / 2)
    count = round(ratio)
    # Voltage, power factor and truncation move the ratio by some tenths: in between, no verdict.
    if not 1 <= count <= wired or abs(ratio - count) > 0.3:
        return None
    return tuple(range(count))
