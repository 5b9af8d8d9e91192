"""The independent check before every message: whatever the planner thinks, this must fit.

It shares nothing with the allocator: from the most the background can be and the most every
connector may draw, an increase is refused unless its circuits still fit with the new value. A
change that raises nothing is always permitted: it can only help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.energy.plan import LimitChange
from app.energy.site_model import SiteModel, Triple


class Guard:
    """Judges changes against one cycle's upper backgrounds and the ceilings of the moment."""

    def __init__(
        self,
        model: SiteModel,
        room: Sequence[int],
        frozen: frozenset[int],
        phases: Sequence[Triple],
        until_s: float,
    ) -> None:
        """Take ``room`` for charging (mA per slot of phases, then of power) and ``phases`` in use.

        Room is what the limits in force leave beside the most that the background can be; phases
        are 1 or 0, per connector index.

        No increase passes below a node in ``frozen``, nor after ``until_s``: the meter has moved on.
        """
        self._model = model
        self._room = room
        self._frozen = frozen
        self._phases = phases
        self._until_s = until_s

    def admit(
        self,
        changes: Sequence[LimitChange],
        floors: Mapping[int, int],
        ceilings: Sequence[int],
        now_s: float,
    ) -> list[LimitChange]:
        """Those of ``changes`` that may be sent, one after another, in this order.

        By connector index (mA): ``floors``, the least value that may be in force where a change is
        asked, and ``ceilings``, the most that any may draw.
        """
        model = self._model
        most = list(ceilings)
        load = model.with_power(
            model.sum_up(
                [(a * e, b * e, c * e) for (a, b, c), e in zip(self._phases, most, strict=True)]
            )
        )
        admitted = []
        for change in changes:
            index = model.index.get(change.key)
            if index is None:
                continue
            if change.limit_ma > floors[index]:
                node = model.connectors[index]
                if now_s > self._until_s or change.limit_ma > node.rating_ma:
                    continue
                if not self._frozen.isdisjoint(node.path):
                    continue
                phases = self._phases[index]
                more = max(0, change.limit_ma - most[index])
                added = [(slot, more) for slot in model.slots(index, phases)]
                added += [(model.power_slot(n), more * sum(phases)) for n in node.path]
                if any(load[slot] + ma > self._room[slot] for slot, ma in added):
                    continue
                most[index] += more
                for slot, ma in added:
                    load[slot] += ma
            admitted.append(change)
        return admitted
