"""The answer to BootNotification (clause 4.2): who is let in, and how often it should call."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Final

import msgspec

from app.domain.station import StationIdentity
from app.ocpp16.actions.station_calls import BootNotification, BootNotificationConfirmation
from app.ocpp16.actions.types import RegistrationStatus


class Standing(enum.StrEnum):
    """What the manager thinks of a caller."""

    ADOPTED = "adopted"
    WAITING = "waiting"
    """Unknown: listed for adoption."""
    IGNORED = "ignored"
    """The user said that it does not belong here."""


class BootIntervals(msgspec.Struct, frozen=True):
    """Seconds in a boot answer: heartbeat period once accepted, else wait before the next boot.

    ``jitter_share`` spreads the waits of many stations that start together (after a power cut).
    """

    heartbeat_s: int = 60
    waiting_s: int = 30
    ignored_s: int = 600
    jitter_share: float = 0.2


_STATUSES: Final[dict[Standing, RegistrationStatus]] = {
    Standing.ADOPTED: RegistrationStatus.ACCEPTED,
    Standing.IGNORED: RegistrationStatus.REJECTED,
}


def boot_answer(
    standing: Standing,
    intervals: BootIntervals,
    jitter: float,
    now_utc: datetime,
    waiting: RegistrationStatus = RegistrationStatus.PENDING,
) -> BootNotificationConfirmation:
    """The confirmation for a caller of this ``standing``; ``jitter`` is from 0 to 1.

    ``waiting`` is what its kind is told while it waits, where Pending does it harm.
    Jitter shortens a heartbeat period and lengthens a wait: neither is ever missed for it.
    """
    if standing is Standing.ADOPTED:
        interval_s = intervals.heartbeat_s * (1 - intervals.jitter_share * jitter)
    else:
        wait_s = intervals.waiting_s if standing is Standing.WAITING else intervals.ignored_s
        interval_s = wait_s * (1 + intervals.jitter_share * jitter)
    return BootNotificationConfirmation(
        status=waiting if standing is Standing.WAITING else _STATUSES[standing],
        current_time=now_utc,
        interval=max(1, round(interval_s)),
    )


def identity_of(boot: BootNotification) -> StationIdentity:
    """What the station says of itself; the box's serial number where the point gives none."""
    return StationIdentity(
        vendor=boot.charge_point_vendor,
        model=boot.charge_point_model,
        serial=boot.charge_point_serial_number or boot.charge_box_serial_number or "",
        firmware=boot.firmware_version or "",
    )
