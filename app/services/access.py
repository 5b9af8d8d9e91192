"""Who may use the pages: accounts, sign-in, sessions of browsers, passwords.

The file holds nothing that opens a door: of passwords and the first-login secret only argon2id
hashes, of session tokens only SHA-256. A refused sign-in never says whether the account exists,
neither in words nor in time.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import secrets
import unicodedata
from datetime import timedelta

import msgspec

from app.domain.errors import AccessDeniedError, InvalidInputError, StorageError
from app.services.audit import AuditTrail
from app.services.ports import AccessRepository, Clock, PasswordHasher, User, WebSession
from app.services.throttle import Throttle, ThrottleRule, origin_of

log = logging.getLogger(__name__)

ADMIN = "admin"
"""The account that exists from the first start."""

LANGUAGES = ("fr", "en")

SESSION_IDLE = timedelta(hours=12)
SESSION_LIFETIME = timedelta(days=7)
SESSION_TOUCH = timedelta(minutes=5)
"""How stale ``last_seen_utc`` may grow before it is written: not every click costs a write."""

PASSWORD_LEAST = 12
PASSWORD_MOST = 256
_NAME_MOST = 64
_TOKEN_BYTES = 32

_SECRET_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105  no 0/o, 1/l/i
_SECRET_GROUPS = 4
_SECRET_GROUP_LENGTH = 4

ADDRESS_RULE = ThrottleRule(
    free_attempts=5, first_wait_s=1.0, most_wait_s=900.0, forget_s=3600.0, most_keys=4096
)
ACCOUNT_RULE = ThrottleRule(
    free_attempts=5, first_wait_s=1.0, most_wait_s=60.0, forget_s=3600.0, most_keys=1024
)
"""Milder than the address's: whoever attacks an account must not lock its owner out for long."""


class SignedIn(msgspec.Struct, frozen=True):
    """What a browser is given. ``token`` exists here and in the browser only."""

    token: str
    session: WebSession
    user: User


