"""The standard OCPP 1.6 configuration keys of a station (clause 9)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from simulators.station.config import StationConfig
from simulators.station.persona import Persona

PROFILES = "Core,FirmwareManagement,LocalAuthListManagement,RemoteTrigger,Reservation,SmartCharging"


class _Kind(enum.Enum):
    READ_ONLY = enum.auto()
    INTEGER = enum.auto()
    BOOLEAN = enum.auto()
    TEXT = enum.auto()
    MEASURANDS = enum.auto()


class ConfigurationKeys:
    """Keys and values; values are text, as on the wire."""

    __slots__ = ("_kinds", "_persona", "values")

    def __init__(self, config: StationConfig, persona: Persona) -> None:
        self._persona = persona
        self.values: dict[str, str] = {}
        self._kinds: dict[str, _Kind] = {}
        measurands = ",".join(persona.measurands)
        rotation = [f"0.{config.connectors[0].rotation}"]
        rotation += [f"{c.connector_id}.{c.rotation}" for c in config.connectors]
        units = {"A": "Current", "W": "Power"}
        self._add(
            _Kind.BOOLEAN,
            AllowOfflineTxForUnknownId=persona.allow_offline_unknown,
            AuthorizationCacheEnabled=True,
            AuthorizeRemoteTxRequests=False,
            LocalAuthListEnabled=True,
            LocalAuthorizeOffline=True,
            LocalPreAuthorize=False,
            StopTransactionOnEVSideDisconnect=True,
            StopTransactionOnInvalidId=True,
            UnlockConnectorOnEVSideDisconnect=True,
        )
        self._add(
            _Kind.INTEGER,
            ClockAlignedDataInterval=persona.clock_interval_s,
            ConnectionTimeOut=60,
            HeartbeatInterval=86_400,
            LightIntensity=50,
            MaxEnergyOnInvalidId=0,
            MeterValueSampleInterval=persona.sample_interval_s,
            MinimumStatusDuration=0,
            ResetRetries=3,
            TransactionMessageAttempts=3,
            TransactionMessageRetryInterval=20,
            WebSocketPingInterval=60,
        )
        self._add(
            _Kind.MEASURANDS,
            MeterValuesAlignedData=measurands,
            MeterValuesSampledData=measurands,
            StopTxnAlignedData="",
            StopTxnSampledData="",
        )
        self._add(_Kind.TEXT, ConnectorPhaseRotation=",".join(rotation))
        self._add(
            _Kind.READ_ONLY,
            ChargeProfileMaxStackLevel=persona.max_stack_level,
            ChargingScheduleAllowedChargingRateUnit=",".join(units[u] for u in persona.rate_units),
            ChargingScheduleMaxPeriods=persona.max_periods,
            ConnectorSwitch3to1PhaseSupported=False,
            GetConfigurationMaxKeys=20,
            LocalAuthListMaxLength=1000,
            MaxChargingProfilesInstalled=persona.max_profiles,
            NumberOfConnectors=len(config.connectors),
            SendLocalListMaxLength=100,
            SupportedFeatureProfiles=PROFILES,
        )

    def _add(self, kind: _Kind, **values: str | int | bool) -> None:
        for key, value in values.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            self.values[key] = text
            self._kinds[key] = kind

    def integer(self, key: str) -> int:
        """The value of an integer key."""
        return int(self.values[key])

    def boolean(self, key: str) -> bool:
        """The value of a boolean key."""
        return self.values[key] == "true"

    def measurands(self, key: str) -> tuple[str, ...]:
        """The measurands listed by a key."""
        return tuple(name for name in self.values[key].split(",") if name)

    def answer(self, wanted: Iterable[str]) -> dict[str, Any]:
        """GetConfiguration.conf; every key when none is asked for, whatever the maximum says."""
        names = list(wanted)
        known = [key for key in names if key in self.values] if names else list(self.values)
        content: dict[str, Any] = {
            "configurationKey": [
                {
                    "key": key,
                    "readonly": self._kinds[key] is _Kind.READ_ONLY,
                    "value": self.values[key],
                }
                for key in known
            ]
        }
        unknown = [key for key in names if key not in self.values]
        if unknown:
            content["unknownKey"] = unknown
        return content

    def change(self, key: str, value: str) -> str:
        """ChangeConfiguration: the status to answer."""
        kind = self._kinds.get(key)
        if kind is None:
            return "NotSupported"
        text = value.strip()
        if kind is _Kind.BOOLEAN:
            text = text.lower()
        if not self._valid(kind, text):
            return "Rejected"
        self.values[key] = text
        return "Accepted"

    def _valid(self, kind: _Kind, text: str) -> bool:
        match kind:
            case _Kind.READ_ONLY:
                return False
            case _Kind.BOOLEAN:
                return text in ("true", "false")
            case _Kind.INTEGER:
                return text.isascii() and text.isdigit()
            case _Kind.MEASURANDS:
                supported = self._persona.supported_measurands
                return all(name in supported for name in text.split(",") if name)
            case _Kind.TEXT:
                return len(text) <= 500
