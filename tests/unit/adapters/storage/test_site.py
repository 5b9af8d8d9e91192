from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.circuit import Circuit
from app.domain.errors import StorageError
from app.domain.meter import MeterConfig, MeterPlacement
from app.domain.rules import SharingPolicy, SiteRules
from app.domain.station import ChargingStation, Connector, PendingStation, StationIdentity
from app.domain.units import PhaseCurrents, Rotation
from app.services.ports import SiteConfiguration

CONNECTOR = Connector(
    connector_id=2,
    phases=1,
    rotation=Rotation.STR,
    max_ma=16_000,
    min_ma=8_000,
    step_ma=100,
    controllable=False,
    line_to_line=True,
)
STATION = ChargingStation(
    station_id="A-001",
    name="Borne 1",
    circuit_id="feeder",
    connectors=(Connector(1), CONNECTOR),
    place="Parking −1, place 1",
    max_ma=40_000,
    fallback_ma=6_000,
    weight=1_500,
    free_charging=True,
    priority=2,
)
METER = MeterConfig(
    meter_id="supply-meter",
    model="IME Nemo D4-Le",
    host="192.0.2.10",
    circuit_id="supply",
    port=1502,
    unit_id=3,
    placement=MeterPlacement.BUILDING,
    word_format="swap",
    poll_period_s=0.5,
    generation=True,
)
FEEDER = Circuit(
    circuit_id="feeder",
    name="Départ parking",
    parent_id="supply",
    limit=PhaseCurrents(100_000, 101_000, 102_000),
    margin_ma=2_000,
    worst_background=PhaseCurrents(1, 2, 3),
    max_power_w=70_000,
    max_unbalance_ma=20_000,
)
SUPPLY = Circuit("supply", "Arrivée générale", None, PhaseCurrents.uniform(400_000))
SITE = SiteConfiguration(
    name="Résidence des Lilas",
    timezone="Europe/Paris",
    circuits=(FEEDER, SUPPLY),  # a child before its parent, as an installer may have moved it
    meters=(METER, MeterConfig("other", "Shelly 3EM", "192.0.2.11", "feeder")),
    stations=(STATION, ChargingStation("A-000", "Borne 0", "supply", (Connector(1),))),
    rules=SiteRules(policy=SharingPolicy.FIRST_COME),
)


@pytest.mark.parametrize("value", [CONNECTOR, STATION, METER, FEEDER])
def test_the_examples_differ_from_every_default(value: Any) -> None:
    """So that a field which the file forgets cannot pass the round trip below."""
    for field in msgspec.structs.fields(value):
        if field.default is not msgspec.NODEFAULT:
            assert getattr(value, field.encode_name) != field.default, field.encode_name


async def test_an_empty_database_has_no_site(store: SqliteStore) -> None:
    assert await store.site.load() is None
    assert await store.site.identities() == {}
    assert await store.pending.list() == []


async def test_the_configuration_comes_back_as_it_was(store: SqliteStore) -> None:
    await store.site.replace(SITE)
    assert await store.site.load() == SITE


async def test_replacing_leaves_nothing_of_the_former(store: SqliteStore) -> None:
    await store.site.replace(SITE)
    lean = SiteConfiguration("Autre", "UTC", (SUPPLY,), (), ())
    await store.site.replace(lean)
    assert await store.site.load() == lean
    await store.site.replace(SITE)
    assert await store.site.load() == SITE


async def test_a_large_site_comes_back_too(store: SqliteStore) -> None:
    stations = tuple(
        ChargingStation(f"S-{n:04}", f"Borne {n}", "supply", (Connector(1), Connector(2)))
        for n in range(500)
    )
    site = SiteConfiguration("Grand", "Europe/Paris", (SUPPLY,), (), stations)
    await store.site.replace(site)
    assert await store.site.load() == site


async def test_what_names_no_circuit_is_refused_whole(store: SqliteStore) -> None:
    await store.site.replace(SITE)
    lost = msgspec.structs.replace(STATION, circuit_id="nowhere")
    with pytest.raises(StorageError) as refused:
        await store.site.replace(msgspec.structs.replace(SITE, name="Autre", stations=(lost,)))
    assert refused.value.key == "storage-rejected"
    assert await store.site.load() == SITE


async def test_identities_are_replaced_and_outlive_the_configuration(store: SqliteStore) -> None:
    await store.site.save_identity("A-001", StationIdentity("ACME", "One", "SN1", "1.0"))
    updated = StationIdentity("ACME", "One", "SN1", "1.1")
    await store.site.save_identity("A-001", updated)
    await store.site.replace(SITE)
    assert await store.site.identities() == {"A-001": updated}


async def test_callers_wait_oldest_first(store: SqliteStore) -> None:
    def caller(station_id: str, first_seen: str) -> PendingStation:
        return PendingStation(
            station_id=station_id,
            identity=StationIdentity("ACME", "One", "SN1", "1.0"),
            address="192.0.2.7",
            first_seen_utc=first_seen,
            last_seen_utc="2026-11-22T12:00:00Z",
            connector_ids=(1, 2),
        )

    newer, older = caller("A", "2026-11-22T11:00:00Z"), caller("B", "2026-11-22T10:00:00Z")
    await store.pending.save(newer)
    await store.pending.save(older)
    seen_again = msgspec.structs.replace(newer, last_seen_utc="2026-11-22T12:30:00Z")
    await store.pending.save(seen_again)
    assert await store.pending.list() == [older, seen_again]
    await store.pending.remove(["B"])
    await store.pending.remove(["B"])
    assert await store.pending.list() == [seen_again]


async def test_everything_is_there_after_a_restart(path: Any) -> None:
    store = open_store(path)
    await store.site.replace(SITE)
    await store.close()
    store = open_store(path, inline=True)
    assert await store.site.load() == SITE
    await store.close()
