"""``/settings/energy``: the electrical tree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

import msgspec
from starlette.responses import Response

from app.domain.circuit import Circuit
from app.domain.errors import InvalidInputError, NotFoundError, UnsafeConfigurationError
from app.domain.units import PHASES, PhaseCurrents
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages import previews
from app.web.pages.previews import Shown

MOST_A = 6_300
MOST_KW = 4_000


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
    """Adds a circuit, or shows what it would change."""
    return await _preview_or_save(visit, None)


async def edit_page(visit: Visit) -> Response:
    """The form with the circuit's values."""
    circuit = _circuit(visit)
    form = Form(_values(circuit))
    return _form(visit, form, circuit, shown=await _preview(visit, form, circuit))


async def edit(visit: Visit) -> Response:
    """Saves the circuit; refused with the arithmetic when the worst case does not fit."""
    return await _preview_or_save(visit, _circuit(visit))


async def move(visit: Visit) -> Response:
    """Puts the circuit before or behind its neighbour."""
    circuit = _circuit(visit)
    form = await visit.form()
    up = form.choice("to", ("up", "down")) == "up"
    await visit.services.circuits.move_circuit(circuit.circuit_id, up, visit.actor)
    return visit.redirect("/settings/energy", "circuit-moved")


async def attach_page(visit: Visit) -> Response:
    """Asks which circuit shall feed this one."""
    circuit = _circuit(visit)
    if circuit.parent_id is None:
        raise InvalidInputError("circuit-root-stays", circuit=circuit.name)
    form = Form({"parent": circuit.parent_id})
    return _attach_form(visit, form, circuit, await _attach_preview(visit, form, circuit))


async def attach(visit: Visit) -> Response:
    """Lets another circuit feed this one, or shows what that would change."""
    circuit = _circuit(visit)
    form = await visit.form()
    what = await _attach_preview(visit, form, circuit)
    if previews.is_part(form):
        return previews.part(visit, what)
    if previews.is_preview(form):
        return _attach_form(visit, form, circuit, what)
    try:
        parent = form.choice("parent", {other.circuit_id for other in _parents(visit, circuit)})
        await visit.services.circuits.attach_circuit(circuit.circuit_id, parent, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        status = previews.refuse(visit, form, error, what, PLACES)
        return _attach_form(visit, form, circuit, what, status)
    return visit.redirect("/settings/energy", "circuit-moved")


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


async def _preview_or_save(visit: Visit, before: Circuit | None) -> Response:
    form = await visit.form()
    if previews.is_part(form):
        return previews.part(visit, await _preview(visit, form, before))
    if previews.is_preview(form):
        return _form(visit, form, before, shown=await _preview(visit, form, before))
    try:
        circuit = _read(visit, form, before)
        await visit.services.circuits.save_circuit(circuit, visit.actor, new=before is None)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        what = await _preview(visit, form, before)
        status = previews.refuse(visit, form, error, what, PLACES)
        return _form(visit, form, before, status, shown=what)
    return visit.redirect("/settings/energy", "circuit-saved")


async def _preview(visit: Visit, form: Form, before: Circuit | None) -> Shown:
    if not form["name"].strip():
        form = Form({**form.values, "name": previews.DRAFT_NAME})
    try:
        circuit = _read(visit, form, before)
    except InvalidInputError as error:
        return Shown(None, visit.say(error))
    edited = previews.path(visit, circuit.parent_id, before.parent_id if before else None)
    candidate = previews.with_circuit(visit, circuit)
    return await previews.shown(visit, candidate, [circuit.circuit_id, *edited])


async def _attach_preview(visit: Visit, form: Form, circuit: Circuit) -> Shown:
    moved = msgspec.structs.replace(circuit, parent_id=form["parent"])
    edited = previews.path(visit, circuit.circuit_id, form["parent"])
    return await previews.shown(visit, previews.with_circuit(visit, moved), edited)


def _parents(visit: Visit, circuit: Circuit | None) -> list[Circuit]:
    """The circuits that could feed this one: all but itself and those below it."""
    tree = visit.services.circuits.tree()
    if circuit is None:
        return list(tree)
    return [other for other in tree if circuit not in tree.path(other.circuit_id)]


def _form(
    visit: Visit,
    form: Form,
    circuit: Circuit | None,
    status: int = 200,
    *,
    shown: Shown | None = None,
) -> Response:
    return visit.render(
        "circuit_form.html",
        status,
        form=form,
        circuit=circuit,
        parents=_parents(visit, circuit),
        tree=visit.services.circuits.tree(),
        shown=shown or Shown(None),
    )


def _attach_form(
    visit: Visit, form: Form, circuit: Circuit, shown: Shown, status: int = 200
) -> Response:
    return visit.render(
        "circuit_attach.html",
        status,
        form=form,
        circuit=circuit,
        parents=_parents(visit, circuit),
        tree=visit.services.circuits.tree(),
        shown=shown,
    )


def _values(circuit: Circuit) -> dict[str, str]:
    values = {
        "name": circuit.name,
        "parent": circuit.parent_id or "",
        "margin": f"{circuit.margin_ma / 1000:g}",
    }
    for phase in PHASES:
        values[f"limit-{phase + 1}"] = f"{circuit.limit[phase] / 1000:g}"
        if circuit.worst_background is not None:
            values[f"background-{phase + 1}"] = f"{circuit.worst_background[phase] / 1000:g}"
    if circuit.max_power_w is not None:
        values["power"] = f"{circuit.max_power_w / 1000:g}"
    if circuit.max_unbalance_ma is not None:
        values["unbalance"] = f"{circuit.max_unbalance_ma / 1000:g}"
    return values


def _read(visit: Visit, form: Form, before: Circuit | None) -> Circuit:
    tree = visit.services.circuits.tree()
    name = form.text("name", most=60, needed=True)
    is_root = before is not None and before.parent_id is None
    known = {circuit.circuit_id for circuit in tree}
    background = None
    if any(form[f"background-{phase + 1}"].strip() for phase in PHASES):
        background = _phases(form, "background", least_a=0)
    power_w = unbalance_ma = None
    if form["power"].strip():
        power_w = round(form.number("power", least=0.1, most=MOST_KW) * 1000)
    if form["unbalance"].strip():
        unbalance_ma = form.current_ma("unbalance", least_a=1, most_a=MOST_A)
    return Circuit(
        circuit_id=before.circuit_id if before else identifier(name, known),
        name=name,
        parent_id=None if is_root else form.choice("parent", known),
        limit=_phases(form, "limit", least_a=1),
        margin_ma=form.current_ma("margin", most_a=MOST_A),
        worst_background=background,
        max_power_w=power_w,
        max_unbalance_ma=unbalance_ma,
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
