"""Composition root: the only place where services, adapters and pages meet."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial

from app.adapters.certificates import own_names
from app.adapters.clock import SystemClock
from app.adapters.discovery import SocketScanner
from app.adapters.file_drop_ftp import FtpDrop
from app.adapters.file_drop_http import FileDropApp
from app.adapters.file_vault import DiskVault
from app.adapters.frame_recorder import FrameRecorder
from app.adapters.frame_search import FrameSearch
from app.adapters.lan import ArpNeighbours, lan_addresses
from app.adapters.local_address import RoutedAddresses
from app.adapters.mdns import Announcer, manager_services
from app.adapters.meter_catalogue import load_catalogue, meter_models
from app.adapters.modbus_meter import ModbusLinks, ModbusMeter, probe_meter
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.passwords import Argon2Hasher
from app.adapters.quirk_register import load_quirks
from app.adapters.service_manager import ServiceManager
from app.adapters.station_authority import SiteAuthority
from app.adapters.station_registry import StationRegistry
from app.adapters.station_vault import StationVault
from app.adapters.storage.store import open_store
from app.adapters.time_server import TimeServer
from app.adapters.tls_ports import TlsPort, pages_tls, stations_tls
from app.adapters.web_server import WebListener
from app.config import Settings
from app.domain.meter import MeterConfig
from app.domain.station_files import Scheme
from app.greeting import Ports, greeting
from app.ocpp16.session import SessionLimits
from app.services.circuits import MeterTest
from app.services.file_drop import Ports as DropPorts
from app.services.file_ports import FileAdapters
from app.services.frame_ports import FrameArchive, NoFrames
from app.services.manager import CYCLE_LATE_S, Adapters, Manager
from app.services.meters import OnReading, RunningMeter
from app.services.ports import Clock
from app.services.security_ports import Trust
from app.web.app import create_app

log = logging.getLogger(__name__)

CERTIFICATE_CHECK_S = 86_400.0

_YOUNG_OBJECTS = 50_000


async def serve(settings: Settings, provision: bytes | None = None) -> None:
    """Runs the manager until SIGINT or SIGTERM.

    Raises ``OSError`` when a port is taken or the data directory cannot be written, and
    ``BornierError`` when the provisioning document is refused.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        hasher = Argon2Hasher()
        stack.callback(hasher.close)
        clock = SystemClock()
        authority = SiteAuthority(settings.data_dir)
        recorder, frames = _recording(settings, clock, stack)
        manager = Manager(settings, real_adapters(settings, hasher, clock, authority, frames))
        stack.push_async_callback(manager.stop)
        await manager.start(provision)
        secret = await manager.services.access.bootstrap()
        registry = StationRegistry()
        stations = partial(
            OcppListener,
            manager.handler,
            clock=clock,
            limits=SessionLimits(strict=settings.ocpp_strict),
            registry=registry,
            gate=manager.security.gate,
            is_blocked=manager.is_blocked,
            tap=recorder,
        )
        ocpp = stations(
            _stations_settings(settings, settings.ocpp_port),
            files=FileDropApp(manager.files.drop, Scheme.HTTP),
        )
        await ocpp.start()
        stack.push_async_callback(ocpp.stop)
        names = own_names([settings.web_host, *settings.public_names])
        tls_ports = [pages_tls(settings.data_dir, names)]
        await asyncio.to_thread(tls_ports[0].ensure, clock.utc_now())
        pages = WebListener(
            create_app(manager.services),
            settings.web_host,
            settings.web_port,
            tls_ports[0].load(),
        )
        await pages.start()
        stack.push_async_callback(pages.stop)
        ocpps_port = None
        if settings.ocpps_port is not None:
            # Last: its first RSA key takes a while on a slow machine, and nobody waits for it.
            tls_ports.append(stations_tls(settings.data_dir, names, authority))
            await asyncio.to_thread(tls_ports[1].ensure, clock.utc_now())
            ocpps = stations(
                _stations_settings(settings, settings.ocpps_port),
                tls=tls_ports[1].load(),
                files=FileDropApp(manager.files.drop, Scheme.HTTPS),
            )
            await ocpps.start()
            stack.push_async_callback(ocpps.stop)
            ocpps_port = ocpps.port
        await _open_drop(manager, stack, ocpp.port, ocpps_port)
        await _tell_time(settings, clock, stack)
        manager.sheets.fingerprint = tls_ports[-1].fingerprint
        _announce(settings, Ports(pages.port, ocpp.port, ocpps_port), secret, stack)
        renewal = loop.create_task(_keep_valid(tls_ports, clock))
        stack.callback(renewal.cancel)
        _spare_the_lasting()
        system = ServiceManager()
        watchdog = loop.create_task(system.keep_alive(lambda: _cycles(manager)))
        stack.callback(watchdog.cancel)
        system.ready()
        await stopped.wait()
        system.stopping()
        log.info("stopping")


