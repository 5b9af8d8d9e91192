"""Tokens by which programs set limits: made once, shown once, revoked any time.

A token is 256 random bits, so the file need keep no more of it than a plain SHA-256.
"""

from __future__ import annotations

import hashlib
import math
import secrets

from app.domain.errors import AccessDeniedError, InvalidInputError, NotFoundError
from app.domain.outside_limit import SiteToken
from app.services.audit import AuditTrail
from app.services.energy_ports import OutsideLimitRepository
from app.services.ports import Clock
from app.services.throttle import Throttle, ThrottleRule, origin_of

MOST_TOKENS = 20
NAME_MOST = 40
_SECRET_BYTES = 32
_ID_BYTES = 6

RULE = ThrottleRule(
    free_attempts=5, first_wait_s=1.0, most_wait_s=900.0, forget_s=3600.0, most_keys=4096
)


class SiteTokens:
    """Makes, checks and revokes tokens."""

    def __init__(self, repository: OutsideLimitRepository, audit: AuditTrail, clock: Clock) -> None:
        self._repository = repository
        self._audit = audit
        self._clock = clock
        self._by_hash: dict[str, SiteToken] = {}
        self._throttle = Throttle(clock, RULE)

    async def load(self) -> None:
        """Reads all tokens from disk; called once at start."""
        self._by_hash = {token.secret_hash: token for token in await self._repository.tokens()}

    def list(self) -> tuple[SiteToken, ...]:
        """Every token, oldest first."""
        return tuple(self._by_hash.values())

    async def create(self, name: str, actor: str) -> tuple[SiteToken, str]:
        """A new token and its secret, which exists nowhere else from then on."""
        name = name.strip()
        if not name or len(name) > NAME_MOST or not name.isprintable():
            raise InvalidInputError("token-name-invalid", field="name", most=NAME_MOST)
        if any(token.name.casefold() == name.casefold() for token in self._by_hash.values()):
            raise InvalidInputError("token-name-taken", field="name", name=name)
        if len(self._by_hash) >= MOST_TOKENS:
            raise InvalidInputError("too-many-tokens", field="name", most=MOST_TOKENS)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        token = SiteToken(
            token_id=secrets.token_hex(_ID_BYTES),
            name=name,
            secret_hash=_hash(secret),
            created_utc=self._clock.utc_now(),
            created_by=actor,
        )
        await self._repository.save_token(token)
        self._by_hash[token.secret_hash] = token
        await self._audit.record(actor, "token-created", name)
        return token, secret

    async def revoke(self, token_id: str, actor: str) -> None:
        """The token opens nothing any more; what it had ordered runs out by itself."""
        token = next((each for each in self.list() if each.token_id == token_id), None)
        if token is None:
            raise NotFoundError("token-unknown")
        await self._repository.remove_token(token_id)
        self._by_hash.pop(token.secret_hash, None)
        await self._audit.record(actor, "token-revoked", token.name)

    def authenticate(self, secret: str, address: str) -> SiteToken:
        """The token of this secret.

        Raises ``AccessDeniedError``: ``token-refused``, or ``token-too-many`` (``wait_s``) for an
        address that failed too often lately.
        """
        origin = origin_of(address)
        wait_s = self._throttle.wait_s(origin)
        if wait_s > 0:
            raise AccessDeniedError("token-too-many", wait_s=math.ceil(wait_s))
        self._throttle.begin(origin)
        token = self._by_hash.get(_hash(secret))
        if token is None:
            raise AccessDeniedError("token-refused")
        self._throttle.succeeded(origin)
        return token


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
