"""Calls about who may charge where: the station's own list and cache of tokens, and reservations.

All are made by the manager (feature profiles Local Auth List Management and Reservation).
"""

from __future__ import annotations

import enum

from app.ocpp16.actions.station_calls import IdTagInfo
from app.ocpp16.actions.types import (
    Call,
    CommandStatus,
    Confirmation,
    Integer,
    Part,
    Text20,
    Timestamp,
    settle_whole_second,
)


class UpdateType(enum.StrEnum):
    """UpdateType of chapter 7."""

    DIFFERENTIAL = "Differential"
    FULL = "Full"


class UpdateStatus(enum.StrEnum):
    """UpdateStatus of chapter 7."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    VERSION_MISMATCH = "VersionMismatch"


class ReservationStatus(enum.StrEnum):
    """ReservationStatus of chapter 7."""

    ACCEPTED = "Accepted"
    FAULTED = "Faulted"
    OCCUPIED = "Occupied"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


class AuthorizationData(Part, frozen=True):
    """An entry of the local list; in a differential update one without info is to be removed."""

    id_tag: Text20
    id_tag_info: IdTagInfo | None = None


class GetLocalListVersionConfirmation(Confirmation, frozen=True):
    """Clause 6.26. 0: the list is empty; -1: the station keeps none."""

    list_version: Integer


class GetLocalListVersion(Call[GetLocalListVersionConfirmation], frozen=True):
    """Clause 6.25."""

    action = "GetLocalListVersion"
    confirmation_type = GetLocalListVersionConfirmation


class SendLocalListConfirmation(Confirmation, frozen=True):
    """Clause 6.42."""

    status: UpdateStatus


class SendLocalList(Call[SendLocalListConfirmation], frozen=True):
    """Clause 6.41. ``list_version`` is that of the list once updated."""

    action = "SendLocalList"
    confirmation_type = SendLocalListConfirmation

    list_version: Integer
    update_type: UpdateType
    local_authorization_list: tuple[AuthorizationData, ...] | None = None


class ClearCacheConfirmation(Confirmation, frozen=True):
    """Clause 6.12."""

    status: CommandStatus


class ClearCache(Call[ClearCacheConfirmation], frozen=True):
    """Clause 6.11."""

    action = "ClearCache"
    confirmation_type = ClearCacheConfirmation


class ReserveNowConfirmation(Confirmation, frozen=True):
    """Clause 6.38."""

    status: ReservationStatus


class ReserveNow(Call[ReserveNowConfirmation], frozen=True):
    """Clause 6.37. ``connector_id`` 0 reserves any one connector of the station."""

    action = "ReserveNow"
    confirmation_type = ReserveNowConfirmation

    connector_id: Integer
    expiry_date: Timestamp
    id_tag: Text20
    reservation_id: Integer
    parent_id_tag: Text20 | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "expiry_date", self.expiry_date)


class CancelReservationConfirmation(Confirmation, frozen=True):
    """Clause 6.6."""

    status: CommandStatus


class CancelReservation(Call[CancelReservationConfirmation], frozen=True):
    """Clause 6.5."""

    action = "CancelReservation"
    confirmation_type = CancelReservationConfirmation

    reservation_id: Integer
