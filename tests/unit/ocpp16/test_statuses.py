"""Statuses and faults, as people read them."""

from __future__ import annotations

import pytest

from app.domain.station import ConnectorStatus
from app.ocpp16.actions.station_calls import StatusNotification
from app.ocpp16.actions.types import ChargePointErrorCode, ChargePointStatus
from app.ocpp16.statuses import StatusReport, status_report


@pytest.mark.parametrize("status", ChargePointStatus)
def test_every_status_keeps_its_name(status: ChargePointStatus) -> None:
    report = status_report(StatusNotification(1, ChargePointErrorCode.NO_ERROR, status))
    assert report.status.value == status.value
    assert report.connector_id == 1


@pytest.mark.parametrize(
    ("code", "status", "info", "vendor_code", "fault"),
    [
        ("NoError", "Available", "No failure", None, ""),
        ("NoError", "Available", "Contactor warm", None, ""),
        ("NoError", "Faulted", "No failure", None, "NoError"),
        ("GroundFailure", "Faulted", None, None, "GroundFailure"),
        ("OtherError", "Faulted", "Error", "E17", "OtherError E17 Error"),
        ("WeakSignal", "Charging", " OK ", "", "WeakSignal"),
    ],
)
def test_faults(
    code: str, status: str, info: str | None, vendor_code: str | None, fault: str
) -> None:
    notification = StatusNotification(
        0,
        ChargePointErrorCode(code),
        ChargePointStatus(status),
        info,
        vendor_error_code=vendor_code,
    )
    assert status_report(notification) == StatusReport(0, ConnectorStatus(status), fault)
