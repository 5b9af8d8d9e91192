"""Faults put into the planner on purpose, one barrier at a time: what is safe must stop being so.

Each maker gives a planner of its own; the product's modules are changed only while it is made and
runs, by the test's ``MonkeyPatch``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from app.domain.station import ConnectorKey
from app.energy import planner
from app.energy.ceilings import Ceilings
from app.energy.draws import Draw, DrawEstimator
from app.energy.guard import Guard
from app.energy.plan import LimitChange
from app.energy.site_model import ConnectorNode, Triple
from app.energy.site_state import ConnectorState
from app.energy.stability import Room, Stability, Wish

PLENTY_MA = 1_000_000


class NodAtAll(Guard):
    """A guard that lets everything pass."""

    def admit(
        self,
        changes: Sequence[LimitChange],
        floors: Mapping[int, int],
        ceilings: Sequence[int],
        now_s: float,
    ) -> list[LimitChange]:
        """Whatever was asked."""
        return list(changes)


class SeeOnlyRoom(Stability):
    """Raises into room that is planned but not certain."""

    def decide(self, wishes: Sequence[Wish], room: Room, now_s: float) -> dict[ConnectorKey, int]:
        """As ever, with plenty of slack everywhere."""
        blind = msgspec.structs.replace(room, slack=[PLENTY_MA] * len(room.slack))
        return super().decide(wishes, blind, now_s)


class ForgetUnanswered(Ceilings):
    """Takes a message without an answer for one that never arrived."""

    def unanswered(self, key: ConnectorKey, number: int, now_s: float) -> None:
        """Forgets it."""
        self.refused(key, number, now_s)


class TrustOrders(Ceilings):
    """Takes a limit for followed as soon as it is sent."""

    def ceiling(self, key: ConnectorKey, now_s: float) -> int:
        """The limit last asked for."""
        asked = self.asked(key, now_s)
        return super().ceiling(key, now_s) if asked is None else asked


class DoNotSettle(Ceilings):
    """Gives away what a decrease frees once it is accepted, before the car has followed."""

    def ceiling(self, key: ConnectorKey, now_s: float) -> int:
        """The limit in force or under way, without what may still be followed."""
        self._entries[key].settling.clear()
        return super().ceiling(key, now_s)


class BelieveOldSamples(DrawEstimator):
    """Subtracts what a station last reported from what the meter shows now."""

    def draw(
        self,
        node: ConnectorNode,
        state: ConnectorState | None,
        active: tuple[int, ...],
        ceilings: Ceilings,
        meter_s: float,
        now_s: float,
    ) -> Draw:
        """The last sample stands for the least the car draws, whatever happened since."""
        found = super().draw(node, state, active, ceilings, meter_s, now_s)
        sample = ceilings.sample(node.key)
        if sample is None:
            return found
        last = [0, 0, 0]
        for conductor, phase in enumerate(node.conductors):
            last[phase] = sample.low[conductor]
        reported: Triple = (last[0], last[1], last[2])
        return msgspec.structs.replace(found, low=reported, likely=reported)


def apply(patch: pytest.MonkeyPatch, *faults: type) -> None:
    """Planners made from now on have these faults."""
    for fault in faults:
        patch.setattr(planner, fault.__mro__[1].__name__, fault)
