"""What each kind of station can do: in memory for the cycle, on disk for the next station of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec

from app.domain.capability import Capability, FallbackForm, HeldFallback, ModelKey
from app.domain.errors import StorageError
from app.domain.station import StationIdentity
from app.services.conduct_ports import CapabilityRepository
from app.services.registry import StationLive
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)


class CapabilityBook:
    """Capabilities by make, model and firmware, and the fallback that each station holds.

    A station of which make and model are unknown is like no other: what is learned of it is kept
    for it alone, and in memory.
    """

    def __init__(self, repository: CapabilityRepository, tasks: TaskSupervisor) -> None:
        self._repository = repository
        self._tasks = tasks
        self._by_model: dict[ModelKey, Capability] = {}
        self._unnamed: dict[str, Capability] = {}
        self._held: dict[str, HeldFallback] = {}
        self._unsaved: set[ModelKey] = set()

    async def load(self) -> None:
        """Reads what is known; called once at start."""
        self._by_model = dict(await self._repository.load())
        self._held = {held.station_id: held for held in await self._repository.fallbacks()}

    def __iter__(self) -> Iterator[tuple[ModelKey, Capability]]:
        return iter(self._by_model.items())

    def of(self, station: StationLive) -> Capability:
        """What is known of the station's kind; nothing at first, and after a change of firmware."""
        key = ModelKey.of(station.identity)
        if key is None:
            return self._unnamed.get(station.station.station_id, Capability())
        return self._by_model.get(key, Capability())

    def learn(self, station: StationLive, *, at_once: bool = True, **news: Any) -> None:
        """Takes news of the station's kind in; on disk soon, or with ``save`` (``at_once`` false).

        A record that could not be written is written with the next one.
        """
        before = self.of(station)
        after = msgspec.structs.replace(before, **news)
        if after == before:
            return
        key = ModelKey.of(station.identity)
        if key is None:
            self._unnamed[station.station.station_id] = after
            return
        self._by_model[key] = after
        self._unsaved.add(key)
        if at_once:
            self._tasks.start(self.save(), "capabilities")

    async def save(self) -> None:
        """Writes what was learned since the last time."""
        unsaved, self._unsaved = self._unsaved, set()
        for key in unsaved:
            try:
                await self._repository.save(key, self._by_model[key])
            except StorageError as error:
                self._unsaved.add(key)
                log.warning("what is known of %s was not written: %s", " ".join(key), error)

    # ------------------------------------------------------------- fallbacks

    def held(self, station_id: str) -> HeldFallback | None:
        """The fallback that the station accepted and nothing has replaced since."""
        return self._held.get(station_id)

    async def holds(
        self, station_id: str, identity: StationIdentity, fallback_ma: int, form: FallbackForm
    ) -> None:
        """The station has accepted this fallback."""
        model = ModelKey.of(identity)
        if model is not None:
            held = HeldFallback(station_id, fallback_ma, form, model)
            await self._repository.save_fallback(held)
            self._held[station_id] = held

    async def forget_held(self, station_id: str) -> None:
        """Another fallback is about to be sent, or was refused: nobody knows until it is answered."""
        if self._held.pop(station_id, None) is not None:
            await self._repository.forget_fallback(station_id)
