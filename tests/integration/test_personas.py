"""Every persona on real sockets against the whole manager, at once: each lives through one visit.

It connects, is set up, a car is plugged in, charges and is limited, the connection is cut and comes
back, the car leaves. Afterwards the manager's records are compared with what truly happened. One
site serves all, so that the visits take the time of the slowest; the tests look at what was seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.adapters.clock import SystemClock
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.station_registry import StationRegistry
from app.adapters.storage.store import open_store
from app.adapters.tls_ports import stations_tls
from app.config import Settings
from app.domain.transaction import Transaction
from app.services.circuits import MeterTest
from app.services.manager import Adapters, Manager
from simulators.station.certificates import read_certificates
from simulators.station.config import StationConfig
from simulators.station.dialer import Dialer
from simulators.station.ev import Car
from simulators.station.persona import load_persona, persona_names
from simulators.station.station import SimStation
from simulators.station.vault import CENTRAL, Vault
from tests.integration.ocpp_listener import listening

PATIENCE_S = 120.0
"""Bound of all visits; far above what they take."""

LIMIT_A = 10.0
"""Of the circuit that each station hangs on by itself."""

FALLBACK_A = 6.0
"""What a station may give without a word from the manager."""

STEP_S = 0.1

CHARGES_ON_S = 3.0
"""After the cut, so that something flows then as well."""

DONE = "done"

UNLIMITED = {"uncontrolled-generic"}
"""These take no limit at all."""

WITHIN_WH = 1.01
"""Between two registers of whole watt-hours and the truth, which is summed in small steps."""

DISOBEDIENT = {"deaf-generic", "overshooting-generic", "uncontrolled-generic"}
"""What these take has no bearing on what they are told."""

STRANGE_CLOCKS = {"late-clock-generic"}
"""A limit from now on begins later by these: they stay at their fallback until that is known."""

NEVER_STOPS = {"stopless-generic"}


@dataclass(slots=True)
class Visit:
    """What was seen of one persona: on its own side, and in the manager's records."""

    station: SimStation
    stage: str = "to connect"
    accepted_a: float = 0.0
    drawn_a: float = 0.0
    recorded: tuple[Transaction, ...] = ()


def site_document() -> dict[str, Any]:
    """A wide supply, and a narrow circuit for every station."""
    names = persona_names()
    circuits: list[dict[str, Any]] = [
        {"id": "supply", "name": "Arrivée", "limit_a": [5000] * 3, "worst_background_a": [10] * 3}
    ]
    stations: list[dict[str, Any]] = []
    for name in names:
        circuit = f"c-{name}"
        circuits.append(
            {
                "id": circuit,
                "name": name,
                "parent": "supply",
                "limit_a": [LIMIT_A] * 3,
                "worst_background_a": [0] * 3,
            }
        )
        stations.append(
            {
                "id": name,
                "circuit": circuit,
                "connectors": [{"id": 1}],
                "free_charging": True,
                "fallback_a": FALLBACK_A,
            }
        )
    return {
        "schema": "bornier-site/1",
        "name": "Salon",
        "circuits": circuits,
        "stations": stations,
        "badges": [],
    }


