"""Frames that can be shown to a stranger: who and where are replaced, what was said remains.

A string is replaced unless it is known to be harmless: a time, a number, or the content of a field
that OCPP 1.6 fills from an enumeration. So a text in a field of some maker that nobody has thought
of does not get out. Numbers stay.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MASK: Final = "***"

REPLACED: Final = (
    "badges",
    "station identities",
    "serial numbers",
    "SIM numbers",
    "addresses",
    "message ids",
    "certificates",
    "values of unknown configuration keys",
    "free texts",
)
"""What an anonymous export does not hold, for its first line."""

_BADGES: Final = frozenset({"idtag", "parentidtag"})
_SERIALS: Final = frozenset(
    {"chargepointserialnumber", "chargeboxserialnumber", "meterserialnumber"}
)
_SIM: Final = frozenset({"iccid", "imsi"})
_LOCATIONS: Final = frozenset({"location", "remotelocation"})

_OUTLETS: Final = frozenset({"", "Body", "Cable", "EV", "Inlet", "Outlet"})
"""What ``location`` says in a sample."""

_KEPT: Final = frozenset(
    """
    availabilityStatus chargePointModel chargePointVendor chargingProfileKind
    chargingProfilePurpose chargingRateUnit certificateType context currentTime errorCode
    expiryDate firmwareVersion format hashAlgorithm installDate key listVersion location measurand
    messageId meterType phase reason recurrencyKind requestedMessage resetType retrieveDate
    startSchedule startTime status stopTime timestamp type unit unknownKey updateType validFrom validTo
    vendorErrorCode vendorId logType oldestTimestamp latestTimestamp retrieveDateTime
    installDateTime startPeriod limit
    """.lower().split()
)
"""Fields whose strings tell nothing about persons or places."""

_KEPT_SETTINGS: Final = frozenset(
    """
    AllowOfflineTxForUnknownId AuthorizationCacheEnabled AuthorizeRemoteTxRequests BlinkRepeat
    ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation
    ConnectorPhaseRotationMaxLength GetConfigurationMaxKeys HeartbeatInterval LightIntensity
    LocalAuthorizeOffline LocalPreAuthorize MaxEnergyOnInvalidId MeterValuesAlignedData
    MeterValuesAlignedDataMaxLength MeterValuesSampledData MeterValuesSampledDataMaxLength
    MeterValueSampleInterval MinimumStatusDuration NumberOfConnectors ResetRetries
    StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId StopTxnAlignedData
    StopTxnAlignedDataMaxLength StopTxnSampledData StopTxnSampledDataMaxLength
    SupportedFeatureProfiles SupportedFeatureProfilesMaxLength TransactionMessageAttempts
    TransactionMessageRetryInterval UnlockConnectorOnEVSideDisconnect WebSocketPingInterval
    LocalAuthListEnabled LocalAuthListMaxLength SendLocalListMaxLength
    ReserveConnectorZeroSupported ChargeProfileMaxStackLevel
    ChargingScheduleAllowedChargingRateUnit ChargingScheduleMaxPeriods
    ConnectorSwitch3to1PhaseSupported MaxChargingProfilesInstalled SecurityProfile
    SupportedFileTransferProtocols CertificateStoreMaxLength
    """.lower().split()
)
"""Configuration keys of OCPP 1.6 (chapter 9) whose values are harmless."""

_TIMES: Final = frozenset({"timestamp", "currenttime"})
_CLOCK: Final = re.compile(r"[0-9TZ:.,+\-/ ]+$")
"""A time as the oddest station may write it."""

_FIELD: Final = re.compile(r"\w{1,40}$", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+(?:[eE][-+]?[0-9]+)?$")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{5,8}(?:\.[0-9]+)?(?:Z|[-+][0-9:]{2,5})?$"
)
_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]*:[0-9a-f:]+:[0-9a-f]*|://|@")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]{1,9})://", re.IGNORECASE)


class Pseudonyms:
    """The same name for the same thing, throughout one export and never beyond.

    Names count up in the order of their first appearance; badges and identities differ in nothing
    but case when they are the same, as OCPP 1.6 compares them.
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}

    def station(self, station_id: str) -> str:
        """``STATION-001``."""
        return self._name("station", station_id, "STATION-{:03d}")

    def message(self, connection: int, message_id: str) -> str:
        """``m1``: some firmware builds its ids from its serial number."""
        return self._name("message", f"{connection}/{message_id}", "m{:d}")

    def badge(self, id_tag: str) -> str:
        """``BADGE-0001``."""
        return self._name("badge", id_tag.casefold(), "BADGE-{:04d}")

    def serial(self, serial: str) -> str:
        """``SERIAL-0001``."""
        return self._name("serial", serial.casefold(), "SERIAL-{:04d}")

    def sim(self, number: str) -> str:
        """``8900000001``: digits, as a SIM's."""
        return self._name("sim", number, "89{:08d}")

    def address(self, address: str) -> str:
        """An address that documentation may use (RFC 6761), with the scheme of the real one."""
        scheme = _SCHEME.match(address)
        name = self._name("address", address, "host-{:03d}.example")
        return name if scheme is None else f"{scheme[1].lower()}://{name}/{MASK}"

    def _name(self, kind: str, key: str, pattern: str) -> str:
        if not key:
            return ""
        names = self._names.setdefault(kind, {})
        if key not in names:
            names[key] = pattern.format(len(names) + 1)
        return names[key]


