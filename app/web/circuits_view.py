"""The supply and its circuits as drawn: power card, single-line diagram, and the list beside it.

The diagram (768 px and wider) and the nested list (phones, screen readers) show the same data.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from app.domain.meter import MeterPlacement
from app.domain.units import PHASES, PhaseCurrents
from app.services.live import CircuitView, ConnectorView, DisplayState, SiteView
from app.web.fragments import Fragment
from app.web.i18n import NARROW_SPACE, Language
from app.web.tiles import escaped, quoted
from app.web.wording import PHASE_NAMES, load_of

OLD_AFTER_S = 3.0
"""An age above this is shown beside the values."""

SCALE_TOP = 1.1
"""Bars end at 110 % of the limit, so that an overload has room to be seen."""

ROW_HEIGHT = 62
WIDTH = 640
BAR_X = 330
BAR_WIDTH = 190
INDENT = 26


class Load(NamedTuple):
    """How many connectors below a circuit charge and wait."""

    charging: int
    waiting: int


def loads(site: SiteView) -> dict[str, Load]:
    """Charging and waiting connectors at and below each circuit."""
    parents = {circuit.circuit_id: circuit.parent_id for circuit in site.circuits}
    charging = dict.fromkeys(parents, 0)
    waiting = dict.fromkeys(parents, 0)
    for connector in site.connectors:
        counts = _COUNTED.get(connector.state)
        if counts is None:
            continue
        tally = charging if counts else waiting
        circuit: str | None = connector.circuit_id
        while circuit is not None and circuit in tally:
            tally[circuit] += 1
            circuit = parents[circuit]
    return {key: Load(charging[key], waiting[key]) for key in parents}


_COUNTED = {DisplayState.CHARGING: True, DisplayState.WAITING_FOR_POWER: False}


def circuit_fragments(site: SiteView, language: Language) -> Iterable[Fragment]:
    """The power card, and each circuit's row in the diagram and in the list."""
    if not site.circuits:
        return
    supply = site.supply
    power_w = charging_power(site.connectors)
    yield Fragment(
        "power",
        (_shown(supply), _tenths(supply.ceilings), power_w // 100),
        lambda: power_card(supply, power_w, language),
    )
    load = loads(site)
    for row, circuit in enumerate(site.circuits):
        below = load[circuit.circuit_id]
        shown = (_shown(circuit), below, row)
        yield Fragment(
            f"d-{quoted(circuit.circuit_id)}",
            shown,
            partial(diagram_row, circuit, below, row, language),
        )
        yield Fragment(
            f"l-{quoted(circuit.circuit_id)}",
            shown,
            partial(list_row, circuit, below, language),
        )


def charging_power(connectors: Sequence[ConnectorView]) -> int:
    """Power into the cars (W): as measured, else from the currents at the nominal voltage."""
    total = 0
    for connector in connectors:
        if connector.power_w is not None:
            total += connector.power_w
        elif connector.measured is not None:
            total += connector.measured.total() * 230 // 1000
    return total


def _whole(currents: PhaseCurrents) -> tuple[int, int, int]:
    return (round(currents.l1 / 1000), round(currents.l2 / 1000), round(currents.l3 / 1000))


def _tenths(currents: PhaseCurrents) -> tuple[int, int, int]:
    return (currents.l1 // 1000, currents.l2 // 1000, currents.l3 // 1000)


def _shown(circuit: CircuitView) -> Hashable:
    age = circuit.age_s
    return (
        circuit.name,
        circuit.limit,
        _whole(circuit.total),
        _whole(circuit.charging),
        circuit.metered,
        circuit.stale,
        None if age is None or age <= OLD_AFTER_S else int(age),
        circuit.binding_phases,
        circuit.depth,
    )


# ------------------------------------------------------------------------------- power card


def power_card(supply: CircuitView, power_w: int, language: Language) -> str:
    """The supply's three phases: building and charging against the limit."""
    rows = "".join(_power_row(supply, phase, language) for phase in PHASES)
    to_cars = escaped(language.gettext("to the cars"))
    return (
        f'<div id="power" class="power{" old" if supply.stale else ""}">'
        f'<div class="power-top"><h2>{escaped(supply.name)}</h2>'
        f'<p class="big"><b>{language.power(power_w)}</b> {to_cars}</p></div>'
        f"{rows}{_source_note(supply, language)}</div>"
    )


def _power_row(circuit: CircuitView, phase: int, language: Language) -> str:
    limit = circuit.limit[phase]
    building = max(0, circuit.building[phase])
    charging = max(0, circuit.charging[phase])
    total = circuit.total[phase]
    load = load_of(total, limit)
    unit = 1000 / (limit * SCALE_TOP)
    room_end = min(1000.0, (building + max(charging, circuit.ceilings[phase])) * unit)
    split, end = min(1000.0, building * unit), min(1000.0, (building + charging) * unit)
    at_limit = 1000 / SCALE_TOP
    mark = ""
    if phase in circuit.binding_phases:
        decides = language.gettext("decides limits")
        mark = f' <span class="bind">{escaped(decides)}</span>'
    parts = language.gettext(
        "building %(building)s · charging %(charging)s",
        building=language.amps_whole(building),
        charging=language.amps_whole(charging),
    )
    return (
        f'<div class="ph {load.tone}"><b class="pn">{PHASE_NAMES[phase]}</b>'
        f'<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="ce" y="6" height="8" width="{room_end:.0f}"/>'
        f'<rect class="bu" height="20" width="{split:.0f}"/>'
        f'<rect class="ch" x="{split:.0f}" height="20" width="{max(0.0, end - split):.0f}"/>'
        f'<path class="li" d="M{at_limit:.0f} 0V20"/></svg>'
        f'<span class="pv"><b>{language.amps_whole(total)}</b>/{language.amps_whole(limit)}'
        f"{NARROW_SPACE}A</span>"
        f'<span class="pd">{escaped(parts)} · '
        f'<span class="pw">{escaped(language.text(load.label))}</span>{mark}</span></div>'
    )


def _source_note(circuit: CircuitView, language: Language) -> str:
    note = source_text(circuit, language)
    return f'<p class="note">{escaped(note)}</p>' if note else ""


def source_text(circuit: CircuitView, language: Language) -> str:
    """Where the values come from, and their age when it is worth telling."""
    age = circuit.age_s
    if circuit.stale:
        if age is None:
            return language.gettext("meter silent")
        return language.gettext("meter silent for %(age)s", age=_age(age, language))
    if not circuit.metered:
        return language.gettext("reckoned from the stations")
    if circuit.placement is MeterPlacement.CHARGING:
        text = language.gettext("charging measured")
    elif circuit.placement is MeterPlacement.BUILDING:
        text = language.gettext("building measured")
    else:
        text = language.gettext("measured")
    if age is not None and age > OLD_AFTER_S:
        ago = language.gettext("%(age)s ago", age=_age(age, language))
        text = f"{text} · {ago}"
    return text


def _age(seconds: float, language: Language) -> str:
    if seconds < 120:
        return f"{int(seconds)}{NARROW_SPACE}s"
    return language.duration(seconds)


# ------------------------------------------------------------------------------- diagram


def diagram(circuits: Sequence[CircuitView], html: Mapping[str, str]) -> str:
    """The single-line diagram: bus bars first, then each circuit's row over them."""
    height = ROW_HEIGHT * len(circuits)
    lines = "".join(_bus(circuits, row) for row in range(len(circuits)))
    rows = "".join(html[f"d-{quoted(circuit.circuit_id)}"] for circuit in circuits)
    return (
        f'<svg id="diagram" class="diagram" viewBox="0 0 {WIDTH} {height}" aria-hidden="true" '
        f'focusable="false"><path class="bus" d="{lines}"/>{rows}</svg>'
    )


def _bus(circuits: Sequence[CircuitView], row: int) -> str:
    circuit = circuits[row]
    middle = ROW_HEIGHT // 2
    x = _symbol_x(circuit)
    y = row * ROW_HEIGHT + middle
    if circuit.parent_id is None:
        return f"M{x} 0V{y}"
    parent = next(index for index in range(row) if circuits[index].circuit_id == circuit.parent_id)
    bus_x = _symbol_x(circuits[parent])
    return f"M{bus_x} {parent * ROW_HEIGHT + middle}V{y}H{x}"


def _symbol_x(circuit: CircuitView) -> int:
    return 14 + circuit.depth * INDENT


def diagram_row(circuit: CircuitView, below: Load, row: int, language: Language) -> str:
    """One circuit: breaker, name, what hangs below, and its three phases."""
    x = _symbol_x(circuit)
    middle = ROW_HEIGHT // 2
    tone = max_tone(circuit)
    facts = [language.amperes(min(circuit.limit)), *_below(below, language)]
    note = source_text(circuit, language) if circuit.stale else _binding(circuit, language)
    phases = "".join(_diagram_phase(circuit, phase, language) for phase in PHASES)
    return (
        f'<svg id="d-{quoted(circuit.circuit_id)}" class="node {tone}'
        f'{" old" if circuit.stale else ""}" '
        f'y="{row * ROW_HEIGHT}" width="{WIDTH}" height="{ROW_HEIGHT}">'
        f'<rect class="brk" x="{x - 8}" y="{middle - 8}" width="16" height="16" rx="3"/>'
        f'<path class="brx" d="M{x - 4} {middle - 4}l8 8m0-8l-8 8"/>'
        f'<text class="nm" x="{x + 18}" y="{middle - 8}">{escaped(_cut(circuit.name, 26))}</text>'
        f'<text class="fx" x="{x + 18}" y="{middle + 8}">{escaped(" · ".join(facts))}</text>'
        f'<text class="bd" x="{x + 18}" y="{middle + 22}">{escaped(note)}</text>'
        f"{phases}</svg>"
    )


def _diagram_phase(circuit: CircuitView, phase: int, language: Language) -> str:
    y = 11 + 16 * phase
    limit, total = circuit.limit[phase], circuit.total[phase]
    unit = BAR_WIDTH / (limit * SCALE_TOP)
    width = min(BAR_WIDTH, max(0.0, total * unit))
    car_width = min(width, max(0.0, circuit.charging[phase] * unit))
    limit_x = BAR_X + BAR_WIDTH / SCALE_TOP
    load = load_of(total, limit)
    return (
        f'<g class="{load.tone}"><text class="pl" x="{BAR_X - 24}" y="{y + 8}">'
        f"{PHASE_NAMES[phase]}</text>"
        f'<rect class="tr" x="{BAR_X}" y="{y}" width="{BAR_WIDTH}" height="9" rx="2"/>'
        f'<rect class="bu" x="{BAR_X}" y="{y}" width="{width - car_width:.0f}" height="9"/>'
        f'<rect class="ch" x="{BAR_X + width - car_width:.0f}" y="{y}" '
        f'width="{car_width:.0f}" height="9"/>'
        f'<path class="li" d="M{limit_x:.0f} {y - 2}v13"/>'
        f'<text class="vl" x="{WIDTH - 4}" y="{y + 9}">{language.amps_whole(total)} / '
        f"{language.amps_whole(limit)}{NARROW_SPACE}A</text></g>"
    )


def max_tone(circuit: CircuitView) -> str:
    """The tone of the fullest phase."""
    order = ("ok", "tight", "full", "over")
    tones = (load_of(circuit.total[phase], circuit.limit[phase]).tone for phase in PHASES)
    return max(tones, key=order.index)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _below(below: Load, language: Language) -> list[str]:
    parts = []
    if below.charging:
        parts.append(language.ngettext("%(count)s charging", "%(count)s charging", below.charging))
    if below.waiting:
        parts.append(language.ngettext("%(count)s waiting", "%(count)s waiting", below.waiting))
    return parts


def _binding(circuit: CircuitView, language: Language) -> str:
    if not circuit.binding_phases:
        return ""
    phases = ", ".join(PHASE_NAMES[phase] for phase in circuit.binding_phases)
    return "▲ " + language.gettext("decides limits on %(phases)s", phases=phases)


# ------------------------------------------------------------------------------- list


def circuit_list(circuits: Sequence[CircuitView], html: Mapping[str, str]) -> str:
    """The same tree as nested lists."""
    children: dict[str | None, list[CircuitView]] = {}
    for circuit in circuits:
        children.setdefault(circuit.parent_id, []).append(circuit)

    def items(parent: str | None) -> str:
        return "".join(
            f"<li>{html['l-' + quoted(circuit.circuit_id)]}{nested(circuit.circuit_id)}</li>"
            for circuit in children.get(parent, ())
        )

    def nested(parent: str) -> str:
        inner = items(parent)
        return f"<ul>{inner}</ul>" if inner else ""

    return f'<ul id="circuits" class="circuits">{items(None)}</ul>'


def list_row(circuit: CircuitView, below: Load, language: Language) -> str:
    """One circuit as a list item's content."""
    phases = "".join(_list_phase(circuit, phase, language) for phase in PHASES)
    facts = [*_below(below, language), source_text(circuit, language)]
    binding = _binding(circuit, language)
    if binding:
        facts.append(binding)
    return (
        f'<div id="l-{quoted(circuit.circuit_id)}" class="circuit {max_tone(circuit)}'
        f'{" old" if circuit.stale else ""}">'
        f'<p class="cn"><b>{escaped(circuit.name)}</b> '
        f"<span>{language.amperes(min(circuit.limit))}</span></p>"
        f'<div class="cp">{phases}</div><p class="cf">{escaped(" · ".join(facts))}</p></div>'
    )


def _list_phase(circuit: CircuitView, phase: int, language: Language) -> str:
    limit, total = circuit.limit[phase], circuit.total[phase]
    load = load_of(total, limit)
    width = min(100, max(0, round(total * 100 / (limit * SCALE_TOP))))
    cars = min(width, max(0, round(circuit.charging[phase] * 100 / (limit * SCALE_TOP))))
    return (
        f'<span class="{load.tone}">{PHASE_NAMES[phase]} '
        f'<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="bu" width="{width - cars}" height="6"/>'
        f'<rect class="ch" x="{width - cars}" width="{cars}" height="6"/></svg> '
        f"<b>{language.amps_whole(total)}</b>/{language.amps_whole(limit)}{NARROW_SPACE}A</span>"
    )
