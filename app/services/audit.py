"""Who did what, when."""

from __future__ import annotations

from app.services.ports import AuditRecord, AuditRepository, Clock


class AuditTrail:
    """Writes audit records with the time of the clock; durable when ``record`` returns."""

    def __init__(self, repository: AuditRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock

    async def record(self, actor: str, action: str, subject: str, detail: str = "") -> None:
        """Appends one record; ``actor`` is an account, ``station:ID`` or ``manager``."""
        await self._repository.append(
            AuditRecord(self._clock.utc_now(), actor, action, subject, detail)
        )
