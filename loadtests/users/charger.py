"""What a station answers to the manager, and how much its car draws under the limits it was given."""

from __future__ import annotations

import time
from typing import Any

Payload = dict[str, Any]

VOLTS = 230
PHASES = 3
LEAST_A = 6.0

SETTINGS = {
    "AuthorizeRemoteTxRequests": "false",
    "ChargeProfileMaxStackLevel": "10",
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "ChargingScheduleMaxPeriods": "6",
    "ClockAlignedDataInterval": "0",
    "ConnectionTimeOut": "60",
    "ConnectorPhaseRotation": "0.RST, 1.RST",
    "HeartbeatInterval": "300",
    "LocalAuthListEnabled": "true",
    "LocalAuthListMaxLength": "100",
    "LocalAuthorizeOffline": "true",
    "LocalPreAuthorize": "false",
    "MaxChargingProfilesInstalled": "10",
    "MeterValueSampleInterval": "60",
    "MeterValuesSampledData": "Energy.Active.Import.Register",
    "NumberOfConnectors": "1",
    "SendLocalListMaxLength": "100",
    "StopTransactionOnInvalidId": "true",
    "SupportedFeatureProfiles": "Core,LocalAuthListManagement,Reservation,RemoteTrigger,"
    "SmartCharging,FirmwareManagement",
    "TransactionMessageAttempts": "3",
    "TransactionMessageRetryInterval": "60",
    "WebSocketPingInterval": "0",
}
READ_ONLY = frozenset(
    {
        "ChargeProfileMaxStackLevel",
        "ChargingScheduleAllowedChargingRateUnit",
        "ChargingScheduleMaxPeriods",
        "LocalAuthListMaxLength",
        "MaxChargingProfilesInstalled",
        "NumberOfConnectors",
        "SendLocalListMaxLength",
        "SupportedFeatureProfiles",
    }
)

ACCEPTED: Payload = {"status": "Accepted"}
ANSWERS: dict[str, Payload] = {
    "CancelReservation": ACCEPTED,
    "ChangeAvailability": ACCEPTED,
    "ClearCache": ACCEPTED,
    "DataTransfer": {"status": "UnknownVendorId"},
    "GetDiagnostics": {},
    "GetLocalListVersion": {"listVersion": 0},
    "RemoteStartTransaction": ACCEPTED,
    "RemoteStopTransaction": ACCEPTED,
    "ReserveNow": ACCEPTED,
    "Reset": ACCEPTED,
    "SendLocalList": ACCEPTED,
    "TriggerMessage": ACCEPTED,
    "UnlockConnector": {"status": "Unlocked"},
    "UpdateFirmware": {},
}
"""To calls that change nothing here."""


class _Limit:
    """A profile's present limit: amperes until its end, unlimited by it afterwards."""

    def __init__(self, profile: Payload) -> None:
        schedule = profile["chargingSchedule"]
        first = schedule["chargingSchedulePeriod"][0]
        amperes = float(first["limit"])
        if schedule.get("chargingRateUnit") == "W":
            amperes /= VOLTS * PHASES
        self.amperes = amperes
        self.level = int(profile.get("stackLevel", 0))
        self.profile_id = profile.get("chargingProfileId")
        duration_s = schedule.get("duration")
        self.until_s = time.monotonic() + duration_s if duration_s else float("inf")

    @property
    def left_s(self) -> float:
        """Seconds for which it still holds."""
        return self.until_s - time.monotonic()


