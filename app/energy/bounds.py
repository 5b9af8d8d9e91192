"""The limits of this cycle: the installer's, narrowed by the caps in force.

Slots are numbered by ``SiteModel``; those of total power count in mA too, summed over the phases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from app.domain.limits import CircuitCap, LimitSource
from app.domain.meter import MeterReading, Quality
from app.domain.units import NOMINAL_VOLTAGE_V
from app.energy.site_model import SiteModel

UNBOUNDED = 1 << 60
"""More than anything carries (mA)."""

PLAUSIBLE_VOLTAGES_V = (180.0, 270.0)
"""A measured voltage outside says nothing of the power."""


class Bounds(msgspec.Struct, frozen=True):
    """Per slot of phases and power (mA): what may flow.

    ``limit`` is the limit in force and ``usable`` the same less the margin; ``charging`` the most
    that the stations below may draw whatever else flows. ``source`` and ``charging_source`` name
    who set these where it is not the installer. ``power_nodes`` are the nodes with a bounded power.
    """

    limit: list[int]
    usable: list[int]
    charging: list[int]
    source: dict[int, LimitSource]
    charging_source: dict[int, LimitSource]
    power_nodes: frozenset[int]


def limits_in_force(
    model: SiteModel, caps: Iterable[CircuitCap], voltages: Mapping[int, float]
) -> Bounds:
    """The limits of this cycle; ``voltages`` (V) by node, the highest of the phases measured there.

    Where no voltage was measured, on the way up to the supply, the nominal one counts. Caps on
    circuits that are not there are ignored.
    """
    count = 4 * model.node_count
    found = Bounds(
        limit=[*model.limit, *[UNBOUNDED] * model.node_count],
        usable=[*model.usable, *[UNBOUNDED] * model.node_count],
        charging=[UNBOUNDED] * count,
        source={},
        charging_source={},
        power_nodes=frozenset(),
    )
    nodes: set[int] = set()
    for node, circuit in enumerate(model.circuits):
        if circuit.max_power_w is not None:
            nodes.add(node)
            sum_ma = _power_ma(model, node, circuit.max_power_w, voltages)
            _narrow(found, model, node, model.power_slot(node), sum_ma, None)
    for cap in caps:
        at = model.circuit_index.get(cap.circuit_id)
        if at is None:
            continue
        if cap.limit is not None:
            for phase in (0, 1, 2):
                _narrow(found, model, at, 3 * at + phase, cap.limit[phase], cap.source)
        if cap.charging is not None:
            for phase in (0, 1, 2):
                _narrow_charging(found, 3 * at + phase, cap.charging[phase], cap.source)
        slot = model.power_slot(at)
        if cap.power_w is not None:
            nodes.add(at)
            sum_ma = _power_ma(model, at, cap.power_w, voltages)
            _narrow(found, model, at, slot, sum_ma, cap.source)
        if cap.charging_power_w is not None:
            nodes.add(at)
            sum_ma = _power_ma(model, at, cap.charging_power_w, voltages)
            _narrow_charging(found, slot, sum_ma, cap.source)
    return msgspec.structs.replace(found, power_nodes=frozenset(nodes))


def measured_voltages(
    model: SiteModel, readings: Mapping[str, MeterReading | None]
) -> dict[int, float]:
    """By node, the highest of the phases' voltages (V) in its meter's last good reading."""
    found = {}
    for circuit_id, reading in readings.items():
        node = model.circuit_index.get(circuit_id)
        if node is None or reading is None or reading.quality is not Quality.GOOD:
            continue
        if reading.voltages_v is not None:
            found[node] = max(reading.voltages_v)
    return found


def _power_ma(model: SiteModel, node: int, power_w: int, voltages: Mapping[int, float]) -> int:
    """The sum of the phases' currents at which ``power_w`` is reached, at unity power factor."""
    at: int | None = node
    lowest, highest = PLAUSIBLE_VOLTAGES_V
    while at is not None:
        voltage_v = voltages.get(at)
        if voltage_v is not None and lowest <= voltage_v <= highest:
            return int(power_w * 1000 / voltage_v)
        at = model.parent[at]
    return power_w * 1000 // NOMINAL_VOLTAGE_V


def _narrow(
    found: Bounds, model: SiteModel, node: int, slot: int, limit_ma: int, source: LimitSource | None
) -> None:
    if limit_ma >= found.limit[slot]:
        return
    # The margin is kept on every phase, so three times in a sum of phases.
    margin_ma = model.circuits[node].margin_ma * (1 if slot < 3 * model.node_count else 3)
    found.limit[slot] = max(0, limit_ma)
    found.usable[slot] = max(0, limit_ma - margin_ma)
    if source is not None:
        found.source[slot] = source


def _narrow_charging(found: Bounds, slot: int, most_ma: int, source: LimitSource) -> None:
    if most_ma < found.charging[slot]:
        found.charging[slot] = max(0, most_ma)
        found.charging_source[slot] = source
