"""Charging profiles as a station keeps them, and the limit that they make (OCPP 1.6, clause 3.13).

The limit of an outlet is the lowest of ChargePointMaxProfile and (TxProfile, or TxDefaultProfile
where no TxProfile says anything now). Within a purpose the highest stack level that has something
to say now wins. All times here are seconds since the epoch on the station's own clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulators.station.persona import Persona

CHARGE_POINT_MAX = "ChargePointMaxProfile"
TX_DEFAULT = "TxDefaultProfile"
TX = "TxProfile"
PURPOSES = (CHARGE_POINT_MAX, TX_DEFAULT, TX)
_RECURRENCES = {"Daily": 86_400.0, "Weekly": 604_800.0}


@dataclass(slots=True, frozen=True)
class RunningTransaction:
    """What the profiles need to know of the transaction at an outlet."""

    transaction_id: int | None
    started_s: float
    active_phases: int
    wired_phases: int


def epoch_s(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; one without zone is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class ChargingProfile:
    """One installed profile; raises ``KeyError``, ``TypeError`` or ``ValueError`` when malformed."""

    __slots__ = (
        "connector_id",
        "duration_s",
        "has_number_phases",
        "kind",
        "periods",
        "profile_id",
        "purpose",
        "received_s",
        "recurrence_s",
        "stack_level",
        "start_s",
        "transaction_id",
        "unit",
        "valid_from_s",
        "valid_to_s",
    )

    def __init__(self, connector_id: int, content: dict[str, Any], received_s: float) -> None:
        schedule = content["chargingSchedule"]
        self.connector_id = connector_id
        self.received_s = received_s
        self.profile_id = int(content["chargingProfileId"])
        self.stack_level = int(content["stackLevel"])
        self.purpose = str(content["chargingProfilePurpose"])
        self.kind = str(content["chargingProfileKind"])
        if self.purpose not in PURPOSES or self.kind not in ("Absolute", "Recurring", "Relative"):
            raise ValueError("unknown purpose or kind")
        self.recurrence_s = math.inf
        if self.kind == "Recurring":
            self.recurrence_s = _RECURRENCES[content["recurrencyKind"]]
        self.transaction_id: int | None = content.get("transactionId")
        self.valid_from_s = epoch_s(content["validFrom"]) if "validFrom" in content else -math.inf
        self.valid_to_s = epoch_s(content["validTo"]) if "validTo" in content else math.inf
        self.unit = str(schedule["chargingRateUnit"])
        if self.unit not in ("A", "W"):
            raise ValueError("unknown unit")
        self.duration_s = float(schedule.get("duration", math.inf))
        self.start_s: float | None = None
        if "startSchedule" in schedule:
            self.start_s = epoch_s(schedule["startSchedule"])
        self.has_number_phases = any(
            "numberPhases" in period for period in schedule["chargingSchedulePeriod"]
        )
        self.periods = [
            (float(period["startPeriod"]), float(period["limit"]))
            for period in schedule["chargingSchedulePeriod"]
        ]
        if not self.periods or self.periods[0][0] != 0.0 or self.periods != sorted(self.periods):
            raise ValueError("the first period starts at 0 and the others follow in order")

    def limit_at(
        self, now_s: float, transaction: RunningTransaction | None, *, from_receipt: bool
    ) -> tuple[float | None, float]:
        """The limit in its own unit (``None``: nothing to say), and when that may change."""
        if now_s < self.valid_from_s:
            return None, self.valid_from_s
        if now_s >= self.valid_to_s:
            return None, math.inf
        start_s = self._start_s(now_s, transaction, from_receipt=from_receipt)
        if now_s < start_s:
            return None, min(start_s, self.valid_to_s)
        again_s = start_s + self.recurrence_s
        end_s = min(start_s + self.duration_s, again_s)
        if now_s >= end_s:
            return None, min(again_s, self.valid_to_s)
        limit = self.periods[0][1]
        for offset_s, value in self.periods:
            if start_s + offset_s > now_s:
                return limit, min(start_s + offset_s, end_s, self.valid_to_s)
            limit = value
        return limit, min(end_s, self.valid_to_s)

    def _start_s(
        self, now_s: float, transaction: RunningTransaction | None, *, from_receipt: bool
    ) -> float:
        start_s = self.start_s
        if start_s is None or self.kind == "Relative":
            # A station has no other start point than the transaction; without one, the receipt.
            relative = self.purpose != CHARGE_POINT_MAX and not from_receipt
            if transaction is not None and relative:
                start_s = transaction.started_s
            else:
                start_s = self.received_s
        if self.kind == "Recurring" and now_s > start_s:
            start_s += math.floor((now_s - start_s) / self.recurrence_s) * self.recurrence_s
        return start_s


class ProfileStore:
    """The profiles installed in one station."""

    __slots__ = ("_persona", "_voltage_v", "profiles")

    def __init__(self, persona: Persona, voltage_v: float) -> None:
        self._persona = persona
        self._voltage_v = voltage_v
        self.profiles: list[ChargingProfile] = []

    def install(
        self, profile: ChargingProfile, transaction: RunningTransaction | None, *, known: bool
    ) -> bool:
        """Take a profile in, or refuse it; ``known`` is whether its connectorId exists."""
        return known and self._acceptable(profile, transaction) and self.adopt(profile)

    def adopt(self, profile: ChargingProfile) -> bool:
        """Put a profile in, in place of one with its id or its level; false when all is full."""
        if not self._persona.honours_leases:
            profile.duration_s = profile.valid_to_s = math.inf
        kept = [
            old
            for old in self.profiles
            if old.profile_id != profile.profile_id
            and not (
                old.purpose == profile.purpose
                and old.stack_level == profile.stack_level
                and old.connector_id == profile.connector_id
            )
        ]
        if len(kept) >= self._persona.max_profiles:
            return False
        self.profiles = [*kept, profile]
        return True

    def _acceptable(self, profile: ChargingProfile, transaction: RunningTransaction | None) -> bool:
        persona = self._persona
        if (
            profile.unit not in persona.rate_units
            or not persona.min_stack_level <= profile.stack_level <= persona.max_stack_level
            or profile.purpose not in persona.purposes
            or profile.kind not in persona.kinds
            or (profile.has_number_phases and persona.refuses_number_phases)
            or len(profile.periods) > persona.max_periods
            or any(limit < 0 for _, limit in profile.periods)
        ):
            return False
        if profile.purpose == CHARGE_POINT_MAX:
            return profile.connector_id == 0
        if profile.purpose == TX_DEFAULT:
            return True
        if transaction is None or profile.connector_id == 0:
            return False
        if profile.transaction_id is None:
            return not persona.tx_profile_needs_transaction_id
        if persona.tx_profile_refuses_transaction_id:
            return False
        return profile.transaction_id == transaction.transaction_id

    def clear(
        self,
        profile_id: int | None = None,
        connector_id: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> bool:
        """Remove those that match every given criterion (an id alone decides); whether any did."""
        if profile_id is not None:
            kept = [old for old in self.profiles if old.profile_id != profile_id]
        else:
            kept = [
                old
                for old in self.profiles
                if (connector_id is not None and old.connector_id != connector_id)
                or (purpose is not None and old.purpose != purpose)
                or (stack_level is not None and old.stack_level != stack_level)
            ]
        cleared = len(kept) < len(self.profiles)
        self.profiles = kept
        return cleared

    def end_transaction(self, connector_id: int) -> None:
        """A TxProfile dies with its transaction."""
        self.clear(connector_id=connector_id, purpose=TX)

    def connector_limit_a(
        self, connector_id: int, now_s: float, transaction: RunningTransaction
    ) -> tuple[float | None, float]:
        """Amperes that TxProfile, else TxDefaultProfile, leave to an outlet; until when."""
        limit_a, until_s = self._winner(
            (p for p in self.profiles if p.purpose == TX and p.connector_id == connector_id),
            now_s,
            transaction,
        )
        if limit_a is not None:
            return limit_a, until_s
        default_a, default_until_s = self._winner(
            (
                p
                for p in self.profiles
                if p.purpose == TX_DEFAULT and p.connector_id in (0, connector_id)
            ),
            now_s,
            transaction,
        )
        return default_a, min(until_s, default_until_s)

    def station_limit_a(self, now_s: float, wired_phases: int) -> tuple[float | None, float]:
        """Amperes that ChargePointMaxProfile leaves to the whole post, and until when."""
        whole = RunningTransaction(None, now_s, wired_phases, wired_phases)
        return self._winner(
            (p for p in self.profiles if p.purpose == CHARGE_POINT_MAX), now_s, whole
        )

    def _winner(
        self,
        candidates: Iterable[ChargingProfile],
        now_s: float,
        transaction: RunningTransaction,
    ) -> tuple[float | None, float]:
        limit_a: float | None = None
        until_s = math.inf
        # At one level the profile of the outlet itself is more specific than that of the post.
        ordered = sorted(candidates, key=_precedence, reverse=True)
        for profile in ordered:
            value, change_s = profile.limit_at(
                now_s, transaction, from_receipt=self._persona.relative_from_receipt
            )
            until_s = min(until_s, change_s)
            if value is not None:
                limit_a = self._amperes(profile, value, transaction)
                break
        return limit_a, until_s

    def _amperes(
        self, profile: ChargingProfile, value: float, transaction: RunningTransaction
    ) -> float:
        if profile.unit == "A":
            return value
        phases = transaction.wired_phases
        if self._persona.watts_by_active_phases:
            phases = transaction.active_phases
        return value / (self._voltage_v * phases)


def _precedence(profile: ChargingProfile) -> tuple[int, int]:
    return profile.stack_level, profile.connector_id
