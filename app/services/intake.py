"""The stations' port: every CALL of a station is answered here, each by one line of a table.

Known stations are served at once, with or without BootNotification after a reconnect. Unknown ones
are told to wait (Pending) and appear in the inbox; their transaction messages are recorded all the
same, for a station repeats them until they are acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from app.domain.station import ConnectorKey
from app.ocpp16.actions.file_calls import (
    DiagnosticsStatusNotification,
    FirmwareStatusNotification,
)
from app.ocpp16.actions.security_calls import (
    LogStatusNotification,
    SecurityEventNotification,
    SignCertificate,
    SignCertificateConfirmation,
    SignedFirmwareStatusNotification,
)
from app.ocpp16.actions.station_calls import (
    Authorize,
    AuthorizeConfirmation,
    BootNotification,
    BootNotificationConfirmation,
    DataTransfer,
    DataTransferConfirmation,
    Heartbeat,
    HeartbeatConfirmation,
    MeterValues,
    MeterValuesConfirmation,
    StartTransaction,
    StatusNotification,
    StatusNotificationConfirmation,
    StopTransaction,
)
from app.ocpp16.actions.types import (
    Call,
    CommandStatus,
    Confirmation,
    DataTransferStatus,
    RegistrationStatus,
)
from app.ocpp16.registration import BootIntervals, Standing, boot_answer, identity_of
from app.ocpp16.statuses import status_report
from app.services.authorization import Authorization
from app.services.commissioning import Commissioning
from app.services.inbox import Inbox
from app.services.ports import Clock, SiteRepository, StationLink
from app.services.quirks import QuirkBook
from app.services.registry import Registry, StationLive
from app.services.repairs import RepairLog
from app.services.sessions import SessionService
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """Who is calling: the link, and the adopted station behind it, if it is one."""

    link: StationLink
    station: StationLive | None


Answer = Callable[[Caller, Any], Awaitable[Any]]
"""Makes the confirmation of one kind of CALL; may raise ``OcppError``."""


class Intake:
    """Implements ``StationHandler``."""

    def __init__(  # noqa: PLR0913 - wired once, by name
        self,
        *,
        registry: Registry,
        inbox: Inbox,
        authorization: Authorization,
        sessions: SessionService,
        commissioning: Commissioning,
        site: SiteRepository,
        tasks: TaskSupervisor,
        clock: Clock,
        jitter: Callable[[], float],
        intervals: BootIntervals,
        quirks: QuirkBook,
        repairs: RepairLog,
    ) -> None:
        self._registry = registry
        self._inbox = inbox
        self._authorization = authorization
        self._sessions = sessions
        self._commissioning = commissioning
        self._site = site
        self._tasks = tasks
        self._clock = clock
        self._jitter = jitter
        self._intervals = intervals
        self._quirks = quirks
        self._repairs = repairs
        self._answers: dict[type, Answer] = {
            BootNotification: self._boot,
            Heartbeat: self._heartbeat,
            StatusNotification: self._status,
            Authorize: self._authorize,
            StartTransaction: self._start,
            MeterValues: self._meter_values,
            StopTransaction: self._stop,
            DataTransfer: self._data_transfer,
            DiagnosticsStatusNotification: _acknowledge,
            FirmwareStatusNotification: _acknowledge,
            LogStatusNotification: _acknowledge,
            SecurityEventNotification: _acknowledge,
            SignedFirmwareStatusNotification: _acknowledge,
            SignCertificate: self._sign_certificate,
        }

    def serve(self, kind: type[Call[Any]], answer: Answer) -> None:
        """Has ``answer`` take the CALLs of this kind, whoever makes them."""
        self._answers[kind] = answer

    async def connected(self, link: StationLink) -> None:
        """Takes the newest link for the station's own; sets the station up if it never was."""
        now_s = self._clock.monotonic_s()
        station = self._registry.station(link.station_id)
        if station is None:
            await self._inbox.connected(link)
            return
        station.attach(link, now_s)
        if not station.set_up:
            self._tasks.start(
                self._commissioning.after_connect(station, link), f"set-up {link.station_id}"
            )

    async def disconnected(self, link: StationLink) -> None:
        """Forgets the link, unless a newer one has replaced it."""
        self._inbox.disconnected(link)
        station = self._registry.station(link.station_id)
        if station is None or station.link is not link:
            return
        station.detach(self._clock.utc_now())

    def meets(self, link: StationLink) -> None:
        """Has a known station's frames read in its own way, the first one as well."""
        station = self._registry.station(link.station_id)
        if station is not None:
            self._quirks.speak(link, station.quirks)

    def repaired(self, link: StationLink, text: str | bytes, repairs: Sequence[str]) -> None:
        """Keeps a repaired message of an adopted station as it came."""
        if self._registry.station(link.station_id) is not None:
            self._repairs.note(link.station_id, text, repairs)

    async def handle(self, link: StationLink, request: Any) -> Any:
        """The confirmation for one CALL."""
        station = self._registry.station(link.station_id)
        if station is None:
            await self._inbox.heard(link)
        return await self._answers[type(request)](Caller(link, station), request)

    async def _boot(
        self, caller: Caller, request: BootNotification
    ) -> BootNotificationConfirmation:
        link, station = caller
        identity = identity_of(request)
        if station is None:
            standing = await self._inbox.introduced(link, identity)
            quirks = self._quirks.of_kind(identity)
            self._quirks.speak(link, quirks)
            return self._boot_answer(standing, quirks.waiting)
        if identity != station.identity:
            station.identity = identity
            self._quirks.settle(station)
            await self._site.save_identity(link.station_id, identity)
        station.set_up = False
        station.booted = True
        station.boots += 1
        if station.setup_link is not link:
            self._tasks.start(self._commissioning.run(station, link), f"set-up {link.station_id}")
        return self._boot_answer(Standing.ADOPTED)

    def _boot_answer(
        self, standing: Standing, waiting: RegistrationStatus = RegistrationStatus.PENDING
    ) -> BootNotificationConfirmation:
        now_utc = self._clock.utc_now()
        return boot_answer(standing, self._intervals, self._jitter(), now_utc, waiting)

    async def _heartbeat(self, _caller: Caller, _request: Heartbeat) -> HeartbeatConfirmation:
        return HeartbeatConfirmation(current_time=self._clock.utc_now())

    async def _status(
        self, caller: Caller, request: StatusNotification
    ) -> StatusNotificationConfirmation:
        link, station = caller
        if station is None:
            await self._inbox.has_connector(link, request.connector_id)
            return _STATUS_CONFIRMATION
        if request.timestamp is not None:
            station.dated(request.timestamp, self._clock.utc_now(), self._clock.monotonic_s())
        report = status_report(request)
        if report.connector_id == 0:
            station.status, station.error_code = report.status, report.fault
            return _STATUS_CONFIRMATION
        live = station.connectors.get(report.connector_id)
        if live is not None:
            live.status = report.status
            live.error_code = report.fault
        return _STATUS_CONFIRMATION

    async def _authorize(self, caller: Caller, request: Authorize) -> AuthorizeConfirmation:
        station_id = caller.link.station_id
        info = await self._authorization.answer(
            request.id_tag, caller.station, station_id, starting=ConnectorKey(station_id, 0)
        )
        return AuthorizeConfirmation(id_tag_info=info)

    async def _start(self, caller: Caller, request: StartTransaction) -> Any:
        return await self._sessions.start(caller.station, caller.link.station_id, request)

    async def _meter_values(self, caller: Caller, request: MeterValues) -> MeterValuesConfirmation:
        if caller.station is not None:
            await self._sessions.meter_values(caller.station, request)
        return _METER_VALUES_CONFIRMATION

    async def _stop(self, caller: Caller, request: StopTransaction) -> Any:
        return await self._sessions.stop(caller.station, caller.link.station_id, request)

    async def _data_transfer(
        self, _caller: Caller, _request: DataTransfer
    ) -> DataTransferConfirmation:
        return DataTransferConfirmation(status=DataTransferStatus.UNKNOWN_VENDOR_ID)

    async def _sign_certificate(
        self, _caller: Caller, _request: SignCertificate
    ) -> SignCertificateConfirmation:
        return SignCertificateConfirmation(status=CommandStatus.REJECTED)


async def _acknowledge(_caller: Caller, request: Call[Any]) -> Confirmation:
    """The confirmation of a notification, which says nothing."""
    return request.confirmation_type()


_STATUS_CONFIRMATION = StatusNotificationConfirmation()
_METER_VALUES_CONFIRMATION = MeterValuesConfirmation()
