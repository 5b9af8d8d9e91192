"""Calls that a station makes to the manager, and their confirmations."""

from __future__ import annotations

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.types import (
    Call,
    ChargePointErrorCode,
    ChargePointStatus,
    Confirmation,
    DataTransferStatus,
    Integer,
    Location,
    Measurand,
    Part,
    Phase,
    ReadingContext,
    RegistrationStatus,
    StopReason,
    Text20,
    Text25,
    Text50,
    Text255,
    Timestamp,
    UnitOfMeasure,
    ValueFormat,
    settle_time,
    settle_whole_second,
)


class IdTagInfo(Part, frozen=True):
    """What the manager says of a token. ``expiry_date`` is sent in whole seconds of UTC."""

    status: AuthorizationStatus
    expiry_date: Timestamp | None = None
    parent_id_tag: Text20 | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "expiry_date", self.expiry_date)


class SampledValue(Part, frozen=True):
    """One number as text, and what it is."""

    value: str
    context: ReadingContext | None = None
    format: ValueFormat | None = None
    measurand: Measurand | None = None
    phase: Phase | None = None
    location: Location | None = None
    unit: UnitOfMeasure | None = None


class MeterValue(Part, frozen=True):
    """What was read at one instant; empty when nothing in it could be understood."""

    timestamp: Timestamp
    sampled_value: tuple[SampledValue, ...]

    def __post_init__(self) -> None:
        settle_time(self, "timestamp", self.timestamp)


class BootNotificationConfirmation(Confirmation, frozen=True):
    """Clause 6.4. ``interval`` is seconds between heartbeats, or until the next boot attempt."""

    status: RegistrationStatus
    current_time: Timestamp
    interval: Integer

    def __post_init__(self) -> None:
        settle_whole_second(self, "current_time", self.current_time)


class BootNotification(Call[BootNotificationConfirmation], frozen=True):
    """Clause 6.3."""

    action = "BootNotification"
    confirmation_type = BootNotificationConfirmation

    charge_point_vendor: Text20
    charge_point_model: Text20
    charge_point_serial_number: Text25 | None = None
    charge_box_serial_number: Text25 | None = None
    firmware_version: Text50 | None = None
    iccid: Text20 | None = None
    imsi: Text20 | None = None
    meter_type: Text25 | None = None
    meter_serial_number: Text25 | None = None


class HeartbeatConfirmation(Confirmation, frozen=True):
    """Clause 6.30."""

    current_time: Timestamp

    def __post_init__(self) -> None:
        settle_whole_second(self, "current_time", self.current_time)


class Heartbeat(Call[HeartbeatConfirmation], frozen=True):
    """Clause 6.29."""

    action = "Heartbeat"
    confirmation_type = HeartbeatConfirmation


class StatusNotificationConfirmation(Confirmation, frozen=True):
    """Clause 6.48."""


class StatusNotification(Call[StatusNotificationConfirmation], frozen=True):
    """Clause 6.47. ``connector_id`` 0 is the station itself."""

    action = "StatusNotification"
    confirmation_type = StatusNotificationConfirmation

    connector_id: Integer
    error_code: ChargePointErrorCode
    status: ChargePointStatus
    info: Text50 | None = None
    timestamp: Timestamp | None = None
    vendor_id: Text255 | None = None
    vendor_error_code: Text50 | None = None

    def __post_init__(self) -> None:
        settle_time(self, "timestamp", self.timestamp)


class AuthorizeConfirmation(Confirmation, frozen=True):
    """Clause 6.2."""

    id_tag_info: IdTagInfo


class Authorize(Call[AuthorizeConfirmation], frozen=True):
    """Clause 6.1."""

    action = "Authorize"
    confirmation_type = AuthorizeConfirmation

    id_tag: Text20


class StartTransactionConfirmation(Confirmation, frozen=True):
    """Clause 6.46."""

    id_tag_info: IdTagInfo
    transaction_id: Integer


class StartTransaction(Call[StartTransactionConfirmation], frozen=True):
    """Clause 6.45. ``meter_start`` is Wh; ``timestamp`` may be ``UNREADABLE_TIME``."""

    action = "StartTransaction"
    confirmation_type = StartTransactionConfirmation

    connector_id: Integer
    id_tag: Text20
    meter_start: Integer
    timestamp: Timestamp
    reservation_id: Integer | None = None

    def __post_init__(self) -> None:
        settle_time(self, "timestamp", self.timestamp)


class MeterValuesConfirmation(Confirmation, frozen=True):
    """Clause 6.32."""


class MeterValues(Call[MeterValuesConfirmation], frozen=True):
    """Clause 6.31."""

    action = "MeterValues"
    confirmation_type = MeterValuesConfirmation

    connector_id: Integer
    meter_value: tuple[MeterValue, ...]
    transaction_id: Integer | None = None


class StopTransactionConfirmation(Confirmation, frozen=True):
    """Clause 6.50."""

    id_tag_info: IdTagInfo | None = None


class StopTransaction(Call[StopTransactionConfirmation], frozen=True):
    """Clause 6.49. ``meter_stop`` is Wh; ``timestamp`` may be ``UNREADABLE_TIME``."""

    action = "StopTransaction"
    confirmation_type = StopTransactionConfirmation

    transaction_id: Integer
    meter_stop: Integer
    timestamp: Timestamp
    id_tag: Text20 | None = None
    reason: StopReason | None = None
    transaction_data: tuple[MeterValue, ...] | None = None

    def __post_init__(self) -> None:
        settle_time(self, "timestamp", self.timestamp)


class DataTransferConfirmation(Confirmation, frozen=True):
    """Clause 6.16."""

    status: DataTransferStatus
    data: str | None = None


class DataTransfer(Call[DataTransferConfirmation], frozen=True):
    """Clause 6.15; goes both ways."""

    action = "DataTransfer"
    confirmation_type = DataTransferConfirmation

    vendor_id: Text255
    message_id: Text50 | None = None
    data: str | None = None
