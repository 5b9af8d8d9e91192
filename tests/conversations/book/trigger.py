"""Feature profile Remote Trigger (clause 5.17)."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.manager_calls import TriggerMessage
from tests.conversations.entries import FromManager

MANAGER_CALLS: Final = (
    FromManager(
        "5.17",
        TriggerMessage,
        least={"requestedMessage": "BootNotification"},
        fullest={"requestedMessage": "MeterValues", "connectorId": 1},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"}, {"status": "NotImplemented"}),
    ),
)
