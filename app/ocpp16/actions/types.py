"""Types shared by OCPP 1.6 messages: bases, constrained scalars and enumerations.

Every message is a frozen ``msgspec.Struct`` whose decoder is exactly as strict as the OCA schema
(unknown fields, lengths and enumerations included). What real stations send beside it is repaired
by ``app.ocpp16.repair`` before a second, equally strict, look. Clauses and
chapters are those of the OCPP 1.6 specification, edition 2.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Generic, TypeVar

import msgspec
from msgspec.structs import force_setattr

Text20 = Annotated[str, msgspec.Meta(max_length=20)]
Text25 = Annotated[str, msgspec.Meta(max_length=25)]
Text50 = Annotated[str, msgspec.Meta(max_length=50)]
Text255 = Annotated[str, msgspec.Meta(max_length=255)]
Text500 = Annotated[str, msgspec.Meta(max_length=500)]

Integer = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
"""A whole number of 32 bits: the specification names no width, and no field needs more."""

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""An RFC 3339 instant; in UTC once decoded."""

UNREADABLE_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that a transaction message lacks or garbles; use the receive time instead."""


class Confirmation(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """Base of every ``.conf`` payload."""


ConfirmationT_co = TypeVar("ConfirmationT_co", bound=Confirmation, covariant=True)


class Call(
    msgspec.Struct,
    Generic[ConfirmationT_co],
    frozen=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """Base of every ``.req`` payload; the parameter is the type of its confirmation."""

    action: ClassVar[str]
    confirmation_type: ClassVar[type[Confirmation]]


class Part(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """Base of an object inside a payload."""


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC; an instant outside of what UTC can hold keeps its clock time.

    A naive one is left alone, for the encoder's check to refuse.
    """
    if instant.tzinfo is None:
        return instant
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return instant.replace(tzinfo=UTC)


def settle_time(struct: msgspec.Struct, field: str, instant: datetime | None) -> None:
    """Move the time in ``field`` of a struct under construction to UTC (from ``__post_init__``)."""
    if instant is not None and instant.tzinfo is not UTC:
        force_setattr(struct, field, in_utc(instant))


def settle_whole_second(struct: msgspec.Struct, field: str, instant: datetime | None) -> None:
    """Same, without fractions: some stations cannot read six decimals (OCPP-J says none or 3)."""
    if instant is not None and (instant.microsecond or instant.tzinfo is not UTC):
        force_setattr(struct, field, in_utc(instant).replace(microsecond=0))


class RegistrationStatus(enum.StrEnum):
    """RegistrationStatus of chapter 7."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class ChargePointErrorCode(enum.StrEnum):
    """ChargePointErrorCode of chapter 7."""

    CONNECTOR_LOCK_FAILURE = "ConnectorLockFailure"
    EV_COMMUNICATION_ERROR = "EVCommunicationError"
    GROUND_FAILURE = "GroundFailure"
    HIGH_TEMPERATURE = "HighTemperature"
    INTERNAL_ERROR = "InternalError"
    LOCAL_LIST_CONFLICT = "LocalListConflict"
    NO_ERROR = "NoError"
    OTHER_ERROR = "OtherError"
    OVER_CURRENT_FAILURE = "OverCurrentFailure"
    OVER_VOLTAGE = "OverVoltage"
    POWER_METER_FAILURE = "PowerMeterFailure"
    POWER_SWITCH_FAILURE = "PowerSwitchFailure"
    READER_FAILURE = "ReaderFailure"
    RESET_FAILURE = "ResetFailure"
    UNDER_VOLTAGE = "UnderVoltage"
    WEAK_SIGNAL = "WeakSignal"


class ChargePointStatus(enum.StrEnum):
    """ChargePointStatus of chapter 7."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class StopReason(enum.StrEnum):
    """Reason, of a stopped transaction."""

    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    HARD_RESET = "HardReset"
    LOCAL = "Local"
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SOFT_RESET = "SoftReset"
    UNLOCK_COMMAND = "UnlockCommand"
    DE_AUTHORIZED = "DeAuthorized"


class ReadingContext(enum.StrEnum):
    """ReadingContext of chapter 7."""

    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"
    SAMPLE_CLOCK = "Sample.Clock"
    SAMPLE_PERIODIC = "Sample.Periodic"
    TRANSACTION_BEGIN = "Transaction.Begin"
    TRANSACTION_END = "Transaction.End"
    TRIGGER = "Trigger"


class ValueFormat(enum.StrEnum):
    """ValueFormat of chapter 7."""

    RAW = "Raw"
    SIGNED_DATA = "SignedData"


