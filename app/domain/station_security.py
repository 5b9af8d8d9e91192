"""How a station proves who it is, and how it is brought to prove it better.

The security profiles are those of "Improved security for OCPP 1.6-J". A profile is a floor: a
station that proves more than is required of it is let in. A new way (a key, a profile) counts only
once the station has come with it; until then the old one holds, so that nothing that goes wrong
half-way locks a station out.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

KEY_BYTES: Final = 20
"""Length of the keys made here; as AuthorizationKey they are twice as many hexadecimal digits."""

KEY_LEAST: Final = 8
KEY_MOST: Final = 40
"""Characters of a key that somebody types: what stations in the field take."""

HEX_LEAST: Final = 16
"""From so many hexadecimal digits on a key is taken for bytes written in hexadecimal."""

_HEX_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


class SecurityProfile(enum.IntEnum):
    """Clause 2.1 of the whitepaper; 0 is OCPP-J without any of it."""

    OPEN = 0
    """No TLS, no password."""
    KEY = 1
    """A password, in clear on the network."""
    TLS_KEY = 2
    """TLS, and a password within."""
    CERTIFICATE = 3
    """TLS with a certificate of the station's own."""

    @property
    def has_tls(self) -> bool:
        """Whether it runs over TLS."""
        return self >= SecurityProfile.TLS_KEY

    @property
    def has_key(self) -> bool:
        """Whether a key is its proof."""
        return self in (SecurityProfile.KEY, SecurityProfile.TLS_KEY)


class Delivery(enum.StrEnum):
    """How a new key comes into the station."""

    BY_HAND = "by-hand"
    """Somebody types it in, or it is there already."""
    TO_SEND = "to-send"
    """To be sent by ChangeConfiguration."""
    SENT = "sent"
    """The station has accepted it."""


class StationKey(msgspec.Struct, frozen=True):
    """A key of a station, as kept: good to check one that is shown, not to be read back.

    ``sealed`` is the key itself, encrypted, while somebody must still be told it.
    """

    verifier: str
    made_utc: datetime
    delivery: Delivery = Delivery.BY_HAND
    sealed: str = ""
    proved_utc: datetime | None = None


class Setback(enum.StrEnum):
    """Why a change did not come about."""

    KEY_REFUSED = "key-refused"
    """The station does not take a key over OCPP."""
    PROFILE_REFUSED = "profile-refused"
    """The station does not take the profile."""
    CERTIFICATE_REFUSED = "certificate-refused"
    """The station asks for no certificate, or did not take it."""
    BY_HAND = "by-hand"
    """The station knows no such setting: its address has to be set in the station itself."""
    NOT_BACK = "not-back"
    """It accepted, and did not come back in the new way in time."""


class StationSecurity(msgspec.Struct, frozen=True):
    """What is required of a station, and what it is being brought to.

    ``key`` opens; ``next_key`` opens as well, and once a station has come with it ``key`` is void.
    ``wanted`` is the profile that will be required once the station has come with it;
    ``profile_sent`` says that the station was told, ``until_utc`` when the change is given up.
    ``restart_due``: the station said that it needs a restart, and a car was charging.
    """

    station_id: str
    required: SecurityProfile = SecurityProfile.OPEN
    key: StationKey | None = None
    next_key: StationKey | None = None
    wanted: SecurityProfile | None = None
    profile_sent: bool = False
    until_utc: datetime | None = None
    restart_due: bool = False
    setback: Setback | None = None
    setback_detail: str = ""

    @property
    def keys(self) -> tuple[StationKey, ...]:
        """Every key that opens."""
        return tuple(key for key in (self.key, self.next_key) if key is not None)

    @property
    def is_changing(self) -> bool:
        """Whether something is to be told to the station, or awaited of it."""
        if self.wanted is not None or self.restart_due:
            return True
        return self.next_key is not None and self.next_key.delivery is not Delivery.BY_HAND

    def with_next_key(self, key: StationKey | None) -> StationSecurity:
        """The same with another new key, or without one."""
        return msgspec.structs.replace(self, next_key=key, setback=None, setback_detail="")

    def with_setback(self, setback: Setback, detail: str = "") -> StationSecurity:
        """The change is given up, and what held before goes on to hold.

        A key that the station refused is dropped; one that it may hold goes on to open.
        """
        next_key = self.next_key
        if setback is Setback.KEY_REFUSED and next_key is not None and next_key.sealed:
            by_hand = next_key.delivery is Delivery.TO_SEND and self.key is None
            next_key = _by_hand(next_key) if by_hand else None
        return msgspec.structs.replace(
            self,
            next_key=next_key,
            wanted=None,
            profile_sent=False,
            until_utc=None,
            restart_due=False,
            setback=setback,
            setback_detail=detail[:200],
        )

    def proved(
        self, key: StationKey | None, level: SecurityProfile, now: datetime
    ) -> StationSecurity:
        """What holds once the station has come with ``key`` and reached ``level``."""
        changed = self
        if key is not None and key == self.next_key:
            opened = msgspec.structs.replace(key, proved_utc=now, sealed="")
            changed = msgspec.structs.replace(
                changed, key=opened, next_key=None, restart_due=False, setback=None
            )
        elif key is not None and key == self.key and key.proved_utc is None:
            opened = msgspec.structs.replace(key, proved_utc=now, sealed="")
            changed = msgspec.structs.replace(changed, key=opened)
        if self.wanted is not None and level >= self.wanted:
            changed = changed.requiring(self.wanted)
        return changed

    def requiring(self, profile: SecurityProfile) -> StationSecurity:
        """``profile`` holds from now on."""
        return msgspec.structs.replace(
            self,
            required=profile,
            wanted=None,
            profile_sent=False,
            until_utc=None,
            restart_due=False,
            setback=None,
            setback_detail="",
        )