async def _tell_time(settings: Settings, clock: Clock, stack: contextlib.AsyncExitStack) -> None:
    """Opens the time server; without it everything else still works."""
    if settings.ntp_port is None:
        return
    server = TimeServer(settings.ocpp_host, settings.ntp_port, clock)
    try:
        await server.start()
    except OSError as error:
        log.warning("stations are not told the time: %s", error)
    else:
        stack.push_async_callback(server.stop)


def _announce(
    settings: Settings, ports: Ports, secret: str | None, stack: contextlib.AsyncExitStack
) -> None:
    """Tells whoever reads the console, and the network, where everything is."""
    host = socket.gethostname().lower()
    sys.stdout.write(greeting(settings.web_host, host, settings.public_names, ports, secret))
    sys.stdout.flush()
    if settings.announce and not _only_here(settings):
        services = manager_services(host, *ports)
        announcing = asyncio.get_running_loop().create_task(
            Announcer(host, services, lan_addresses).run()
        )
        stack.push_async_callback(_ended, announcing)


def _spare_the_lasting() -> None:
    """Takes what was made until now, and stays, out of the garbage collector's rounds.

    A full round over some 100,000 modules, forms and stations stops the event loop for 50 ms on a
    fast machine; afterwards it only looks at what a day has brought. Nearly all that a message
    makes is freed without it: it need not look every 700 objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _only_here(settings: Settings) -> bool:
    """Whether nobody outside of this machine can reach pages or stations' port."""
    hosts = (settings.web_host, settings.ocpp_host)
    return all(host == "localhost" or host.startswith("127.") or host == "::1" for host in hosts)


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancels the task and waits until it has cleaned up; its failure ends nothing else."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _open_drop(
    manager: Manager, stack: contextlib.AsyncExitStack, http_port: int, https_port: int | None
) -> None:
    """Tells where stations fetch and leave files; FTP opens by itself when one needs it."""
    settings = manager.settings
    ftp = None
    if settings.ftp_port is not None:
        first, last = settings.ftp_passive_ports
        ftp = FtpDrop(
            manager.files.drop, settings.ocpp_host, settings.ftp_port, range(first, last + 1)
        )
        stack.push_async_callback(ftp.close)
    await manager.files.drop.serve_at(DropPorts(http_port, https_port, settings.ftp_port), ftp)


def _cycles(manager: Manager) -> bool:
    """Whether the control cycle goes on; before its first turn it has not had the time."""
    last_s = manager.control.last_cycle_s
    return last_s is None or manager.services.clock.monotonic_s() - last_s < CYCLE_LATE_S


async def _keep_valid(tls_ports: Sequence[TlsPort], clock: Clock) -> None:
    """Looks at the certificates once a day: a box may run for years, or start with a wrong clock."""
    while True:
        await asyncio.sleep(CERTIFICATE_CHECK_S)
        for port in tls_ports:
            try:
                if await asyncio.to_thread(port.ensure, clock.utc_now()):
                    port.load()
            except OSError:
                log.exception("a certificate could not be renewed; tomorrow again")


def _recording(
    settings: Settings, clock: SystemClock, stack: contextlib.AsyncExitStack
) -> tuple[FrameRecorder | None, FrameArchive]:
    """What records the stations' frames and what finds them again, closed with ``stack``."""
    if settings.frames_most_mb <= 0:
        return None, NoFrames()
    recorder = FrameRecorder(
        settings.frame_file,
        clock,
        most_bytes=settings.frames_most_mb * 1024 * 1024,
        keep_days=settings.frames_keep_days,
    )
    stack.push_async_callback(recorder.close)
    frames = FrameSearch(recorder)
    stack.callback(frames.close)
    return recorder, frames


def _stations_settings(settings: Settings, port: int) -> OcppSettings:
    return OcppSettings(
        host=settings.ocpp_host, port=port, heartbeat_s=settings.heartbeat_interval_s
    )


def real_adapters(
    settings: Settings,
    hasher: Argon2Hasher,
    clock: SystemClock,
    authority: SiteAuthority,
    frames: FrameArchive,
) -> Adapters:
    """The real database, meters and secrets around ``clock``."""
    catalogue = load_catalogue()
    # Meters behind one gateway share its connection: most gateways take only one at a time.
    links = ModbusLinks()

    def meter(config: MeterConfig, on_reading: OnReading) -> RunningMeter:
        return ModbusMeter(config, catalogue, clock, on_reading, links=links)

    async def test(config: MeterConfig) -> MeterTest:
        return await probe_meter(config, catalogue, clock, links=links)

    return Adapters(
        clock=clock,
        store=open_store(settings.database, back_at_utc=clock.utc_now()),
        hasher=hasher,
        meter_factory=meter,
        meter_models=meter_models(catalogue),
        meter_tester=test,
        random=random.random,
        trust=Trust(StationVault(settings.data_dir), authority),
        quirks=load_quirks(),
        neighbours=ArpNeighbours(),
        scanner=SocketScanner(),
        frames=frames,
        files=FileAdapters(DiskVault(settings.files), RoutedAddresses()),
    )
