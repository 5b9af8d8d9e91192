"""Limits set from outside for a while: by hand on the page, or by a program with a token.

An order only narrows, holds for a day at most and is on disk before it is acknowledged. One that
its program neither renews nor ends leaves the limit without news in force, where the installer
chose one. Every change is in the audit log; renewals of the same bound are not, their end is.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import msgspec

from app.domain.errors import InvalidInputError, NotFoundError, StorageError
from app.domain.limits import CircuitCap, LimitSource
from app.domain.outside_limit import LONGEST_ORDER, PAGE, OutsideOrder
from app.domain.rules import Bound
from app.services.audit import AuditTrail
from app.services.energy_ports import OutsideLimitRepository
from app.services.ports import Clock, SiteConfiguration
from app.services.rule_checks import check_bound

log = logging.getLogger(__name__)

EXPIRY_PERIOD_S = 5.0
"""How often orders that ran out are written down as such; their effect ends at once."""


class _Held(msgspec.Struct, frozen=True):
    """An order with its end on the monotonic clock: setting the clock neither ends nor extends it."""

    order: OutsideOrder
    until_s: float


class ExternalLimits:
    """Takes orders, keeps them, and says which of them are in force."""

    def __init__(self, repository: OutsideLimitRepository, audit: AuditTrail, clock: Clock) -> None:
        self._repository = repository
        self._audit = audit
        self._clock = clock
        self._held: dict[tuple[str, str], _Held] = {}
        self._without_news: dict[str, Bound] = {}
        self._circuits: frozenset[str] = frozenset()
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Takes the orders over that were in force before a restart."""
        now_utc, now_s = self._clock.utc_now(), self._clock.monotonic_s()
        for order in await self._repository.list():
            left_s = min(order.until_utc - now_utc, LONGEST_ORDER).total_seconds()
            self._held[order.circuit_id, order.source] = _Held(order, now_s + left_s)

    def configure(self, configuration: SiteConfiguration) -> None:
        """Takes a changed configuration over."""
        self._circuits = frozenset(circuit.circuit_id for circuit in configuration.circuits)
        self._without_news = {
            each.circuit_id: each.bound for each in configuration.rules.without_news
        }

    def orders(self) -> tuple[OutsideOrder, ...]:
        """Every order on a circuit that exists; those that have run out are ``lapsed``."""
        now_s = self._clock.monotonic_s()
        return tuple(
            held.order if now_s < held.until_s else msgspec.structs.replace(held.order, lapsed=True)
            for held in self._held.values()
            if held.order.circuit_id in self._circuits
            and (now_s < held.until_s or held.order.source != PAGE)
        )

    def caps(self, now_s: float) -> tuple[CircuitCap, ...]:
        """What is in force at ``now_s`` (monotonic)."""
        caps = []
        for held in self._held.values():
            order = held.order
            bound: Bound | None = order.bound
            if now_s >= held.until_s:
                bound = None if order.source == PAGE else self._without_news.get(order.circuit_id)
            if bound is not None and bound.binds:
                caps.append(bound.cap(order.circuit_id, LimitSource.EXTERNAL))
        return tuple(caps)

    async def order(
        self, circuit_id: str, bound: Bound, lasts: timedelta, *, source: str, by: str
    ) -> OutsideOrder:
        """Puts a limit into force, in the place of what ``source`` had ordered for the circuit.

        Raises ``NotFoundError`` for a circuit that does not exist and ``InvalidInputError`` for a
        bound or a duration out of range; what was in force then stays.
        """
        if circuit_id not in self._circuits:
            raise NotFoundError("circuit-unknown", circuit=circuit_id)
        if not timedelta(0) < lasts <= LONGEST_ORDER:
            raise InvalidInputError("outside-limit-duration", field="minutes")
        check_bound(bound, "limit")
        async with self._changing:
            now_utc = self._clock.utc_now()
            order = OutsideOrder(circuit_id, source, by, bound, now_utc, now_utc + lasts)
            until_s = self._clock.monotonic_s() + lasts.total_seconds()
            await self._repository.save(order)
            before = self._held.get((circuit_id, source))
            self._held[circuit_id, source] = _Held(order, until_s)
            if before is None or before.order.bound != bound or before.order.lapsed:
                await self._record(by, "outside-limit-set", order)
        return order

    async def end(self, circuit_id: str, source: str, by: str) -> None:
        """Ends an order now; ``NotFoundError`` when there is none."""
        async with self._changing:
            held = self._held.get((circuit_id, source))
            if held is None:
                raise NotFoundError("outside-limit-unknown", circuit=circuit_id)
            await self._repository.remove(circuit_id, source)
            del self._held[circuit_id, source]
            await self._record(by, "outside-limit-ended", held.order)

    async def run(self) -> None:
        """Writes down what has run out, until cancelled."""
        while True:
            try:
                await self.expire()
            except StorageError:
                log.exception("an outside limit that ran out could not be written down; again soon")
            await asyncio.sleep(EXPIRY_PERIOD_S)

    async def expire(self) -> None:
        """Writes down every order that has run out since the last time."""
        async with self._changing:
            now_s = self._clock.monotonic_s()
            for key, held in list(self._held.items()):
                if now_s < held.until_s or held.order.lapsed:
                    continue
                if held.order.source == PAGE:
                    await self._repository.remove(*key)
                    del self._held[key]
                    await self._record("manager", "outside-limit-expired", held.order)
                else:
                    lapsed = msgspec.structs.replace(held.order, lapsed=True)
                    await self._repository.save(lapsed)
                    self._held[key] = _Held(lapsed, held.until_s)
                    await self._record("manager", "outside-limit-lapsed", lapsed)

    async def _record(self, actor: str, action: str, order: OutsideOrder) -> None:
        await self._audit.record(actor, action, order.circuit_id, written(order))


def written(order: OutsideOrder) -> str:
    """An order as the audit log keeps it, the same in every language."""
    bound = order.bound
    parts = [f"by {order.by}"]
    if bound.limit is not None:
        parts.append("/".join(f"{current / 1000:g}" for current in bound.limit) + " A")
    if bound.power_w is not None:
        parts.append(f"{bound.power_w / 1000:g} kW")
    if not bound.binds:
        parts.append("no limit")
    parts.append(f"scope {bound.scope.value}")
    parts.append(f"until {order.until_utc:%Y-%m-%dT%H:%M:%SZ}")
    return ", ".join(parts)
