"""Slows down whoever fails: a few attempts are free, then each costs twice the wait of the last."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

import msgspec

from app.services.ports import Clock


class ThrottleRule(msgspec.Struct, frozen=True):
    """How a throttle grows and forgets."""

    free_attempts: int
    """Attempts without any wait."""
    first_wait_s: float
    """Wait after the first attempt that is not free; each further one doubles it."""
    most_wait_s: float
    """The wait grows no further than this."""
    forget_s: float
    """A key that stayed quiet for so long starts afresh."""
    most_keys: int
    """Keys remembered; beyond, the one that was quiet the longest is forgotten."""


class _Attempts(msgspec.Struct):
    count: int
    last_s: float
    open_s: float


class Throttle:
    """Counts attempts per key. An attempt counts when it begins, so that a hundred at once do not
    all pass before the first has failed; success clears the key.
    """

    def __init__(self, clock: Clock, rule: ThrottleRule) -> None:
        self._clock = clock
        self._rule = rule
        self._by_key: OrderedDict[str, _Attempts] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until the next attempt may begin; 0 when it may now."""
        attempts = self._by_key.get(key)
        if attempts is None:
            return 0.0
        return max(0.0, attempts.open_s - self._clock.monotonic_s())

    def begin(self, key: str) -> None:
        """Counts an attempt as failed until ``succeeded`` says otherwise."""
        now_s = self._clock.monotonic_s()
        rule = self._rule
        attempts = self._by_key.pop(key, None)
        if attempts is None or now_s - attempts.last_s > rule.forget_s:
            attempts = _Attempts(0, now_s, now_s)
        attempts.count += 1
        attempts.last_s = now_s
        beyond = attempts.count - rule.free_attempts
        if beyond > 0:
            # The exponent is bounded: a float overflows long after anybody's patience.
            wait_s = rule.first_wait_s * 2.0 ** min(beyond - 1, 60)
            attempts.open_s = now_s + min(wait_s, rule.most_wait_s)
        self._by_key[key] = attempts
        if len(self._by_key) > rule.most_keys:
            self._by_key.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forgets the key's attempts."""
        self._by_key.pop(key, None)


def origin_of(address: str) -> str:
    """What counts as one origin: an IPv4 address, or the /64 within which IPv6 is free to roam."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