class AccessService:
    """Accounts and sessions over their repository."""

    def __init__(
        self,
        repository: AccessRepository,
        hasher: PasswordHasher,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._hasher = hasher
        self._audit = audit
        self._clock = clock
        self._by_address = Throttle(clock, ADDRESS_RULE)
        self._by_account = Throttle(clock, ACCOUNT_RULE)
        self._nobodys_hash = ""
        self._ending = asyncio.Lock()
        """Held to end or refresh sessions: a refresh must not bring an ended one back."""

    # ------------------------------------------------------------ accounts

    async def bootstrap(self) -> str | None:
        """Call once at the start. The first-login secret to print, or ``None``.

        There is one while the account ``admin`` has not chosen a password: the former secret was
        shown once and cannot be known any more, so each such start makes a new one.
        """
        await self._hash_of_nobody()
        users = await self._repository.users()
        admin = next((user for user in users if user.name == ADMIN), None)
        if users and (admin is None or not admin.must_change):
            return None
        return await self.reset_account(ADMIN)

    async def reset_account(self, name: str) -> str:
        """Gives the account (made when absent) a new secret that must be changed; returns it.

        Everybody who is signed in under that name is signed out.
        """
        secret = _new_secret()
        former = await self._find(name)
        password_hash = await self._hasher.hash(secret)
        language = LANGUAGES[0] if former is None else former.language
        await self._repository.save_user(User(name, password_hash, True, language))
        await self._end_sessions(name)
        await self._audit.record("manager", "account-reset", name)
        return secret

    async def set_language(self, user: User, language: str) -> None:
        """Remembers in which language the account reads the pages."""
        if language not in LANGUAGES:
            raise InvalidInputError("language-unknown", field="language", language=language)
        current = await self._find(user.name)
        if current is not None and current.language != language:
            await self._repository.save_user(msgspec.structs.replace(current, language=language))

    # ------------------------------------------------------------ sign-in

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Opens a session.

        Raises ``AccessDeniedError``: ``sign-in-refused`` for a wrong name or password, without
        saying which; ``sign-in-too-many`` (``wait_s``) for an address or account that failed too
        often lately.
        """
        name = name.strip().casefold()[:_NAME_MOST]
        origin = origin_of(address)
        wait_s = max(self._by_address.wait_s(origin), self._by_account.wait_s(name))
        if wait_s > 0:
            raise AccessDeniedError("sign-in-too-many", wait_s=math.ceil(wait_s))
        self._by_address.begin(origin)
        self._by_account.begin(name)
        user = await self._find(name)
        encoded = await self._hash_of_nobody() if user is None else user.password_hash
        matches = await self._hasher.verify(encoded, _normalised(password))
        if user is None or not matches:
            # A name that is no account may be a password typed in the wrong box: not recorded.
            await self._audit.record(
                "nobody", "sign-in-refused", "" if user is None else user.name, address
            )
            raise AccessDeniedError("sign-in-refused")
        self._by_address.succeeded(origin)
        self._by_account.succeeded(name)
        signed_in = await self._open_session(user)
        await self._audit.record(user.name, "signed-in", user.name, address)
        return signed_in

    async def authenticate(self, token: str) -> tuple[WebSession, User] | None:
        """The session and account behind a token; ``None`` when unknown or expired."""
        session = await self._repository.session(_token_hash(token))
        if session is None:
            return None
        now = self._clock.utc_now()
        idle = now - session.last_seen_utc
        if idle > SESSION_IDLE or now - session.created_utc > SESSION_LIFETIME:
            await self._end_session(session)
            return None
        user = await self._find(session.user_name)
        if user is None:
            return None
        if idle > SESSION_TOUCH:
            session = msgspec.structs.replace(session, last_seen_utc=now)
            await self._touch(session)
        return session, user

    async def sign_out(self, session: WebSession) -> None:
        """Ends one session."""
        await self._end_session(session)
        await self._audit.record(session.user_name, "signed-out", session.user_name)

    async def change_password(
        self, session: WebSession, user: User, current: str, new: str
    ) -> SignedIn:
        """Sets a password and opens a new session; all others of the account end.

        Raises ``InvalidInputError``: ``password-too-short`` (``least``), ``password-too-long``
        (``most``), ``password-unchanged`` on field ``new``; ``password-wrong`` on field
        ``current``; and ``AccessDeniedError("sign-in-too-many", wait_s=...)``.
        """
        current, new = _normalised(current), _normalised(new)
        _check_new_password(current, new)
        wait_s = self._by_account.wait_s(user.name)
        if wait_s > 0:
            raise AccessDeniedError("sign-in-too-many", wait_s=math.ceil(wait_s))
        self._by_account.begin(user.name)
        stored = await self._find(session.user_name)
        if stored is None or not await self._hasher.verify(stored.password_hash, current):
            raise InvalidInputError("password-wrong", field="current")
        self._by_account.succeeded(user.name)
        password_hash = await self._hasher.hash(new)
        changed = msgspec.structs.replace(stored, password_hash=password_hash, must_change=False)
        await self._repository.save_user(changed)
        await self._end_sessions(changed.name)
        await self._audit.record(changed.name, "password-changed", changed.name)
        return await self._open_session(changed)

    # ------------------------------------------------------------ inside

    async def _find(self, name: str) -> User | None:
        for user in await self._repository.users():
            if user.name == name:
                return user
        return None

    async def _open_session(self, user: User) -> SignedIn:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self._clock.utc_now()
        session = WebSession(
            token_hash=_token_hash(token),
            user_name=user.name,
            csrf_token=secrets.token_urlsafe(_TOKEN_BYTES),
            created_utc=now,
            last_seen_utc=now,
        )
        await self._repository.save_session(session)
        return SignedIn(token, session, user)

    async def _touch(self, session: WebSession) -> None:
        """Keeps the session alive; a full disk must not shut people out of the pages."""
        async with self._ending:
            if await self._repository.session(session.token_hash) is None:
                return
            try:
                await self._repository.save_session(session)
            except StorageError as error:
                log.warning("session not refreshed: %s", error)

    async def _end_session(self, session: WebSession) -> None:
        async with self._ending:
            await self._repository.remove_session(session.token_hash)

    async def _end_sessions(self, user_name: str) -> None:
        async with self._ending:
            await self._repository.remove_sessions(user_name)

    async def _hash_of_nobody(self) -> str:
        """What an unknown name is checked against, so that it takes as long as a known one."""
        if not self._nobodys_hash:
            self._nobodys_hash = await self._hasher.hash(secrets.token_urlsafe(_TOKEN_BYTES))
        return self._nobodys_hash


def _new_secret() -> str:
    """About 79 bits, in groups that can be read out and typed."""
    return "-".join(
        "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_GROUP_LENGTH))
        for _ in range(_SECRET_GROUPS)
    )


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _normalised(password: str) -> str:
    """One form for what keyboards spell in several (RFC 8265): é is one letter or two."""
    return unicodedata.normalize("NFC", password)


def _check_new_password(current: str, new: str) -> None:
    if len(new) < PASSWORD_LEAST:
        raise InvalidInputError("password-too-short", field="new", least=PASSWORD_LEAST)
    if len(new) > PASSWORD_MOST:
        raise InvalidInputError("password-too-long", field="new", most=PASSWORD_MOST)
    if new == current:
        raise InvalidInputError("password-unchanged", field="new")
