"""The time for stations on a LAN that has no other: a server of SNTP (RFC 5905, clause 14).

A station that cannot reach the internet keeps the time it was made with, or loses it at each power
cut; until its first Heartbeat it dates what it sends by that. The box has a clock with a battery, or
follows the network's servers. An answer is no longer than its question, goes to private addresses
only, and to each of them at a bounded rate: nothing can be amplified through it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import struct
from pathlib import Path
from typing import Final, cast

from app.adapters.lan import PRIVATE
from app.services.ports import Clock

log = logging.getLogger(__name__)

SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd whenever it has compared the clock with a server."""

SYNCHRONIZED_FOR_S: Final = 36 * 3600.0
"""A comparison that is older tells nothing any more: the clock runs by itself."""

STRATUM_FOLLOWING: Final = 4
"""Told while the clock follows a server, whose own stratum is not known here."""
STRATUM_ALONE: Final = 10
"""Told of a clock that runs by itself: whoever also hears a better one follows that."""

EARLIEST_S: Final = 1_767_225_600.0
"""2026-01-01: a clock before is wrong for certain, and is told to nobody."""

BURST: Final = 8.0
"""Questions of one address at once: a client sends a few when it starts."""
PER_S: Final = 1.0
ADDRESSES_MOST: Final = 1024

_EPOCH_S: Final = 2_208_988_800
"""From 1900, where NTP begins to count, to 1970."""
_SERVED: Final = (*PRIVATE, *map(ipaddress.IPv4Network, ("127.0.0.0/8", "169.254.0.0/16")))

_PACKET: Final = struct.Struct(">BBbbII4sQQQQ")
_CLIENT, _SERVER = 3, 4
_NO_WARNING, _ALARM = 0, 3
_VERSIONS: Final = range(1, 5)
_LEAST_POLL: Final = 6
"""Once in 64 s, as a power of two."""
_PRECISION: Final = -20
"""A microsecond, as a power of two."""
_DISPERSION_FOLLOWING: Final = 1 << 13
_DISPERSION_ALONE: Final = 1 << 16
"""How wrong the clock may be, in 1/65536 s: an eighth of a second, one second."""
_ALONE: Final = bytes((127, 127, 1, 1))
"""The reference of a clock that follows no other, as servers have named it since RFC 1305."""


def answer(question: bytes, now_s: float, synchronized_s: float | None) -> bytes | None:
    """The answer to a client's packet, ``None`` to whatever is none.

    ``now_s`` is the time of the packet in seconds since 1970, ``synchronized_s`` when the clock was
    last compared with a server. A clock that is wrong for certain is answered with an alarm
    (leap indicator 3, stratum 0, code ``INIT``): clients take no time from it.
    """
    if len(question) < _PACKET.size:
        return None
    first, _stratum, poll, *_rest, sent = _PACKET.unpack_from(question)
    version, mode = first >> 3 & 7, first & 7
    if mode != _CLIENT or version not in _VERSIONS:
        return None
    following = synchronized_s is not None and 0 <= now_s - synchronized_s <= SYNCHRONIZED_FOR_S
    leap, stratum, reference = _NO_WARNING, STRATUM_ALONE, _ALONE
    if following:
        stratum = STRATUM_FOLLOWING
    if now_s < EARLIEST_S:
        leap, stratum, reference = _ALARM, 0, b"INIT"
    at = _stamp(now_s)
    return _PACKET.pack(
        leap << 6 | version << 3 | _SERVER,
        stratum,
        max(poll, _LEAST_POLL),
        _PRECISION,
        0,
        _DISPERSION_FOLLOWING if following else _DISPERSION_ALONE,
        reference,
        _stamp(synchronized_s) if following and synchronized_s is not None else at,
        sent,
        at,
        at,
    )


def _stamp(at_s: float) -> int:
    """Seconds since 1900 in 32 bits, which begin anew in 2036, and 32 bits of a fraction."""
    whole, fraction = divmod(at_s, 1.0)
    return (int(whole) + _EPOCH_S & 0xFFFF_FFFF) << 32 | int(fraction * 2**32)


class TimeServer(asyncio.DatagramProtocol):
    """Listens from ``start`` to ``stop``."""

    def __init__(
        self, host: str, port: int, clock: Clock, synchronized: Path = SYNCHRONIZED
    ) -> None:
        self._clock = clock
        self._host = host
        self._wanted_port = port
        self._synchronized = synchronized
        self._transport: asyncio.DatagramTransport | None = None
        self._budgets: dict[str, tuple[float, float]] = {}
        """By address: questions that it may still ask, and when that was so."""

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    async def start(self) -> None:
        """Listens. Raises ``OSError`` when the port is taken."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._host, self._wanted_port)
        )
        log.info("the time is told on port %d", self.port)

    async def stop(self) -> None:
        """Closes the port."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's is none by name

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answers a question, if it is one and may be asked."""
        now_s = self._clock.utc_now().timestamp()
        if self._transport is None or not self._may_ask(addr[0]):
            return
        reply = answer(data, now_s, self._synchronized_s())
        if reply is not None:
            self._transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        """A client was gone before its answer: nothing to be done."""
        log.debug("time server: %s", exc)

    def _may_ask(self, address: str) -> bool:
        now_s = self._clock.monotonic_s()
        known = self._budgets.pop(address, None)
        if known is None:
            if not any(ipaddress.IPv4Address(address) in network for network in _SERVED):
                return False
            known = (BURST, now_s)
        budget = min(BURST, known[0] + (now_s - known[1]) * PER_S)
        allowed = budget >= 1.0
        self._budgets[address] = (budget - 1.0 if allowed else budget, now_s)
        if len(self._budgets) > ADDRESSES_MOST:
            del self._budgets[next(iter(self._budgets))]
        return allowed

    def _synchronized_s(self) -> float | None:
        try:
            return self._synchronized.stat().st_mtime  # in memory: it does not block
        except OSError:
            return None
