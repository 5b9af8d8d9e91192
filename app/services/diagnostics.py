"""Diagnostics of stations: asked for, followed until a file lies here, kept for a while.

A station is told where to upload (GetDiagnostics, or GetLog of the security extension), by the scheme
that is likeliest to work; when that fails, or nothing comes, by the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
    StorageError,
)
from app.domain.station_files import (
    DiagnosticsRequest,
    LogKind,
    RequestState,
    Scheme,
    UploadedFile,
)
from app.ocpp16.actions.file_calls import (
    DiagnosticsStatus,
    DiagnosticsStatusNotification,
    DiagnosticsStatusNotificationConfirmation,
    GetDiagnostics,
)
from app.ocpp16.actions.security_calls import (
    GetLog,
    LogParameters,
    LogStatus,
    LogStatusNotification,
    LogStatusNotificationConfirmation,
    LogType,
    UploadLogStatus,
)
from app.ocpp16.session import Priority
from app.services.audit import AuditTrail
from app.services.file_drop import DropOrder, FileDrop, Leave
from app.services.file_ports import Area, Reading, Received, RecordRepository
from app.services.intake import Caller
from app.services.ports import Clock
from app.services.registry import Registry, StationLive
from app.services.shelf import Shelf
from app.services.tasks import TaskSupervisor
from app.services.transfer_habits import TransferHabits

log = logging.getLogger(__name__)

PURPOSE: Final = "diagnostics"

TELL_TIMEOUT_S: Final = 30.0
AT_ONCE: Final = 10
"""Stations told at the same time."""

ORDER_LASTS: Final = timedelta(minutes=45)
ASKED_PATIENCE: Final = timedelta(minutes=5)
UPLOAD_PATIENCE: Final = timedelta(minutes=40)
TICK_S: Final = 5.0

FILE_MOST: Final = 100_000_000
"""Bytes under one order."""

ALL_MOST: Final = 1_000_000_000
"""Bytes of diagnostics in all; beyond, the oldest files go."""

NOTHING_ARRIVED: Final = "nothing-arrived"
"""Reason of ours: the station says that it has uploaded, and nothing came."""


class Diagnostics:
    """Asks, follows, keeps and deletes. ``actor`` is the account that does it."""

    def __init__(
        self,
        *,
        records: RecordRepository,
        drop: FileDrop,
        habits: TransferHabits,
        registry: Registry,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
        all_most: int = ALL_MOST,
    ) -> None:
        self._drop = drop
        self._habits = habits
        self._registry = registry
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._all_most = all_most
        self._requests = Shelf(records, "diagnostics-request", DiagnosticsRequest)
        self._files = Shelf(records, "diagnostics-file", UploadedFile)
        self._changing = asyncio.Lock()
        """Held while a request is read, changed and written; never while a station is asked."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        drop.listeners[PURPOSE] = self

    async def load(self) -> None:
        """Reads what is known, and deletes files that no record knows; called once at start."""
        await self._requests.load()
        await self._files.load()
        tidied = await self._drop.vault.tidy(
            Area.DIAGNOSTICS, [file.file_id for file in self._files]
        )
        if tidied:
            log.info("%d files of interrupted uploads were deleted", tidied)

    # ------------------------------------------------------------- pages

    def requests(self, station_id: str | None = None) -> list[DiagnosticsRequest]:
        """Of one station or of all, newest first."""
        found = [one for one in self._requests if station_id in (None, one.station_id)]
        return sorted(found, key=lambda one: -one.request_id)

    def files(self, station_id: str | None = None) -> list[UploadedFile]:
        """Of one station or of all, newest first."""
        found = [one for one in self._files if station_id in (None, one.station_id)]
        return sorted(found, key=lambda one: one.received_utc, reverse=True)

    def file(self, station_id: str, file_id: str) -> UploadedFile:
        """A station's file; ``NotFoundError`` otherwise."""
        found = self._files.get(file_id)
        if found is None or found.station_id != station_id:
            raise NotFoundError("file-gone")
        return found

    async def read(self, file: UploadedFile) -> Reading:
        """Its bytes; ``NotFoundError`` when they are not there any more."""
        return await self._drop.vault.read(Area.DIAGNOSTICS, file.file_id)

    async def ask(
        self, station_ids: Sequence[str], kind: LogKind, actor: str
    ) -> list[DiagnosticsRequest]:
        """Asks each station; returns the requests, which go on by themselves.

        Stations that are being asked already are left alone; ``InvalidInputError`` when all are.
        """
        if not self._drop.schemes:
            raise StorageError("files-unavailable")
        for station_id in station_ids:
            if self._registry.station(station_id) is None:
                raise NotFoundError("station-unknown", station=station_id)
        busy = {one.station_id for one in self._requests if one.state.open}
        free = [station_id for station_id in dict.fromkeys(station_ids) if station_id not in busy]
        if not free:
            raise InvalidInputError("diagnostics-running", field="stations")
        now = self._clock.utc_now()
        first = max((one.request_id for one in self._requests), default=0) + 1
        asked = [
            DiagnosticsRequest(first + n, station_id, kind, RequestState.ASKED, now, actor, now)
            for n, station_id in enumerate(free)
        ]
        await self._requests.put(*((str(one.request_id), one) for one in asked))
        for one in asked:
            await self._audit.record(actor, "diagnostics-asked", one.station_id, kind.value)
            self._tasks.start(self._tell(one.request_id), f"diagnostics {one.station_id}")
        return asked

    async def remove(self, file: UploadedFile, actor: str) -> None:
        """Deletes a file."""
        await self._forget([file])
        await self._audit.record(actor, "diagnostics-deleted", file.station_id, file.name)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older files and requests; returns how many files."""
        old = [file for file in self._files if file.received_utc < before_utc]
        await self._forget(old)
        await self._requests.drop(
            str(one.request_id)
            for one in self._requests
            if one.asked_utc < before_utc and not one.state.open
        )
        return len(old)

    # ------------------------------------------------------------- the drop's listener

    async def began(self, order: DropOrder) -> None:
        """Bytes come."""
        await self._change(int(order.subject), RequestState.UPLOADING, only_open=True)

    async def fetched(self, order: DropOrder) -> None:
        """Nothing is fetched here."""

    async def left(
        self, order: DropOrder, file_id: str, name: str, received: Received, complete: bool
    ) -> None:
        """A file lies in the vault."""
        request_id = int(order.subject)
        request = self._requests.get(order.subject)
        told = "" if request is None else request.told_name
        file = UploadedFile(
            file_id=file_id,
            request_id=request_id,
            station_id=order.station_id,
            name=name if name != "file" or not told else told,
            size=received.size,
            received_utc=self._clock.utc_now(),
            complete=complete,
        )
        await self._files.put((file_id, file))
        if complete:
            await self._change(request_id, RequestState.UPLOADED, only_open=False)
            station = self._registry.station(order.station_id)
            if station is not None:
                await self._habits.worked(station, PURPOSE, order.scheme)
        await self._trim()

    # ------------------------------------------------------------- what stations say

    async def diagnostics_status(
        self, caller: Caller, request: DiagnosticsStatusNotification
    ) -> DiagnosticsStatusNotificationConfirmation:
        """DiagnosticsStatusNotification (clause 4.4)."""
        one = self._open_of(caller.link.station_id, (LogKind.DIAGNOSTICS,))
        if one is not None:
            match request.status:
                case DiagnosticsStatus.UPLOADING:
                    await self._change(one.request_id, RequestState.UPLOADING, only_open=True)
                case DiagnosticsStatus.UPLOADED:
                    self._start(self._said_uploaded(one.request_id), one)
                case DiagnosticsStatus.UPLOAD_FAILED:
                    self._start(self._failed(one, request.status.value), one)
                case DiagnosticsStatus.IDLE:
                    pass
        return DiagnosticsStatusNotificationConfirmation()

    async def log_status(
        self, caller: Caller, request: LogStatusNotification
    ) -> LogStatusNotificationConfirmation:
        """LogStatusNotification (security extension, message 4.13)."""
        kinds = (LogKind.DIAGNOSTICS_LOG, LogKind.SECURITY_LOG)
        one = self._open_of(caller.link.station_id, kinds)
        if one is not None and request.request_id in (None, one.request_id):
            match request.status:
                case UploadLogStatus.UPLOADING:
                    await self._change(one.request_id, RequestState.UPLOADING, only_open=True)
                case UploadLogStatus.UPLOADED:
                    self._start(self._said_uploaded(one.request_id), one)
                case UploadLogStatus.IDLE:
                    pass
                case _:
                    self._start(self._failed(one, request.status.value), one)
        return LogStatusNotificationConfirmation()

    # ------------------------------------------------------------- time

    async def run(self) -> None:
        """Gives up what takes too long, until cancelled."""
        while True:
            try:
                await self.tick()
            except StorageError:
                log.exception("diagnostics could not be written down; again soon")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Looks once at what is under way."""
        now = self._clock.utc_now()
        for one in self._requests:
            patience = ASKED_PATIENCE if one.state is RequestState.ASKED else UPLOAD_PATIENCE
            if one.state.open and now - one.changed_utc >= patience:
                await self._failed(one, "", RequestState.TIMED_OUT)

    # ------------------------------------------------------------- inside

    def _start(self, work: Any, one: DiagnosticsRequest) -> None:
        """After the station's notification is answered: it may have to be called."""
        self._tasks.start(work, f"diagnostics {one.station_id}")

    async def _tell(self, request_id: int) -> None:
        """Tells the station by the next scheme; the request ends here when there is none left."""
        async with self._turns:
            one = self._requests.get(str(request_id))
            if one is None or not one.state.open:
                return
            station = self._registry.station(one.station_id)
            link = None if station is None else station.link
            if station is None or link is None:
                await self._change(request_id, RequestState.UNREACHABLE, only_open=True)
                return
            scheme = self._habits.next(station, PURPOSE, one.tried)
            if scheme is None:
                await self._change(request_id, RequestState.FAILED, only_open=True)
                return
            try:
                await self._tell_by(scheme, one, station)
            except StationUnreachableError:
                await self._change(request_id, RequestState.UNREACHABLE, only_open=True)
            except StationRefusedError as refusal:
                answer = str(refusal.params.get("answer", ""))
                await self._change(request_id, RequestState.REFUSED, only_open=True, reason=answer)
            except BornierError as error:
                await self._change(
                    request_id, RequestState.FAILED, only_open=True, reason=error.key
                )

    async def _tell_by(self, scheme: Scheme, one: DiagnosticsRequest, station: StationLive) -> None:
        link = station.link
        assert link is not None
        opened = await self._drop.open(
            one.station_id,
            link.address,
            scheme,
            Leave(FILE_MOST),
            purpose=PURPOSE,
            subject=str(one.request_id),
            lasts=ORDER_LASTS,
        )
        async with self._changing:
            present = self._requests.get(str(one.request_id))
            if present is None or not present.state.open:
                await self._drop.close(opened.order.order_id)
                return
            former = present.order_id
            one = msgspec.structs.replace(
                present,
                state=RequestState.ASKED,
                changed_utc=self._clock.utc_now(),
                tried=(*present.tried, scheme),
                order_id=opened.order.order_id,
            )
            await self._requests.put((str(one.request_id), one))
        await self._drop.close(former)
        if one.kind is LogKind.DIAGNOSTICS:
            order = GetDiagnostics(location=opened.url, retries=1, retry_interval=60)
            answer = await link.call(order, priority=Priority.CONTROL, timeout_s=TELL_TIMEOUT_S)
            name, nothing = answer.file_name or "", not answer.file_name
        else:
            request = GetLog(
                log=LogParameters(remote_location=opened.url),
                log_type=LogType(one.kind.value),
                request_id=one.request_id,
                retries=1,
                retry_interval=60,
            )
            answer = await link.call(request, priority=Priority.CONTROL, timeout_s=TELL_TIMEOUT_S)
            if answer.status is LogStatus.REJECTED:
                raise StationRefusedError(
                    "station-refused", station=one.station_id, answer=answer.status.value
                )
            name, nothing = answer.filename or "", False
        if nothing:
            await self._change(one.request_id, RequestState.NOTHING, only_open=True)
            return
        async with self._changing:
            told = self._requests.get(str(one.request_id))
            if told is not None:
                told = msgspec.structs.replace(told, told_name=name[:80])
                await self._requests.put((str(one.request_id), told))

    async def _said_uploaded(self, request_id: int) -> None:
        one = self._requests.get(str(request_id))
        if one is None:
            return
        if any(file.request_id == request_id and file.complete for file in self._files):
            await self._change(request_id, RequestState.UPLOADED, only_open=True)
            await self._drop.close(one.order_id)
            return
        await self._failed(one, NOTHING_ARRIVED)

    async def _failed(
        self, one: DiagnosticsRequest, reason: str, end: RequestState = RequestState.FAILED
    ) -> None:
        """Goes on by another scheme, or ends."""
        station = self._registry.station(one.station_id)
        if station is not None and self._habits.next(station, PURPOSE, one.tried) is not None:
            # Its own time begins anew, so that nobody takes it for overdue meanwhile.
            await self._change(one.request_id, RequestState.ASKED, only_open=True, reason=reason)
            await self._drop.close(one.order_id)
            self._start(self._tell(one.request_id), one)
            return
        await self._change(one.request_id, end, only_open=True, reason=reason)

    async def _change(
        self, request_id: int, state: RequestState, *, only_open: bool, reason: str = ""
    ) -> None:
        async with self._changing:
            one = self._requests.get(str(request_id))
            if one is None or (only_open and not one.state.open):
                return
            after = msgspec.structs.replace(
                one,
                state=state,
                changed_utc=self._clock.utc_now(),
                reason=reason[:200] or one.reason,
            )
            await self._requests.put((str(request_id), after))
        if not state.open and state is not RequestState.UPLOADED:
            await self._drop.close(one.order_id)

    def _open_of(self, station_id: str, kinds: Sequence[LogKind]) -> DiagnosticsRequest | None:
        for one in self.requests(station_id):
            if one.kind in kinds and one.state.open:
                return one
        return None

    async def _trim(self) -> None:
        """Deletes the oldest files beyond what all may take; the newest stays in any case."""
        taken = 0
        beyond = []
        for file in self.files():
            taken += file.size
            if taken > self._all_most and taken > file.size:
                beyond.append(file)
        await self._forget(beyond)

    async def _forget(self, files: Iterable[UploadedFile]) -> None:
        ids = [file.file_id for file in files]
        # The record first: a crash in between leaves a file that the next start tidies away.
        await self._files.drop(ids)
        await self._drop.vault.remove(Area.DIAGNOSTICS, ids)
