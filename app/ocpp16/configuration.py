"""What a GetConfiguration answer tells about a station (chapter 9 of OCPP 1.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from app.domain.station import RateUnit
from app.domain.units import Rotation
from app.ocpp16.actions.manager_calls import GetConfigurationConfirmation


class StationConfiguration(msgspec.Struct, frozen=True):
    """A station's settings, interpreted; ``None`` or empty where the station says nothing.

    ``rate_units`` in the station's order; ``rotations`` by connector, 0 for the station itself,
    only where the answer names one; intervals in seconds, 0 meaning off. ``values`` keeps every
    setting as sent, ``readonly`` those that cannot be written, ``unknown`` those it does not have.
    """

    rate_units: tuple[RateUnit, ...] = ()
    max_stack_level: int | None = None
    max_periods: int | None = None
    max_profiles: int | None = None
    connectors: int | None = None
    sample_interval_s: int | None = None
    clock_aligned_interval_s: int | None = None
    heartbeat_interval_s: int | None = None
    measurands: tuple[str, ...] = ()
    feature_profiles: tuple[str, ...] = ()
    rotations: dict[int, Rotation] = {}
    values: dict[str, str] = {}
    readonly: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    @property
    def smart_charging(self) -> bool:
        """Whether the station claims the SmartCharging profile (true when it does not tell)."""
        return not self.feature_profiles or "smartcharging" in {
            profile.lower() for profile in self.feature_profiles
        }

    def writable(self, key: str) -> bool:
        """Whether it makes sense to try ChangeConfiguration on ``key``."""
        return key not in self.readonly and key not in self.unknown


_UNITS: Final[dict[str, RateUnit]] = {
    "current": RateUnit.AMPERES,
    "a": RateUnit.AMPERES,
    "amp": RateUnit.AMPERES,
    "amps": RateUnit.AMPERES,
    "power": RateUnit.WATTS,
    "w": RateUnit.WATTS,
    "watt": RateUnit.WATTS,
    "watts": RateUnit.WATTS,
}

_ROTATION: Final = re.compile(r"(?:(\d+)\s*[.:=]\s*)?([RST]{3})", re.IGNORECASE | re.ASCII)


def interpret(answer: GetConfigurationConfirmation) -> StationConfiguration:
    """The settings in ``answer``. Keys are matched without regard to case; never raises."""
    settings = answer.configuration_key or ()
    values = {setting.key: setting.value or "" for setting in settings}
    folded = {key.lower(): value for key, value in values.items()}
    return StationConfiguration(
        rate_units=_rate_units(folded),
        max_stack_level=_whole(folded, "ChargeProfileMaxStackLevel"),
        max_periods=_whole(folded, "ChargingScheduleMaxPeriods"),
        max_profiles=_whole(folded, "MaxChargingProfilesInstalled"),
        connectors=_whole(folded, "NumberOfConnectors"),
        sample_interval_s=_whole(folded, "MeterValueSampleInterval"),
        clock_aligned_interval_s=_whole(folded, "ClockAlignedDataInterval"),
        heartbeat_interval_s=_whole(folded, "HeartbeatInterval"),
        measurands=_items(folded, "MeterValuesSampledData"),
        feature_profiles=_items(folded, "SupportedFeatureProfiles"),
        rotations=_rotations(folded),
        values=values,
        readonly=frozenset(setting.key for setting in settings if setting.readonly),
        unknown=frozenset(answer.unknown_key or ()),
    )


def _items(folded: Mapping[str, str], key: str) -> tuple[str, ...]:
    parts = (part.strip() for part in folded.get(key.lower(), "").split(","))
    return tuple(part for part in parts if part)


def _whole(folded: Mapping[str, str], key: str) -> int | None:
    try:
        value = int(folded.get(key.lower(), "").strip())
    except ValueError:
        return None
    return value if value >= 0 else None


def _rate_units(folded: Mapping[str, str]) -> tuple[RateUnit, ...]:
    named = _items(folded, "ChargingScheduleAllowedChargingRateUnit")
    units = (_UNITS.get(name.lower()) for name in named)
    return tuple(dict.fromkeys(unit for unit in units if unit is not None))


def _rotations(folded: Mapping[str, str]) -> dict[int, Rotation]:
    """``0.RST,1.STR`` by connector; an entry without number is the station's."""
    rotations: dict[int, Rotation] = {}
    for item in _items(folded, "ConnectorPhaseRotation"):
        found = _ROTATION.fullmatch(item)
        if found is not None and set(found[2].upper()) == set("RST"):
            rotations[int(found[1] or 0)] = Rotation(found[2].upper())
    return rotations
