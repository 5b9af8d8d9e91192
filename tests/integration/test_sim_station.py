# The ocpp package is not typed.
# mypy: disable-error-code="untyped-decorator"
"""A simulated station against a stock central system of the ``ocpp`` package, over real sockets."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ocpp.charge_point
import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod, IdTagInfo
from ocpp.v16.enums import (
    AuthorizationStatus,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    RegistrationStatus,
)
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from simulators.station.config import StationConfig
from simulators.station.ev import Car
from simulators.station.link import WebSocketLink, websocket_link
from simulators.station.persona import load_persona
from simulators.station.station import SimStation

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0


class StockCentral(ChargePoint):  # type: ignore[misc] # untyped
    """The ``ocpp`` package's own idea of a central system: strict schemas both ways."""

    def __init__(self, station_id: str, connection: ServerConnection) -> None:
        super().__init__(station_id, connection)
        self.connection = connection
        self.seen: list[str] = []
        self.stopped: list[int] = []

    @on("BootNotification")
    def boot(self, **_: Any) -> call_result.BootNotification:
        self.seen.append("BootNotification")
        now = datetime.now(UTC).isoformat()
        return call_result.BootNotification(
            current_time=now, interval=300, status=RegistrationStatus.accepted
        )

    @on("StatusNotification")
    def status(self, status: str, **_: Any) -> call_result.StatusNotification:
        self.seen.append(status)
        return call_result.StatusNotification()

    @on("Heartbeat")
    def heartbeat(self) -> call_result.Heartbeat:
        self.seen.append("Heartbeat")
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    @on("Authorize")
    def authorize(self, **_: Any) -> call_result.Authorize:
        return call_result.Authorize(IdTagInfo(status=AuthorizationStatus.accepted))

    @on("StartTransaction")
    def start_transaction(self, **_: Any) -> call_result.StartTransaction:
        self.seen.append("StartTransaction")
        return call_result.StartTransaction(
            transaction_id=7, id_tag_info=IdTagInfo(status=AuthorizationStatus.accepted)
        )

    @on("MeterValues")
    def meter_values(self, **_: Any) -> call_result.MeterValues:
        self.seen.append("MeterValues")
        return call_result.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, transaction_id: int, **_: Any) -> call_result.StopTransaction:
        self.stopped.append(transaction_id)
        return call_result.StopTransaction()


