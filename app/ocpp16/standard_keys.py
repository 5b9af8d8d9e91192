"""The settings that OCPP 1.6 names (chapter 9 and the security extension), and which are secret."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from app.ocpp16.actions.manager_calls import GetConfigurationConfirmation, KeyValue


class Profile(enum.StrEnum):
    """Feature profiles, by which the settings are grouped."""

    CORE = "Core"
    LOCAL_LIST = "LocalAuthListManagement"
    RESERVATION = "Reservation"
    SMART_CHARGING = "SmartCharging"
    FIRMWARE = "FirmwareManagement"
    SECURITY = "Security"


class KeyKind(enum.StrEnum):
    """What a setting holds."""

    WHOLE = "whole"
    BOOLEAN = "boolean"
    LIST = "list"
    TEXT = "text"


class StandardKey(msgspec.Struct, frozen=True):
    """A setting of the specification; a station may call any of them read-only."""

    key: str
    profile: Profile
    kind: KeyKind
    writable: bool = True


def _keys(
    profile: Profile, kind: KeyKind, names: str, *, writable: bool = True
) -> list[StandardKey]:
    return [StandardKey(name, profile, kind, writable) for name in names.split()]


_WHOLE, _BOOLEAN, _LIST, _TEXT = KeyKind.WHOLE, KeyKind.BOOLEAN, KeyKind.LIST, KeyKind.TEXT

STANDARD_KEYS: Final[dict[str, StandardKey]] = {
    standard.key.lower(): standard
    for standard in (
        *_keys(
            Profile.CORE,
            _BOOLEAN,
            "AllowOfflineTxForUnknownId AuthorizationCacheEnabled AuthorizeRemoteTxRequests"
            " LocalAuthorizeOffline LocalPreAuthorize StopTransactionOnEVSideDisconnect"
            " StopTransactionOnInvalidId UnlockConnectorOnEVSideDisconnect",
        ),
        *_keys(
            Profile.CORE,
            _WHOLE,
            "BlinkRepeat ClockAlignedDataInterval ConnectionTimeOut HeartbeatInterval"
            " LightIntensity MaxEnergyOnInvalidId MeterValueSampleInterval MinimumStatusDuration"
            " ResetRetries TransactionMessageAttempts TransactionMessageRetryInterval"
            " WebSocketPingInterval",
        ),
        *_keys(
            Profile.CORE,
            _LIST,
            "ConnectorPhaseRotation MeterValuesAlignedData MeterValuesSampledData"
            " StopTxnAlignedData StopTxnSampledData",
        ),
        *_keys(
            Profile.CORE,
            _WHOLE,
            "ConnectorPhaseRotationMaxLength GetConfigurationMaxKeys"
            " MeterValuesAlignedDataMaxLength MeterValuesSampledDataMaxLength NumberOfConnectors"
            " StopTxnAlignedDataMaxLength StopTxnSampledDataMaxLength"
            " SupportedFeatureProfilesMaxLength",
            writable=False,
        ),
        *_keys(Profile.CORE, _LIST, "SupportedFeatureProfiles", writable=False),
        *_keys(Profile.LOCAL_LIST, _BOOLEAN, "LocalAuthListEnabled"),
        *_keys(
            Profile.LOCAL_LIST, _WHOLE, "LocalAuthListMaxLength SendLocalListMaxLength",
            writable=False,
        ),
        *_keys(
            Profile.RESERVATION, _BOOLEAN, "ReserveConnectorZeroSupported", writable=False
        ),
        *_keys(
            Profile.SMART_CHARGING,
            _WHOLE,
            "ChargeProfileMaxStackLevel ChargingScheduleMaxPeriods MaxChargingProfilesInstalled",
            writable=False,
        ),
        *_keys(
            Profile.SMART_CHARGING,
            _LIST,
            "ChargingScheduleAllowedChargingRateUnit",
            writable=False,
        ),
        *_keys(
            Profile.SMART_CHARGING, _BOOLEAN, "ConnectorSwitch3to1PhaseSupported", writable=False
        ),
        *_keys(Profile.FIRMWARE, _LIST, "SupportedFileTransferProtocols", writable=False),
        *_keys(Profile.SECURITY, _TEXT, "AuthorizationKey CpoName"),
        *_keys(Profile.SECURITY, _WHOLE, "SecurityProfile"),
        *_keys(
            Profile.SECURITY,
            _WHOLE,
            "CertificateSignedMaxChainSize CertificateStoreMaxLength",
            writable=False,
        ),
        *_keys(Profile.SECURITY, _BOOLEAN, "AdditionalRootCertificateCheck"),
    )
}  # fmt: skip
"""By name without regard to case."""

_SECRET: Final = re.compile(
    r"authorizationkey|passw|passphrase|secret|credential|private.?key|api.?key|token|psk|\bpin\b|"
    r"pincode|pin_?code",
    re.IGNORECASE | re.ASCII,
)

AUTHORIZATION_KEY: Final = "authorizationkey"
"""The station's own password to the manager: changed on the page of its security alone."""

PORTION: Final = 10
"""Keys asked for at once where a station does not list all of them."""


def is_secret(key: str) -> bool:
    """Whether the value of a setting must be neither shown nor kept; a maker's key by its name."""
    return _SECRET.search(key) is not None


def portions(known: Iterable[str], most: int = PORTION) -> Iterator[tuple[str, ...]]:
    """The standard keys that are not among ``known``, ``most`` at a time; no secret is asked for."""
    have = {key.lower() for key in known}
    missing = [
        standard.key
        for folded, standard in STANDARD_KEYS.items()
        if folded not in have and not is_secret(folded)
    ]
    step = max(1, most)
    for first in range(0, len(missing), step):
        yield tuple(missing[first : first + step])


def is_cut(answer: GetConfigurationConfirmation) -> bool:
    """Whether a station seems to list no more keys than its own maximum, and to leave some out."""
    given = answer.configuration_key or ()
    for setting in given:
        if setting.key.lower() == "getconfigurationmaxkeys":
            value = (setting.value or "").strip()
            most = int(value) if value.isascii() and value.isdecimal() else 0
            return 0 < most == len(given)
    return False


def merged(answers: Iterable[GetConfigurationConfirmation]) -> GetConfigurationConfirmation:
    """Several answers as one; the first of a key counts. Unknown to the station is what it says so
    of and never gives."""
    settings: dict[str, KeyValue] = {}
    unknown: dict[str, str] = {}
    for answer in answers:
        for setting in answer.configuration_key or ():
            settings.setdefault(setting.key.lower(), setting)
        for key in answer.unknown_key or ():
            unknown.setdefault(key.lower(), key)
    return GetConfigurationConfirmation(
        configuration_key=tuple(settings.values()),
        unknown_key=tuple(key for folded, key in unknown.items() if folded not in settings),
    )
