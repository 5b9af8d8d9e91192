"""Stops whose transaction is unknown, for people to settle, and energy outside of any session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.parked import ParkedStop
from app.domain.transaction import Transaction
from app.services.audit import AuditTrail
from app.services.journal_ports import EnergyGap, ParkedStopRepository
from app.services.ports import Clock
from app.services.registry import Registry
from app.services.sessions import SessionService

GAPS_SINCE = timedelta(days=400)


class ParkedStops:
    """What the pages may do with them. ``actor`` is the account that does it."""

    def __init__(
        self,
        repository: ParkedStopRepository,
        sessions: SessionService,
        registry: Registry,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._sessions = sessions
        self._registry = registry
        self._audit = audit
        self._clock = clock

    async def waiting(self) -> Sequence[ParkedStop]:
        """Those that wait, newest first."""
        return await self._repository.waiting()

    async def count(self) -> int:
        """How many wait."""
        return await self._repository.count()

    async def candidates(self, stop: ParkedStop) -> Sequence[Transaction]:
        """Transactions it could end: those that fit first, then the newest."""
        found = list(await self._repository.candidates(stop.key))
        return sorted(found, key=lambda transaction: not stop.fits(transaction))

    async def attach(self, key: int, transaction_id: int, actor: str) -> None:
        """Ends a transaction by the stop.

        Raises ``NotFoundError`` when the stop does not wait, ``InvalidInputError`` when the
        transaction is another station's or has an end of its own.
        """
        stop = await self._waiting(key)
        ended = await self._repository.attach(key, transaction_id)
        if ended is None:
            raise InvalidInputError("parked-not-attachable", field="transaction")
        self._sessions.ended(ended)
        await self._audit.record(
            actor, "stop-attached", stop.station_id, f"{stop.transaction_id} -> {transaction_id}"
        )

    async def dismiss(self, key: int, actor: str) -> None:
        """Takes a stop off the list. Raises ``NotFoundError`` when it does not wait."""
        stop = await self._waiting(key)
        await self._repository.dismiss(key)
        await self._audit.record(actor, "stop-dismissed", stop.station_id, str(stop.transaction_id))

    async def gaps(self, station_id: str) -> Sequence[EnergyGap]:
        """Energy that the station's registers counted between sessions, newest first.

        Nothing for registers that begin anew in each session: they tell nothing of it.
        """
        station = self._registry.station(station_id)
        if station is None or station.quirks.session_meter:
            return ()
        return await self._repository.gaps(station_id, self._clock.utc_now() - GAPS_SINCE)

    async def _waiting(self, key: int) -> ParkedStop:
        stop = await self._repository.get(key)
        if stop is None:
            raise NotFoundError("parked-settled")
        return stop
