"""Calls that the manager makes to a station, and their confirmations."""

from __future__ import annotations

from app.domain.station import RateUnit
from app.ocpp16.actions.types import (
    AvailabilityStatus,
    AvailabilityType,
    Call,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingProfileStatus,
    ClearChargingProfileStatus,
    CommandStatus,
    CompositeScheduleStatus,
    ConfigurationStatus,
    Confirmation,
    Integer,
    MessageTrigger,
    Part,
    RecurrencyKind,
    ResetType,
    Text20,
    Text50,
    Text500,
    Timestamp,
    TriggerMessageStatus,
    UnlockStatus,
    settle_whole_second,
)


class KeyValue(Part, frozen=True):
    """The 500 characters of the specification are exceeded in the field: not bound."""

    key: Text50
    readonly: bool
    value: str | None = None


class GetConfigurationConfirmation(Confirmation, frozen=True):
    """Clause 6.24."""

    configuration_key: tuple[KeyValue, ...] | None = None
    unknown_key: tuple[Text50, ...] | None = None


class GetConfiguration(Call[GetConfigurationConfirmation], frozen=True):
    """Clause 6.23. Without ``key`` the station lists all its settings."""

    action = "GetConfiguration"
    confirmation_type = GetConfigurationConfirmation

    key: tuple[Text50, ...] | None = None


class ChangeConfigurationConfirmation(Confirmation, frozen=True):
    """Clause 6.10."""

    status: ConfigurationStatus


class ChangeConfiguration(Call[ChangeConfigurationConfirmation], frozen=True):
    """Clause 6.9."""

    action = "ChangeConfiguration"
    confirmation_type = ChangeConfigurationConfirmation

    key: Text50
    value: Text500


class ChargingSchedulePeriod(Part, frozen=True):
    """``limit`` is in the schedule's unit, a multiple of 0.1."""

    start_period: Integer
    limit: float
    number_phases: Integer | None = None


class ChargingSchedule(Part, frozen=True):
    """``duration`` is seconds from the start of the schedule."""

    charging_rate_unit: RateUnit
    charging_schedule_period: tuple[ChargingSchedulePeriod, ...]
    duration: Integer | None = None
    start_schedule: Timestamp | None = None
    min_charging_rate: float | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "start_schedule", self.start_schedule)


class ChargingProfile(Part, frozen=True):
    """When and how much may be drawn (clause 3.13)."""

    charging_profile_id: Integer
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: ChargingSchedule
    transaction_id: Integer | None = None
    recurrency_kind: RecurrencyKind | None = None
    valid_from: Timestamp | None = None
    valid_to: Timestamp | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "valid_from", self.valid_from)
        settle_whole_second(self, "valid_to", self.valid_to)


class SetChargingProfileConfirmation(Confirmation, frozen=True):
    """Clause 6.44."""

    status: ChargingProfileStatus


class SetChargingProfile(Call[SetChargingProfileConfirmation], frozen=True):
    """Clause 6.43."""

    action = "SetChargingProfile"
    confirmation_type = SetChargingProfileConfirmation

    connector_id: Integer
    cs_charging_profiles: ChargingProfile


class ClearChargingProfileConfirmation(Confirmation, frozen=True):
    """Clause 6.14."""

    status: ClearChargingProfileStatus


class ClearChargingProfile(Call[ClearChargingProfileConfirmation], frozen=True):
    """Clause 6.13. Without any field, everything is cleared."""

    action = "ClearChargingProfile"
    confirmation_type = ClearChargingProfileConfirmation

    id: Integer | None = None
    connector_id: Integer | None = None
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: Integer | None = None


class GetCompositeScheduleConfirmation(Confirmation, frozen=True):
    """Clause 6.22."""

    status: CompositeScheduleStatus
    connector_id: Integer | None = None
    schedule_start: Timestamp | None = None
    charging_schedule: ChargingSchedule | None = None


class GetCompositeSchedule(Call[GetCompositeScheduleConfirmation], frozen=True):
    """Clause 6.21. What the station makes of all its profiles for the next ``duration`` seconds."""

    action = "GetCompositeSchedule"
    confirmation_type = GetCompositeScheduleConfirmation

    connector_id: Integer
    duration: Integer
    charging_rate_unit: RateUnit | None = None


class RemoteStartTransactionConfirmation(Confirmation, frozen=True):
    """Clause 6.34."""

    status: CommandStatus


class RemoteStartTransaction(Call[RemoteStartTransactionConfirmation], frozen=True):
    """Clause 6.33."""

    action = "RemoteStartTransaction"
    confirmation_type = RemoteStartTransactionConfirmation

    id_tag: Text20
    connector_id: Integer | None = None
    charging_profile: ChargingProfile | None = None


class RemoteStopTransactionConfirmation(Confirmation, frozen=True):
    """Clause 6.36."""

    status: CommandStatus


class RemoteStopTransaction(Call[RemoteStopTransactionConfirmation], frozen=True):
    """Clause 6.35."""

    action = "RemoteStopTransaction"
    confirmation_type = RemoteStopTransactionConfirmation

    transaction_id: Integer


class TriggerMessageConfirmation(Confirmation, frozen=True):
    """Clause 6.52."""

    status: TriggerMessageStatus


class TriggerMessage(Call[TriggerMessageConfirmation], frozen=True):
    """Clause 6.51."""

    action = "TriggerMessage"
    confirmation_type = TriggerMessageConfirmation

    requested_message: MessageTrigger
    connector_id: Integer | None = None


class ResetConfirmation(Confirmation, frozen=True):
    """Clause 6.40."""

    status: CommandStatus


class Reset(Call[ResetConfirmation], frozen=True):
    """Clause 6.39."""

    action = "Reset"
    confirmation_type = ResetConfirmation

    type: ResetType


class ChangeAvailabilityConfirmation(Confirmation, frozen=True):
    """Clause 6.8."""

    status: AvailabilityStatus


class ChangeAvailability(Call[ChangeAvailabilityConfirmation], frozen=True):
    """Clause 6.7."""

    action = "ChangeAvailability"
    confirmation_type = ChangeAvailabilityConfirmation

    connector_id: Integer
    type: AvailabilityType


class UnlockConnectorConfirmation(Confirmation, frozen=True):
    """Clause 6.54."""

    status: UnlockStatus


class UnlockConnector(Call[UnlockConnectorConfirmation], frozen=True):
    """Clause 6.53."""

    action = "UnlockConnector"
    confirmation_type = UnlockConnectorConfirmation

    connector_id: Integer
