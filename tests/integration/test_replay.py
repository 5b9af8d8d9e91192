"""A recorded conversation, exported without names, is played to a fresh manager: the same journal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.replay import connector, read_recording, replay
from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.link import websocket_link
from simulators.station.persona import load_persona
from simulators.station.station import SimStation
from tests.support.garage import garage
from tests.support.running import RunningManager

ROOT = Path(__file__).parents[2]
PASSWORD = "replay of a recording"
PERSONAS = {"S-1": "control-generic", "S-2": "premium-2019"}


@contextlib.asynccontextmanager
async def managing(folder: Path, site: dict[str, Any]) -> AsyncIterator[RunningManager]:
    await asyncio.to_thread(folder.mkdir)
    manager = RunningManager(folder, site)
    await asyncio.to_thread(manager.start)
    try:
        yield manager
    finally:
        await asyncio.to_thread(manager.stop)


async def until(happened: Callable[[], object], *posts: SimStation) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.05)
            for post in posts:
                post.step(0.05)


async def two_charges(manager: RunningManager) -> None:
    """A car charges at each of two stations, of two makes, and leaves."""
    posts = [
        SimStation(
            StationConfig(station_id=name, connectors=(ConnectorConfig(connector_id=1),)),
            load_persona(persona),
            lambda name=name: websocket_link(f"{manager.ocpp_url}/{name}"),  # type: ignore[misc]
            lambda: datetime.now(UTC),
            random.Random(name),
        )
        for name, persona in PERSONAS.items()
    ]
    try:
        for post in posts:
            post.start()
        await until(lambda: all(post.connected for post in posts), *posts)
        for post in posts:
            post.plug(1, Car(phases=3, max_a=16, soc0=0.2), "AAAA")
        await until(lambda: all(post.records for post in posts), *posts)
        await until(lambda: all(p.records[0].acknowledged_start for p in posts), *posts)
        await until(lambda: all(max(p.connectors[0].current_a) >= 6 for p in posts), *posts)
        for post in posts:
            post.unplug(1)
        await until(lambda: all(post.records[0].acknowledged_stop for post in posts), *posts)
    finally:
        for post in posts:
            await post.stop()


async def exported(manager: RunningManager, query: str) -> str:
    """Signs in as a person would, and takes the frames along."""
    async with httpx.AsyncClient(
        verify=False, base_url=manager.web_url, headers={"Sec-Fetch-Site": "same-origin"}
    ) as client:
        secret = manager.secret()
        await client.post("/sign-in", data={"name": "admin", "password": secret, "next": "/"})
        page = (await client.get("/password")).text
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        answer = await client.post(
            "/password",
            data={"csrf": token, "current": secret, "new": PASSWORD, "again": PASSWORD},
        )
        assert answer.status_code == 303, answer.text
        answer = await client.get(f"/frames.jsonl?{query}")
        assert answer.status_code == 200
        return answer.text


def journal(manager: RunningManager) -> list[tuple[Any, ...]]:
    """Every transaction but for its number and the names in it."""
    with contextlib.closing(sqlite3.connect(manager.database)) as database:
        return sorted(
            database.execute(
                "SELECT connector_id, started_us, meter_start_wh, stopped_us, meter_stop_wh,"
                " stop_reason, estimated_stop FROM charge_transaction"
            ).fetchall()
        )


async def test_the_journal_of_a_replay_is_that_of_the_recording(tmp_path: Path) -> None:
    async with managing(tmp_path / "first", garage(PERSONAS)) as manager:
        await two_charges(manager)
        recording = await exported(manager, "anonymous=1")
        first = journal(manager)
    assert len(first) == 2
    for name in ("AAAA", *PERSONAS):
        assert f'"{name}' not in recording
        assert f'\\"{name}' not in recording
    file = tmp_path / "recording.jsonl"
    file.write_text(recording)
    stations = read_recording(recording.splitlines())
    assert sorted(stations) == ["STATION-001", "STATION-002"]
    site = garage(stations)
    site["badges"] = [{"id_tag": "BADGE-0001", "holder": "Claire"}]
    async with managing(tmp_path / "second", site) as fresh:
        outcome = await replay(stations, connector(fresh.ocpp_url), speed=20.0)
        assert outcome.differences == []
        assert outcome.answered >= 10
        assert journal(fresh) == first
    site["badges"] = []  # nobody is known there: the answers differ, and that is told
    async with managing(tmp_path / "third", site) as strict:
        command = ["-m", "simulators", "replay", str(file), "--url", strict.ocpp_url]
        command += ["--speed", "20", "--station", "STATION-001"]
        ended = await asyncio.to_thread(
            subprocess.run, [sys.executable, *command], cwd=ROOT, capture_output=True, text=True,
            timeout=100, check=False,
        )  # fmt: skip
        assert ended.returncode == 1, ended.stderr
        assert "answered differently" in ended.stdout
        assert "Authorize" in ended.stdout


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("", [], "this is no recording"),
        ('{"format": "other"}', [], "format other"),
        ('{"format": "bornier-frames/1"}\n{"station": "S"}', [], "line 2"),
        ('{"format": "bornier-frames/1"}\n', ["--station", "S"], "S"),
        ('{"format": "bornier-frames/1"}\n', ["--identity", "S"], "--identity"),
        ('{"format": "bornier-frames/1"}\n', ["--speed", "0"], "--speed"),
    ],
)
def test_what_cannot_be_played_is_said(
    tmp_path: Path, content: str, options: list[str], says: str
) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_text(content)
    ended = subprocess.run(
        [sys.executable, "-m", "simulators", "replay", str(file), *options],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("replay: ")
    assert says in ended.stderr


def line(**said: Any) -> str:
    record = {"at": "2026-03-02T12:00:00.000Z", "station": "S", "connection": 1} | said
    return json.dumps(record)


def test_a_recording_holds_frames_of_every_shape() -> None:
    head = json.dumps({"format": "bornier-frames/1"})
    stations = read_recording(
        [
            head,
            line(**{"from": "manager"}, action="Reset", text='[2,"m1","Reset",{"type":"Soft"}]'),
            line(**{"from": "station"}, action="Reset", text='[4,"m1","NotSupported","",{}]'),
            "",
            line(**{"from": "station"}, text="***"),
            line(**{"from": "station"}, text='[2,"m2","Heartbeat"]', connection=2),
        ]
    )
    first, second = stations["S"]
    assert [(said.kind, said.action) for said in first.frames] == [
        (2, "Reset"),
        (4, "Reset"),
        (0, ""),
    ]
    (pair,) = first.answers()
    assert pair[1].payload == ["NotSupported", "", {}]
    assert second.frames[0].payload == {}
