"""The stations' security, wired: keys, certificates, the gate, upgrades and what was reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator

import msgspec

from app.domain.errors import InvalidInputError
from app.domain.station import ChargingStation
from app.domain.station_security import SecurityProfile, Setback, expiry_band
from app.ocpp16.actions.security_calls import SecurityEventNotification, SignCertificate
from app.services.alarms import Finding
from app.services.audit import AuditTrail
from app.services.certificate_book import CertificateBook
from app.services.intake import Intake
from app.services.live import Severity
from app.services.ports import Clock
from app.services.refused_attempts import RefusedAttempts
from app.services.registry import Registry
from app.services.security_events import SecurityEvents
from app.services.security_ports import (
    RootCertificate,
    SecurityRepository,
    ServedCertificate,
    Trust,
)
from app.services.station_certificates import StationCertificates
from app.services.station_gate import StationGate
from app.services.station_keys import StationKeys
from app.services.station_upgrades import StationUpgrades
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

RENEWAL_PERIOD_S = 3600.0
_SECONDS_PER_DAY = 86_400


class StationSecurityService:
    """Everything that pages and the manager need of it. ``actor`` is named in the audit log."""

    def __init__(
        self,
        *,
        repository: SecurityRepository,
        trust: Trust | None,
        registry: Registry,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._trust = trust
        self.keys = StationKeys(repository, None if trust is None else trust.vault, audit, clock)
        self.book = CertificateBook(repository, audit, clock, self._name_of)
        self.attempts = RefusedAttempts(
            audit, tasks, clock, name_of=self._name_of, is_online=self._is_online
        )
        self.gate = StationGate(self.keys, self.book, self.attempts, clock)
        self.certificates = StationCertificates(
            book=self.book,
            keys=self.keys,
            registry=registry,
            authority=None if trust is None else trust.authority,
            level_of=self.level_of,
            audit=audit,
            tasks=tasks,
            clock=clock,
        )
        self.upgrades = StationUpgrades(
            self.keys, self.certificates, registry, tasks, clock, self.level_of
        )
        self.events = SecurityEvents(repository, registry, audit, clock)

    def serve(self, intake: Intake) -> None:
        """Takes the calls of the security extension."""
        intake.serve(SecurityEventNotification, self.events.notified)
        intake.serve(SignCertificate, self.certificates.sign_certificate)

    async def load(self, stations: Iterable[ChargingStation]) -> None:
        """Reads everything from disk; ``stations`` are those already known."""
        await self.keys.load(stations)
        await self.book.load()
        await self.events.load()

    async def configure(self, stations: Iterable[ChargingStation]) -> None:
        """Takes a changed configuration over: removed stations lose their certificates."""
        before = {record.station_id for record in self.keys.records()}
        await self.keys.configure(stations)
        for station_id in before - {record.station_id for record in self.keys.records()}:
            await self.book.revoke_all(station_id, "removed")

    async def run(self) -> None:
        """Works on stations that are changing, and renews certificates, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.upgrades.run())
            group.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            await self.certificates.renew()
            await asyncio.sleep(RENEWAL_PERIOD_S)

    # ------------------------------------------------------------ what pages ask

    def level_of(self, station_id: str) -> SecurityProfile:
        """What the present connection of a station has proved."""
        standing = self.gate.standing(station_id)
        if standing is None or not self._is_online(station_id):
            return SecurityProfile.OPEN
        return standing.level

    def root(self) -> RootCertificate | None:
        """The root that stations must trust; ``None`` until it is made."""
        return None if self._trust is None else self._trust.authority.root()

    def served(self) -> tuple[ServedCertificate, ...]:
        """The certificates of the stations' TLS port."""
        return () if self._trust is None else tuple(self._trust.authority.served())

    async def provision(self, station_id: str, key: str, profile: SecurityProfile) -> None:
        """Takes what a site document says of a station. Raises ``InvalidInputError``."""
        if key:
            await self.keys.type_key(station_id, key, "provisioning")
        await self.require(station_id, profile, "provisioning")

    async def require(self, station_id: str, profile: SecurityProfile, actor: str) -> None:
        """Requires ``profile`` at once, and cuts off a connection that proves less.

        Raises ``InvalidInputError`` where nothing could open: it would lock the station out.
        """
        if profile is SecurityProfile.CERTIFICATE and self.book.serving(station_id) is None:
            raise InvalidInputError("station-certificate-missing", field="profile")
        await self.keys.require(station_id, profile, actor)
        station = self._registry.station(station_id)
        link = None if station is None else station.link
        if link is not None and self.level_of(station_id) < profile:
            await link.close("more is required now")

    async def dismiss(self, station_id: str, actor: str) -> None:
        """Somebody has read why a change did not come about, and what the station reported."""
        await self.keys.change(
            station_id, lambda now: msgspec.structs.replace(now, setback=None, setback_detail="")
        )
        await self.events.see(station_id, actor)

    def alarms(self) -> Iterator[Finding]:
        """Everything of the stations' security that somebody should know."""
        yield from self.attempts.alarms()
        yield from self.book.alarms()
        yield from self.events.alarms()
        for record in self.keys.records():
            if record.setback not in (None, Setback.BY_HAND):
                name = self._name_of(record.station_id) or record.station_id
                yield "SEC-009", Severity.WARNING, {"subject": name}
        now_utc = self._clock.utc_now()
        for served in self.served():
            band = expiry_band(served.until_utc, now_utc)
            if band is not None:
                days = (served.until_utc - now_utc).total_seconds() // _SECONDS_PER_DAY
                yield "SEC-008", Severity(band), {"subject": served.name, "days": max(0, int(days))}

    def _name_of(self, station_id: str) -> str | None:
        station = self._registry.station(station_id)
        return None if station is None else station.station.name

    def _is_online(self, station_id: str) -> bool:
        station = self._registry.station(station_id)
        return station is not None and station.online