class Measurand(enum.StrEnum):
    """Measurand of chapter 7."""

    CURRENT_EXPORT = "Current.Export"
    CURRENT_IMPORT = "Current.Import"
    CURRENT_OFFERED = "Current.Offered"
    ENERGY_ACTIVE_EXPORT_REGISTER = "Energy.Active.Export.Register"
    ENERGY_ACTIVE_IMPORT_REGISTER = "Energy.Active.Import.Register"
    ENERGY_REACTIVE_EXPORT_REGISTER = "Energy.Reactive.Export.Register"
    ENERGY_REACTIVE_IMPORT_REGISTER = "Energy.Reactive.Import.Register"
    ENERGY_ACTIVE_EXPORT_INTERVAL = "Energy.Active.Export.Interval"
    ENERGY_ACTIVE_IMPORT_INTERVAL = "Energy.Active.Import.Interval"
    ENERGY_REACTIVE_EXPORT_INTERVAL = "Energy.Reactive.Export.Interval"
    ENERGY_REACTIVE_IMPORT_INTERVAL = "Energy.Reactive.Import.Interval"
    FREQUENCY = "Frequency"
    POWER_ACTIVE_EXPORT = "Power.Active.Export"
    POWER_ACTIVE_IMPORT = "Power.Active.Import"
    POWER_FACTOR = "Power.Factor"
    POWER_OFFERED = "Power.Offered"
    POWER_REACTIVE_EXPORT = "Power.Reactive.Export"
    POWER_REACTIVE_IMPORT = "Power.Reactive.Import"
    RPM = "RPM"
    SOC = "SoC"
    TEMPERATURE = "Temperature"
    VOLTAGE = "Voltage"


class Phase(enum.StrEnum):
    """Phase, of a sampled value."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    N = "N"
    L1_N = "L1-N"
    L2_N = "L2-N"
    L3_N = "L3-N"
    L1_L2 = "L1-L2"
    L2_L3 = "L2-L3"
    L3_L1 = "L3-L1"


class Location(enum.StrEnum):
    """Location of chapter 7."""

    BODY = "Body"
    CABLE = "Cable"
    EV = "EV"
    INLET = "Inlet"
    OUTLET = "Outlet"


class UnitOfMeasure(enum.StrEnum):
    """UnitOfMeasure; the schemas know both spellings of the degree."""

    WH = "Wh"
    KWH = "kWh"
    VARH = "varh"
    KVARH = "kvarh"
    W = "W"
    KW = "kW"
    VA = "VA"
    KVA = "kVA"
    VAR = "var"
    KVAR = "kvar"
    A = "A"
    V = "V"
    CELCIUS = "Celcius"
    CELSIUS = "Celsius"
    FAHRENHEIT = "Fahrenheit"
    K = "K"
    PERCENT = "Percent"
    HERTZ = "Hertz"


class DataTransferStatus(enum.StrEnum):
    """DataTransferStatus of chapter 7."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE_ID = "UnknownMessageId"
    UNKNOWN_VENDOR_ID = "UnknownVendorId"


class CommandStatus(enum.StrEnum):
    """RemoteStartStopStatus and ResetStatus: the plain yes or no of a station."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class ConfigurationStatus(enum.StrEnum):
    """ConfigurationStatus of chapter 7."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    REBOOT_REQUIRED = "RebootRequired"
    NOT_SUPPORTED = "NotSupported"


class ChargingProfilePurpose(enum.StrEnum):
    """ChargingProfilePurpose of chapter 7."""

    CHARGE_POINT_MAX_PROFILE = "ChargePointMaxProfile"
    TX_DEFAULT_PROFILE = "TxDefaultProfile"
    TX_PROFILE = "TxProfile"


class ChargingProfileKind(enum.StrEnum):
    """ChargingProfileKind of chapter 7."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class RecurrencyKind(enum.StrEnum):
    """RecurrencyKind of chapter 7."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class ChargingProfileStatus(enum.StrEnum):
    """ChargingProfileStatus of chapter 7."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_SUPPORTED = "NotSupported"


class ClearChargingProfileStatus(enum.StrEnum):
    """ClearChargingProfileStatus of chapter 7."""

    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"


class CompositeScheduleStatus(enum.StrEnum):
    """GetCompositeScheduleStatus of chapter 7."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class MessageTrigger(enum.StrEnum):
    """MessageTrigger of chapter 7."""

    BOOT_NOTIFICATION = "BootNotification"
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    STATUS_NOTIFICATION = "StatusNotification"


class TriggerMessageStatus(enum.StrEnum):
    """TriggerMessageStatus of chapter 7."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_IMPLEMENTED = "NotImplemented"


class ResetType(enum.StrEnum):
    """ResetType of chapter 7."""

    HARD = "Hard"
    SOFT = "Soft"


class AvailabilityType(enum.StrEnum):
    """AvailabilityType of chapter 7."""

    INOPERATIVE = "Inoperative"
    OPERATIVE = "Operative"


class AvailabilityStatus(enum.StrEnum):
    """AvailabilityStatus of chapter 7."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"


class UnlockStatus(enum.StrEnum):
    """UnlockStatus of chapter 7."""

    UNLOCKED = "Unlocked"
    UNLOCK_FAILED = "UnlockFailed"
    NOT_SUPPORTED = "NotSupported"
