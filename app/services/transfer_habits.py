"""Which scheme stations of a model have fetched or left files by, so that the next one begins with it."""

from __future__ import annotations

import msgspec

from app.domain.station_files import Scheme, schemes_for
from app.ocpp16.configuration import StationConfiguration
from app.services.file_drop import FileDrop
from app.services.file_ports import RecordRepository
from app.services.registry import StationLive
from app.services.shelf import Shelf

PROTOCOLS_KEY = "SupportedFileTransferProtocols"


class TransferHabit(msgspec.Struct, frozen=True):
    """What worked last at a model, for one purpose."""

    scheme: Scheme


class TransferHabits:
    """By purpose, maker and model."""

    def __init__(self, records: RecordRepository, drop: FileDrop) -> None:
        self._drop = drop
        self._habits = Shelf(records, "transfer-habit", TransferHabit)

    async def load(self) -> None:
        """Reads them; called once at start."""
        await self._habits.load()

    def next(self, station: StationLive, purpose: str, tried: tuple[Scheme, ...]) -> Scheme | None:
        """What to try now; ``None`` when everything has been tried."""
        habit = self._habits.get(_subject(station, purpose))
        order = schemes_for(
            value_of(station.capability.settings, PROTOCOLS_KEY),
            None if habit is None else habit.scheme,
            self._drop.schemes,
        )
        return next((scheme for scheme in order if scheme not in tried), None)

    async def worked(self, station: StationLive, purpose: str, scheme: Scheme) -> None:
        """A transfer has gone through."""
        subject = _subject(station, purpose)
        if station.identity.model and self._habits.get(subject) != TransferHabit(scheme):
            await self._habits.put((subject, TransferHabit(scheme)))


def value_of(settings: StationConfiguration, key: str) -> str | None:
    """A setting as the station told it, whatever the case of its name; ``None`` without."""
    folded = key.lower()
    for name, value in settings.values.items():
        if name.lower() == folded:
            return value
    return None


def _subject(station: StationLive, purpose: str) -> str:
    return f"{purpose} {station.identity.vendor} {station.identity.model}"
