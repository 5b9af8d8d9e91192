"""From what the allocator wants to the few messages worth sending now.

Decreases go at once, but only when they are needed: the limits asked for no longer fit, or
somebody else gets what is taken. Increases wait for their turn, for room that is certain (upper
background plus every ceiling), and are worth at least one ampere. A limit past half of its lease
is sent again unchanged. Nothing else is ever sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf

import msgspec

from app.domain.limits import LimitSource
from app.domain.station import ConnectorKey
from app.energy.settings import EnergySettings


class Wish(msgspec.Struct, frozen=True):
    """A session's situation before the decision (mA, monotonic seconds).

    ``target_ma`` is what the allocator wants; ``asked_ma`` the limit last asked for, ``None`` when
    nobody knows what the station holds; ``ceiling_ma`` the most and ``least_ma`` the least that may
    be in force; ``slots`` what it loads with its current, ``power_slots`` what with ``phase_count``
    times that; ``frozen`` when it must not be increased; ``uncertain`` when
    a message may be lost, ``overdue`` when an answer is awaited for too long. After a failure
    decreases wait for ``retry_soon_s``, the rest for ``retry_at_s``. A ``defiant`` connector draws
    more than its limit: its ceiling is reserved, and it is switched off where current is short.
    """

    key: ConnectorKey
    slots: tuple[int, ...]
    target_ma: int
    asked_ma: int | None
    ceiling_ma: int
    least_ma: int
    floor_ma: int
    step_ma: int
    fallback_ma: int | None
    weight: int = 1_000
    changed_s: float = -inf
    lease_until_s: float | None = None
    retry_soon_s: float = -inf
    retry_at_s: float = -inf
    in_flight: bool = False
    uncertain: bool = False
    overdue: bool = False
    frozen: bool = False
    defiant: bool = False
    power_slots: tuple[int, ...] = ()
    phase_count: int = 1

    @property
    def loads(self) -> Iterator[tuple[int, int]]:
        """Its slots, each with the factor by which it loads them."""
        for slot in self.slots:
            yield slot, 1
        for slot in self.power_slots:
            yield slot, self.phase_count

    def least(self, room: Sequence[int]) -> int:
        """By how much its current may change until one of its slots has no ``room`` left."""
        least = min(room[slot] for slot in self.slots)
        for slot in self.power_slots:
            least = min(least, room[slot] // self.phase_count)
        return least

    @property
    def held_ma(self) -> int:
        """What counts as held: the limit asked for, or the ceiling where that says nothing."""
        return self.ceiling_ma if self.asked_ma is None or self.defiant else self.asked_ma


class Room(msgspec.Struct, frozen=True):
    """Per slot (mA): ``usable``, ``trigger`` (the load from which limits are lowered), ``load``
    (planned background and reservations, the defiant among them, without the other wishes),
    ``slack`` (what is certainly free). ``sources`` names who bounds a slot, if not the installer.
    """

    usable: Sequence[int]
    trigger: Sequence[int]
    load: Sequence[int]
    slack: Sequence[int]
    sources: Mapping[int, LimitSource] = {}


class Stability:
    """Remembers since when a small unfairness lasts."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._deprived_since: dict[ConnectorKey, float] = {}

    def decide(self, wishes: Sequence[Wish], room: Room, now_s: float) -> dict[ConnectorKey, int]:
        """The limits to send now, in the order of sending: decreases, increases, renewals."""
        lowered = self._decreases(wishes, room, now_s)
        raised = self._increases(wishes, room, lowered, now_s)
        chosen = {**lowered, **raised}
        for wish in wishes:
            if wish.key in chosen or not self._to_repeat(wish, now_s):
                continue
            assert wish.asked_ma is not None
            # Repeating a value that is not the least possible may raise: only where all fits.
            fits = not wish.frozen and wish.least(room.slack) >= 0
            if wish.asked_ma <= wish.least_ma or fits:
                chosen[wish.key] = wish.asked_ma
        # An overload does not wait for the next second: decreases are never paced.
        most = max(len(lowered), self._settings.changes_per_cycle)
        return dict(list(chosen.items())[:most])

    # ------------------------------------------------------------- decreases

    def _decreases(
        self, wishes: Sequence[Wish], room: Room, now_s: float
    ) -> dict[ConnectorKey, int]:
        load = list(room.load)
        for wish in wishes:
            if wish.defiant:
                continue
            for slot, factor in wish.loads:
                load[slot] += wish.held_ma * factor
        short = {slot for slot, sum_ma in enumerate(load) if sum_ma > room.trigger[slot]}
        pressed = short | self._disputed(wishes, room, load, now_s)
        lowered = {}
        for wish in sorted(wishes, key=lambda wish: wish.target_ma - wish.held_ma):
            if now_s < wish.retry_soon_s:
                continue
            if wish.defiant:
                if self._to_switch_off(wish, short, now_s):
                    lowered[wish.key] = 0
            elif wish.asked_ma is None:
                # Nobody knows what the station holds: any limit below the ceiling is news.
                if not wish.in_flight and wish.target_ma <= wish.ceiling_ma:
                    lowered[wish.key] = wish.target_ma
            elif wish.target_ma < wish.asked_ma and self._is_pressed(wish, pressed):
                lowered[wish.key] = wish.target_ma
            elif wish.overdue and wish.asked_ma < wish.ceiling_ma:
                lowered[wish.key] = wish.asked_ma
        return lowered

    @staticmethod
    def _is_pressed(wish: Wish, pressed: set[int]) -> bool:
        return not (pressed.isdisjoint(wish.slots) and pressed.isdisjoint(wish.power_slots))

    def _to_switch_off(self, wish: Wish, short: set[int], now_s: float) -> bool:
        if wish.asked_ma == 0 or wish.in_flight or not self._is_pressed(wish, short):
            return False
        return now_s - wish.changed_s >= self._settings.follow_s

    def _disputed(
        self, wishes: Sequence[Wish], room: Room, load: Sequence[int], now_s: float
    ) -> set[int]:
        """Slots on which somebody is kept below a fair share by what others hold."""
        settings = self._settings
        disputed: set[int] = set()
        deprived: dict[ConnectorKey, float] = {}
        wanting = [
            (wish, wish.target_ma - wish.held_ma)
            for wish in wishes
            if wish.target_ma - wish.held_ma >= settings.least_increase_ma and not wish.frozen
        ]
        wanted = list(load)
        for wish, more in wanting:
            for slot, factor in wish.loads:
                wanted[slot] += more * factor
        for wish, more in wanting:
            blocking = [slot for slot, _ in wish.loads if wanted[slot] > room.usable[slot]]
            if not blocking:
                continue
            since = self._deprived_since.get(wish.key, now_s)
            deprived[wish.key] = since
            admission = wish.held_ma < wish.floor_ma
            lasting = now_s - since >= settings.redistribute_patience_s
            if admission or lasting or more >= settings.redistribute_now_ma:
                disputed.update(blocking)
        self._deprived_since = deprived
        return disputed

    # ------------------------------------------------------------- increases

    def _increases(
        self,
        wishes: Sequence[Wish],
        room: Room,
        lowered: dict[ConnectorKey, int],
        now_s: float,
    ) -> dict[ConnectorKey, int]:
        slack = list(room.slack)
        # What the plan leaves beside all that is held: others may hold more than their target.
        spare = [usable - load for usable, load in zip(room.usable, room.load, strict=True)]
        for wish in wishes:
            if wish.defiant:
                continue
            for slot, factor in wish.loads:
                spare[slot] -= lowered.get(wish.key, wish.held_ma) * factor
        raised = {}
        # The most deprived first; sorting is stable, so the order of admission decides between equals.
        for wish in sorted(wishes, key=lambda wish: wish.held_ma * 1000 // wish.weight):
            if wish.key in lowered or not self._may_rise(wish, now_s):
                continue
            limit_ma = self._reachable(wish, wish.least(slack), wish.least(spare))
            if limit_ma is None:
                continue
            raised[wish.key] = limit_ma
            for slot, factor in wish.loads:
                slack[slot] -= max(0, limit_ma - wish.ceiling_ma) * factor
                spare[slot] -= (limit_ma - wish.held_ma) * factor
        return raised

    def _may_rise(self, wish: Wish, now_s: float) -> bool:
        settings = self._settings
        if wish.frozen or wish.defiant or wish.in_flight or wish.target_ma <= wish.held_ma:
            return False
        return now_s >= wish.retry_at_s and now_s - wish.changed_s >= settings.increase_interval_s

    def _reachable(self, wish: Wish, slack_ma: int, spare_ma: int) -> int | None:
        """The limit to which certain ``slack_ma`` and planned ``spare_ma`` allow to rise now."""
        settings = self._settings
        if slack_ma < 0:
            return None
        limit_ma = min(
            wish.target_ma,
            max(wish.held_ma + settings.increase_step_ma, wish.floor_ma),
            wish.ceiling_ma + slack_ma,
            wish.held_ma + spare_ma,
        )
        limit_ma -= limit_ma % wish.step_ma
        enough = min(wish.target_ma, wish.held_ma + settings.least_increase_ma)
        if limit_ma < wish.floor_ma or limit_ma < enough or limit_ma <= wish.held_ma:
            return None
        return limit_ma

    # ------------------------------------------------------------- repetitions

    def _to_repeat(self, wish: Wish, now_s: float) -> bool:
        if wish.in_flight or wish.asked_ma is None or now_s < wish.retry_at_s:
            return False
        if wish.uncertain:
            return True
        settings = self._settings
        if wish.lease_until_s is None or wish.asked_ma == wish.fallback_ma:
            return False
        return now_s >= wish.lease_until_s - (settings.lease_s - settings.renew_after_s)
