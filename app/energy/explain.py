"""Why this current? Every allocation names its one binding constraint."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.limits import Reason, ReasonCode
from app.energy.allocator import OWN_CAP
from app.energy.plan import BalanceSource
from app.energy.site_model import SiteModel

_LOST = frozenset({BalanceSource.STATIC, BalanceSource.FROZEN})


def of_slot(
    model: SiteModel, sources: Mapping[int, BalanceSource], slot: int, granted_ma: int
) -> Reason:
    """The reason of a grant that ``slot`` bounds; ``sources`` by circuit node."""
    node, phase = divmod(slot, 3)
    if model.is_station(node):
        return Reason(ReasonCode.CONNECTOR, None, phase)
    code = ReasonCode.CIRCUIT if granted_ma else ReasonCode.WAITING
    if sources[node] in _LOST:
        code = ReasonCode.METER_LOST
    return Reason(code, model.node_names[node], phase)


def of_grant(
    model: SiteModel,
    sources: Mapping[int, BalanceSource],
    granted_ma: int,
    binding: int,
    *,
    by_demand: bool,
) -> Reason:
    """The reason of the allocator's result; ``by_demand`` when the cap was the car's demand."""
    if binding != OWN_CAP:
        return of_slot(model, sources, binding, granted_ma)
    return Reason(ReasonCode.DEMAND if by_demand else ReasonCode.CONNECTOR)


def of_limit(target: Reason, *, held_back: bool, frozen_circuit: str | None) -> Reason:
    """The reason of the limit asked for: the target's, unless the limit is still below it."""
    if not held_back:
        return target
    if frozen_circuit is not None:
        return Reason(ReasonCode.METER_LOST, frozen_circuit)
    return Reason(ReasonCode.HOLDING, target.circuit_id, target.phase)
