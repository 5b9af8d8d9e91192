"""What a StatusNotification says of a connector, or of the whole station."""

from __future__ import annotations

from typing import Final

import msgspec

from app.domain.station import ConnectorStatus
from app.ocpp16.actions.station_calls import StatusNotification
from app.ocpp16.actions.types import ChargePointErrorCode, ChargePointStatus

_STATUSES: Final[dict[ChargePointStatus, ConnectorStatus]] = {
    ChargePointStatus.AVAILABLE: ConnectorStatus.AVAILABLE,
    ChargePointStatus.PREPARING: ConnectorStatus.PREPARING,
    ChargePointStatus.CHARGING: ConnectorStatus.CHARGING,
    ChargePointStatus.SUSPENDED_EVSE: ConnectorStatus.SUSPENDED_EVSE,
    ChargePointStatus.SUSPENDED_EV: ConnectorStatus.SUSPENDED_EV,
    ChargePointStatus.FINISHING: ConnectorStatus.FINISHING,
    ChargePointStatus.RESERVED: ConnectorStatus.RESERVED,
    ChargePointStatus.UNAVAILABLE: ConnectorStatus.UNAVAILABLE,
    ChargePointStatus.FAULTED: ConnectorStatus.FAULTED,
}

# Said by the makers' firmware when nothing is wrong; not worth showing.
_NOTHING: Final = frozenset({"", "no failure", "no error", "noerror", "none", "ok"})


class StatusReport(msgspec.Struct, frozen=True):
    """A status in the trade's terms.

    ``connector_id`` 0 is the station itself. ``fault`` is empty when all is well; otherwise the
    OCPP error code and what the maker adds to it, for people to read.
    """

    connector_id: int
    status: ConnectorStatus
    fault: str = ""


def status_report(notification: StatusNotification) -> StatusReport:
    """The report in ``notification``."""
    return StatusReport(
        notification.connector_id, _STATUSES[notification.status], _fault(notification)
    )


def _fault(notification: StatusNotification) -> str:
    faulted = notification.status is ChargePointStatus.FAULTED
    if notification.error_code is ChargePointErrorCode.NO_ERROR and not faulted:
        return ""
    details = (notification.vendor_error_code, notification.info)
    told = [detail for detail in details if detail and detail.strip().lower() not in _NOTHING]
    return " ".join([notification.error_code.value, *told])
