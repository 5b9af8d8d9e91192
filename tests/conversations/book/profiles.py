"""A charging profile with every field, as several messages carry it."""

from __future__ import annotations

from typing import Final

from tests.conversations.entries import Payload

CHARGING_SCHEDULE: Final[Payload] = {
    "duration": 86_400,
    "startSchedule": "2026-03-02T00:00:00Z",
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 13.5, "numberPhases": 3},
        {"startPeriod": 28_800, "limit": 6.0},
    ],
    "minChargingRate": 6.0,
}

CHARGING_PROFILE: Final[Payload] = {
    "chargingProfileId": 5,
    "transactionId": 17,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "validFrom": "2026-03-02T00:00:00Z",
    "validTo": "2026-03-09T00:00:00Z",
    "chargingSchedule": CHARGING_SCHEDULE,
}
