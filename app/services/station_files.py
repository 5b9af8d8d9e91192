"""The exchange of files with stations, and their own lists of badges: wired, loaded and run as one."""

from __future__ import annotations

from app.ocpp16.actions.file_calls import (
    DiagnosticsStatusNotification,
    FirmwareStatusNotification,
)
from app.ocpp16.actions.security_calls import (
    LogStatusNotification,
    SignedFirmwareStatusNotification,
)
from app.services.audit import AuditTrail
from app.services.badges import BadgeService
from app.services.campaigns import Campaigns
from app.services.configuration import ConfigurationService
from app.services.diagnostics import Diagnostics
from app.services.file_drop import FileDrop
from app.services.file_ports import FileAdapters, RecordRepository
from app.services.firmware import FirmwareFiles
from app.services.intake import Intake
from app.services.local_list import LocalLists
from app.services.ports import Clock
from app.services.registry import Registry
from app.services.tasks import TaskSupervisor
from app.services.transfer_habits import TransferHabits


class StationFiles:
    """The services of this area over what they share."""

    def __init__(
        self,
        *,
        records: RecordRepository,
        adapters: FileAdapters,
        registry: Registry,
        configuration: ConfigurationService,
        badges: BadgeService,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._tasks = tasks
        self.drop = FileDrop(records, adapters, clock)
        self._habits = TransferHabits(records, self.drop)
        self.firmware = FirmwareFiles(records, adapters.vault, audit, clock)
        self.campaigns = Campaigns(
            records=records,
            drop=self.drop,
            files=self.firmware,
            habits=self._habits,
            registry=registry,
            configuration=configuration,
            audit=audit,
            tasks=tasks,
            clock=clock,
        )
        self.diagnostics = Diagnostics(
            records=records,
            drop=self.drop,
            habits=self._habits,
            registry=registry,
            audit=audit,
            tasks=tasks,
            clock=clock,
        )
        self.local_lists = LocalLists(records, registry, badges, audit, clock)

    def answer(self, intake: Intake) -> None:
        """Takes what stations notify of files."""
        intake.serve(FirmwareStatusNotification, self.campaigns.firmware_status)
        intake.serve(SignedFirmwareStatusNotification, self.campaigns.signed_firmware_status)
        intake.serve(DiagnosticsStatusNotification, self.diagnostics.diagnostics_status)
        intake.serve(LogStatusNotification, self.diagnostics.log_status)

    async def load(self) -> None:
        """Reads what is on disk; called once at start."""
        await self.drop.load()
        await self._habits.load()
        await self.firmware.load()
        await self.campaigns.load()
        await self.diagnostics.load()
        await self.local_lists.load()

    def start(self) -> None:
        """Begins to follow stations."""
        self._tasks.start(self.drop.run(), "file drop")
        self._tasks.start(self.campaigns.run(), "firmware campaigns")
        self._tasks.start(self.diagnostics.run(), "diagnostics")
        self._tasks.start(self.local_lists.run(), "local lists")
