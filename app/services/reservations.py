"""Connectors that a station keeps for one badge, until somebody comes or the time is over."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec

from app.domain.badge import normalised_id_tag
from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
    StorageError,
)
from app.domain.remote import Reservation, ReservationState
from app.domain.station import ConnectorKey
from app.energy.plan import Plan
from app.energy.site_state import SiteState
from app.ocpp16.actions.access_calls import CancelReservation, ReserveNow
from app.services.ports import Clock
from app.services.registry import Registry
from app.services.remote_ports import OrderRepository
from app.services.station_commands import Reply, StationCommands
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

LONGEST = timedelta(days=7)
MOST_RESERVATIONS = 200
"""One per connector of the largest site."""


class Reservations:
    """Every active reservation, in memory and on disk."""

    def __init__(
        self,
        registry: Registry,
        commands: StationCommands,
        repository: OrderRepository,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._commands = commands
        self._repository = repository
        self._tasks = tasks
        self._clock = clock
        self._active: dict[int, Reservation] = {}

    async def load(self) -> None:
        """Takes over the active ones; called once."""
        self._active = {one.reservation_id: one for one in await self._repository.reservations()}

    def on(self, key: ConnectorKey) -> Reservation | None:
        """The reservation of the connector, if there is one."""
        for reservation in self._active.values():
            if reservation.key == key:
                return reservation
        return None

    def of(self, station_id: str) -> tuple[Reservation, ...]:
        """Those of a station, oldest first."""
        return tuple(one for one in self._active.values() if one.station_id == station_id)

    async def reserve(
        self, key: ConnectorKey, id_tag: str, expires_utc: datetime, actor: str
    ) -> Reply:
        """Keeps the connector for the badge (ReserveNow); a number is used once and never again."""
        live = self._commands.connector(key)
        now_utc = self._clock.utc_now()
        if live.transaction is not None:
            raise InvalidInputError("connector-charging", connector=str(key))
        if not now_utc < expires_utc <= now_utc + LONGEST:
            raise InvalidInputError("reservation-time", field="until", days=LONGEST.days)
        if self.on(key) is not None:
            raise InvalidInputError("connector-reserved", connector=str(key))
        if len(self._active) >= MOST_RESERVATIONS:
            raise InvalidInputError("reservations-too-many", most=MOST_RESERVATIONS)
        # On disk first: a manager that dies now must be able to cancel it afterwards.
        reservation = await self._repository.save_reservation(
            Reservation(0, key.station_id, key.connector_id, id_tag, now_utc, expires_utc, actor)
        )
        self._active[reservation.reservation_id] = reservation
        request = ReserveNow(
            connector_id=key.connector_id,
            expiry_date=expires_utc,
            id_tag=id_tag,
            reservation_id=reservation.reservation_id,
        )
        try:
            return await self._commands.order(key, request, actor, "reserve", id_tag)
        except (StationRefusedError, StationUnreachableError):
            await self._end(reservation, ReservationState.CANCELLED)
            raise

    async def cancel(self, reservation_id: int, actor: str) -> Reply:
        """Gives the connector free (CancelReservation).

        A station that knows nothing of it answers Rejected: then it is not reserved either.
        """
        reservation = self._active.get(reservation_id)
        if reservation is None:
            raise NotFoundError("reservation-unknown")
        request = CancelReservation(reservation_id=reservation_id)
        try:
            reply = await self._commands.order(
                reservation.key, request, actor, "cancel-reservation"
            )
        except StationRefusedError:
            await self._end(reservation, ReservationState.CANCELLED)
            raise
        await self._end(reservation, ReservationState.CANCELLED)
        return reply

    def observe(self, _state: SiteState, _plan: Plan) -> None:
        """Sees who came, and whose time is over; an observer of the control cycle."""
        now_utc = self._clock.utc_now()
        for reservation in list(self._active.values()):
            state = self._became(reservation, now_utc)
            if state is not None:
                # At once in memory: the next cycle must not end it again.
                self._active.pop(reservation.reservation_id, None)
                self._tasks.start(
                    self._end(reservation, state), f"reservation {reservation.reservation_id}"
                )

    def _became(self, reservation: Reservation, now_utc: datetime) -> ReservationState | None:
        live = self._registry.connector(reservation.key)
        if live is None:
            return ReservationState.CANCELLED
        transaction = live.transaction
        if transaction is not None and transaction.started_utc >= reservation.made_utc:
            wanted = normalised_id_tag(reservation.id_tag)
            if normalised_id_tag(transaction.id_tag) == wanted:
                return ReservationState.USED
        return ReservationState.EXPIRED if now_utc >= reservation.expires_utc else None

    async def _end(self, reservation: Reservation, state: ReservationState) -> None:
        self._active.pop(reservation.reservation_id, None)
        try:
            await self._repository.save_reservation(
                msgspec.structs.replace(reservation, state=state)
            )
        except StorageError as error:
            # It expires by itself after a restart.
            log.warning("the end of a reservation was not recorded: %s", error)
