"""The site's configuration: checked as a whole, written to disk, then put into force.

Every edit makes a complete new ``SiteConfiguration``; it is refused when its tree is not a tree,
when a station hangs on a circuit that does not exist, or when its worst case does not fit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import msgspec

from app.domain.circuit import Circuit, CircuitTree
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.meter import MeterConfig
from app.domain.station import PRIORITIES, ChargingStation, Connector
from app.domain.units import MIN_CHARGE_MA, PhaseCurrents
from app.energy import failsafe
from app.energy.site_model import SiteModel
from app.services.audit import AuditTrail
from app.services.ports import SiteConfiguration, SiteRepository
from app.services.rule_checks import check_rules
from app.services.zones import zone_named

MAX_STATIONS = 100
MAX_CONNECTORS = 200
MAX_CURRENT_MA = 6_300_000

EMPTY_SITE = SiteConfiguration(
    name="",
    timezone="Europe/Paris",
    circuits=(Circuit("supply", "Arrivée", None, PhaseCurrents.uniform(63_000), margin_ma=2_000),),
    meters=(),
    stations=(),
)
"""What a new box starts with: a supply that knows nothing of its other loads, hence full."""

Item = TypeVar("Item")
Listener = Callable[[SiteConfiguration], Awaitable[None]]


class ConfigurationService:
    """Holds the configuration in force and the only way to change it."""

    def __init__(self, repository: SiteRepository, audit: AuditTrail) -> None:
        self._repository = repository
        self._audit = audit
        self._listeners: list[Listener] = []
        self.current = EMPTY_SITE

    def on_change(self, listener: Listener) -> None:
        """``listener`` is awaited after each change, in the order of registration."""
        self._listeners.append(listener)

    async def load(self) -> bool:
        """Reads the configuration from disk; false when there is none yet."""
        stored = await self._repository.load()
        if stored is None:
            return False
        self.current = stored
        return True

    async def apply(
        self, configuration: SiteConfiguration, actor: str, action: str, subject: str
    ) -> None:
        """Checks, writes, audits, then tells every listener.

        Raises ``InvalidInputError`` or ``UnsafeConfigurationError``; nothing has changed then.
        """
        check(configuration)
        await self._repository.replace(configuration)
        self.current = configuration
        await self._audit.record(actor, action, subject)
        for listener in self._listeners:
            await listener(configuration)

    async def replace_station(
        self, station: ChargingStation, actor: str, action: str, *, new: bool
    ) -> None:
        """Adds (``new``) or replaces one station."""
        known = any(other.station_id == station.station_id for other in self.current.stations)
        if new and known:
            raise InvalidInputError(
                "station-exists", field="station_id", station=station.station_id
            )
        if not new and not known:
            raise NotFoundError("station-unknown", station=station.station_id)
        stations = _replaced(self.current.stations, station, lambda item: item.station_id)
        await self.apply(
            msgspec.structs.replace(self.current, stations=stations),
            actor,
            action,
            station.station_id,
        )

    async def add_stations(self, stations: tuple[ChargingStation, ...], actor: str) -> None:
        """Adds several stations at once, all or none."""
        await self.apply(
            msgspec.structs.replace(self.current, stations=(*self.current.stations, *stations)),
            actor,
            "stations-adopted",
            ", ".join(station.station_id for station in stations),
        )

    async def remove_station(self, station_id: str, actor: str) -> None:
        """Takes one station out."""
        kept = tuple(item for item in self.current.stations if item.station_id != station_id)
        await self.apply(
            msgspec.structs.replace(self.current, stations=kept),
            actor,
            "station-removed",
            station_id,
        )

    async def replace_circuit(self, circuit: Circuit, actor: str, *, new: bool) -> None:
        """Adds (``new``) or replaces one circuit."""
        known = any(other.circuit_id == circuit.circuit_id for other in self.current.circuits)
        if new and known:
            raise InvalidInputError("circuit-duplicate", circuit=circuit.circuit_id)
        if not new and not known:
            raise NotFoundError("circuit-unknown", circuit=circuit.circuit_id)
        circuits = _replaced(self.current.circuits, circuit, lambda item: item.circuit_id)
        await self.apply(
            msgspec.structs.replace(self.current, circuits=circuits),
            actor,
            "circuit-created" if new else "circuit-edited",
            circuit.name,
        )

    async def replace_meter(self, meter: MeterConfig, actor: str) -> None:
        """Adds or replaces one meter."""
        meters = _replaced(self.current.meters, meter, lambda item: item.meter_id)
        await self.apply(
            msgspec.structs.replace(self.current, meters=meters),
            actor,
            "meter-edited",
            meter.meter_id,
        )


def check(configuration: SiteConfiguration) -> SiteModel:
    """The compiled model of a sound configuration; raises for any other."""
    tree = CircuitTree(configuration.circuits)
    if zone_named(configuration.timezone) is None:
        raise InvalidInputError("timezone-unknown", field="timezone", zone=configuration.timezone)
    _check_unique("station-exists", (station.station_id for station in configuration.stations))
    _check_unique("meter-exists", (meter.meter_id for meter in configuration.meters))
    _check_unique("meter-one-per-circuit", (meter.circuit_id for meter in configuration.meters))
    for circuit in configuration.circuits:
        if not circuit.name.strip():
            raise InvalidInputError("circuit-name-missing", field="name")
        if circuit.limit.peak() > MAX_CURRENT_MA:
            raise InvalidInputError("circuit-limit-absurd", field="limit", circuit=circuit.name)
    for station in configuration.stations:
        check_station(station, tree)
    for meter in configuration.meters:
        _check_meter(meter, tree)
    if len(configuration.stations) > MAX_STATIONS:
        raise InvalidInputError("too-many-stations", most=MAX_STATIONS)
    if sum(len(station.connectors) for station in configuration.stations) > MAX_CONNECTORS:
        raise InvalidInputError("too-many-connectors", most=MAX_CONNECTORS)
    placements = {meter.circuit_id: meter.placement for meter in configuration.meters}
    stations = (station.station_id for station in configuration.stations)
    check_rules(configuration.rules, tree, stations, placements)
    model = SiteModel.compile(tree, configuration.stations, placements)
    failsafe.check(model)
    return model


def check_station(station: ChargingStation, tree: CircuitTree) -> None:
    """Raises ``InvalidInputError`` naming the field that is wrong."""
    identity = station.station_id
    if not identity or len(identity) > 48 or not identity.isprintable() or " " in identity:
        raise InvalidInputError("station-identity-invalid", field="station_id")
    if not station.name.strip():
        raise InvalidInputError("station-name-missing", field="name")
    if station.circuit_id not in tree:
        raise InvalidInputError("station-unknown-circuit", field="circuit_id")
    if not 1 <= len(station.connectors) <= 4:
        raise InvalidInputError("station-connector-count", field="connectors")
    _check_unique("connector-duplicate", (str(item.connector_id) for item in station.connectors))
    if not MIN_CHARGE_MA <= station.max_ma <= 125_000:
        raise InvalidInputError("station-current-range", field="max_a")
    for connector in station.connectors:
        _check_connector(connector)
    if station.fallback_ma != 0 and not MIN_CHARGE_MA <= station.fallback_ma <= station.max_ma:
        raise InvalidInputError("station-fallback-range", field="fallback_a")
    _check_share(station)


def _check_share(station: ChargingStation) -> None:
    if not 100 <= station.weight <= 10_000:
        raise InvalidInputError("station-weight-range", field="weight")
    if station.priority not in PRIORITIES:
        raise InvalidInputError("priority-range", field="priority", place=station.name)


def _check_connector(connector: Connector) -> None:
    if connector.connector_id < 1 or connector.phases not in (1, 3):
        raise InvalidInputError("connector-invalid", field="connectors")
    if connector.line_to_line and connector.phases != 1:
        raise InvalidInputError("connector-between-lines", field="connectors")
    if not MIN_CHARGE_MA <= connector.min_ma <= connector.max_ma <= 125_000:
        raise InvalidInputError("connector-current-range", field="max_a")
    if not 100 <= connector.step_ma <= connector.min_ma:
        raise InvalidInputError("connector-invalid", field="connectors")


def _check_meter(meter: MeterConfig, tree: CircuitTree) -> None:
    if meter.circuit_id not in tree:
        raise InvalidInputError("meter-unknown-circuit", field="circuit_id")
    if not meter.host.strip():
        raise InvalidInputError("meter-address-missing", field="host")
    if not 1 <= meter.port <= 65_535:
        raise InvalidInputError("meter-port-range", field="port")
    if not 0 <= meter.unit_id <= 255:
        raise InvalidInputError("meter-unit-range", field="unit_id")
    if meter.word_format not in ("big", "little", "swap"):
        raise InvalidInputError("meter-profile-invalid", field="word_format")
    # A reading counts as late after 2.5 s: a slower poll would freeze the site all the time.
    if not 0.2 <= meter.poll_period_s <= 1:
        raise InvalidInputError("meter-period-range", field="poll_period_s")


def _check_unique(key: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInputError(key, name=name)
        seen.add(name)


def _replaced(
    items: tuple[Item, ...], item: Item, identity: Callable[[Item], object]
) -> tuple[Item, ...]:
    if any(identity(other) == identity(item) for other in items):
        return tuple(item if identity(other) == identity(item) else other for other in items)
    return (*items, item)
