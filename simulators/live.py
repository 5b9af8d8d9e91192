"""A scenario in real time over real sockets: ``python -m simulators run``.

The meter answers Modbus TCP, every station keeps its WebSocket, the site is stepped once a second.
With ``--with-manager`` the manager runs as a child process on a provisioned data directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from simulators.children import ManagerPorts, ManagerProcess
from simulators.driver import Driver
from simulators.fleet import Fleet
from simulators.meter.server import MeterServer
from simulators.plan import SitePlan
from simulators.site_meter import site_meters
from simulators.station.link import Link, LinkFactory, websocket_link

CONNECT_WITHIN_S = 10.0
"""The stations connect one after another within this time."""

TELL_EVERY_S = 60
"""Period of the line that says how the site is."""


class LiveSettings(msgspec.Struct, frozen=True):
    """Where everything listens. ``data`` is the manager's directory, ``None`` without manager."""

    ocpp_url: str
    tls: ssl.SSLContext | None = None
    """What the stations believe where ``ocpp_url`` is ``wss://``."""
    meter_host: str = "127.0.0.1"
    meter_port: int = 5020
    data: Path | None = None
    ports: ManagerPorts = ManagerPorts()
    duration_s: float | None = None
    """Ends by itself after this long; ``None`` for the scenario's own duration."""


async def run_live(plan: SitePlan, settings: LiveSettings, tell: Callable[[str], None]) -> None:
    """Runs until the scenario ends, or SIGINT or SIGTERM.

    Raises ``RuntimeError`` when the manager ends by itself, ``OSError`` when a port is taken.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await _run(plan, settings, tell, stopped)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _run(
    plan: SitePlan, settings: LiveSettings, tell: Callable[[str], None], stopped: asyncio.Event
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        meters = site_meters(plan)
        banks = {meter.unit_id: meters[meter.circuit].bank for meter in plan.meters}
        server = MeterServer(banks, settings.meter_host, settings.meter_port)
        await server.start()
        stack.push_async_callback(server.stop)
        manager = await _manager(plan, settings, server.port, stack)
        if manager is not None and not await _until(manager.ready(), stopped):
            return
        fleet = Fleet(plan, lambda station: _websocket(settings, station), _utc_now)
        stack.push_async_callback(fleet.stop)
        driver = Driver(plan, fleet, meters=meters, manager=manager, tell=tell)
        fleet.start(CONNECT_WITHIN_S)
        tell(f"{len(fleet.stations)} stations connect to {settings.ocpp_url}")
        duration_s = settings.duration_s or plan.scenario.duration_s

        def each_second() -> None:
            if manager is not None and manager.lost:
                raise RuntimeError("the manager ended by itself")
            if int(driver.now_s) % TELL_EVERY_S == 0:
                tell(status_line(driver))

        await _until(driver.play(duration_s, each_second), stopped)
        tell("stopping")


async def _manager(
    plan: SitePlan, settings: LiveSettings, meter_port: int, stack: contextlib.AsyncExitStack
) -> ManagerProcess | None:
    if settings.data is None:
        return None
    provision = write_provisioning(plan, settings.data, settings.meter_host, meter_port)
    manager = ManagerProcess(settings.data, provision, settings.ports)
    await manager.start()
    stack.push_async_callback(manager.stop)
    return manager


def write_provisioning(plan: SitePlan, data: Path, meter_host: str, meter_port: int) -> Path:
    """Writes the site document into the data directory; its path."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / "simulated-site.json"
    document = plan.provisioning(meter_host, meter_port)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def status_line(driver: Driver) -> str:
    """How the site is, in one line."""
    supply = driver.site.circuits[0]
    total = driver.site.total_a[0]
    amperes = " / ".join(f"{current:.0f}" for current in total)
    connected = sum(station.connected for station in driver.fleet.stations)
    return (
        f"{connected} of {len(driver.fleet.stations)} stations connected, "
        f"{driver.fleet.charging_count} cars charging, "
        f"supply {amperes} A of {supply.limit_a[0]:.0f} A, "
        f"overloads {len(driver.site.oracle.overloads)}, "
        f"breakers tripped {len(driver.site.oracle.trips)}"
    )


async def _until(work: Coroutine[Any, Any, None], stopped: asyncio.Event) -> bool:
    """Awaits ``work`` unless a signal comes first; whether it was done. Raises what it raises."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    signalled = loop.create_task(stopped.wait())
    try:
        await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        await task
        return True
    finally:
        for pending in (task, signalled):
            pending.cancel()
        await asyncio.gather(task, signalled, return_exceptions=True)


def _websocket(settings: LiveSettings, station: str) -> LinkFactory:
    url = f"{settings.ocpp_url.rstrip('/')}/{quote(station, safe='')}"

    async def connect() -> Link:
        return await websocket_link(url, tls=settings.tls)

    return connect


def _utc_now() -> datetime:
    return datetime.now(UTC)
