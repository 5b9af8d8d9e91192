"""What a form of the installation would change, beside the form and as a part for its script."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from starlette.responses import Response

from app.domain.circuit import Circuit
from app.domain.errors import BornierError, InvalidInputError, UnsafeConfigurationError
from app.domain.station import ChargingStation
from app.services.ports import SiteConfiguration
from app.services.preview import Preview
from app.web.forms import Form
from app.web.http import Visit

PREVIEW = "preview"
"""Value of the button ``action`` that shows the preview and saves nothing."""

DRAFT_NAME = "…"
"""Stands for a name or an identity that is not written yet."""


class Shown(NamedTuple):
    """A preview, or why there is none yet."""

    preview: Preview | None
    message: str = ""


def is_preview(form: Form) -> bool:
    """Whether the form was sent to be looked at only."""
    return form["action"] == PREVIEW


def is_part(form: Form) -> bool:
    """Whether only the preview was asked for, by the page's script."""
    return form["part"] == PREVIEW


async def shown(visit: Visit, candidate: SiteConfiguration, edited: Sequence[str]) -> Shown:
    """The preview of ``candidate``; what is missing, when it is no configuration yet."""
    try:
        # On a full site it would hold up the control cycle.
        return Shown(await asyncio.to_thread(visit.services.preview.preview, candidate, edited))
    except InvalidInputError as error:
        return Shown(None, visit.say(error))


def refuse(
    visit: Visit,
    form: Form,
    error: BornierError,
    what: Shown,
    places: Mapping[str, str] | None = None,
) -> int:
    """Puts the refusal into the form, with its arithmetic; returns the HTTP status."""
    if isinstance(error, UnsafeConfigurationError) and what.preview is not None:
        form.refusal = what.preview.refusal
    return visit.refuse(form, error, places)


def part(visit: Visit, what: Shown) -> Response:
    """The preview alone."""
    return visit.render("preview_part.html", shown=what, form=Form())


def with_circuit(visit: Visit, circuit: Circuit) -> SiteConfiguration:
    """The configuration in force with ``circuit`` in it."""
    current = visit.services.circuits.configuration()
    circuits = {one.circuit_id: one for one in current.circuits}
    circuits[circuit.circuit_id] = circuit
    return msgspec.structs.replace(current, circuits=tuple(circuits.values()))


def with_station(visit: Visit, station: ChargingStation) -> SiteConfiguration:
    """The configuration in force with ``station`` in it."""
    current = visit.services.circuits.configuration()
    stations = {one.station_id: one for one in current.stations}
    stations[station.station_id] = station
    return msgspec.structs.replace(current, stations=tuple(stations.values()))


def path(visit: Visit, *circuit_ids: str | None) -> list[str]:
    """These circuits and all above them, each once, the nearest first."""
    tree = visit.services.circuits.tree()
    return list(
        dict.fromkeys(
            above.circuit_id
            for circuit_id in circuit_ids
            if circuit_id is not None and circuit_id in tree
            for above in tree.path(circuit_id)
        )
    )
