"""The stations' door: who may speak in a station's name, decided before the handshake is completed.

What a connection proves is compared with what is required of its station; more than that is
welcome. Unknown stations may knock, for somebody has to see them to adopt them.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections import OrderedDict
from datetime import datetime
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from app.domain.errors import StorageError
from app.domain.station_security import (
    Refusal,
    SecurityProfile,
    StationKey,
    StationSecurity,
    Strangers,
)
from app.services.certificate_book import CertificateBook
from app.services.ports import Clock
from app.services.refused_attempts import RefusedAttempts
from app.services.security_ports import Approach, Verdict
from app.services.station_keys import StationKeys

log = logging.getLogger(__name__)

MOST_STANDINGS = 1024

_STATUS: Final = {
    Refusal.NO_KEY: (401, "The station's key is needed."),
    Refusal.WRONG_KEY: (401, "This is not the station's key."),
    Refusal.WRONG_USER: (401, "The user must be the station's identity."),
    Refusal.UNREADABLE: (401, "Basic authentication only."),
    Refusal.PLAIN: (403, "TLS is required (wss)."),
    Refusal.NO_CERTIFICATE: (403, "The station's certificate is needed."),
    Refusal.OTHER_CERTIFICATE: (403, "This is not the station's certificate."),
    Refusal.REVOKED: (403, "The certificate is revoked."),
    Refusal.EXPIRED: (403, "The certificate has expired."),
    Refusal.STRANGER: (403, "Unknown stations may not connect here."),
    Refusal.TOO_MANY: (429, "Too many attempts."),
}


class Standing(msgspec.Struct, frozen=True):
    """How a station came in last: over which port, from where, and what that proves."""

    level: SecurityProfile
    secure: bool
    address: str
    at_utc: datetime


class Credentials(msgspec.Struct, frozen=True):
    """What basic authentication carries; ``password`` may be any bytes."""

    user: str
    password: bytes


class StationGate:
    """Implements ``Gate``."""

    def __init__(
        self,
        keys: StationKeys,
        certificates: CertificateBook,
        attempts: RefusedAttempts,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._certificates = certificates
        self._attempts = attempts
        self._clock = clock
        self._standings: OrderedDict[str, Standing] = OrderedDict()

    def standing(self, station_id: str) -> Standing | None:
        """How the station came in last, since the start."""
        return self._standings.get(station_id)

    async def admit(self, approach: Approach) -> Verdict:
        """See ``Gate``."""
        record = self._keys.find(approach.identity)
        epoch = _epoch(record, approach)
        wait_s = self._attempts.wait_s(approach.identity, approach.address, epoch)
        if wait_s > 0:
            return self._refuse(approach, Refusal.TOO_MANY, epoch, wait_s)
        why = self._stranger(approach) if record is None else await self._known(approach, record)
        if why is not None:
            return self._refuse(approach, why, epoch)
        self._attempts.let_in(approach.identity, approach.address, epoch)
        return Verdict(101)

    def _refuse(self, approach: Approach, why: Refusal, epoch: str, wait_s: int = 0) -> Verdict:
        self._attempts.refused(approach.identity, approach.address, why, epoch)
        status, text = _STATUS[why]
        return Verdict(status, text, wait_s)

    def _stranger(self, approach: Approach) -> Refusal | None:
        strangers = self._keys.defaults.strangers
        if strangers is Strangers.NONE:
            return Refusal.STRANGER
        if strangers is Strangers.TLS and not approach.secure:
            return Refusal.PLAIN
        credentials = read_credentials(approach.authorization, approach.identity)
        if credentials is not None:
            self._keys.note_presented(approach.identity, credentials.password, approach.address)
        self._stand(approach, SecurityProfile.OPEN)
        return None

    async def _known(self, approach: Approach, record: StationSecurity) -> Refusal | None:
        key, key_trouble = self._key_of(approach, record)
        trouble: Refusal | None = Refusal.NO_CERTIFICATE
        if approach.certificate is not None:
            trouble = self._certificates.trouble_of(record.station_id, approach.certificate)
        level = SecurityProfile.OPEN
        if approach.secure and trouble is None:
            level = SecurityProfile.CERTIFICATE
        elif key is not None:
            level = SecurityProfile.TLS_KEY if approach.secure else SecurityProfile.KEY
        required = record.required
        if level < required:
            if required.has_tls and not approach.secure:
                return Refusal.PLAIN
            return key_trouble if required.has_key else trouble
        try:
            await self._keys.proved(record, key, level)
            if level is SecurityProfile.CERTIFICATE and approach.certificate is not None:
                await self._certificates.proved(record.station_id, approach.certificate)
        except StorageError as error:
            # It has shown what was asked; that it could not be noted is the disk's trouble.
            log.warning("%s: its proof was not written down: %s", record.station_id, error)
        self._stand(approach, level)
        return None

    def _key_of(
        self, approach: Approach, record: StationSecurity
    ) -> tuple[StationKey | None, Refusal | None]:
        if approach.authorization is None:
            return None, Refusal.NO_KEY
        credentials = read_credentials(approach.authorization, approach.identity)
        if credentials is None:
            return None, Refusal.UNREADABLE
        if not same_identity(credentials.user, approach.identity):
            return None, Refusal.WRONG_USER
        key = self._keys.match(record, credentials.password)
        if key is None:
            self._keys.note_presented(approach.identity, credentials.password, approach.address)
            return None, Refusal.WRONG_KEY
        return key, None

    def _stand(self, approach: Approach, level: SecurityProfile) -> None:
        self._standings.pop(approach.identity, None)
        self._standings[approach.identity] = Standing(
            level, approach.secure, approach.address, self._clock.utc_now()
        )
        if len(self._standings) > MOST_STANDINGS:
            self._standings.popitem(last=False)


def read_credentials(header: bytes | None, identity: str) -> Credentials | None:
    """User and password of an Authorization header; ``None`` when it is none of Basic.

    An identity may hold a colon, though a user must not (RFC 7617, clause 2): it is looked for
    first, then the first colon divides.
    """
    scheme, _, value = (header or b"").strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        value = value.strip().rstrip(b"=")
        raw = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return None
    start = identity.encode() + b":"
    if raw.startswith(start):
        return Credentials(identity, raw[len(start) :])
    user, colon, password = raw.partition(b":")
    return Credentials(user.decode("utf-8", "replace"), password) if colon else None


def same_identity(user: str, identity: str) -> bool:
    """Whether a user names the station: stations change the case, or leave the URL's encoding in."""
    names = {user, unquote_to_bytes(user).decode("utf-8", "replace")}
    return identity.casefold() in {name.strip().casefold() for name in names}


def _epoch(record: StationSecurity | None, approach: Approach) -> str:
    """What failures are counted under: a fresh start once something else would be accepted."""
    if record is None:
        return ""
    port = "tls" if approach.secure else "plain"
    return f"{port}{record.required}{''.join(key.verifier[:8] for key in record.keys)}"
