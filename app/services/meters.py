"""The running meters: one poller for each configured meter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from app.domain.meter import MeterConfig, MeterReading
from app.services.ports import MeterPort, SiteConfiguration


class RunningMeter(MeterPort, Protocol):
    """A poller that can be started and stopped."""

    async def start(self) -> None:
        """Begins to poll in the background."""
        ...

    async def stop(self) -> None:
        """Ends the poll and closes the connection."""
        ...


OnReading = Callable[[MeterReading], None]
MeterFactory = Callable[[MeterConfig, OnReading], RunningMeter]


class MeterDesk:
    """Starts, restarts and stops pollers as the configuration changes."""

    def __init__(self, factory: MeterFactory) -> None:
        self._factory = factory
        self._running: dict[str, RunningMeter] = {}
        self._listeners: list[Callable[[str, MeterReading], None]] = []

    def on_reading(self, listener: Callable[[str, MeterReading], None]) -> None:
        """``listener`` is told each circuit's new reading, as it comes."""
        self._listeners.append(listener)

    async def configure(self, configuration: SiteConfiguration) -> None:
        """Meters that did not change keep running and keep their last reading."""
        wanted = {meter.meter_id: meter for meter in configuration.meters}
        for meter_id, meter in list(self._running.items()):
            if wanted.get(meter_id) != meter.config:
                del self._running[meter_id]
                await meter.stop()
        for meter_id, config in wanted.items():
            if meter_id not in self._running:
                meter = self._factory(config, partial(self._tell, config.circuit_id))
                self._running[meter_id] = meter
                await meter.start()

    def _tell(self, circuit_id: str, reading: MeterReading) -> None:
        for listener in self._listeners:
            listener(circuit_id, reading)

    def meters(self) -> tuple[MeterPort, ...]:
        """Every running meter."""
        return tuple(self._running.values())

    def readings(self) -> Mapping[str, MeterReading | None]:
        """The newest reading of each metered circuit, by circuit."""
        return {meter.config.circuit_id: meter.last_reading for meter in self._running.values()}

    async def stop(self) -> None:
        """Stops every poller."""
        for meter in list(self._running.values()):
            await meter.stop()
        self._running.clear()
