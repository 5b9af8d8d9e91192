"""A site described in one JSON document (schema ``bornier-site/1``), imported on an empty box.

Currents are amperes there, because people write it; everything else follows the domain.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from app.domain.badge import Badge
from app.domain.circuit import Circuit
from app.domain.errors import InvalidInputError
from app.domain.meter import MeterConfig, MeterPlacement
from app.domain.station import DEFAULT_PRIORITY, ChargingStation, Connector
from app.domain.station_security import SecurityProfile
from app.domain.units import PhaseCurrents, Rotation, amperes_to_ma
from app.services.ports import SiteConfiguration
from app.services.site_rules import RulesDocument, rules_of


class _Circuit(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    limit_a: tuple[float, float, float]
    parent: str | None = None
    margin_a: float = 0
    worst_background_a: tuple[float, float, float] | None = None
    max_power_kw: float | None = None
    max_unbalance_a: float | None = None


class _Meter(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    model: str
    host: str
    circuit: str
    port: int = 502
    unit_id: int = 1
    placement: MeterPlacement = MeterPlacement.SUPPLY
    word_format: str = "big"
    generation: bool = False


class _Connector(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    phases: Literal[1, 3] = 3
    rotation: Rotation = Rotation.RST
    max_a: float = 32
    min_a: float = 6
    step_a: float = 1
    controllable: bool = True
    line_to_line: bool = False


class _Station(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    circuit: str
    connectors: list[_Connector]
    name: str = ""
    place: str = ""
    max_a: float = 32
    fallback_a: float = 0
    free_charging: bool = False
    weight: float = 1.0
    priority: int = DEFAULT_PRIORITY
    key: str = ""
    security_profile: SecurityProfile = SecurityProfile.OPEN


class _Badge(msgspec.Struct, forbid_unknown_fields=True):
    id_tag: str
    holder: str = ""
    active: bool = True
    weight: float = 1.0
    priority: int | None = None


class _Site(msgspec.Struct, forbid_unknown_fields=True):
    schema: Literal["bornier-site/1"]
    name: str
    circuits: list[_Circuit]
    timezone: str = "Europe/Paris"
    meters: list[_Meter] = []
    stations: list[_Station] = []
    badges: list[_Badge] = []
    rules: RulesDocument = msgspec.field(default_factory=RulesDocument)


class ProvisionedSecurity(NamedTuple):
    """What a station has to prove from the start; ``key`` is the one it holds, empty for none."""

    station_id: str
    key: str
    profile: SecurityProfile


def parse_security(document: bytes) -> tuple[ProvisionedSecurity, ...]:
    """The stations of a document that come with a key or a security profile of their own.

    Raises as ``parse_site``, which has to be happy with the document first.
    """
    return tuple(
        ProvisionedSecurity(item.id, item.key, item.security_profile)
        for item in _decoded(document).stations
        if item.key or item.security_profile is not SecurityProfile.OPEN
    )


def parse_site(document: bytes) -> tuple[SiteConfiguration, tuple[Badge, ...]]:
    """The configuration and the badges of a document.

    Raises ``InvalidInputError("provision-unreadable", detail=…)`` naming the place of the fault.
    """
    site = _decoded(document)
    configuration = SiteConfiguration(
        name=site.name,
        timezone=site.timezone,
        circuits=tuple(_circuit(item) for item in site.circuits),
        meters=tuple(_meter(item) for item in site.meters),
        stations=tuple(_station(item) for item in site.stations),
        rules=rules_of(site.rules),
    )
    badges = tuple(
        Badge(
            item.id_tag,
            item.holder,
            item.active,
            weight=round(item.weight * 1000),
            priority=item.priority,
        )
        for item in site.badges
    )
    return configuration, badges


def _decoded(document: bytes) -> _Site:
    try:
        return msgspec.json.decode(document, type=_Site)
    except msgspec.DecodeError as error:
        raise InvalidInputError("provision-unreadable", detail=str(error)) from error


def _phases(values: tuple[float, float, float]) -> PhaseCurrents:
    return PhaseCurrents.of(amperes_to_ma(value) for value in values)


def _circuit(item: _Circuit) -> Circuit:
    background = item.worst_background_a
    return Circuit(
        circuit_id=item.id,
        name=item.name,
        parent_id=item.parent,
        limit=_phases(item.limit_a),
        margin_ma=amperes_to_ma(item.margin_a),
        worst_background=None if background is None else _phases(background),
        max_power_w=None if item.max_power_kw is None else round(item.max_power_kw * 1000),
        max_unbalance_ma=None
        if item.max_unbalance_a is None
        else amperes_to_ma(item.max_unbalance_a),
    )


def _meter(item: _Meter) -> MeterConfig:
    return MeterConfig(
        meter_id=item.id,
        model=item.model,
        host=item.host,
        port=item.port,
        unit_id=item.unit_id,
        circuit_id=item.circuit,
        placement=item.placement,
        word_format=item.word_format,
        generation=item.generation,
    )


def _station(item: _Station) -> ChargingStation:
    return ChargingStation(
        station_id=item.id,
        name=item.name or item.id,
        place=item.place,
        circuit_id=item.circuit,
        max_ma=amperes_to_ma(item.max_a),
        fallback_ma=amperes_to_ma(item.fallback_a),
        weight=round(item.weight * 1000),
        free_charging=item.free_charging,
        priority=item.priority,
        connectors=tuple(
            Connector(
                connector_id=connector.id,
                phases=connector.phases,
                rotation=connector.rotation,
                max_ma=amperes_to_ma(connector.max_a),
                min_ma=amperes_to_ma(connector.min_a),
                step_ma=amperes_to_ma(connector.step_a),
                controllable=connector.controllable,
                line_to_line=connector.line_to_line,
            )
            for connector in item.connectors
        ),
    )
