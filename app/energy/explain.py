"""Why this current? Every allocation names its one binding constraint."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.limits import LimitSource, Reason, ReasonCode
from app.energy.allocator import OWN_CAP
from app.energy.plan import BalanceSource
from app.energy.site_model import SiteModel

_LOST = frozenset({BalanceSource.STATIC, BalanceSource.FROZEN})


class Explainer:
    """Tells slots apart in one cycle.

    ``backgrounds`` says by circuit node where its background comes from, ``sources`` by slot who
    set its limit where it was not the installer.
    """

    def __init__(
        self,
        model: SiteModel,
        backgrounds: Mapping[int, BalanceSource],
        sources: Mapping[int, LimitSource],
    ) -> None:
        self._model = model
        self._backgrounds = backgrounds
        self._sources = sources

    def of_slot(self, slot: int, granted_ma: int) -> Reason:
        """The reason of a grant that ``slot`` bounds."""
        model = self._model
        source = self._sources.get(slot, LimitSource.INSTALLATION)
        phases, powers = 3 * model.node_count, 4 * model.node_count
        if slot >= powers:
            node, phase = divmod(slot - powers, 3)
            return Reason(ReasonCode.UNBALANCE, model.node_names[node], phase)
        if slot >= phases:
            name = model.node_names[slot - phases]
            return Reason(ReasonCode.POWER, name, source=source)
        node, phase = divmod(slot, 3)
        if model.is_station(node):
            return Reason(ReasonCode.CONNECTOR, None, phase)
        code = ReasonCode.CIRCUIT if granted_ma else ReasonCode.WAITING
        if self._backgrounds[node] in _LOST:
            code = ReasonCode.METER_LOST
        return Reason(code, model.node_names[node], phase, source)

    def of_grant(self, granted_ma: int, binding: int, own: Reason) -> Reason:
        """The reason of the allocator's result; ``own`` when the session's own cap binds."""
        return own if binding == OWN_CAP else self.of_slot(binding, granted_ma)


def of_limit(target: Reason, *, held_back: bool, frozen_circuit: str | None) -> Reason:
    """The reason of the limit asked for: the target's, unless the limit is still below it."""
    if not held_back:
        return target
    if frozen_circuit is not None:
        return Reason(ReasonCode.METER_LOST, frozen_circuit)
    return Reason(ReasonCode.HOLDING, target.circuit_id, target.phase)
