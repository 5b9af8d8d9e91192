"""Weighted max-min by progressive filling: all rise together until each meets what binds it.

A common level rises from 0. A participant begins to rise at its own starting level, in proportion to
its weight, and freezes when it has what it wants or when a slot that it loads is full. Events are
found with a heap; a slot's saturation instant moves whenever a user of it begins or freezes, so
it is worked out anew when its turn comes. Every participant begins and freezes once and touches
its own slots: rounds are at most two per participant and one per slot and change of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import msgspec

EPSILON = 1e-6

_CAP, _START, _SLOT = 0, 1, 2  # At the same level a cap comes first: it is what binds.


class Participant(msgspec.Struct, frozen=True):
    """A session that may receive current.

    ``slots`` are the slots it loads with its current, ``power_slots`` those that it loads with
    ``phase_count`` times its current (limits of total power); ``floor_ma`` is the least usable
    current, ``cap_ma`` the most it wants, ``step_ma`` its granularity; ``weight`` in thousandths;
    ``start_ma`` the level at which it begins to rise above its floor; ``held_ma`` what it has now
    (it keeps a leftover step rather than another gets it); ``priority`` its strict class, 0 first.
    """

    slots: tuple[int, ...]
    floor_ma: int
    cap_ma: int
    step_ma: int = 1_000
    weight: int = 1_000
    held_ma: int = 0
    priority: int = 0
    power_slots: tuple[int, ...] = ()
    phase_count: int = 1
    start_ma: int = 0


class Filling:
    """One filling of ``participants`` (admitted, their floors taken) up to ``caps`` within ``room``.

    ``bound`` names the slot that froze a participant; those missing met their caps.
    """

    def __init__(
        self, participants: Mapping[int, Participant], caps: Mapping[int, int], room: Sequence[int]
    ) -> None:
        self._participants = participants
        self._weight = {i: one.weight / 1000 for i, one in participants.items()}
        self._users, asked = _loads(participants, caps)
        # A slot that can carry all that is asked of it never binds.
        tight = {slot for slot, more in asked.items() if more > room[slot]}
        self._rates = {i: self._rates_of(i, tight) for i in participants}
        self._speed = dict.fromkeys(tight, 0.0)
        self._count = {slot: len(self._users[slot]) for slot in tight}
        self._left = {slot: float(room[slot]) for slot in tight}
        self._since = dict.fromkeys(tight, 0.0)
        self._rising: set[int] = set()
        self._raised: dict[int, float] = {}
        self.bound: dict[int, int] = {}
        self._events: list[tuple[float, int, int]] = []
        for i, one in participants.items():
            top = one.start_ma + (caps[i] - one.floor_ma) / self._weight[i]
            self._events.append((top, _CAP, i))
            if one.start_ma:
                self._events.append((one.start_ma, _START, i))
            else:
                self._turn(i, 0.0, 1.0)
        self._events += [(self._full(slot), _SLOT, slot) for slot in tight if self._speed[slot]]
        heapq.heapify(self._events)

    def run(self) -> dict[int, float]:
        """By how much each participant rises above its floor (mA)."""
        raised = self._raised
        while len(raised) < len(self._participants):
            level, kind, item = heapq.heappop(self._events)
            if kind == _SLOT:
                self._fill_slot(item, level)
            elif item in raised:
                continue
            elif kind == _CAP:
                self._freeze(item, level)
            else:
                self._turn(item, level, 1.0)
                for slot, _ in self._rates[item]:
                    heapq.heappush(self._events, (self._full(slot), _SLOT, slot))
        return raised

    def _fill_slot(self, slot: int, level: float) -> None:
        if not self._count[slot] or self._speed[slot] <= EPSILON:
            return  # nobody is left, or those who are have not begun
        full = self._full(slot)
        if full > level + EPSILON:
            heapq.heappush(self._events, (full, _SLOT, slot))
            return
        for user in self._users[slot]:
            if user not in self._raised:
                self._freeze(user, level)
                self.bound[user] = slot

    def _full(self, slot: int) -> float:
        """The level at which the slot will be full."""
        return self._since[slot] + max(0.0, self._left[slot]) / self._speed[slot]

    def _turn(self, i: int, level: float, sign: float) -> None:
        """Participant ``i`` begins (+1) or ends (-1) to rise at ``level``."""
        if sign > 0:
            self._rising.add(i)
        for slot, rate in self._rates[i]:
            self._left[slot] -= self._speed[slot] * (level - self._since[slot])
            self._since[slot] = level
            self._speed[slot] += sign * rate

    def _freeze(self, i: int, level: float) -> None:
        start_ma = self._participants[i].start_ma
        self._raised[i] = max(0.0, self._weight[i] * (level - start_ma))
        if i in self._rising:
            self._turn(i, level, -1.0)
        for slot, _ in self._rates[i]:
            self._count[slot] -= 1

    def _rates_of(self, i: int, tight: set[int]) -> list[tuple[int, float]]:
        """By how much tight slots fill per unit of level."""
        one, weight = self._participants[i], self._weight[i]
        rates = [(slot, weight) for slot in one.slots if slot in tight]
        rates += [(slot, weight * one.phase_count) for slot in one.power_slots if slot in tight]
        return rates


def _loads(
    participants: Mapping[int, Participant], caps: Mapping[int, int]
) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Per slot: who loads it, and how much above the floors they want in all (mA)."""
    users: dict[int, list[int]] = {}
    asked: dict[int, int] = {}
    for i, one in participants.items():
        more = caps[i] - one.floor_ma
        for slots, load in ((one.slots, more), (one.power_slots, more * one.phase_count)):
            for slot in slots:
                if slot in users:
                    users[slot].append(i)
                    asked[slot] += load
                else:
                    users[slot] = [i]
                    asked[slot] = load
    return users, asked
