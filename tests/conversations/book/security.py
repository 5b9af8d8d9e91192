"""The security extension ("Improved security for OCPP 1.6-J"), by its use cases."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.security_calls import (
    CertificateSigned,
    DeleteCertificate,
    ExtendedTriggerMessage,
    GetInstalledCertificateIds,
    GetLog,
    InstallCertificate,
    LogStatusNotification,
    SecurityEventNotification,
    SignCertificate,
    SignedFirmwareStatusNotification,
    SignedUpdateFirmware,
)
from tests.conversations.entries import FromManager, FromStation, Payload

NOON: Final = "2026-03-02T12:00:00Z"
PEM: Final = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CSR: Final = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
HASHES: Final[Payload] = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a1" * 32,
    "issuerKeyHash": "b2" * 32,
    "serialNumber": "4f",
}

STATION_CALLS: Final = (
    FromStation(
        "A02",
        SignCertificate,
        least={"csr": CSR},
        fullest={"csr": CSR},
        answers=({"status": "Accepted"}, {"status": "Rejected"}),
        vital=frozenset({"csr"}),
    ),
    FromStation(
        "A04",
        SecurityEventNotification,
        least={"type": "TamperDetectionActivated", "timestamp": NOON},
        fullest={"type": "TamperDetectionActivated", "timestamp": NOON, "techInfo": "lid"},
        answers=({},),
        vital=frozenset({"type", "timestamp"}),
    ),
    FromStation(
        "L01",
        SignedFirmwareStatusNotification,
        least={"status": "Downloading"},
        fullest={"status": "SignatureVerified", "requestId": 9},
        answers=({},),
        vital=frozenset({"status"}),
    ),
    FromStation(
        "N01",
        LogStatusNotification,
        least={"status": "Uploading"},
        fullest={"status": "Uploaded", "requestId": 9},
        answers=({},),
        vital=frozenset({"status"}),
    ),
)

MANAGER_CALLS: Final = (
    FromManager(
        "A02",
        CertificateSigned,
        least={"certificateChain": PEM},
        fullest={"certificateChain": PEM + PEM},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "A02",
        ExtendedTriggerMessage,
        least={"requestedMessage": "SignChargePointCertificate"},
        fullest={"requestedMessage": "StatusNotification", "connectorId": 1},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"}, {"status": "NotImplemented"}),
    ),
    FromManager(
        "L01",
        SignedUpdateFirmware,
        least={
            "requestId": 9,
            "firmware": {
                "location": "http://box:8080/files/fw.bin",
                "retrieveDateTime": NOON,
                "signingCertificate": PEM,
                "signature": "c2ln",
            },
        },
        fullest={
            "retries": 3,
            "retryInterval": 60,
            "requestId": 9,
            "firmware": {
                "location": "http://box:8080/files/fw.bin",
                "retrieveDateTime": NOON,
                "installDateTime": NOON,
                "signingCertificate": PEM,
                "signature": "c2ln",
            },
        },
        done=({"status": "Accepted"}, {"status": "AcceptedCanceled"}),
        refusals=(
            {"status": "Rejected"},
            {"status": "InvalidCertificate"},
            {"status": "RevokedCertificate"},
        ),
    ),
    FromManager(
        "M03",
        GetInstalledCertificateIds,
        least={"certificateType": "CentralSystemRootCertificate"},
        fullest={"certificateType": "ManufacturerRootCertificate"},
        done=({"status": "Accepted"}, {"status": "Accepted", "certificateHashData": [HASHES]}),
        refusals=({"status": "NotFound"},),
    ),
    FromManager(
        "M04",
        DeleteCertificate,
        least={"certificateHashData": HASHES},
        fullest={"certificateHashData": HASHES | {"hashAlgorithm": "SHA512"}},
        done=({"status": "Accepted"},),
        refusals=({"status": "Failed"}, {"status": "NotFound"}),
    ),
    FromManager(
        "M05",
        InstallCertificate,
        least={"certificateType": "CentralSystemRootCertificate", "certificate": PEM},
        fullest={"certificateType": "ManufacturerRootCertificate", "certificate": PEM},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"}, {"status": "Failed"}),
    ),
    FromManager(
        "N01",
        GetLog,
        least={
            "log": {"remoteLocation": "http://box:8080/files/in"},
            "logType": "SecurityLog",
            "requestId": 9,
        },
        fullest={
            "log": {
                "remoteLocation": "http://box:8080/files/in",
                "oldestTimestamp": NOON,
                "latestTimestamp": NOON,
            },
            "logType": "DiagnosticsLog",
            "requestId": 9,
            "retries": 3,
            "retryInterval": 60,
        },
        done=({"status": "Accepted", "filename": "security.log"}, {"status": "AcceptedCanceled"}),
        refusals=({"status": "Rejected"},),
    ),
)
