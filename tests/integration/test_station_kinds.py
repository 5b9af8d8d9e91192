"""Stations of several kinds on real sockets: each gets its limit in the form that it takes."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.clock import SystemClock
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.storage.store import open_store
from app.config import Settings
from app.domain.capability import Capability, LeaseTrust
from app.domain.station import ConnectorKey
from app.services.circuits import MeterTest
from app.services.manager import Adapters, Manager
from simulators.station.config import StationConfig
from simulators.station.ev import Car
from simulators.station.link import websocket_link
from simulators.station.persona import Persona
from simulators.station.station import SimStation
from tests.support.garage import garage
from tests.support.lab import persona

PATIENCE_S = 60.0
"""Bound of a wait for what must happen; far above what it takes."""


@asynccontextmanager
async def site(
    folder: Path, personas: dict[str, Persona]
) -> AsyncIterator[tuple[Manager, dict[str, SimStation]]]:
    clock = SystemClock()
    store = open_store(folder / "bornier.sqlite3")

    async def meter_test(_config: object) -> MeterTest:
        return MeterTest(ok=False)

    def no_meter(_config: object) -> None:
        raise AssertionError("this site has none")

    manager = Manager(
        Settings(data_dir=folder),
        Adapters(
            clock=clock,
            store=store,
            hasher=None,  # type: ignore[arg-type]  # nobody signs in
            meter_factory=no_meter,  # type: ignore[arg-type]
            meter_models=(),
            meter_tester=meter_test,
            random=lambda: 0.5,
        ),
    )
    await manager.start(json.dumps(garage(personas, background_a=20, free=True)).encode())
    listener = OcppListener(manager.handler, OcppSettings(host="127.0.0.1", port=0), clock)
    await listener.start()
    stations = {
        name: SimStation(
            StationConfig(station_id=name, free_mode=True),
            each,
            functools.partial(websocket_link, f"ws://127.0.0.1:{listener.port}/ocpp/{name}"),
            lambda: datetime.now(UTC),
            random.Random(name),
        )
        for name, each in personas.items()
    }
    try:
        for station in stations.values():
            station.start()
        yield manager, stations
    finally:
        for station in stations.values():
            await station.stop()
        await listener.stop()
        await manager.stop()


async def charging(manager: Manager, station: SimStation) -> Capability:
    """Plugs a car in, and waits until it draws and its lease is proven."""
    async with asyncio.timeout(PATIENCE_S):
        while not station.connected:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)
        station.plug(1, Car(max_a=32, battery_kwh=500))
        live = manager.registry.station(station.station_id)
        assert live is not None
        while not max(station.connectors[0].current_a) or (
            manager.capabilities.of(live).composite is None
        ):
            station.step(0.2)
            await asyncio.sleep(0.2)
    return manager.capabilities.of(live)


KINDS = {
    "clean": persona(),
    "watts": persona(rate_units=("W",)),
    "one-level": persona(min_stack_level=3, max_stack_level=3),
    "no-tx-profile": persona(purposes=("TxDefaultProfile",)),
    "relative": persona(kinds=("Relative",)),
    "no-id": persona(tx_profile_refuses_transaction_id=True, tx_profile_needs_transaction_id=False),
    "strict": persona("strict-generic"),
    "premium": persona("premium-2024"),
    "no-lease": persona(honours_leases=False),
}


async def test_a_limit_arrives_whatever_the_station_refuses(tmp_path: Path) -> None:
    async with site(tmp_path, KINDS) as (manager, stations):
        known = await asyncio.gather(*(charging(manager, station) for station in stations.values()))
        for name, capability in zip(stations, known, strict=True):
            assert capability.live is not None
            assert manager.planner.ceilings.asked(
                ConnectorKey(name, 1), SystemClock().monotonic_s()
            )
            expected = LeaseTrust.UNKNOWN if name == "no-lease" else LeaseTrust.HONOURED
            assert capability.lease is expected, name
