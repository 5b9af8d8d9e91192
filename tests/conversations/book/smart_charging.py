"""Feature profile Smart Charging (clauses 5.5, 5.7 and 5.16)."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.manager_calls import (
    ClearChargingProfile,
    GetCompositeSchedule,
    SetChargingProfile,
)
from tests.conversations.book.profiles import CHARGING_PROFILE, CHARGING_SCHEDULE
from tests.conversations.entries import FromManager

MANAGER_CALLS: Final = (
    FromManager(
        "5.5",
        ClearChargingProfile,
        least={},
        fullest={
            "id": 5,
            "connectorId": 1,
            "chargingProfilePurpose": "TxProfile",
            "stackLevel": 1,
        },
        done=({"status": "Accepted"},),
        refusals=({"status": "Unknown"},),
    ),
    FromManager(
        "5.7",
        GetCompositeSchedule,
        least={"connectorId": 1, "duration": 600},
        fullest={"connectorId": 1, "duration": 600, "chargingRateUnit": "A"},
        done=(
            {"status": "Accepted"},
            {
                "status": "Accepted",
                "connectorId": 1,
                "scheduleStart": "2026-03-02T12:00:00Z",
                "chargingSchedule": CHARGING_SCHEDULE,
            },
        ),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.16",
        SetChargingProfile,
        least={
            "connectorId": 0,
            "csChargingProfiles": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "ChargePointMaxProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
                },
            },
        },
        fullest={"connectorId": 1, "csChargingProfiles": CHARGING_PROFILE},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"}, {"status": "NotSupported"}),
    ),
)
