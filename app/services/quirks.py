"""The quirks in force for each station: what its kind has, what was learnt, and what people set."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import StationIdentity
from app.ocpp16.dialect import Dialect
from app.ocpp16.quirk import NO_QUIRKS, QUIRK_NAMES, SITE_ZONE, QuirkRegister, Quirks, merged
from app.services.audit import AuditTrail
from app.services.journal_ports import QuirkRepository
from app.services.ports import StationLink
from app.services.registry import Registry, StationLive


class Origin(enum.StrEnum):
    """Who says that a station has a quirk; the last one holds."""

    SPECIFICATION = "specification"
    FAMILY = "family"
    """The register that comes with the product."""
    MODEL = "model"
    """Set for all stations of this maker and model."""
    LEARNT = "learnt"
    """Concluded from what the station measures."""
    STATION = "station"
    """Set for this station."""


class QuirkLine(NamedTuple):
    """One quirk in force."""

    name: str
    value: Any
    origin: Origin


class QuirkBook:
    """Resolves the quirks of stations and keeps what is set or learnt."""

    def __init__(
        self,
        register: QuirkRegister,
        repository: QuirkRepository,
        registry: Registry,
        audit: AuditTrail,
        site_zone: Callable[[], str],
    ) -> None:
        self._register = register
        self._repository = repository
        self._registry = registry
        self._audit = audit
        self._site_zone = site_zone
        self._kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def load(self) -> None:
        """Reads what was set and learnt; called once at start, with all stations in the registry."""
        self._kept = dict(await self._repository.load())
        self.settle_all()

    def settle_all(self) -> None:
        """Puts in force what holds for every station as it is now."""
        for station in self._registry:
            self.settle(station)

    def of_kind(self, identity: StationIdentity) -> Quirks:
        """The quirks of a maker's model, whoever it is."""
        return merged(*(layer for _origin, layer in self._kind(identity)))

    def settle(self, station: StationLive) -> None:
        """Puts in force what holds for the station as it is now."""
        layers = [layer for _origin, layer in self._layers(station)]
        station.quirks = merged(*layers)
        if station.link is not None:
            self.speak(station.link, station.quirks)

    def speak(self, link: StationLink, quirks: Quirks) -> None:
        """Has a link read and write as these quirks demand."""
        zone: tzinfo = UTC
        if quirks.zone != NO_QUIRKS.zone:
            zone = ZoneInfo(self._site_zone() if quirks.zone == SITE_ZONE else quirks.zone)
        dialect = Dialect(zone, quirks.strict, dict(quirks.connectors))
        link.speak(dialect, pings=quirks.pings)

    def lines(self, station_id: str) -> list[QuirkLine]:
        """Every quirk with its value and who says so. Raises ``NotFoundError``."""
        station = self._station(station_id)
        said: dict[str, Origin] = {}
        for origin, layer in self._layers(station):
            said |= dict.fromkeys(layer, origin)
        return [
            QuirkLine(name, getattr(station.quirks, name), said.get(name, Origin.SPECIFICATION))
            for name in QUIRK_NAMES
        ]

    async def set(
        self, station_id: str, name: str, value: Any, actor: str, *, for_model: bool = False
    ) -> None:
        """Says what holds for a station, or for all of its model; ``None`` takes it back.

        Raises ``NotFoundError``, and ``InvalidInputError`` for a value that the quirk cannot have.
        """
        station = self._station(station_id)
        if for_model and not station.identity.model:
            raise InvalidInputError("quirk-no-model", field="scope")
        place = (
            (Origin.MODEL.value, _kind_of(station.identity))
            if for_model
            else (Origin.STATION.value, station_id)
        )
        quirks = dict(self._kept.get(place, {}))
        quirks.pop(name, None)
        if value is not None:
            quirks[name] = value
        self._check(quirks)
        await self._keep(place, quirks)
        subject = place[1] if for_model else station_id
        said = "as before" if value is None else str(value)
        await self._audit.record(actor, "quirk-set", subject, f"{name}: {said}")

    async def learn(self, station: StationLive, **quirks: Any) -> None:
        """Keeps what was concluded of one station."""
        place = (Origin.LEARNT.value, station.station.station_id)
        await self._keep(place, {**self._kept.get(place, {}), **quirks})

    async def _keep(self, place: tuple[str, str], quirks: Mapping[str, Any]) -> None:
        await self._repository.save(*place, quirks)
        self._kept[place] = quirks
        self.settle_all()

    @staticmethod
    def _check(quirks: Mapping[str, Any]) -> None:
        try:
            zone = merged(quirks).zone
            if zone != SITE_ZONE:
                ZoneInfo(zone)
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise InvalidInputError("quirk-value", field="value") from None

    def _layers(self, station: StationLive) -> list[tuple[Origin, Mapping[str, Any]]]:
        station_id = station.station.station_id
        return [
            *self._kind(station.identity),
            (Origin.LEARNT, self._kept.get((Origin.LEARNT, station_id), {})),
            (Origin.STATION, self._kept.get((Origin.STATION, station_id), {})),
        ]

    def _kind(self, identity: StationIdentity) -> list[tuple[Origin, Mapping[str, Any]]]:
        family = self._register.of(identity.vendor, identity.model, identity.firmware)
        return [
            (Origin.FAMILY, family),
            (Origin.MODEL, self._kept.get((Origin.MODEL, _kind_of(identity)), {})),
        ]

    def _station(self, station_id: str) -> StationLive:
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        return station


def _kind_of(identity: StationIdentity) -> str:
    return f"{identity.vendor} {identity.model}".casefold()