class Charger:
    """The electronics of one station with one outlet."""

    def __init__(self, car_a: float) -> None:
        self.car_a = car_a
        """As much as the car can take per phase."""
        self.transaction_id: int | None = None
        self.energy_wh = 0.0
        self.settings = dict(SETTINGS)
        self._limits: dict[str, dict[int, _Limit]] = {}
        self._metered_s = time.monotonic()

    @property
    def limit_a(self) -> float:
        """What the profiles leave, per phase."""
        most_a = self._of("ChargePointMaxProfile", 32.0)
        own_a = self._of("TxProfile", None) if self.transaction_id is not None else None
        return min(
            most_a or 0.0, self._of("TxDefaultProfile", 32.0) or 0.0 if own_a is None else own_a
        )

    def _of(self, purpose: str, otherwise: float | None) -> float | None:
        """The limit of the highest level that still holds."""
        living = [each for each in self._limits.get(purpose, {}).values() if each.left_s > 0]
        if not living:
            return otherwise
        return max(living, key=lambda each: each.level).amperes

    @property
    def draw_a(self) -> float:
        """What the car draws per phase, now."""
        if self.transaction_id is None:
            return 0.0
        current_a = min(self.limit_a, self.car_a)
        return current_a if current_a >= LEAST_A else 0.0

    def meter(self) -> float:
        """The register, brought up to now [Wh]."""
        now_s = time.monotonic()
        self.energy_wh += self.draw_a * VOLTS * PHASES * (now_s - self._metered_s) / 3600
        self._metered_s = now_s
        return self.energy_wh

    def end_transaction(self) -> None:
        """The transaction's own profiles go with it (OCPP 1.6, clause 3.13.1)."""
        self.meter()
        self.transaction_id = None
        self._limits.pop("TxProfile", None)

    def answer(self, action: str, payload: Payload) -> Payload | None:
        """The confirmation of a call of the manager; ``None`` for one that is not implemented."""
        match action:
            case "SetChargingProfile":
                return self._set_profile(payload["csChargingProfiles"])
            case "ClearChargingProfile":
                return self._clear_profiles(payload)
            case "GetCompositeSchedule":
                return self._composite(payload)
            case "GetConfiguration":
                return self._configuration(payload.get("key") or list(self.settings))
            case "ChangeConfiguration":
                return self._change(payload["key"], payload["value"])
        return ANSWERS.get(action)

    def _set_profile(self, profile: Payload) -> Payload:
        purpose = profile["chargingProfilePurpose"]
        named = profile.get("transactionId")
        if purpose == "TxProfile" and (
            self.transaction_id is None or named not in (None, self.transaction_id)
        ):
            return {"status": "Rejected"}
        self.meter()
        limit = _Limit(profile)
        self._limits.setdefault(purpose, {})[limit.level] = limit
        return ACCEPTED

    def _clear_profiles(self, wanted: Payload) -> Payload:
        self.meter()
        found = False
        for purpose, levels in self._limits.items():
            if wanted.get("chargingProfilePurpose") not in (None, purpose):
                continue
            for level, limit in list(levels.items()):
                if wanted.get("id") in (None, limit.profile_id) and wanted.get("stackLevel") in (
                    None,
                    level,
                ):
                    del levels[level]
                    found = True
        return ACCEPTED if found else {"status": "Unknown"}

    def _composite(self, wanted: Payload) -> Payload:
        duration_s = int(wanted["duration"])
        periods = [{"startPeriod": 0, "limit": round(self.limit_a, 1)}]
        own = self._limits.get("TxProfile", {}) if self.transaction_id is not None else {}
        ends = [each.left_s for each in own.values() if 0 < each.left_s < duration_s]
        if ends:
            after_a = min(
                self._of("TxDefaultProfile", 32.0) or 0.0,
                self._of("ChargePointMaxProfile", 32.0) or 0.0,
            )
            periods.append({"startPeriod": int(min(ends)), "limit": round(after_a, 1)})
        return ACCEPTED | {
            "connectorId": wanted["connectorId"],
            "scheduleStart": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "chargingSchedule": {
                "duration": duration_s,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": periods,
            },
        }

    def _configuration(self, keys: list[str]) -> Payload:
        return {
            "configurationKey": [
                {"key": key, "readonly": key in READ_ONLY, "value": self.settings[key]}
                for key in keys
                if key in self.settings
            ],
            "unknownKey": [key for key in keys if key not in self.settings],
        }

    def _change(self, key: str, value: str) -> Payload:
        if key not in self.settings:
            return {"status": "NotSupported"}
        if key in READ_ONLY:
            return {"status": "Rejected"}
        self.settings[key] = value
        return ACCEPTED
