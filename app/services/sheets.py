"""What a commissioning sheet needs from the rest of the manager: keys, profiles, the certificate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

NO_PROFILE: Final = 0
"""Security profile of OCPP 1.6 (whitepaper, clause 2): 0 stands for plain, without a password."""

KEY_PROFILES: Final = (1, 2)
"""Those by a password."""

SECURE_PROFILES: Final = (2, 3)
"""Those over TLS."""


class SheetFacts:
    """Answers of other services, put in when the manager is wired; harmless until then."""

    def __init__(self) -> None:
        self.printable_key: Callable[[str], Awaitable[str | None]] = _no_key
        """The key to type into a station of the site, while it may still be shown."""
        self.security_profile: Callable[[str], int] = lambda _station_id: NO_PROFILE
        """The profile by which a station shall connect."""
        self.fingerprint: Callable[[], str] = lambda: ""
        """SHA-256 of the certificate that stations are shown; empty where there is none. Reads a
        file: not for the event loop's thread."""


async def _no_key(_station_id: str) -> str | None:
    return None
