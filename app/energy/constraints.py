"""What is free in this cycle, per slot: the limits in force less the building and what is reserved."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.energy.allocator import Unbalance
from app.energy.background import Background
from app.energy.bounds import UNBOUNDED, Bounds
from app.energy.settings import EnergySettings
from app.energy.site_model import SiteModel, Triple
from app.energy.stability import Room


def room(
    model: SiteModel,
    found: Bounds,
    backgrounds: Sequence[Background],
    reserved: Sequence[int],
    ceilings: Sequence[int],
    settings: EnergySettings,
) -> Room:
    """What is free per slot, beside the building and what is ``reserved`` (mA per phase slot).

    ``ceilings`` is the most that all stations may draw. A bound on charging alone is turned into
    one on everything: the building's part of it is nothing that the stations could change.
    """
    plan = model.with_power(_per_slot(model, [background.plan for background in backgrounds]))
    upper = model.with_power(_per_slot(model, [background.upper for background in backgrounds]))
    reserved, ceilings = model.with_power(reserved), model.with_power(ceilings)
    usable, trigger, load, slack = [], [], [], []
    sources = dict(found.source)
    for slot, most in enumerate(found.usable):
        carried = plan[slot] + reserved[slot]
        free = min(most - upper[slot], found.charging[slot]) - ceilings[slot]
        margin = found.limit[slot] - most
        threshold = most + round(margin * settings.decrease_dead_band)
        bound = found.charging[slot] + plan[slot]
        if bound < most:
            threshold = bound
            sources[slot] = found.charging_source[slot]
        usable.append(min(most, bound))
        trigger.append(threshold)
        load.append(carried)
        slack.append(free)
    unbalance = 3 * model.node_count
    return Room(
        [*usable, *[UNBOUNDED] * unbalance],
        [*trigger, *[UNBOUNDED] * unbalance],
        [*load, *[0] * unbalance],
        [*slack, *[UNBOUNDED] * unbalance],
        sources,
    )


def narrowed(model: SiteModel, found: Room, headroom: Sequence[int]) -> Room:
    """The room with its slots of unbalance as the allocator narrowed them (``headroom``)."""
    first = model.unbalance_slot(0, 0)
    return msgspec.structs.replace(
        found,
        usable=[*found.usable[:first], *headroom[first:]],
        trigger=[*found.trigger[:first], *headroom[first:]],
    )


def charging_room(model: SiteModel, found: Bounds, backgrounds: Sequence[Background]) -> list[int]:
    """Per slot of phases and power, what the limits leave for charging beside the worst background."""
    upper = model.with_power(_per_slot(model, [background.upper for background in backgrounds]))
    return [
        min(most - beside, charging)
        for most, beside, charging in zip(found.usable, upper, found.charging, strict=True)
    ]


def unbalances(
    model: SiteModel, backgrounds: Sequence[Background], reserved: Sequence[int]
) -> list[Unbalance]:
    """The limits of unbalance, each with what its phases carry besides the sessions."""
    found = []
    for node, circuit in enumerate(model.circuits):
        if circuit.max_unbalance_ma is not None:
            plan = backgrounds[node].plan
            base = tuple(plan[phase] + reserved[3 * node + phase] for phase in (0, 1, 2))
            first = model.unbalance_slot(node, 0)
            slots = (first, first + 1, first + 2)
            found.append(Unbalance(slots, (base[0], base[1], base[2]), circuit.max_unbalance_ma))
    return found


def _per_slot(model: SiteModel, triples: Sequence[Triple]) -> list[int]:
    """Phase slots of all nodes from the circuits' triples: a shared station adds nothing."""
    values = [current_ma for triple in triples for current_ma in triple]
    return values + [0] * (3 * model.node_count - len(values))
