"""``python -m simulators run --with-manager``: the whole cycle over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

START_S = 60.0
"""Bound of a wait for something that must happen; far above what it takes."""


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


class Running:
    """The simulators with the manager as their child."""

    def __init__(self, data: Path, scenario: str = "small-4", *options: str) -> None:
        self.data = data
        self.web, self.ocpp, self.ocpps, self.meter = free_ports(4)
        self._arguments = [
            "-m", "simulators", "run", scenario, "--with-manager",
            "--data", str(data), "--web-port", str(self.web),
            "--ocpp-port", str(self.ocpp), "--ocpps-port", str(self.ocpps),
            "--meter-port", str(self.meter),
            *options,
        ]  # fmt: skip
        self.output = ""
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Running:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            await self.end()

    async def end(self, number: int = signal.SIGINT) -> int:
        """Sends a signal and waits for the end; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        out, _ = await asyncio.wait_for(self.process.communicate(), START_S)
        self.output += out.decode()
        return self.process.returncode or 0

    async def health(self) -> dict[str, Any]:
        async with httpx.AsyncClient(verify=False) as client:
            answer = await client.get(f"https://127.0.0.1:{self.web}/health")
        found: dict[str, Any] = answer.json()
        return found

    async def until_charging(self, transactions: int) -> dict[str, Any]:
        """Polls /health until it is ready and that many transactions run."""
        async with asyncio.timeout(START_S):
            while True:
                try:
                    health = await self.health()
                except httpx.TransportError:
                    await asyncio.sleep(0.2)
                    continue
                details = {check["name"]: check["detail"] for check in health["checks"]}
                running = int(details["stations"].split(", ")[1].split(" ")[0])
                if health["ready"] and running >= transactions:
                    return health
                await asyncio.sleep(0.2)


def only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return int(child)


def transactions(data: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(data / "bornier.sqlite3")) as database:
        return database.execute(
            "SELECT transaction_id, station_id FROM charge_transaction ORDER BY transaction_id"
        ).fetchall()


async def test_one_command_brings_up_a_site_that_charges_and_stops_cleanly(
    tmp_path: Path,
) -> None:
    async with Running(tmp_path) as site:
        await site.until_charging(3)
        document = json.loads((tmp_path / "simulated-site.json").read_text("utf-8"))
        assert len(document["stations"]) == 4
        assert document["meters"][0]["port"] == site.meter
        assert await site.end() == 0
    assert f"https://localhost:{site.web}/" in site.output
    assert "4 stations connect" in site.output
    assert "Traceback" not in site.output
    first = transactions(tmp_path)
    assert len(first) == 3

    async with Running(tmp_path) as site:
        await site.until_charging(3)
        assert await site.end(signal.SIGTERM) == 0
    assert "Traceback" not in site.output
    assert transactions(tmp_path)[:3] == first


async def test_the_number_of_stations_and_the_meter_can_be_chosen(tmp_path: Path) -> None:
    options = ("--stations", "6", "--meter", "F4N200", "--seed", "3")
    async with Running(tmp_path, "demo-100", *options) as site:
        health = await site.until_charging(3)
        assert {check["name"]: check["ok"] for check in health["checks"]}["meters"]
        document = json.loads((tmp_path / "simulated-site.json").read_text("utf-8"))
        assert len(document["stations"]) == 6
        assert document["meters"][0]["model"] == "BTicino F4N200"
        assert await site.end() == 0


async def test_a_manager_that_cannot_start_ends_the_run_with_an_error(tmp_path: Path) -> None:
    site = Running(tmp_path)
    with socket.create_server(("127.0.0.1", site.web)):
        async with site:
            assert site.process is not None
            out, _ = await asyncio.wait_for(site.process.communicate(), START_S)
    assert site.process.returncode == 1
    assert "the manager ended" in out.decode()


async def test_a_manager_that_dies_ends_the_run_with_an_error(tmp_path: Path) -> None:
    async with Running(tmp_path) as site:
        await site.until_charging(1)
        assert site.process is not None
        os.kill(only_child(site.process.pid), signal.SIGKILL)
        out, _ = await asyncio.wait_for(site.process.communicate(), START_S)
    assert site.process.returncode == 1
    assert "the manager ended by itself" in out.decode()


async def test_a_taken_meter_port_is_said_so(tmp_path: Path) -> None:
    site = Running(tmp_path)
    with socket.create_server(("127.0.0.1", site.meter)):
        async with site:
            assert site.process is not None
            out, _ = await asyncio.wait_for(site.process.communicate(), START_S)
    assert site.process.returncode == 1
    assert "address already in use" in out.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["list"], 0, "basement-100"),
        (["describe", "small-4"], 0, '"bornier-site/1"'),
        (["describe", "small-4", "--meter", "abacus"], 2, "no meter 'abacus'"),
        (["describe", "small-4", "--stations", "0"], 2, "at least one station"),
        (["meter", "--list"], 0, "IME Nemo D4-Le"),
        (["stations", "--help"], 0, "--persona"),
    ],
)
async def test_other_commands(arguments: list[str], status: int, says: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), START_S)
    assert process.returncode == status
    assert says in out.decode()
