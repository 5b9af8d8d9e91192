"""The configuration of the site, what stations said of themselves, and unknown callers."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.models import (
    CircuitRow,
    ConnectorRow,
    MeterRow,
    PendingStationRow,
    SiteRow,
    StationIdentityRow,
    StationRow,
    insert_all,
    upsert,
)
from app.domain.circuit import Circuit
from app.domain.meter import MeterConfig, MeterPlacement
from app.domain.rules import SiteRules
from app.domain.station import ChargingStation, Connector, PendingStation, StationIdentity
from app.domain.units import PhaseCurrents, Rotation
from app.services.ports import SiteConfiguration

_CHILDREN_FIRST = (ConnectorRow, StationRow, MeterRow, CircuitRow, SiteRow)


class SqliteSiteRepository:
    """Implements ``SiteRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def load(self) -> SiteConfiguration | None:
        """The configuration in the installer's order; ``None`` on an empty database."""
        return await self._engine.read(_load)

    async def replace(self, configuration: SiteConfiguration) -> None:
        """Writes the whole configuration in one transaction.

        Raises ``StorageError("storage-rejected")`` when something names a circuit that is not
        there; the former configuration then stays.
        """
        await self._engine.write(lambda database: _replace(database, configuration))

    async def save_identity(self, station_id: str, identity: StationIdentity) -> None:
        """What the station said at its last boot."""
        await self.save_identities({station_id: identity})

    async def save_identities(self, identities: Mapping[str, StationIdentity]) -> None:
        """The same of several stations, all or none."""
        rows = [
            {"station_id": station_id, **msgspec.structs.asdict(identity)}
            for station_id, identity in identities.items()
        ]

        def write(database: Database) -> None:
            for row in rows:
                upsert(database, StationIdentityRow, row, "station_id")

        await self._engine.write(write)

    async def identities(self) -> dict[str, StationIdentity]:
        """By station."""

        def read(database: Database) -> dict[str, StationIdentity]:
            return {
                row.station_id: StationIdentity(row.vendor, row.model, row.serial, row.firmware)
                for row in StationIdentityRow.select().execute(database)
            }

        return await self._engine.read(read)


