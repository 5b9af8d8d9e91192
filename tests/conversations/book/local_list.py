"""Feature profile Local Auth List Management (clauses 5.10 and 5.15)."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.access_calls import GetLocalListVersion, SendLocalList
from tests.conversations.entries import FromManager

MANAGER_CALLS: Final = (
    FromManager(
        "5.10",
        GetLocalListVersion,
        least={},
        fullest={},
        done=({"listVersion": 7}, {"listVersion": 0}),
        refusals=({"listVersion": -1},),
    ),
    FromManager(
        "5.15",
        SendLocalList,
        least={"listVersion": 8, "updateType": "Full"},
        fullest={
            "listVersion": 8,
            "updateType": "Differential",
            "localAuthorizationList": [
                {
                    "idTag": "04A1B2C3",
                    "idTagInfo": {
                        "status": "Accepted",
                        "expiryDate": "2027-03-02T12:00:00Z",
                        "parentIdTag": "FLEET",
                    },
                },
                {"idTag": "04D4E5F6"},
            ],
        },
        done=({"status": "Accepted"},),
        refusals=({"status": "Failed"}, {"status": "NotSupported"}, {"status": "VersionMismatch"}),
    ),
)
