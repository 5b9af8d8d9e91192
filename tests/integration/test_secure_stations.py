"""Stations over TLS: one charges, one moves between the two ports, and trust is asked for."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.station_registry import StationRegistry
from app.adapters.tls_ports import stations_tls
from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.link import websocket_link
from simulators.station.persona import load_persona
from simulators.station.station import SimStation
from tests.integration.ocpp_listener import PATIENCE_S, RealClock, Recorder, closing
from tests.support.garage import garage
from tests.support.running import RunningManager

ROOT = Path(__file__).parents[2]

SITE = garage(["S-001"])


async def until(happened: Callable[[], object], post: SimStation) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.1)
            post.step(0.1)


async def test_a_car_charges_at_a_station_over_tls(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path, SITE)
    await asyncio.to_thread(manager.start)
    try:
        tls = ssl.create_default_context(cafile=manager.data / "stations.crt")
        post = SimStation(
            StationConfig(station_id="S-001", connectors=(ConnectorConfig(connector_id=1),)),
            load_persona("control-generic"),
            lambda: websocket_link(f"{manager.ocpps_url}/S-001", tls=tls),
            lambda: datetime.now(UTC),
            random.Random(1),
        )
        post.start()
        try:
            await until(lambda: post.connected, post)
            post.plug(1, Car(phases=3, max_a=16, soc0=0.2), "AAAA")
            await until(lambda: post.records and post.records[0].acknowledged_start, post)
            await until(lambda: max(post.connectors[0].current_a) >= 6.0, post)
        finally:
            await post.stop()
        command = [sys.executable, "-m", "simulators", "stations", "--count", "1"]
        command += ["--prefix", "S-", "--occupied", "0", "--seconds", "6"]
        command += ["--url", manager.ocpps_url]
        trusting = await fleet(*command, "--ca", str(manager.data / "stations.crt"))
        assert heard(trusting) > 0
        assert heard(await fleet(*command, "--insecure")) > 0
        wary = await fleet(*command)
        assert heard(wary) == 0
        assert "CERTIFICATE_VERIFY_FAILED" in wary
    finally:
        assert manager.stop() == 0


def heard(said: str) -> int:
    """Profiles that the manager sent to the fleet."""
    found = re.search(r"(\d+) profile messages", said)
    assert found, said
    return int(found[1])


async def fleet(*command: str) -> str:
    ended = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


async def test_a_certificate_file_that_is_none_is_an_error() -> None:
    command = [sys.executable, "-m", "simulators", "stations", "--url", "wss://127.0.0.1:1/"]
    ended = await asyncio.to_thread(
        subprocess.run, [*command, "--ca", "/dev/null"], cwd=ROOT, capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"stations: ")


class TwoPorts:
    """A plain and a TLS listener that share their registry, and clients of both."""

    def __init__(self, folder: Path, most: int = 400) -> None:
        self.recorder = Recorder()
        registry = StationRegistry()
        port = stations_tls(folder, ["localhost", "127.0.0.1"])
        port.ensure(datetime.now(UTC))
        settings = OcppSettings(host="127.0.0.1", port=0, max_connections=most)
        self.plain, self.secure = (
            OcppListener(self.recorder, settings, RealClock(), tls=tls, registry=registry)
            for tls in (None, port.load())
        )
        self._trust = ssl.create_default_context(cafile=folder / "stations.crt")

    def connect(self, *, secure: bool, identity: str = "A-001") -> Any:
        listener = self.secure if secure else self.plain
        return websockets.connect(
            f"{'wss' if secure else 'ws'}://127.0.0.1:{listener.port}/ocpp/{identity}",
            subprotocols=[websockets.Subprotocol("ocpp1.6")],
            proxy=None,
            ssl=self._trust if secure else None,
        )

    def where(self) -> tuple[set[str], set[str]]:
        return set(self.plain.connections), set(self.secure.connections)


@asynccontextmanager
async def two_ports(folder: Path, **options: Any) -> AsyncIterator[TwoPorts]:
    ports = TwoPorts(folder, **options)
    await ports.plain.start()
    await ports.secure.start()
    try:
        async with asyncio.timeout(3 * PATIENCE_S):
            yield ports
    finally:
        await ports.secure.stop()
        await ports.plain.stop()


@pytest.mark.parametrize("first_secure", [False, True], ids=["ws to wss", "wss to ws"])
async def test_a_station_that_moves_to_the_other_port_leaves_the_first(
    tmp_path: Path, *, first_secure: bool
) -> None:
    async with two_ports(tmp_path) as ports, ports.connect(secure=first_secure) as old:
        await ports.recorder.until(lambda: len(ports.recorder.told) == 1)
        async with ports.connect(secure=not first_secure):
            assert await closing(old) == (1000, "replaced by a newer connection")
            await ports.recorder.until(lambda: len(ports.recorder.told) == 3)
            assert ports.recorder.told == [
                ("connected", "A-001", 1),
                ("disconnected", "A-001", 1),
                ("connected", "A-001", 2),
            ]
            here, there = ports.where()
            assert (there if not first_secure else here) == {"A-001"}
            assert (here if not first_secure else there) == set()
        await ports.recorder.until(lambda: len(ports.recorder.told) == 4)


async def test_each_port_has_its_own_limit(tmp_path: Path) -> None:
    async with two_ports(tmp_path, most=1) as ports:
        async with ports.connect(secure=False), ports.connect(secure=True, identity="B-001"):
            for secure in (False, True):
                with pytest.raises(InvalidStatus):
                    async with ports.connect(secure=secure, identity="C-001"):
                        pass
            assert (ports.plain.refused, ports.secure.refused) == (1, 1)
            # One that is known takes no further place.
            async with ports.connect(secure=True):
                await ports.recorder.until(lambda: ("connected", "A-001", 3) in ports.recorder.told)