def _by_hand(key: StationKey) -> StationKey:
    return msgspec.structs.replace(key, delivery=Delivery.BY_HAND)


class Strangers(enum.StrEnum):
    """Which unknown stations may knock at all."""

    ANY = "any"
    TLS = "tls"
    NONE = "none"


class SecurityDefaults(msgspec.Struct, frozen=True):
    """The site's choices: the profile that new stations are brought to, who may knock, and the
    organisation that certificates of stations name (CpoName).
    """

    profile: SecurityProfile = SecurityProfile.OPEN
    strangers: Strangers = Strangers.ANY
    organisation: str = "Bornier"


class Refusal(enum.StrEnum):
    """Why a station was not let in."""

    NO_KEY = "no-key"
    WRONG_KEY = "wrong-key"
    WRONG_USER = "wrong-user"
    UNREADABLE = "unreadable"
    PLAIN = "plain"
    """It came without TLS where TLS is required."""
    NO_CERTIFICATE = "no-certificate"
    OTHER_CERTIFICATE = "other-certificate"
    REVOKED = "revoked"
    EXPIRED = "expired"
    STRANGER = "stranger"
    TOO_MANY = "too-many"

    @property
    def is_guess(self) -> bool:
        """Whether it may have been an attempt to get in: those that show nothing cannot guess."""
        return self in _GUESSES


_GUESSES = frozenset(
    {
        Refusal.WRONG_KEY,
        Refusal.WRONG_USER,
        Refusal.UNREADABLE,
        Refusal.OTHER_CERTIFICATE,
        Refusal.REVOKED,
    }
)


class StationCertificate(msgspec.Struct, frozen=True):
    """A certificate signed for a station; ``fingerprint`` is SHA-256 in hexadecimal.

    ``accepted`` once the station has taken it, ``proved_utc`` once it has come with it.
    """

    fingerprint: str
    station_id: str
    serial: str
    issued_utc: datetime
    until_utc: datetime
    accepted: bool = False
    proved_utc: datetime | None = None
    revoked_utc: datetime | None = None
    revoked_because: str = ""

    def serves(self, now_utc: datetime) -> bool:
        """Whether it opens. One that is not valid yet does: our clock was set back since."""
        return self.revoked_utc is None and now_utc <= self.until_utc


class SecurityEvent(msgspec.Struct, frozen=True):
    """A SecurityEventNotification (message 4.14). ``at_utc`` by the station's clock."""

    station_id: str
    at_utc: datetime
    received_utc: datetime
    type: str
    tech_info: str = ""
    seen: bool = False

    @property
    def is_alarming(self) -> bool:
        """Whether somebody should look: it speaks of an attack, or of a trace that is gone."""
        return self.type in ALARMING


ALARMING: Final = frozenset(
    {
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "AttemptedReplayAttacks",
        "TamperDetectionActivated",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCentralSystemCertificate",
        "InvalidChargePointCertificate",
    }
)
"""Of the whitepaper's list of events, those that do not belong to everyday life."""


EXPIRY_BANDS: Final[Mapping[str, timedelta]] = {
    "critical": timedelta(days=7),
    "warning": timedelta(days=30),
    "info": timedelta(days=90),
}


def expiry_band(until_utc: datetime, now_utc: datetime) -> str | None:
    """How urgent the end of a certificate is: ``critical``, ``warning``, ``info`` or nothing."""
    for band, ahead in EXPIRY_BANDS.items():
        if until_utc - now_utc < ahead:
            return band
    return None


def key_of_text(text: str) -> bytes:
    """The bytes of a key as typed or printed: hexadecimal digits stand for bytes."""
    raw = text.encode()
    return _from_hex(raw) or raw


def possible_keys(password: bytes) -> tuple[bytes, ...]:
    """The keys that a password may stand for: itself, and the bytes that it writes in hexadecimal.

    The whitepaper wants the bytes; many stations send the digits that they were given.
    """
    decoded = _from_hex(password)
    return (password,) if decoded is None else (password, decoded)


def _from_hex(raw: bytes) -> bytes | None:
    if len(raw) < HEX_LEAST or len(raw) % 2 or not _HEX_DIGITS.issuperset(raw):
        return None
    return bytes.fromhex(raw.decode("ascii"))