class SqlitePendingRepository:
    """Implements ``PendingRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, pending: PendingStation) -> None:
        """Inserts or replaces."""
        row = {
            "station_id": pending.station_id,
            "first_seen_utc": pending.first_seen_utc,
            "record": msgspec.json.encode(pending).decode(),
        }
        await self._engine.write(
            lambda database: upsert(database, PendingStationRow, row, "station_id")
        )

    async def remove(self, station_ids: Sequence[str]) -> None:
        """Forgets these callers, all or none."""
        query = PendingStationRow.delete().where(
            PendingStationRow.station_id.in_(builtins.list(station_ids))
        )
        await self._engine.write(query.execute)

    async def list(self) -> Sequence[PendingStation]:
        """Oldest first."""
        query = PendingStationRow.select().order_by(
            PendingStationRow.first_seen_utc, PendingStationRow.station_id
        )

        def read(database: Database) -> builtins.list[PendingStation]:
            return [
                msgspec.json.decode(row.record, type=PendingStation)
                for row in query.execute(database)
            ]

        return await self._engine.read(read)


def _replace(database: Database, configuration: SiteConfiguration) -> None:
    # Parents are named in a second pass, so that circuits may come in any order.
    CircuitRow.update(parent_id=None).execute(database)
    for model in _CHILDREN_FIRST:
        model.delete().execute(database)
    SiteRow.insert(
        id=1,
        name=configuration.name,
        timezone=configuration.timezone,
        rules=msgspec.json.encode(configuration.rules).decode(),
    ).execute(database)
    circuits = configuration.circuits
    insert_all(database, CircuitRow, (_circuit_row(*item) for item in enumerate(circuits)))
    for circuit in circuits:
        if circuit.parent_id is not None:
            CircuitRow.update(parent_id=circuit.parent_id).where(
                CircuitRow.circuit_id == circuit.circuit_id
            ).execute(database)
    insert_all(
        database,
        MeterRow,
        (
            {"position": position, **msgspec.structs.asdict(meter)}
            for position, meter in enumerate(configuration.meters)
        ),
    )
    insert_all(
        database, StationRow, (_station_row(*item) for item in enumerate(configuration.stations))
    )
    insert_all(
        database,
        ConnectorRow,
        (
            {"station_id": station.station_id, **msgspec.structs.asdict(connector)}
            for station in configuration.stations
            for connector in station.connectors
        ),
    )


def _circuit_row(position: int, circuit: Circuit) -> dict[str, Any]:
    background = circuit.worst_background
    l1_ma, l2_ma, l3_ma = (None, None, None) if background is None else tuple(background)
    return {
        "circuit_id": circuit.circuit_id,
        "position": position,
        "name": circuit.name,
        "limit_l1_ma": circuit.limit.l1,
        "limit_l2_ma": circuit.limit.l2,
        "limit_l3_ma": circuit.limit.l3,
        "margin_ma": circuit.margin_ma,
        "background_l1_ma": l1_ma,
        "background_l2_ma": l2_ma,
        "background_l3_ma": l3_ma,
        "max_power_w": circuit.max_power_w,
        "max_unbalance_ma": circuit.max_unbalance_ma,
    }


def _station_row(position: int, station: ChargingStation) -> dict[str, Any]:
    row = msgspec.structs.asdict(station)
    del row["connectors"]
    return {"position": position, **row}


def _load(database: Database) -> SiteConfiguration | None:
    site = SiteRow.select().get_or_none(database)
    if site is None:
        return None
    circuits = CircuitRow.select().order_by(CircuitRow.position).execute(database)
    meters = MeterRow.select().order_by(MeterRow.position).execute(database)
    connectors: dict[str, list[Connector]] = {}
    for row in ConnectorRow.select().order_by(ConnectorRow.connector_id).execute(database):
        connectors.setdefault(row.station_id, []).append(_connector(row))
    stations = StationRow.select().order_by(StationRow.position).execute(database)
    return SiteConfiguration(
        name=site.name,
        timezone=site.timezone,
        circuits=tuple(_circuit(row) for row in circuits),
        meters=tuple(_meter(row) for row in meters),
        stations=tuple(_station(row, connectors.get(row.station_id, [])) for row in stations),
        rules=msgspec.json.decode(site.rules, type=SiteRules),
    )


def _circuit(row: CircuitRow) -> Circuit:
    background = None
    if row.background_l1_ma is not None:
        assert row.background_l2_ma is not None
        assert row.background_l3_ma is not None
        background = PhaseCurrents(row.background_l1_ma, row.background_l2_ma, row.background_l3_ma)
    return Circuit(
        circuit_id=row.circuit_id,
        name=row.name,
        parent_id=row.parent_id,
        limit=PhaseCurrents(row.limit_l1_ma, row.limit_l2_ma, row.limit_l3_ma),
        margin_ma=row.margin_ma,
        worst_background=background,
        max_power_w=row.max_power_w,
        max_unbalance_ma=row.max_unbalance_ma,
    )


def _meter(row: MeterRow) -> MeterConfig:
    return MeterConfig(
        meter_id=row.meter_id,
        model=row.model,
        host=row.host,
        circuit_id=row.circuit_id,
        port=row.port,
        unit_id=row.unit_id,
        placement=MeterPlacement(row.placement),
        word_format=row.word_format,
        poll_period_s=row.poll_period_s,
        generation=row.generation,
    )


def _connector(row: ConnectorRow) -> Connector:
    return Connector(
        connector_id=row.connector_id,
        phases=row.phases,
        rotation=Rotation(row.rotation),
        max_ma=row.max_ma,
        min_ma=row.min_ma,
        step_ma=row.step_ma,
        controllable=row.controllable,
        line_to_line=row.line_to_line,
    )


def _station(row: StationRow, connectors: list[Connector]) -> ChargingStation:
    return ChargingStation(
        station_id=row.station_id,
        name=row.name,
        circuit_id=row.circuit_id,
        connectors=tuple(connectors),
        place=row.place,
        max_ma=row.max_ma,
        fallback_ma=row.fallback_ma,
        weight=row.weight,
        free_charging=row.free_charging,
        priority=row.priority,
    )
