"""One action on many stations: in order, at a pace, each with its own outcome, durable.

A job and every outcome are on disk as they change, so that a page can be closed and the manager
restarted; what had begun then is told as interrupted, and is never begun again by itself.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import msgspec

from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StorageError,
)
from app.domain.remote import BulkJob, JobState, Outcome, OutcomeState
from app.services.audit import AuditTrail
from app.services.ports import Clock
from app.services.registry import Registry
from app.services.remote_ports import JobRepository
from app.services.station_commands import Reply, outcome_of
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

MOST_AT_ONCE = 3
"""Jobs that run at the same time."""

JOBS_KEPT = timedelta(days=90)
RECENT = 20


class BulkAction(ABC):
    """Something that can be done at many stations. What people read of it is the pages' own matter.

    ``concurrency`` is how many stations are at it together, ``spacing_s`` the least time between two
    beginnings.
    """

    key: ClassVar[str]
    concurrency: ClassVar[int] = 5
    spacing_s: ClassVar[float] = 0.0

    def check(self, params: Mapping[str, str]) -> None:  # noqa: B027 - most need none
        """Raises ``BornierError`` when nothing can come of these parameters."""

    @abstractmethod
    async def run(self, station_id: str, params: Mapping[str, str], actor: str) -> Reply:
        """Does it at one station.

        Raises ``BornierError``: ``StationUnreachableError`` when it did not answer, any other when
        it was refused.
        """


class BulkService:
    """Runs jobs, and keeps what became of them."""

    def __init__(
        self,
        registry: Registry,
        repository: JobRepository,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._repository = repository
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._actions: dict[str, BulkAction] = {}
        self._running: dict[int, _Run] = {}

    def register(self, *actions: BulkAction) -> None:
        """Adds actions; a key is unique."""
        for action in actions:
            if action.key in self._actions:
                raise ValueError(action.key)
            self._actions[action.key] = action

    @property
    def kinds(self) -> tuple[str, ...]:
        """Keys of the actions, in the order of registration."""
        return tuple(self._actions)

    async def load(self) -> None:
        """Tells what the last end of the manager has interrupted; called once."""
        for job in await self._repository.running():
            cut = {
                position: msgspec.structs.replace(one, state=OutcomeState.INTERRUPTED)
                for position, one in enumerate(job.outcomes)
                if one.state in (OutcomeState.WAITING, OutcomeState.RUNNING)
            }
            await self._repository.save_outcomes(job.job_id, cut)
            await self._repository.save(
                msgspec.structs.replace(
                    job, state=JobState.INTERRUPTED, ended_utc=self._clock.utc_now()
                )
            )

    async def start(
        self, kind: str, params: Mapping[str, str], station_ids: Sequence[str], actor: str
    ) -> BulkJob:
        """Begins a job and returns at once; the stations are visited in the order given."""
        action = self._actions.get(kind)
        if action is None:
            raise NotFoundError("bulk-unknown")
        wanted = dict.fromkeys(station_ids)
        for station_id in wanted:
            if self._registry.station(station_id) is None:
                raise NotFoundError("station-unknown", station=station_id)
        if not wanted:
            raise InvalidInputError("bulk-nobody")
        self._check_room()
        action.check(params)
        job = await self._repository.create(
            BulkJob(
                job_id=0,
                kind=kind,
                params=dict(params),
                by=actor,
                created_utc=self._clock.utc_now(),
                outcomes=tuple(Outcome(station_id) for station_id in wanted),
            )
        )
        said = " ".join(f"{name}={value}" for name, value in params.items() if value)
        await self._audit.record(
            actor, f"bulk-{kind}", f"{len(wanted)} stations", f"#{job.job_id} {said}"[:500]
        )
        self._begin(action, job, range(len(job.outcomes)))
        return job

    async def retry(self, job_id: int, actor: str) -> BulkJob:
        """Tries again where it failed, in the same job."""
        job = await self.get(job_id)
        action = self._actions.get(job.kind)
        if action is None:
            raise NotFoundError("bulk-unknown")
        if job.state is JobState.RUNNING:
            raise InvalidInputError("bulk-running")
        again = [n for n, one in enumerate(job.outcomes) if one.state.failed]
        if not again:
            raise InvalidInputError("bulk-nobody")
        self._check_room()
        outcomes = list(job.outcomes)
        for position in again:
            before = outcomes[position]
            outcomes[position] = Outcome(before.station_id, attempts=before.attempts)
        job = msgspec.structs.replace(
            job, state=JobState.RUNNING, ended_utc=None, outcomes=tuple(outcomes)
        )
        await self._repository.save_outcomes(job_id, {n: outcomes[n] for n in again})
        await self._repository.save(job)
        await self._audit.record(actor, "bulk-retry", f"{len(again)} stations", f"#{job_id}")
        self._begin(action, job, again)
        return job

    async def cancel(self, job_id: int, actor: str) -> None:
        """Begins at no further station; those that are at it come to their end."""
        run = self._running.get(job_id)
        if run is None:
            raise InvalidInputError("bulk-over")
        run.cancelled.set()
        await self._audit.record(actor, "bulk-cancel", f"#{job_id}")

    async def get(self, job_id: int) -> BulkJob:
        """The job as it is now."""
        run = self._running.get(job_id)
        job = run.job if run is not None else await self._repository.get(job_id)
        if job is None:
            raise NotFoundError("bulk-unknown")
        return job

    async def recent(self) -> Sequence[BulkJob]:
        """Newest first."""
        jobs = await self._repository.recent(RECENT)
        return [
            self._running[job.job_id].job if job.job_id in self._running else job for job in jobs
        ]

    def _check_room(self) -> None:
        if len(self._running) >= MOST_AT_ONCE:
            raise InvalidInputError("bulk-busy", most=MOST_AT_ONCE)

    def _begin(self, action: BulkAction, job: BulkJob, positions: Iterable[int]) -> None:
        run = _Run(action, job, tuple(positions), self._repository)
        self._running[job.job_id] = run
        self._tasks.start(self._run(run), f"job {job.job_id}")

    async def _run(self, run: _Run) -> None:
        try:
            await run.visit_all()
        finally:
            del self._running[run.job.job_id]
        state = JobState.CANCELLED if run.cancelled.is_set() else JobState.DONE
        ended = msgspec.structs.replace(run.job, state=state, ended_utc=self._clock.utc_now())
        await self._repository.save(ended)


class _Run:
    """A job on its way."""

    def __init__(
        self,
        action: BulkAction,
        job: BulkJob,
        positions: tuple[int, ...],
        repository: JobRepository,
    ) -> None:
        self._action = action
        self._positions = positions
        self._repository = repository
        self.job = job
        self.cancelled = asyncio.Event()

    async def visit_all(self) -> None:
        turns = asyncio.Semaphore(self._action.concurrency)
        async with asyncio.TaskGroup() as group:
            for count, position in enumerate(self._positions):
                if count:
                    await self._pause()
                await turns.acquire()
                if self.cancelled.is_set():
                    turns.release()
                    break
                group.create_task(self._visit(position, turns))
        left = {
            position: msgspec.structs.replace(one, state=OutcomeState.CANCELLED)
            for position, one in enumerate(self.job.outcomes)
            if one.state is OutcomeState.WAITING
        }
        await self._put(left)

    async def _pause(self) -> None:
        """The time between two beginnings; a cancelled job does not wait for it."""
        if self._action.spacing_s <= 0:
            return
        try:
            async with asyncio.timeout(self._action.spacing_s):
                await self.cancelled.wait()
        except TimeoutError:
            return

    async def _visit(self, position: int, turns: asyncio.Semaphore) -> None:
        before = self.job.outcomes[position]
        station_id, attempts = before.station_id, before.attempts + 1
        try:
            # Before it is done: whoever restarts must know that the station may have heard of it.
            await self._put(
                {position: Outcome(station_id, OutcomeState.RUNNING, attempts=attempts)}
            )
            try:
                reply = await self._action.run(station_id, self.job.params, self.job.by)
                outcome = outcome_of(station_id, reply)
            except BornierError as error:
                outcome = outcome_of(station_id, error)
            except Exception:
                log.exception("%s at %s failed", self._action.key, station_id)
                outcome = outcome_of(station_id, StationRefusedError("bulk-failed"))
            await self._put({position: msgspec.structs.replace(outcome, attempts=attempts)})
        finally:
            turns.release()

    async def _put(self, outcomes: Mapping[int, Outcome]) -> None:
        listed = list(self.job.outcomes)
        for position, outcome in outcomes.items():
            listed[position] = outcome
        self.job = msgspec.structs.replace(self.job, outcomes=tuple(listed))
        if outcomes:
            try:
                await self._repository.save_outcomes(self.job.job_id, outcomes)
            except StorageError as error:
                log.warning("outcomes of job %d were not written: %s", self.job.job_id, error)
