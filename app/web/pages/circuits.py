"""``/settings/energy``: the electrical tree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from starlette.responses import Response

from app.domain.circuit import Circuit
from app.domain.errors import InvalidInputError, NotFoundError, UnsafeConfigurationError
from app.domain.units import PHASES, PhaseCurrents
from app.web.forms import Form
from app.web.http import Visit

MOST_A = 6_300


async def page(visit: Visit) -> Response:
    """The tree with limits, margins and what hangs on each circuit."""
    configuration = visit.services.circuits.configuration()
    counts: dict[str, int] = {}
    for station in configuration.stations:
        counts[station.circuit_id] = counts.get(station.circuit_id, 0) + 1
    return visit.render(
        "circuits.html",
        tree=visit.services.circuits.tree(),
        counts=counts,
        metered={meter.circuit_id: meter.model for meter in configuration.meters},
    )


async def add_page(visit: Visit) -> Response:
    """An empty form below the chosen circuit."""
    tree = visit.services.circuits.tree()
    parent = visit.request.query_params.get("parent", "")
    values = {"parent": parent if parent in tree else tree.root.circuit_id, "margin": "0"}
    return _form(visit, Form(values), None)


async def add(visit: Visit) -> Response:
    """Adds a circuit."""
    form = await visit.form()
    try:
        circuit = _read(visit, form, None)
        await visit.services.circuits.save_circuit(circuit, visit.actor, new=True)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return _form(visit, form, None, visit.refuse(form, error, PLACES))
    return visit.redirect("/settings/energy", "circuit-saved")


async def edit_page(visit: Visit) -> Response:
    """The form with the circuit's values."""
    circuit = _circuit(visit)
    values = {
        "name": circuit.name,
        "parent": circuit.parent_id or "",
        "margin": f"{circuit.margin_ma / 1000:g}",
    }
    for phase in PHASES:
        values[f"limit-{phase + 1}"] = f"{circuit.limit[phase] / 1000:g}"
        if circuit.worst_background is not None:
            values[f"background-{phase + 1}"] = f"{circuit.worst_background[phase] / 1000:g}"
    return _form(visit, Form(values), circuit)


async def edit(visit: Visit) -> Response:
    """Saves the circuit; refused with the arithmetic when the worst case does not fit."""
    before = _circuit(visit)
    form = await visit.form()
    try:
        circuit = _read(visit, form, before)
        await visit.services.circuits.save_circuit(circuit, visit.actor, new=False)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return _form(visit, form, before, visit.refuse(form, error, PLACES))
    return visit.redirect("/settings/energy", "circuit-saved")


async def remove_page(visit: Visit) -> Response:
    """Asks before removing."""
    return visit.render("circuit_remove.html", circuit=_circuit(visit), refusal="")


async def remove(visit: Visit) -> Response:
    """Removes a circuit that feeds nothing."""
    circuit = _circuit(visit)
    await visit.form()
    try:
        await visit.services.circuits.remove_circuit(circuit.circuit_id, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return visit.render("circuit_remove.html", 422, circuit=circuit, refusal=visit.say(error))
    return visit.redirect("/settings/energy", "circuit-removed")


def _circuit(visit: Visit) -> Circuit:
    tree = visit.services.circuits.tree()
    circuit_id = visit.request.path_params["circuit_id"]
    if circuit_id not in tree:
        raise NotFoundError("circuit-unknown", circuit=circuit_id)
    return tree[circuit_id]


PLACES = {"limit": "limit-1", "background": "background-1"}
"""The first of the three inputs of a field that has one for each phase."""


def _form(visit: Visit, form: Form, circuit: Circuit | None, status: int = 200) -> Response:
    tree = visit.services.circuits.tree()
    below = set()
    if circuit is not None:
        below = {other.circuit_id for other in tree if circuit in tree.path(other.circuit_id)}
    return visit.render(
        "circuit_form.html",
        status,
        form=form,
        circuit=circuit,
        parents=[other for other in tree if other.circuit_id not in below],
        tree=tree,
    )


def _read(visit: Visit, form: Form, before: Circuit | None) -> Circuit:
    tree = visit.services.circuits.tree()
    name = form.text("name", most=60, needed=True)
    is_root = before is not None and before.parent_id is None
    known = {circuit.circuit_id for circuit in tree}
    background = None
    if any(form[f"background-{phase + 1}"].strip() for phase in PHASES):
        background = _phases(form, "background", least_a=0)
    return Circuit(
        circuit_id=before.circuit_id if before else identifier(name, known),
        name=name,
        parent_id=None if is_root else form.choice("parent", known),
        limit=_phases(form, "limit", least_a=1),
        margin_ma=form.current_ma("margin", most_a=MOST_A),
        worst_background=background,
    )


def _phases(form: Form, name: str, *, least_a: float) -> PhaseCurrents:
    return PhaseCurrents.of(
        form.current_ma(f"{name}-{phase + 1}", least_a=least_a, most_a=MOST_A) for phase in PHASES
    )


def identifier(name: str, taken: Collection[str]) -> str:
    """A readable identifier from a name: ``Parking −1`` -> ``parking-1``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "circuit"
    candidate, number = base, 2
    while candidate in taken:
        candidate, number = f"{base}-{number}", number + 1
    return candidate
