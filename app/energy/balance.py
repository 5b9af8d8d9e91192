"""The account of each circuit, for the page and the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain.limits import LimitSource
from app.domain.meter import MeterReading
from app.domain.units import PhaseCurrents
from app.energy.background import Background, Sums
from app.energy.bounds import Bounds
from app.energy.plan import BalanceSource, CircuitBalance
from app.energy.site_model import SiteModel


def balances(
    model: SiteModel,
    bounds: Bounds,
    backgrounds: Sequence[Background],
    sums: Sums,
    limits: Sequence[int],
    readings: Mapping[str, MeterReading | None],
) -> tuple[CircuitBalance, ...]:
    """One balance per circuit, parents first; ``limits`` per slot as asked for."""
    return tuple(
        _balance(
            model, bounds, node, background, sums, limits, readings.get(model.node_names[node])
        )
        for node, background in enumerate(backgrounds)
    )


def _balance(
    model: SiteModel,
    bounds: Bounds,
    node: int,
    background: Background,
    sums: Sums,
    limits: Sequence[int],
    reading: MeterReading | None,
) -> CircuitBalance:
    circuit = model.circuits[node]
    plan = PhaseCurrents.of(background.plan)
    asked = _at(limits, node)
    usable = _at(bounds.usable, node)
    room = usable - plan - asked
    phases = tuple(room)
    return CircuitBalance(
        circuit_id=circuit.circuit_id,
        limit=_at(bounds.limit, node),
        limit_source=_limit_source(bounds, node),
        usable=usable,
        background=plan,
        background_upper=PhaseCurrents.of(background.upper),
        charging=_charging(background, sums, node, plan, reading),
        limits=asked,
        ceilings=_at(sums.ceiling, node),
        meter=reading,
        source=background.source,
        age_s=background.age_s,
        tightest_phase=phases.index(min(phases)),
    )


def _limit_source(bounds: Bounds, node: int) -> LimitSource:
    """Who set the limits of the phases, where it was not the installer."""
    for slot in range(3 * node, 3 * node + 3):
        source = bounds.source.get(slot)
        if source is not None:
            return source
    return LimitSource.INSTALLATION


def _charging(
    background: Background,
    sums: Sums,
    node: int,
    plan: PhaseCurrents,
    reading: MeterReading | None,
) -> PhaseCurrents:
    """What the stations draw together: by the meter where one tells, else by their samples."""
    if reading is not None and background.source is BalanceSource.MEASURED:
        return (reading.currents - plan).floored().at_most(_at(sums.held, node))
    if reading is not None and background.source is BalanceSource.CHARGING:
        return reading.currents
    return _at(sums.low, node)


def _at(sums: Sequence[int], node: int) -> PhaseCurrents:
    return PhaseCurrents(*sums[3 * node : 3 * node + 3])
