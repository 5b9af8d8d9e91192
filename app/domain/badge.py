"""Badges: who may charge."""

from __future__ import annotations

import enum
import re
from datetime import datetime
from typing import Final

import msgspec

from app.domain.errors import InvalidInputError

ID_TAG_MAX_LENGTH = 20
"""CiString20Type of OCPP 1.6 (clause 7.28, IdToken)."""


class AuthorizationStatus(enum.StrEnum):
    """AuthorizationStatus of OCPP 1.6 (clause 7.2)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"


class Badge(msgspec.Struct, frozen=True):
    """A token as managed: its number as first seen, who holds it, and whether it may charge."""

    id_tag: str
    holder: str = ""
    active: bool = True
    expires_utc: datetime | None = None
    last_seen_utc: datetime | None = None
    last_station_id: str | None = None
    known: bool = True
    """False for a token that was only seen at a station and waits to be adopted."""
    weight: int = 1_000
    """Share when current is scarce, in thousandths; multiplies the station's."""
    priority: int | None = None
    """Strict class (0 is served first); ``None``: the station's."""
    parent: str = ""
    """Group (parentIdTag of OCPP 1.6): badges of one group may end each other's charges."""
    max_sessions: int | None = None
    """Charges at the same time; ``None``: as many as there are outlets."""

    @property
    def key(self) -> str:
        """Identity for comparison: idTags are case-insensitive strings in OCPP 1.6."""
        return normalised_id_tag(self.id_tag)

    def status(self, now_utc: datetime) -> AuthorizationStatus:
        """What a station is told when the token asks to charge."""
        if not self.known:
            return AuthorizationStatus.INVALID
        if not self.active:
            return AuthorizationStatus.BLOCKED
        if self.expires_utc is not None and self.expires_utc <= now_utc:
            return AuthorizationStatus.EXPIRED
        return AuthorizationStatus.ACCEPTED


_BYTES: Final = re.compile(r"[0-9A-F]{2}(?:[:. -][0-9A-F]{2})+")
_HEX: Final = re.compile(r"(?:[0-9A-F]{2}){2,10}")


def normalised_id_tag(id_tag: str) -> str:
    """The form under which tokens are compared: trimmed, upper case, bytes without separators."""
    plain = id_tag.strip().upper()
    return "".join(filter(str.isalnum, plain)) if _BYTES.fullmatch(plain) else plain


def reversed_id_tag(id_tag: str) -> str:
    """The normalised token with its bytes in the other order; empty for one that is not bytes."""
    plain = normalised_id_tag(id_tag)
    return bytes.fromhex(plain)[::-1].hex().upper() if _HEX.fullmatch(plain) else ""


def checked_id_tag(id_tag: str, field: str = "id_tag") -> str:
    """The token as typed, or ``InvalidInputError`` when it is empty or too long."""
    trimmed = id_tag.strip()
    if not trimmed:
        raise InvalidInputError("badge-number-missing", field=field)
    if len(trimmed) > ID_TAG_MAX_LENGTH:
        raise InvalidInputError("badge-number-too-long", field=field, most=ID_TAG_MAX_LENGTH)
    if not trimmed.isprintable():
        raise InvalidInputError("badge-number-unreadable", field=field)
    return trimmed
