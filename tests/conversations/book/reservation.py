"""Feature profile Reservation (clauses 5.1 and 5.13)."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.access_calls import CancelReservation, ReserveNow
from tests.conversations.entries import FromManager

MANAGER_CALLS: Final = (
    FromManager(
        "5.1",
        CancelReservation,
        least={"reservationId": 3},
        fullest={"reservationId": 3},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.13",
        ReserveNow,
        least={
            "connectorId": 0,
            "expiryDate": "2026-03-02T13:00:00Z",
            "idTag": "04A1B2C3",
            "reservationId": 3,
        },
        fullest={
            "connectorId": 1,
            "expiryDate": "2026-03-02T13:00:00Z",
            "idTag": "04A1B2C3",
            "parentIdTag": "FLEET",
            "reservationId": 3,
        },
        done=({"status": "Accepted"},),
        refusals=tuple(
            {"status": status} for status in ("Faulted", "Occupied", "Rejected", "Unavailable")
        ),
    ),
)