def anonymous(text: str, connection: int, names: Pseudonyms) -> str:
    """The frame without persons and places; ``***`` when it is none."""
    try:
        return _anonymous_frame(json.loads(text, strict=False), connection, names)
    except (ValueError, RecursionError):
        return MASK


def _anonymous_frame(frame: Any, connection: int, names: Pseudonyms) -> str:
    if not isinstance(frame, list) or len(frame) < 2 or not isinstance(frame[1], str):
        return MASK
    made: list[Any] = [
        frame[0] if isinstance(frame[0], int | float) else MASK,
        names.message(connection, frame[1]),
    ]
    if frame[0] == 2:
        action = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else MASK
        made.append(action if action.isalpha() else MASK)
        made += [_anonymous(item, "", "", names) for item in frame[3:]]
    elif frame[0] == 4:
        code = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else MASK
        made += [code if code.isalpha() else MASK, "", {}]
    else:
        made += [_anonymous(item, "", "", names) for item in frame[2:]]
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


def _anonymous(value: Any, field: str, key: str, names: Pseudonyms) -> Any:
    """``key`` is the configuration key that a ``value`` belongs to."""
    if isinstance(value, str):
        return _text(value, field, key, names)
    if isinstance(value, list):
        return [_anonymous(item, field, key, names) for item in value]
    if isinstance(value, dict):
        own = value.get("key")
        return {
            name if _FIELD.match(name) else MASK: _anonymous(
                item, name.lower(), own if isinstance(own, str) else "", names
            )
            for name, item in value.items()
        }
    if field in _BADGES or field in _SERIALS or field in _SIM:
        return None if value is None else _text(str(value), field, key, names)
    return value


def _text(value: str, field: str, key: str, names: Pseudonyms) -> str:
    if field in _BADGES:
        return names.badge(value)
    if field in _SERIALS:
        return names.serial(value)
    if field in _SIM:
        return names.sim(value)
    if field in _LOCATIONS and value not in _OUTLETS:
        return names.address(value) if "://" in value else MASK
    if field == "value":
        harmless = key.lower() in _KEPT_SETTINGS if key else _NUMBER.match(value) is not None
    else:
        harmless = field in _KEPT
    if _TIME.match(value) or (field in _TIMES and _CLOCK.match(value)):
        return value
    if not value or (harmless and _ADDRESS.search(value) is None):
        return value
    return MASK