class Listener:
    """Accepts stations on a port of its own."""

    def __init__(self) -> None:
        self.centrals: list[StockCentral] = []
        self.url = ""

    async def accept(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        central = StockCentral(connection.request.path.rsplit("/", 1)[-1], connection)
        self.centrals.append(central)
        try:
            await central.start()
        except Exception as error:
            if "ConnectionClosed" not in type(error).__name__:
                raise


@asynccontextmanager
async def listening(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    monkeypatch.setattr(ocpp.charge_point, "ASYNC_VALIDATION", False, raising=False)
    listener = Listener()
    async with serve(
        listener.accept, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], ping_interval=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        listener.url = f"ws://127.0.0.1:{port}/ocpp"
        yield listener


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def running(url: str, persona: str) -> AsyncIterator[SimStation]:
    station = SimStation(
        StationConfig(station_id="S-1"),
        load_persona(persona),
        lambda: websocket_link(f"{url}/S-1"),
        utc_now,
        random.Random(1),
    )
    station.start()
    try:
        yield station
    finally:
        await station.stop()


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110 - what happens has no event of its own
            await asyncio.sleep(0.01)


def limit_a(amperes: float) -> call.SetChargingProfile:
    return call.SetChargingProfile(
        connector_id=1,
        cs_charging_profiles=ChargingProfile(
            charging_profile_id=1,
            transaction_id=7,
            stack_level=1,
            charging_profile_purpose=ChargingProfilePurposeType.tx_profile,
            charging_profile_kind=ChargingProfileKindType.relative,
            charging_schedule=ChargingSchedule(
                charging_rate_unit=ChargingRateUnitType.amps,
                charging_schedule_period=[ChargingSchedulePeriod(start_period=0, limit=amperes)],
            ),
        ),
    )


async def test_a_transaction_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        listening(monkeypatch) as listener,
        running(listener.url, "control-generic") as station,
    ):
        await until(lambda: station.connected)
        (central,) = listener.centrals
        assert central.connection.subprotocol == "ocpp1.6"
        station.plug(1, Car(phases=3, max_a=16), "TAG")
        await until(lambda: station.records and station.records[0].acknowledged_start)
        for _ in range(60):
            station.step(1.0)
        assert station.connectors[0].current_a == (16.0, 16.0, 16.0)
        answer = await central.call(limit_a(8.5))
        assert answer.status == "Accepted"
        await until(lambda: station.connectors[0].offered_a == 8.5)
        for _ in range(5):
            station.step(1.0)
        assert station.connectors[0].current_a == (8.5, 8.5, 8.5)
        configuration = await central.call(call.GetConfiguration())
        assert len(configuration.configuration_key) > 30
        schedule = await central.call(call.GetCompositeSchedule(connector_id=1, duration=60))
        assert schedule.charging_schedule["charging_schedule_period"][0]["limit"] == 8.5
        trigger = await central.call(call.TriggerMessage(requested_message="MeterValues"))
        assert trigger.status == "Accepted"
        await until(lambda: "MeterValues" in central.seen)
        station.swipe("TAG")
        await until(lambda: station.records[0].acknowledged_stop)
        assert central.stopped == [7]
        assert station.counters.call_errors == 0


async def test_the_2019_firmware_never_closes_its_session_on_a_strict_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening(monkeypatch) as listener, running(listener.url, "premium-2019") as station:
        await until(lambda: station.connected)
        station.plug(1, Car(), "TAG")
        await until(lambda: station.records and station.records[0].acknowledged_start)
        station.unplug(1)
        await until(lambda: station.counters.call_errors)
        assert not station.records[0].acknowledged_stop
        assert station.queued == 1


async def test_it_comes_back_after_a_drop_a_half_open_link_and_a_power_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        listening(monkeypatch) as listener,
        running(listener.url, "control-generic") as station,
    ):
        trouble: list[Callable[[], None]] = [
            station.drop_socket,
            station.half_open,
            lambda: station.power_cut(0.2),
        ]
        for number, happens in enumerate(trouble, start=1):
            await until(lambda: station.connected)
            assert len(listener.centrals) == number
            happens()
            await until(lambda n=number: len(listener.centrals) == n + 1)  # type: ignore[misc]
        await until(lambda: station.connected)
        boots = [central.seen.count("BootNotification") for central in listener.centrals]
        assert boots == [1, 0, 0, 1]
        # Nobody told the central system that the second and third links are dead.
        states = [central.connection.state.name for central in listener.centrals]
        assert states == ["CLOSED", "OPEN", "OPEN", "OPEN"]


async def test_a_refused_handshake_or_a_closed_port_is_no_way_in() -> None:
    def refuse(connection: ServerConnection, _request: Any) -> Any:
        return connection.respond(403, "no")

    async def nobody(_connection: ServerConnection) -> None:
        raise AssertionError("refused before")

    async with serve(nobody, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(ConnectionError):
            await websocket_link(f"ws://127.0.0.1:{port}/ocpp/S-1")
    with pytest.raises(OSError):
        await websocket_link(f"ws://127.0.0.1:{port}/ocpp/S-1")


async def test_a_websocket_link_takes_binary_frames_and_closes_on_a_reset() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(b'[3,"\xc3\xa9",{}]')
        assert await connection.recv() == "hello"
        connection.transport.abort()

    async with serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link: WebSocketLink = await websocket_link(f"ws://127.0.0.1:{port}/S-1")
        assert await link.receive() == '[3,"é",{}]'
        await link.send("hello")
        assert await link.receive() is None
        link.post("too late")
        await link.send("much too late")
        await link.close()


async def test_the_stations_command_connects_a_fleet_and_stops_cleanly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening(monkeypatch) as listener:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c",
            "import argparse, sys\n"
            "from simulators.station import cli\n"
            "parser = argparse.ArgumentParser()\n"
            "cli.add_arguments(parser)\n"
            "sys.exit(cli.main(parser.parse_args()))",
            "--url", listener.url, "--count", "3", "--outlets", "2", "--free",
            "--persona", "control-generic", "--persona", "premium-2024",
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            await until(
                lambda: sum(c.seen.count("StartTransaction") for c in listener.centrals) >= 3
            )
            assert sorted(c.id for c in listener.centrals) == ["A-001", "A-002", "A-003"]
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert err == b""
        assert process.returncode == 0
        assert b"/3 stations connected" in out
