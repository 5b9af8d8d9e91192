"""The certificates signed for stations: which of them open, which are revoked, which end soon.

The box keeps its own list; there is nobody else who could ask for it. A certificate that our root
has signed and that is not on the list was signed after the backup that this box was restored from:
it opens for the station that it names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from app.domain.errors import NotFoundError
from app.domain.station_security import (
    Refusal,
    StationCertificate,
    expiry_band,
)
from app.services.alarms import Finding
from app.services.audit import AuditTrail
from app.services.live import Severity
from app.services.ports import Clock
from app.services.security_ports import PeerCertificate, SecurityRepository

_SECONDS_PER_DAY = 86_400


class CertificateBook:
    """Implements the box's record of certificates."""

    def __init__(
        self,
        repository: SecurityRepository,
        audit: AuditTrail,
        clock: Clock,
        name_of: Callable[[str], str | None],
    ) -> None:
        """Take ``name_of``, the name of a station of the site, ``None`` for others."""
        self._repository = repository
        self._audit = audit
        self._clock = clock
        self._name_of = name_of
        self._by_fingerprint: dict[str, StationCertificate] = {}
        self._by_station: dict[str, dict[str, StationCertificate]] = {}
        """The same by station, each oldest first."""
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Reads the list from disk; called once at start."""
        for each in reversed(await self._repository.certificates()):
            self._hold(each)

    def of(self, station_id: str) -> tuple[StationCertificate, ...]:
        """Every certificate signed for the station, newest first."""
        return tuple(reversed(self._by_station.get(station_id, {}).values()))

    def serving(self, station_id: str) -> StationCertificate | None:
        """The newest certificate that the station has taken and that opens."""
        now_utc = self._clock.utc_now()
        return next(
            (each for each in self.of(station_id) if each.accepted and each.serves(now_utc)), None
        )

    def trouble_of(self, station_id: str, peer: PeerCertificate) -> Refusal | None:
        """Why a certificate of our root does not open for this station; ``None`` when it does."""
        known = self._by_fingerprint.get(peer.fingerprint)
        if known is None:
            if peer.common_name.casefold() != station_id.casefold():
                return Refusal.OTHER_CERTIFICATE
            return Refusal.EXPIRED if self._clock.utc_now() > peer.until_utc else None
        if known.station_id != station_id:
            return Refusal.OTHER_CERTIFICATE
        if known.revoked_utc is not None:
            return Refusal.REVOKED
        return None if known.serves(self._clock.utc_now()) else Refusal.EXPIRED

    async def proved(self, station_id: str, peer: PeerCertificate) -> None:
        """The station has come with this certificate: those before it are void."""
        known = self._by_fingerprint.get(peer.fingerprint)
        now_utc = self._clock.utc_now()
        if known is None:
            known = StationCertificate(
                peer.fingerprint, station_id, peer.serial, peer.from_utc, peer.until_utc
            )
        if known.proved_utc is not None:
            return
        await self._save(msgspec.structs.replace(known, accepted=True, proved_utc=now_utc))
        for older in self.of(station_id):
            if older.issued_utc < known.issued_utc and older.revoked_utc is None:
                await self._revoke(older, "superseded", now_utc)
        await self._audit.record(
            f"station:{station_id}", "station-certificate-proved", station_id, known.serial
        )

    async def add(self, certificate: StationCertificate) -> None:
        """A certificate was signed; it is on record before the station gets it."""
        await self._save(certificate)
        await self._audit.record(
            f"station:{certificate.station_id}",
            "station-certificate-signed",
            certificate.station_id,
            certificate.serial,
        )

    async def accepted(self, certificate: StationCertificate) -> None:
        """The station has taken it."""
        now = self._by_fingerprint[certificate.fingerprint]
        await self._save(msgspec.structs.replace(now, accepted=True))

    async def revoke(self, fingerprint: str, because: str, actor: str) -> StationCertificate:
        """The certificate opens nothing any more, from the next connection on."""
        known = self._by_fingerprint.get(fingerprint)
        if known is None:
            raise NotFoundError("certificate-unknown")
        if known.revoked_utc is None:
            await self._revoke(known, because, self._clock.utc_now())
            await self._audit.record(
                actor, "station-certificate-revoked", known.station_id, known.serial
            )
        return known

    async def revoke_all(self, station_id: str, because: str) -> None:
        """The station is none of the site's any more."""
        for each in self.of(station_id):
            if each.revoked_utc is None:
                await self._revoke(each, because, self._clock.utc_now())

    def alarms(self) -> Iterator[Finding]:
        """Certificates of stations that end soon and could not be renewed."""
        now_utc = self._clock.utc_now()
        for station_id in self._by_station:
            name = self._name_of(station_id)
            newest = next((each for each in self.of(station_id) if each.proved_utc), None)
            if name is None or newest is None or newest.revoked_utc is not None:
                continue
            band = expiry_band(newest.until_utc, now_utc)
            if band is not None:
                days = (newest.until_utc - now_utc).total_seconds() // _SECONDS_PER_DAY
                yield "SEC-007", Severity(band), {"subject": name, "days": max(0, int(days))}

    async def _revoke(
        self, certificate: StationCertificate, because: str, now_utc: datetime
    ) -> None:
        await self._save(
            msgspec.structs.replace(certificate, revoked_utc=now_utc, revoked_because=because)
        )

    async def _save(self, certificate: StationCertificate) -> None:
        async with self._changing:
            await self._repository.save_certificate(certificate)
            self._hold(certificate)

    def _hold(self, certificate: StationCertificate) -> None:
        self._by_fingerprint[certificate.fingerprint] = certificate
        of_station = self._by_station.setdefault(certificate.station_id, {})
        of_station[certificate.fingerprint] = certificate
