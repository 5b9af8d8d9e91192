"""argon2id, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from app.domain.errors import AccessDeniedError

T = TypeVar("T")

WAITING_MOST = 8
"""Checks that may wait for the one that runs; each takes a good part of a second of a core."""

RETRY_S = 5


class Argon2Hasher:
    """Implements ``PasswordHasher``: one check at a time, so that sign-ins never take the machine.

    Without a ``hasher``, the costs are RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The encoded hash, with its salt and parameters."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, encoded: str, password: str) -> bool:
        """Whether the password matches; false as well for something that is no argon2 hash."""

        def check() -> bool:
            try:
                return self._hasher.verify(encoded, password)
            except (VerificationError, ValueError):
                return False

        return await self._run(check)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting > WAITING_MOST:
            raise AccessDeniedError("sign-in-too-many", wait_s=RETRY_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Lets the running check finish and drops those that wait."""
        self._pool.shutdown(cancel_futures=True)
