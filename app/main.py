"""Composition root: the only place where services, adapters and pages meet."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import sys

from app.adapters.certificates import LocalCertificate, own_names
from app.adapters.clock import SystemClock
from app.adapters.meter_catalogue import load_catalogue, meter_models
from app.adapters.modbus_meter import ModbusLinks, ModbusMeter, probe_meter
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.passwords import Argon2Hasher
from app.adapters.service_manager import ServiceManager
from app.adapters.storage.store import open_store
from app.adapters.web_server import WebListener
from app.config import Settings
from app.domain.meter import MeterConfig
from app.services.circuits import MeterTest
from app.services.manager import CYCLE_LATE_S, Adapters, Manager
from app.services.meters import RunningMeter
from app.services.ports import Clock
from app.web.app import create_app

log = logging.getLogger(__name__)

CERTIFICATE_CHECK_S = 86_400.0


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
        manager = Manager(settings, real_adapters(settings, hasher))
        stack.push_async_callback(manager.stop)
        await manager.start(provision)
        secret = await manager.services.access.bootstrap()
        ocpp = OcppListener(
            manager.handler,
            OcppSettings(host=settings.ocpp_host, port=settings.ocpp_port),
            manager.services.clock,
        )
        await ocpp.start()
        stack.push_async_callback(ocpp.stop)
        certificate = LocalCertificate(
            settings.data_dir, own_names([settings.web_host, *settings.public_names])
        )
        certificate.ensure(manager.services.clock.utc_now())
        pages = WebListener(
            create_app(manager.services),
            settings.web_host,
            settings.web_port,
            certificate.server_context(),
        )
        await pages.start()
        stack.push_async_callback(pages.stop)
        _greet(settings, pages.port, ocpp.port, secret)
        renewal = loop.create_task(_keep_valid(certificate, manager.services.clock))
        stack.callback(renewal.cancel)
        system = ServiceManager()
        watchdog = loop.create_task(system.keep_alive(lambda: _cycles(manager)))
        stack.callback(watchdog.cancel)
        system.ready()
        await stopped.wait()
        system.stopping()
        log.info("stopping")


def _cycles(manager: Manager) -> bool:
    """Whether the control cycle goes on; before its first turn it has not had the time."""
    last_s = manager.control.last_cycle_s
    return last_s is None or manager.services.clock.monotonic_s() - last_s < CYCLE_LATE_S


async def _keep_valid(certificate: LocalCertificate, clock: Clock) -> None:
    """Looks at the certificate once a day: a box may run for years, or start with a wrong clock."""
    while True:
        await asyncio.sleep(CERTIFICATE_CHECK_S)
        await asyncio.to_thread(certificate.ensure, clock.utc_now())


def real_adapters(settings: Settings, hasher: Argon2Hasher) -> Adapters:
    """The real clock, database and meters."""
    clock = SystemClock()
    catalogue = load_catalogue()
    # Meters behind one gateway share its connection: most gateways take only one at a time.
    links = ModbusLinks()

    def meter(config: MeterConfig) -> RunningMeter:
        return ModbusMeter(config, catalogue, clock, links=links)

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
    )


def _greet(settings: Settings, web_port: int, ocpp_port: int, secret: str | None) -> None:
    """What the person at the console needs, on standard output, once."""
    everywhere = settings.web_host in ("127.0.0.1", "0.0.0.0")  # noqa: S104 - compared only
    address = "localhost" if everywhere else settings.web_host
    lines = [
        "",
        f"  Bornier    https://{address}:{web_port}/",
        f"  Stations   ws://{address}:{ocpp_port}/ocpp/{{station}}",
    ]
    if secret is not None:
        lines += [
            f"  First sign-in: admin / {secret}",
            "  (asked to be replaced by a password of your own)",
        ]
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()