@contextlib.asynccontextmanager
async def manager_on(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """A manager; the addresses of its two ports."""

    async def meter_test(_config: object) -> MeterTest:
        return MeterTest(ok=False)

    def no_meter(_config: object) -> None:
        raise AssertionError("this site has none")

    clock = SystemClock()
    manager = Manager(
        Settings(data_dir=folder),
        Adapters(
            clock=clock,
            store=open_store(folder / "bornier.sqlite3"),
            hasher=None,  # type: ignore[arg-type]  # nobody signs in
            meter_factory=no_meter,  # type: ignore[arg-type]
            meter_models=(),
            meter_tester=meter_test,
            random=lambda: 0.5,
        ),
    )
    await manager.start(json.dumps(site_document()).encode())
    port = stations_tls(folder, ["localhost", "127.0.0.1"])
    await asyncio.to_thread(port.ensure, datetime.now(UTC))
    registry = StationRegistry()
    settings = OcppSettings(host="127.0.0.1", port=0)
    listeners = [
        OcppListener(manager.handler, settings, clock, tls=tls, registry=registry)
        for tls in (None, port.load())
    ]
    try:
        for listener in listeners:
            await listener.start()
        plain, secure = (listener.port for listener in listeners)
        yield f"ws://127.0.0.1:{plain}/ocpp", f"wss://127.0.0.1:{secure}/ocpp"
    finally:
        for listener in listeners:
            await listener.stop()
        await manager.stop()


def station_authorities(folder: Path) -> str:
    """Whom stations may believe: the certificates of their port, of either kind of key."""
    return "".join(file.read_text() for file in folder.rglob("*.crt"))


def post(name: str, plain: str, secure: str, authorities: str) -> SimStation:
    persona = load_persona(name)
    vault = Vault()
    vault.roots[CENTRAL] += read_certificates(authorities)
    url = plain if persona.tls_suites is None else secure
    return SimStation(
        StationConfig(station_id=name, free_mode=True),
        persona,
        Dialer(url, name, persona, vault),
        lambda: datetime.now(UTC),
        random.Random(name),
        vault=vault,
    )


async def until(happened: Callable[[], object]) -> None:
    while not happened():  # noqa: ASYNC110 - what happens has no event of its own
        await asyncio.sleep(STEP_S)


async def live_through(seen: Visit) -> None:
    """From the first connection to the last word on the transaction."""
    station, name = seen.station, seen.station.station_id
    counters = station.counters
    await until(lambda: station.connected)
    seen.stage = "to be set up"
    await until(lambda: counters.received.get("GetConfiguration"))
    seen.stage = "to begin a transaction"
    car = Car(max_a=32, battery_kwh=500, ramp_up_s=2, resume_s=1)
    station.plug(1, car)
    await until(lambda: station.records and station.records[0].acknowledged_start)
    seen.stage = "to be limited"
    await until(lambda: name in UNLIMITED or station.accepted_a(1) <= LIMIT_A)
    seen.stage = "to charge"
    least_a = 0.0 if name in STRANGE_CLOCKS else FALLBACK_A
    await until(lambda: car.drawn_a > least_a and (name in DISOBEDIENT or car.drawn_a <= LIMIT_A))
    seen.accepted_a, seen.drawn_a = station.accepted_a(1), car.drawn_a
    seen.stage = "to come back after a cut"
    connections = counters.connections
    station.drop_socket()
    await until(lambda: counters.connections > connections and station.connected)
    await asyncio.sleep(CHARGES_ON_S)
    seen.stage = "to end the transaction"
    station.unplug(1)
    await until(lambda: name in NEVER_STOPS or station.records[0].acknowledged_stop)
    seen.stage = "to deliver everything"
    await until(lambda: station.connected and not station.queued)
    seen.stage = DONE


async def all_visits(folder: Path) -> dict[str, Visit]:
    async with manager_on(folder) as (plain, secure):
        authorities = await asyncio.to_thread(station_authorities, folder)
        visits = {name: Visit(post(name, plain, secure, authorities)) for name in persona_names()}
        stations = [each.station for each in visits.values()]
        stepping = asyncio.get_running_loop().create_task(step_all(stations))
        try:
            for station in stations:
                station.start()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(*map(live_through, visits.values()))
        finally:
            stepping.cancel()
            for station in stations:
                await station.stop()
    store = open_store(folder / "bornier.sqlite3")
    try:
        recorded = await store.transactions.recent(limit=10_000)
    finally:
        await store.close()
    for name, each in visits.items():
        each.recorded = tuple(t for t in recorded if t.station_id == name)
    return visits


async def step_all(stations: list[SimStation]) -> None:
    loop = asyncio.get_running_loop()
    last_s = loop.time()
    while True:
        await asyncio.sleep(STEP_S)
        now_s = loop.time()
        for station in stations:
            station.step(now_s - last_s)
        last_s = now_s


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Visit]:
    return asyncio.run(all_visits(tmp_path_factory.mktemp("salon")))


@pytest.mark.parametrize("name", persona_names())
def test_a_visit_is_managed_and_recorded_once(name: str, visits: dict[str, Visit]) -> None:
    seen = visits[name]
    assert seen.stage == DONE
    if name not in UNLIMITED:
        assert seen.accepted_a <= LIMIT_A
    if name not in DISOBEDIENT:
        assert 0.0 < seen.drawn_a <= LIMIT_A
    (record,) = seen.station.records
    (transaction,) = seen.recorded
    assert transaction.transaction_id == record.transaction_id
    assert transaction.meter_start_wh == record.meter_start_wh
    assert transaction.is_open is (name in NEVER_STOPS)
    assert record.energy_wh > 0.0
    if not transaction.is_open:
        assert transaction.energy_wh is not None
        # A register of whole watt-hours; one that is stuck shows that nothing flowed.
        true_wh = 0.0 if name == "frozen-generic" else record.energy_wh
        assert abs(transaction.energy_wh - true_wh) < WITHIN_WH


async def test_a_hundred_that_are_cut_off_at_once_come_back_with_their_transactions() -> None:
    async with listening(max_connections=200) as (listener, recorder):
        url = f"ws://127.0.0.1:{listener.port}/ocpp"
        persona = load_persona("control-generic")
        stations = [
            SimStation(
                StationConfig(station_id=f"S-{number:03}", free_mode=True),
                persona,
                Dialer(url, f"S-{number:03}", persona),
                lambda: datetime.now(UTC),
                random.Random(number),
            )
            for number in range(100)
        ]
        try:
            for station in stations:
                station.start()
            await until(lambda: all(station.connected for station in stations))
            for station in stations:
                station.plug(1, Car())
            await until(
                lambda: all(s.records and s.records[0].acknowledged_start for s in stations)
            )
            for station in stations:
                station.drop_socket()
                station.unplug(1)
            assert not any(station.connected for station in stations)
            await until(lambda: all(s.records[0].acknowledged_stop for s in stations))
        finally:
            await asyncio.gather(*(station.stop() for station in stations))
    kinds = [type(request).__name__ for request in recorder.handled]
    assert (kinds.count("StartTransaction"), kinds.count("StopTransaction")) == (100, 100)
    # Nobody boots for the loss of a connection.
    assert kinds.count("BootNotification") == 100
