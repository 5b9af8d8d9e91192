"""What a make, model and firmware of station can do with limits, as found out by trying.

The forms are as OCPP 1.6 knows them (clauses 3.13 and 7.8 to 7.13); a capability is kept per model
and firmware, so that the next station of the same kind is not tried again.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import NamedTuple

import msgspec

from app.domain.station import ConnectorKey, RateUnit, StationIdentity

FINEST_STEP_MA = 100
"""Limits are multiples of 0.1 in OCPP 1.6 (ChargingSchedulePeriod)."""


class LimitPurpose(enum.StrEnum):
    """Which profile carries a limit (ChargingProfilePurpose of OCPP 1.6)."""

    TRANSACTION = "TxProfile"
    """Dies with its transaction."""
    DEFAULT = "TxDefaultProfile"
    """Stands until it is replaced: for every transaction of the outlet."""
    STATION = "ChargePointMaxProfile"
    """Stands until it is replaced: for the whole station."""


class LimitKind(enum.StrEnum):
    """From when a schedule counts (ChargingProfileKind of OCPP 1.6)."""

    ABSOLUTE = "Absolute"
    RELATIVE = "Relative"


class LeaseForm(enum.StrEnum):
    """By which field a limit ends by itself."""

    DURATION = "duration"
    """``duration`` of the schedule; only of use where the schedule has a start of its own."""
    VALID_TO = "valid-to"
    """``validTo`` of the profile."""
    BOTH = "both"
    NONE = "none"


class LeaseTrust(enum.StrEnum):
    """Whether stations of the kind let a limit end when its lease does."""

    UNKNOWN = "unknown"
    """Not seen yet: what was granted is taken to hold until something else is accepted."""
    HONOURED = "honoured"
    IGNORED = "ignored"


class FallbackForm(msgspec.Struct, frozen=True):
    """How a station takes the current that holds without news from the manager."""

    purpose: LimitPurpose = LimitPurpose.DEFAULT
    kind: LimitKind = LimitKind.RELATIVE
    stack_level: int = 0
    unit: RateUnit = RateUnit.AMPERES
    send_phases: bool = False


class ProfileForm(msgspec.Struct, frozen=True):
    """How one station takes its live limits; found out at commissioning.

    ``step_ma`` is the finest step it follows. ``send_phases`` adds numberPhases, which some
    stations need and others refuse; so does ``send_transaction_id`` with transactionId.
    """

    unit: RateUnit = RateUnit.AMPERES
    step_ma: int = FINEST_STEP_MA
    stack_level: int = 0
    send_phases: bool = False
    purpose: LimitPurpose = LimitPurpose.TRANSACTION
    kind: LimitKind = LimitKind.ABSOLUTE
    lease: LeaseForm = LeaseForm.DURATION
    send_transaction_id: bool = True


class ModelKey(NamedTuple):
    """A kind of station: what its BootNotification says of make, model and firmware."""

    vendor: str
    model: str
    firmware: str

    @classmethod
    def of(cls, identity: StationIdentity) -> ModelKey | None:
        """``None`` for a station that has not introduced itself: it is like no other."""
        if not identity.vendor and not identity.model:
            return None
        return cls(identity.vendor, identity.model, identity.firmware)


class Capability(msgspec.Struct, frozen=True):
    """What is known of a kind of station. Stored as JSON: every new field needs a default.

    ``fallback`` and ``live`` are the forms that were accepted, ``None`` while none was. The rest is
    learned from ordinary operation and ``None`` until seen: ``composite`` whether
    GetCompositeSchedule tells the limits in force; ``lowest_ma`` the least limit above 0 at which a
    car still charged; ``resumes`` whether a car drew again after a pause; ``acceptance_s`` and
    ``comply_s`` the usual time from sending to Accepted and from there to a draw within the limit;
    ``overshoot_ma`` the most drawn above a limit once it had to be followed.
    """

    fallback: FallbackForm | None = None
    live: ProfileForm | None = None
    lease: LeaseTrust = LeaseTrust.UNKNOWN
    composite: bool | None = None
    lowest_ma: int | None = None
    resumes: bool | None = None
    acceptance_s: float | None = None
    comply_s: float | None = None
    overshoot_ma: int | None = None


class HeldFallback(msgspec.Struct, frozen=True):
    """The fallback that a station is known to hold since it accepted it."""

    station_id: str
    fallback_ma: int
    form: FallbackForm
    model: ModelKey


class Disobedience(msgspec.Struct, frozen=True):
    """A connector drew more than its limit for too long.

    ``at_utc`` is when it was found, ``limit_ma`` the limit in force then, ``measured_ma`` the most
    that was drawn on a conductor, ``duration_s`` from the first measurement above the limit until it was
    found, or to the last one where that came later; ``None`` while it lasts (or nobody saw the end).
    """

    key: ConnectorKey
    at_utc: datetime
    limit_ma: int
    measured_ma: int
    duration_s: int | None = None
