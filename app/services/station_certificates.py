"""Certificates in the stations: signed when they ask, renewed before they end, roots installed.

A station on an open connection could be anybody. It gets a certificate only while somebody wants
it brought to profile 3; else it must have come with its key over TLS, or with a certificate.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station_security import SecurityProfile, StationCertificate
from app.ocpp16.actions.security_calls import (
    CertificateHashData,
    CertificateSigned,
    CertificateStatus,
    CertificateUse,
    DeleteCertificate,
    DeleteCertificateStatus,
    ExtendedTrigger,
    ExtendedTriggerMessage,
    GetInstalledCertificateIds,
    InstallCertificate,
    SignCertificate,
    SignCertificateConfirmation,
)
from app.ocpp16.actions.types import CommandStatus, TriggerMessageStatus
from app.ocpp16.session import Priority
from app.services.audit import AuditTrail
from app.services.certificate_book import CertificateBook
from app.services.intake import Caller
from app.services.ports import Clock, StationLink
from app.services.registry import Registry, StationLive
from app.services.security_ports import Authority, SigningRequestError
from app.services.station_keys import StationKeys
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0

SIGNED_PER_HOUR = 5
"""Requests of one station that are looked at: a signature costs more than anything else it asks."""

RENEW_BEFORE = timedelta(days=100)
"""Before the first alarm of a certificate's end, so that only a failed renewal raises one."""

RENEWAL_AGAIN_S = 86_400.0


class InstalledRoot(msgspec.Struct, frozen=True):
    """A root certificate that a station holds; ``ours`` when it is the site's."""

    hash_data: CertificateHashData
    ours: bool


