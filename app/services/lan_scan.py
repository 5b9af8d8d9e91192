"""Looking for stations on the box's own network: on request, one scan at a time, told in progress.

A station whose address of the manager is not set yet calls nobody; this finds its own web page.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import math
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from app.domain.errors import InvalidInputError
from app.services.adoption_ports import LanDevice, LanNetwork, LanScanner
from app.services.audit import AuditTrail
from app.services.ports import Clock
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

BETWEEN_S = 20.0
"""From the end of a scan to the next one: the network has other work."""

MOST_S = 90.0
"""A scan that lasts longer is ended."""


class ScanPhase(enum.StrEnum):
    """Where the scan stands."""

    NEVER = "never"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    OVERDUE = "overdue"
    FAILED = "failed"


class ScanState(msgspec.Struct, frozen=True):
    """The present scan, or the last one."""

    phase: ScanPhase = ScanPhase.NEVER
    done: int = 0
    total: int = 0
    devices: tuple[LanDevice, ...] = ()
    ended_utc: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.phase is ScanPhase.RUNNING

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0


class LanScan:
    """Starts, watches and ends scans. Results live in memory only."""

    def __init__(
        self,
        scanner: LanScanner,
        addresses: Callable[[], frozenset[str]],
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        """Take ``addresses``, which tells who talks OCPP to the manager now."""
        self._scanner = scanner
        self._addresses = addresses
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._ended_s: float | None = None
        self._stop = asyncio.Event()
        self.state = ScanState()

    def networks(self) -> Sequence[LanNetwork]:
        """What a scan would look through."""
        return self._scanner.networks()

    def talks(self, device: LanDevice) -> bool:
        """Whether this address already talks OCPP to the manager."""
        return device.address in self._addresses()

    async def start(self, actor: str) -> None:
        """Begins a scan.

        Raises ``InvalidInputError``: ``scan-running``, ``scan-too-soon``, ``scan-no-network``.
        """
        if self.state.running:
            raise InvalidInputError("scan-running")
        if self._ended_s is not None:
            wait_s = self._ended_s + BETWEEN_S - self._clock.monotonic_s()
            if wait_s > 0:
                raise InvalidInputError("scan-too-soon", wait_s=math.ceil(wait_s))
        networks = self.networks()
        if not networks:
            raise InvalidInputError("scan-no-network")
        self.state = ScanState(ScanPhase.RUNNING)
        self._stop = asyncio.Event()
        await self._audit.record(
            actor, "network-scanned", ", ".join(network.cidr for network in networks)
        )
        self._tasks.start(self._run(self._stop), "scan of the network")

    async def cancel(self, actor: str) -> None:
        """Ends the scan; nothing happens when none runs."""
        if self.state.running:
            self._stop.set()
            await self._audit.record(actor, "scan-cancelled", "")

    async def _run(self, stop: asyncio.Event) -> None:
        phase = ScanPhase.FAILED
        try:
            phase = await self._look(stop)
        except* OSError:
            log.exception("the scan of the network failed")
        finally:
            self._ended_s = self._clock.monotonic_s()
            self.state = msgspec.structs.replace(
                self.state, phase=phase, ended_utc=self._clock.utc_now()
            )

    async def _look(self, stop: asyncio.Event) -> ScanPhase:
        """Follows the scanner until its end, the wish of a person, or the end of its time."""
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow())
            stopped = group.create_task(stop.wait())
            done, _ = await asyncio.wait(
                {following, stopped}, timeout=MOST_S, return_when=asyncio.FIRST_COMPLETED
            )
            following.cancel()
            stopped.cancel()
        if following in done:
            return ScanPhase.DONE
        return ScanPhase.CANCELLED if stopped in done else ScanPhase.OVERDUE

    async def _follow(self) -> None:
        devices = await self._scanner.scan(self._show)
        self.state = msgspec.structs.replace(self.state, devices=tuple(devices))

    def _show(self, done: int, total: int) -> None:
        self.state = ScanState(ScanPhase.RUNNING, done, total)
