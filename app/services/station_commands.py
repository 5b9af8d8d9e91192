"""Commands to one station: sent, answered, told in the station's own word, and written down.

A command either returns the station's answer or raises: ``StationRefusedError`` with the answer that
was no, ``StationUnreachableError`` when there was none. Both are in the audit log as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.remote import EventKind, Outcome, OutcomeState
from app.domain.station import ConnectorKey
from app.energy.planner import Planner
from app.ocpp16.actions.access_calls import ClearCache
from app.ocpp16.actions.manager_calls import (
    ClearChargingProfile,
    GetCompositeSchedule,
    GetCompositeScheduleConfirmation,
    RemoteStartTransaction,
    RemoteStopTransaction,
    Reset,
    TriggerMessage,
    UnlockConnector,
)
from app.ocpp16.actions.types import CompositeScheduleStatus, MessageTrigger, ResetType
from app.ocpp16.session import Priority
from app.services.audit import AuditTrail
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.station_log import StationLog

COMMAND_TIMEOUT_S = 20.0

SCHEDULE_S = 24 * 3600
"""How far GetCompositeSchedule is asked to look."""

GOOD_ANSWERS = frozenset({"Accepted", "Scheduled", "Unlocked", "RebootRequired"})
"""Answers that carry the command out, now or later. "Unknown" to ClearChargingProfile does as well:
there was nothing to clear."""


class Reply(NamedTuple):
    """What a station answered: the message's name, and its status as sent."""

    action: str
    answer: str