class StationCertificates:
    """Speaks with stations about certificates. ``actor`` is who is named in the audit log."""

    def __init__(
        self,
        *,
        book: CertificateBook,
        keys: StationKeys,
        registry: Registry,
        authority: Authority | None,
        level_of: Callable[[str], SecurityProfile],
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        """Take ``level_of``, what the present connection of a station has proved."""
        self.book = book
        self._keys = keys
        self._registry = registry
        self._authority = authority
        self._level_of = level_of
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._asked: dict[str, deque[float]] = {}
        self._renewal_s: dict[str, float] = {}
        self.refused: dict[str, str] = {}
        """Why the last request of a station was refused, since the start."""

    # ------------------------------------------------------------ signing

    async def sign_certificate(
        self, caller: Caller, request: SignCertificate
    ) -> SignCertificateConfirmation:
        """Answers SignCertificate (message 4.15); the certificate follows by CertificateSigned."""
        station_id = caller.link.station_id
        reason = self._unfit(caller)
        authority = self._authority
        if reason is None and caller.station is not None and authority is not None:
            names = [station_id, caller.station.identity.serial]
            try:
                signed = await asyncio.to_thread(
                    authority.sign,
                    request.csr,
                    station_id,
                    [name for name in names if name],
                    self._keys.defaults.organisation,
                    self._clock.utc_now(),
                )
            except SigningRequestError as error:
                reason = error.reason
            else:
                self.refused.pop(station_id, None)
                await self.book.add(signed.certificate)
                self._tasks.start(
                    self._deliver(caller.link, signed.pem, signed.certificate),
                    f"certificate of {station_id}",
                )
                return SignCertificateConfirmation(CommandStatus.ACCEPTED)
        reason = reason or "no authority"
        if caller.station is not None:
            self.refused[station_id] = reason
        log.warning("%s: no certificate: %s", station_id, reason)
        return SignCertificateConfirmation(CommandStatus.REJECTED)

    def _unfit(self, caller: Caller) -> str | None:
        """Why a request is not even looked at."""
        station_id = caller.link.station_id
        record = self._keys.find(station_id)
        if caller.station is None or record is None:
            return "unknown station"
        wanted = record.wanted is SecurityProfile.CERTIFICATE
        if not wanted and not self._level_of(station_id).has_tls:
            return "the connection proves nothing"
        now_s = self._clock.monotonic_s()
        asked = self._asked.setdefault(station_id, deque(maxlen=SIGNED_PER_HOUR))
        if len(asked) == SIGNED_PER_HOUR and now_s - asked[0] < 3600.0:
            return "too many requests"
        asked.append(now_s)
        return None

    async def _deliver(self, link: StationLink, pem: str, certificate: StationCertificate) -> None:
        try:
            answer = await link.call(
                CertificateSigned(pem), priority=Priority.CONTROL, timeout_s=TIMEOUT_S
            )
            taken = answer.status is CommandStatus.ACCEPTED
        except StationUnreachableError:
            return  # it may have it or not: it opens, if the station comes with it
        except StationRefusedError:
            taken = False
        if taken:
            await self.book.accepted(certificate)
            return
        self.refused[certificate.station_id] = "the station did not take it"
        await self.book.revoke(certificate.fingerprint, "not taken", "manager")

    async def ask_to_request(self, station: StationLive, link: StationLink) -> str | None:
        """Has a station send SignCertificate; what it answered when it will not."""
        request = ExtendedTriggerMessage(ExtendedTrigger.SIGN_CHARGE_POINT_CERTIFICATE)
        try:
            answer = await link.call(request, priority=Priority.CONTROL, timeout_s=TIMEOUT_S)
        except StationRefusedError as refusal:
            return str(refusal.params.get("answer", ""))
        if answer.status is TriggerMessageStatus.ACCEPTED:
            log.info("%s: asked for a signing request", station.station.station_id)
            return None
        return str(answer.status.value)

    def ask_in_handshakes(self) -> None:
        """Has the port ask for certificates only while a station of the site uses them: some show
        the one of their maker when they are asked, and would be turned away for it.
        """
        if self._authority is not None:
            used = any(
                SecurityProfile.CERTIFICATE in (record.required, record.wanted)
                or self.book.serving(record.station_id) is not None
                for record in self._keys.records()
            )
            self._authority.ask(certificates=used)

    async def request(self, station_id: str, actor: str) -> None:
        """The same for a person. Raises ``StationUnreachableError`` or ``StationRefusedError``."""
        station, link = self._online(station_id)
        if not self._level_of(station_id).has_tls:
            raise InvalidInputError("certificate-needs-proof")
        refusal = await self.ask_to_request(station, link)
        if refusal is not None:
            raise StationRefusedError("station-refused", station=station_id, answer=refusal)
        await self._audit.record(actor, "station-certificate-requested", station_id)

    async def revoke(self, station_id: str, fingerprint: str, actor: str) -> None:
        """Revokes a certificate, and ends the connection that may rest on it."""
        if all(each.fingerprint != fingerprint for each in self.book.of(station_id)):
            raise NotFoundError("certificate-unknown")
        await self.book.revoke(fingerprint, "revoked", actor)
        station = self._registry.station(station_id)
        proved = self._level_of(station_id) is SecurityProfile.CERTIFICATE
        if station is not None and station.link is not None and proved:
            await station.link.close("certificate revoked")

    async def renew(self) -> None:
        """Asks stations whose certificate ends soon for a new request, each once a day at most."""
        now_s, now_utc = self._clock.monotonic_s(), self._clock.utc_now()
        for station in self._registry:
            station_id, link = station.station.station_id, station.link
            newest = next(iter(self.book.of(station_id)), None)
            if link is None or newest is None or newest.revoked_utc is not None:
                continue
            if newest.proved_utc is None or newest.until_utc - now_utc > RENEW_BEFORE:
                continue
            if now_s < self._renewal_s.get(station_id, 0.0):
                continue
            self._renewal_s[station_id] = now_s + RENEWAL_AGAIN_S
            self._tasks.start(self._renew(station, link), f"renewal of {station_id}")

    async def _renew(self, station: StationLive, link: StationLink) -> None:
        try:
            refusal = await self.ask_to_request(station, link)
        except StationUnreachableError:
            self._renewal_s.pop(station.station.station_id, None)
            return
        if refusal is not None:
            log.warning("%s: renews no certificate: %s", station.station.station_id, refusal)

    # ------------------------------------------------------------ roots in the station

    async def install_root(self, station: StationLive, link: StationLink) -> str | None:
        """Has the station trust the site's root; what it answered when it will not."""
        root = None if self._authority is None else self._authority.root()
        if root is None:
            return "no authority"
        request = InstallCertificate(CertificateUse.CENTRAL_SYSTEM_ROOT, root.pem)
        try:
            answer = await link.call(request, priority=Priority.CONTROL, timeout_s=TIMEOUT_S)
        except StationRefusedError as refusal:
            return str(refusal.params.get("answer", ""))
        log.info("%s: root certificate: %s", station.station.station_id, answer.status)
        return None if answer.status is CertificateStatus.ACCEPTED else str(answer.status.value)

    async def install(self, station_id: str, actor: str) -> None:
        """The same for a person. Raises ``StationUnreachableError`` or ``StationRefusedError``."""
        refusal = await self.install_root(*self._online(station_id))
        if refusal is not None:
            raise StationRefusedError("station-refused", station=station_id, answer=refusal)
        await self._audit.record(actor, "root-installed", station_id)

    async def installed(self, station_id: str) -> tuple[InstalledRoot, ...]:
        """The roots by which the station knows central systems.

        Raises ``StationUnreachableError`` or ``StationRefusedError``.
        """
        _, link = self._online(station_id)
        answer = await link.call(
            GetInstalledCertificateIds(CertificateUse.CENTRAL_SYSTEM_ROOT),
            priority=Priority.CONTROL,
            timeout_s=TIMEOUT_S,
        )
        return tuple(
            InstalledRoot(data, self._is_ours(data)) for data in answer.certificate_hash_data or ()
        )

    async def delete(self, station_id: str, data: CertificateHashData, actor: str) -> None:
        """Removes a root from the station; never the one that it knows this box by.

        Raises ``StationUnreachableError`` or ``StationRefusedError``.
        """
        if self._is_ours(data):
            raise InvalidInputError("root-needed")
        _, link = self._online(station_id)
        answer: Any = await link.call(
            DeleteCertificate(data), priority=Priority.CONTROL, timeout_s=TIMEOUT_S
        )
        if answer.status is DeleteCertificateStatus.FAILED:
            raise StationRefusedError(
                "station-refused", station=station_id, answer=answer.status.value
            )
        await self._audit.record(actor, "root-deleted", station_id, data.serial_number)

    def _is_ours(self, data: CertificateHashData) -> bool:
        return self._authority is not None and self._authority.made(
            data.hash_algorithm.value,
            data.issuer_name_hash,
            data.issuer_key_hash,
            data.serial_number,
        )

    def _online(self, station_id: str) -> tuple[StationLive, StationLink]:
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        if station.link is None:
            raise StationUnreachableError("station-offline", station=station_id)
        return station, station.link
