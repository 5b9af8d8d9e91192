"""The standard OCPP 1.6 configuration keys of a station (clause 9)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from simulators.station.config import StationConfig
from simulators.station.files import PROTOCOLS
from simulators.station.persona import Persona


class _Kind(enum.Enum):
    READ_ONLY = enum.auto()
    WRITE_ONLY = enum.auto()
    INTEGER = enum.auto()
    BOOLEAN = enum.auto()
    TEXT = enum.auto()
    MEASURANDS = enum.auto()


class ConfigurationKeys:
    """Keys and values; values are text, as on the wire."""

    __slots__ = ("_after_boot", "_kinds", "_persona", "values")

    def __init__(self, config: StationConfig, persona: Persona) -> None:
        self._persona = persona
        self.values: dict[str, str] = {}
        self._kinds: dict[str, _Kind] = {}
        self._after_boot: dict[str, str] = {}
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
            HeartbeatInterval=persona.heartbeat_interval_s,
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
            GetConfigurationMaxKeys=persona.max_keys,
            LocalAuthListMaxLength=persona.local_list_max,
            MaxChargingProfilesInstalled=persona.max_profiles,
            NumberOfConnectors=len(config.connectors),
            ReserveConnectorZeroSupported=persona.reserves_station,
            SendLocalListMaxLength=persona.local_list_most_sent,
            SupportedFeatureProfiles=",".join(persona.feature_profiles),
            SupportedFileTransferProtocols=PROTOCOLS,
        )
        self._add(_Kind.WRITE_ONLY, AuthorizationKey="")
        if persona.security_extension:
            self._add(_Kind.TEXT, CpoName="")
            self._add(_Kind.INTEGER, SecurityProfile=0)
            self._add(
                _Kind.READ_ONLY,
                AdditionalRootCertificateCheck=False,
                CertificateSignedMaxChainSize=10_000,
                CertificateStoreMaxLength=persona.certificates_max,
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
        """GetConfiguration.conf; every key when none is asked for. Few makes mind the maximum."""
        names = list(wanted)
        known = [key for key in names if key in self.values] if names else list(self.values)
        if self._persona.obeys_max_keys:
            del known[self._persona.max_keys :]
        content: dict[str, Any] = {"configurationKey": [self._entry(key) for key in known]}
        unknown = [key for key in names if key not in self.values]
        if unknown:
            content["unknownKey"] = unknown
        return content

    def _entry(self, key: str) -> dict[str, str | bool]:
        kind = self._kinds[key]
        entry: dict[str, str | bool] = {"key": key, "readonly": kind is _Kind.READ_ONLY}
        if kind is not _Kind.WRITE_ONLY:
            entry["value"] = self.values[key]
        return entry

    def readable(self) -> dict[str, str]:
        """Keys and values that anybody may see."""
        return {
            key: value
            for key, value in self.values.items()
            if self._kinds[key] is not _Kind.WRITE_ONLY
        }

    def rebooted(self) -> None:
        """Values that waited for a boot count from now on."""
        self.values.update(self._after_boot)
        self._after_boot.clear()

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
        if key in self._persona.needs_reboot_for:
            self._after_boot[key] = text
            return "RebootRequired"
        self.values[key] = text
        return "Accepted"

    def _valid(self, kind: _Kind, text: str) -> bool:
        match kind:
            case _Kind.READ_ONLY:
                return False
            case _Kind.WRITE_ONLY:
                return bool(text)
            case _Kind.BOOLEAN:
                return text in ("true", "false")
            case _Kind.INTEGER:
                return text.isascii() and text.isdigit()
            case _Kind.MEASURANDS:
                supported = self._persona.supported_measurands
                return all(name in supported for name in text.split(",") if name)
            case _Kind.TEXT:
                return len(text) <= 500