class StationCommands:
    """What people may order one station to do. ``actor`` is the account that does it."""

    def __init__(
        self, registry: Registry, planner: Planner, log: StationLog, audit: AuditTrail
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._log = log
        self._audit = audit
        self.on_profiles_cleared: list[Callable[[StationLive], Awaitable[None]]] = []
        """Awaited when a station holds no profile any more: it must be given its fallback again."""

    # ------------------------------------------------------------- charging

    async def start(self, key: ConnectorKey, id_tag: str, actor: str) -> Reply:
        """Starts charging under ``id_tag`` (RemoteStartTransaction)."""
        live = self.connector(key)
        if live.transaction is not None:
            raise InvalidInputError("connector-charging", connector=str(key))
        request = RemoteStartTransaction(id_tag=id_tag, connector_id=key.connector_id)
        return await self.order(key, request, actor, "remote-start", id_tag)

    async def stop(self, key: ConnectorKey, actor: str) -> Reply:
        """Ends the running transaction (RemoteStopTransaction)."""
        live = self.connector(key)
        if live.transaction is None:
            raise InvalidInputError("connector-idle", connector=str(key))
        request = RemoteStopTransaction(transaction_id=live.transaction.transaction_id)
        return await self.order(key, request, actor, "remote-stop")

    async def unlock(self, key: ConnectorKey, actor: str) -> Reply:
        """Opens the connector's lock (UnlockConnector); a running charge ends first."""
        self.connector(key)
        request = UnlockConnector(connector_id=key.connector_id)
        return await self.order(key, request, actor, "unlock")

    # ------------------------------------------------------------- the station

    async def reset(self, station_id: str, hard: bool, actor: str) -> Reply:
        """Restarts the station (Reset)."""
        request = Reset(type=ResetType.HARD if hard else ResetType.SOFT)
        action = "reset-hard" if hard else "reset-soft"
        return await self.order(ConnectorKey(station_id, 0), request, actor, action)

    async def trigger(self, key: ConnectorKey, message: MessageTrigger, actor: str) -> Reply:
        """Asks for a message now (TriggerMessage); connector 0 leaves the connector open."""
        number = key.connector_id or None
        request = TriggerMessage(requested_message=message, connector_id=number)
        return await self.order(key, request, actor, "trigger", message.value)

    async def clear_cache(self, station_id: str, actor: str) -> Reply:
        """Has the station forget the badges that it remembers (ClearCache)."""
        return await self.order(ConnectorKey(station_id, 0), ClearCache(), actor, "clear-cache")

    async def clear_profiles(self, station_id: str, actor: str) -> Reply:
        """Removes every charging profile, then has the fallback installed again.

        Refused while a car charges: it would jump to its full current. Until the fallback is back
        the whole rating counts.
        """
        station = self.station(station_id)
        if any(live.transaction is not None for live in station.connectors.values()):
            raise InvalidInputError("profiles-while-charging", station=station.station.name)
        for live in station.connectors.values():
            self._planner.ceilings.fallback_lost(live.key)
        try:
            return await self.order(
                ConnectorKey(station_id, 0), ClearChargingProfile(), actor, "clear-profiles"
            )
        finally:
            for told in self.on_profiles_cleared:
                await told(station)

    async def schedule(self, key: ConnectorKey, actor: str) -> GetCompositeScheduleConfirmation:
        """What the station makes of all its profiles for the next day (GetCompositeSchedule)."""
        station = self.station(key.station_id)
        if key.connector_id:
            self.connector(key)
        unit = station.capability.form.unit
        request = GetCompositeSchedule(key.connector_id, SCHEDULE_S, unit)
        answer: GetCompositeScheduleConfirmation = await self.call(station, request)
        await self._audit.record(actor, "composite-schedule", str(key), answer.status.value)
        if answer.status is not CompositeScheduleStatus.ACCEPTED:
            raise _refusal(key.station_id, request.action, answer.status.value)
        return answer

    # ------------------------------------------------------------- parts for the other services

    async def order(
        self, key: ConnectorKey, request: Any, actor: str, action: str, detail: str = ""
    ) -> Reply:
        """Sends a command whose answer is a status; audited whatever becomes of it."""
        station = self.station(key.station_id)
        subject = str(key) if key.connector_id else key.station_id
        try:
            answer = await self.call(station, request)
            reply = Reply(request.action, answer.status.value)
            if not _is_yes(reply):
                raise _refusal(key.station_id, request.action, reply.answer)
        except (StationRefusedError, StationUnreachableError) as error:
            said = str(error.params.get("answer", "")) or error.key
            await self._tell(key, subject, actor, action, f"{detail} · {said}".strip(" ·"))
            raise
        await self._tell(key, subject, actor, action, f"{detail} · {reply.answer}".strip(" ·"))
        return reply

    async def call(self, station: StationLive, request: Any) -> Any:
        """The confirmation of a call; raises ``StationUnreachableError`` for an offline station."""
        link = station.link
        if link is None:
            raise StationUnreachableError("station-offline", station=station.station.station_id)
        return await link.call(request, priority=Priority.CONTROL, timeout_s=COMMAND_TIMEOUT_S)

    def station(self, station_id: str) -> StationLive:
        """The station; raises ``NotFoundError``."""
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        return station

    def connector(self, key: ConnectorKey) -> ConnectorLive:
        """The outlet; raises ``NotFoundError``."""
        self.station(key.station_id)
        live = self._registry.connector(key)
        if live is None:
            raise NotFoundError("connector-unknown", connector=str(key))
        return live

    async def _tell(
        self, key: ConnectorKey, subject: str, actor: str, action: str, detail: str
    ) -> None:
        self._log.note(
            key.station_id, EventKind.COMMAND, f"{actor} · {action} · {detail}", key.connector_id
        )
        await self._audit.record(actor, action, subject, detail)


def outcome_of(station_id: str, result: Reply | BornierError) -> Outcome:
    """The line of a result table for an answer, or for the error in its place."""
    if isinstance(result, Reply):
        return Outcome(station_id, OutcomeState.DONE, result.action, result.answer)
    params = {name: str(value) for name, value in result.params.items()}
    action, answer = params.get("action", ""), params.get("answer", "")
    if isinstance(result, StationUnreachableError):
        return Outcome(station_id, OutcomeState.UNREACHABLE, action, "", result.key, params)
    return Outcome(station_id, OutcomeState.REFUSED, action, answer, result.key, params)


def _refusal(station_id: str, action: str, answer: str) -> StationRefusedError:
    return StationRefusedError("station-refused", station=station_id, action=action, answer=answer)


def _is_yes(reply: Reply) -> bool:
    if reply.action == ClearChargingProfile.action and reply.answer == "Unknown":
        return True
    return reply.answer in GOOD_ANSWERS
