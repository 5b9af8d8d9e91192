"""What stations report of their own security (SecurityEventNotification), kept and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.domain.station_security import SecurityEvent
from app.ocpp16.actions.security_calls import (
    SecurityEventNotification,
    SecurityEventNotificationConfirmation,
)
from app.ocpp16.actions.types import UNREADABLE_TIME
from app.services.alarms import Finding
from app.services.audit import AuditTrail
from app.services.intake import Caller
from app.services.live import Severity
from app.services.ports import Clock
from app.services.registry import Registry
from app.services.security_ports import SecurityRepository

MOST_PER_STATION: Final = 500
"""Events kept of one station: a station that sends without end pushes out its own alone."""

_CONFIRMATION: Final = SecurityEventNotificationConfirmation()


class SecurityEvents:
    """Keeps events before they are acknowledged; those of strangers are acknowledged alone."""

    def __init__(
        self, repository: SecurityRepository, registry: Registry, audit: AuditTrail, clock: Clock
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._audit = audit
        self._clock = clock
        self._unseen: dict[tuple[str, str], None] = {}

    async def load(self) -> None:
        """Reads what nobody has looked at yet; called once at start."""
        self._unseen = {
            (event.station_id, event.type): None
            for event in await self._repository.unseen()
            if event.is_alarming
        }

    async def notified(
        self, caller: Caller, request: SecurityEventNotification
    ) -> SecurityEventNotificationConfirmation:
        """Answers SecurityEventNotification (message 4.14)."""
        if caller.station is None:
            return _CONFIRMATION
        now_utc = self._clock.utc_now()
        readable = request.timestamp != UNREADABLE_TIME
        event = SecurityEvent(
            station_id=caller.link.station_id,
            at_utc=request.timestamp if readable else now_utc,
            received_utc=now_utc,
            type=request.type,
            tech_info=request.tech_info or "",
        )
        new = await self._repository.add_event(event, MOST_PER_STATION)
        if new and event.is_alarming:
            self._unseen[event.station_id, event.type] = None
        return _CONFIRMATION

    async def last(self, station_id: str, limit: int = 50) -> Sequence[SecurityEvent]:
        """Newest first."""
        return await self._repository.events(station_id, limit)

    async def see(self, station_id: str, actor: str) -> None:
        """Somebody has looked: the station's alarms end."""
        await self._repository.see_events(station_id)
        self._unseen = {key: None for key in self._unseen if key[0] != station_id}
        await self._audit.record(actor, "security-events-seen", station_id)

    def alarms(self) -> Iterator[Finding]:
        """Kinds of event that somebody should look at, by station."""
        for station_id, kind in self._unseen:
            station = self._registry.station(station_id)
            if station is not None:
                yield "SEC-006", Severity.WARNING, {"subject": station.station.name, "event": kind}
