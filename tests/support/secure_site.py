"""A manager in memory whose stations knock at the gate before they speak."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from app.adapters.station_authority import SiteAuthority
from app.domain.station_security import SecurityProfile, StationSecurity
from app.services.security_ports import Approach, PeerCertificate, Verdict
from tests.support.clock import HandClock
from tests.support.garage import garage
from tests.support.scripted import MemoryManager, ScriptedStation, settle

HERE = "192.0.2.7"


@functools.cache
def _root() -> tuple[bytes, bytes]:
    """One root for all sites of a test run: its key takes a moment to make."""
    with tempfile.TemporaryDirectory() as folder:
        authority = SiteAuthority(Path(folder))
        authority.ensure(HandClock().utc_now())
        return authority.key_path.read_bytes(), authority.certificate_path.read_bytes()


def basic(user: str, password: bytes | str) -> bytes:
    """An Authorization header."""
    raw = password.encode() if isinstance(password, str) else password
    return b"Basic " + base64.b64encode(user.encode() + b":" + raw)


class SecureSite:
    """One manager after the other on the same folder, as power cuts make them."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("A-1", "A-2")) -> None:
        self._folder = folder
        self._document = garage(names)
        self.running = MemoryManager(folder, self._document)

    @property
    def security(self) -> Any:
        """The service."""
        return self.running.manager.security

    @property
    def clock(self) -> Any:
        """The clock that the test moves."""
        return self.running.clock

    def record(self, station_id: str = "A-1") -> StationSecurity:
        """What holds for a station."""
        found: StationSecurity = self.security.keys.of(station_id)
        return found

    async def start(self) -> None:
        """Starts; the root is made beside, as in the real manager."""
        await self.running.start()
        authority = self.running.authority
        for path, content in zip(
            (authority.key_path, authority.certificate_path), _root(), strict=True
        ):
            path.write_bytes(content)
        assert not authority.ensure(self.clock.utc_now())

    async def power_cut(self) -> None:
        """Everything that is not on disk is gone; the manager starts again."""
        self.running.manager.abandon()
        await settle()
        self.running.store.abandon()
        later = self.running.clock
        self.running = MemoryManager(self._folder, self._document)
        self.running.clock.advance(later.monotonic_s() - 1_000.0)
        await self.start()

    async def knock(
        self,
        station_id: str = "A-1",
        password: bytes | str | None = None,
        *,
        secure: bool = False,
        address: str = HERE,
        user: str | None = None,
        certificate: PeerCertificate | None = None,
        header: bytes | None = None,
    ) -> Verdict:
        """Somebody asks to speak in a station's name."""
        if password is not None:
            header = basic(station_id if user is None else user, password)
        verdict: Verdict = await self.security.gate.admit(
            Approach(station_id, address, secure, header, certificate)
        )
        return verdict

    async def enter(self, station_id: str = "A-1", **how: Any) -> ScriptedStation:
        """A station that is let in and connects."""
        assert (await self.knock(station_id, **how)).status == 101
        station = self.running.connect(station_id)
        await settle()
        return station

    async def look(self) -> None:
        """The upgrades look at what is to be done, and what they start has its time."""
        self.security.upgrades.look()
        await settle()

    async def until(self, happened: Any) -> None:
        """Waits for work in another thread."""
        async with asyncio.timeout(20):
            while not happened():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await settle()

    async def require(self, profile: int, station_id: str = "A-1") -> None:
        """Requires a profile at once."""
        await self.security.require(station_id, SecurityProfile(profile), "admin")

    async def audit(self) -> list[tuple[str, str, str]]:
        """Newest first: who, what, of what."""
        records = await self.running.store.audit.recent(50)
        return [(each.actor, each.action, each.subject) for each in records]

    def alarms(self) -> list[tuple[str, dict[str, Any]]]:
        """What is wrong now."""
        return [(key, params) for key, _, params in self.security.alarms()]


@contextlib.asynccontextmanager
async def secure_site(folder: Path, *names: str) -> AsyncIterator[SecureSite]:
    """A site that is started, and stopped in the end."""
    site = SecureSite(folder, names or ("A-1", "A-2"))
    await site.start()
    try:
        yield site
    finally:
        await site.running.stop()
