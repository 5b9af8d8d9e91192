"""``/stations/add``, ``/edit`` and ``/remove``: the form of a station."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from app.domain.errors import InvalidInputError, UnsafeConfigurationError
from app.domain.station import DEFAULT_PRIORITY, ChargingStation, Connector
from app.domain.units import Rotation, amperes_to_ma
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages import previews
from app.web.pages.previews import Shown
from app.web.pages.station import station_of
from app.web.tiles import quoted

MOST_CONNECTORS = 4


async def add_page(visit: Visit) -> Response:
    """An empty form with the usual values."""
    circuits = visit.services.circuits.tree().circuits
    start = Form(
        {
            "max_a": "32",
            "fallback_a": "0",
            "count": "1",
            "phases": "3",
            "rotation": Rotation.RST.value,
            "min_a": "6",
            "step_a": "1",
            "controllable": "on",
            "weight": "1",
            "priority": str(DEFAULT_PRIORITY),
            "circuit_id": circuits[-1].circuit_id if len(circuits) == 1 else "",
        }
    )
    return _form(visit, start, None)


async def add(visit: Visit) -> Response:
    """Adopts a station before it has ever called, or shows what it would change."""
    form = await visit.form()
    if previews.is_part(form):
        return previews.part(visit, await _preview(visit, form, None))
    if previews.is_preview(form):
        return _form(visit, form, None, shown=await _preview(visit, form, None))
    try:
        station = _read(form, None)
        await visit.services.stations.add(station, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        what = await _preview(visit, form, None)
        status = previews.refuse(visit, form, error, what, {"connectors": "count"})
        return _form(visit, form, None, status, shown=what)
    return visit.redirect(f"/stations/{quoted(station.station_id)}", "station-saved")


async def edit_page(visit: Visit) -> Response:
    """The form with the station's values."""
    station = station_of(visit)
    form = Form(_values(station))
    return _form(visit, form, station, shown=await _preview(visit, form, station))


async def edit(visit: Visit) -> Response:
    """Saves the station, or shows what the change would do."""
    before = station_of(visit)
    form = await visit.form()
    if previews.is_part(form):
        return previews.part(visit, await _preview(visit, form, before))
    if previews.is_preview(form):
        return _form(visit, form, before, shown=await _preview(visit, form, before))
    try:
        await visit.services.stations.edit(_read(form, before), visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        first = f"-{before.connectors[0].connector_id}"
        what = await _preview(visit, form, before)
        status = previews.refuse(visit, form, error, what, {"connectors": f"phases{first}"})
        return _form(visit, form, before, status, shown=what)
    return visit.redirect(f"/stations/{quoted(before.station_id)}", "station-saved")


async def remove_page(visit: Visit) -> Response:
    """Asks before removing."""
    return visit.render("station_remove.html", station=station_of(visit), refusal="")


async def remove(visit: Visit) -> Response:
    """Takes the station out of the site."""
    station = station_of(visit)
    await visit.form()
    try:
        await visit.services.stations.remove(station.station_id, visit.actor)
    except InvalidInputError as error:
        return visit.render("station_remove.html", 422, station=station, refusal=visit.say(error))
    return visit.redirect("/stations", "station-removed")


async def _preview(visit: Visit, form: Form, before: ChargingStation | None) -> Shown:
    if before is None and not form["station_id"].strip():
        form = Form({**form.values, "station_id": previews.DRAFT_NAME})
    try:
        station = _read(form, before)
    except InvalidInputError as error:
        return Shown(None, visit.say(error))
    known = {one.station_id for one in visit.services.stations.configuration()}
    if before is None and station.station_id in known:
        return Shown(None, visit.say(InvalidInputError("station-exists")))
    edited = previews.path(visit, station.circuit_id, before.circuit_id if before else None)
    return await previews.shown(visit, previews.with_station(visit, station), edited)


def _form(
    visit: Visit,
    form: Form,
    station: ChargingStation | None,
    status: int = 200,
    *,
    shown: Shown | None = None,
) -> Response:
    return visit.render(
        "station_form.html",
        status,
        form=form,
        station=station,
        circuits=visit.services.circuits.tree(),
        rotations=list(Rotation),
        most_connectors=MOST_CONNECTORS,
        shown=shown or Shown(None),
    )


def _values(station: ChargingStation) -> dict[str, str]:
    """The station as form fields; connector fields carry the connector's number."""
    values = {
        "station_id": station.station_id,
        "name": station.name,
        "place": station.place,
        "circuit_id": station.circuit_id,
        "max_a": f"{station.max_ma / 1000:g}",
        "fallback_a": f"{station.fallback_ma / 1000:g}",
        "weight": f"{station.weight / 1000:g}",
        "priority": str(station.priority),
        "free_charging": "on" if station.free_charging else "",
    }
    for connector in station.connectors:
        number = connector.connector_id
        values |= {
            f"phases-{number}": str(connector.phases),
            f"rotation-{number}": connector.rotation.value,
            f"max_a-{number}": f"{connector.max_ma / 1000:g}",
            f"min_a-{number}": f"{connector.min_ma / 1000:g}",
            f"step_a-{number}": f"{connector.step_ma / 1000:g}",
            f"controllable-{number}": "on" if connector.controllable else "",
            f"line_to_line-{number}": "on" if connector.line_to_line else "",
        }
    return values


def _read(form: Form, before: ChargingStation | None) -> ChargingStation:
    """The station described by the form; a new one has ``count`` equal connectors."""
    station_id = before.station_id if before else form.text("station_id", most=48, needed=True)
    max_ma = form.current_ma("max_a", least_a=6, most_a=125)
    if before is None:
        count = form.whole("count", least=1, most=MOST_CONNECTORS)
        like = _connector(form, "", Connector(1, max_ma=max_ma))
        connectors = tuple(
            msgspec.structs.replace(like, connector_id=number) for number in range(1, count + 1)
        )
    else:
        connectors = tuple(
            _connector(form, f"-{connector.connector_id}", connector)
            for connector in before.connectors
        )
    return ChargingStation(
        station_id=station_id,
        name=form.text("name", most=60) or station_id,
        place=form.text("place", most=80),
        circuit_id=form.text("circuit_id", needed=True),
        connectors=connectors,
        max_ma=max_ma,
        fallback_ma=form.current_ma("fallback_a", most_a=125),
        weight=amperes_to_ma(form.number("weight", least=0.1, most=10)),
        free_charging=form.checked("free_charging"),
        priority=form.whole("priority", least=0, most=3),
    )


def _connector(form: Form, suffix: str, before: Connector) -> Connector:
    max_ma = form.current_ma(f"max_a{suffix}", least_a=6, most_a=125) if suffix else before.max_ma
    phases = int(form.choice(f"phases{suffix}", ("1", "3")))
    return Connector(
        connector_id=before.connector_id,
        phases=phases,
        rotation=Rotation(form.choice(f"rotation{suffix}", set(Rotation))),
        max_ma=max_ma,
        min_ma=form.current_ma(f"min_a{suffix}", least_a=6, most_a=125),
        step_ma=form.current_ma(f"step_a{suffix}", least_a=0.1, most_a=6),
        controllable=form.checked(f"controllable{suffix}"),
        line_to_line=phases == 1 and form.checked(f"line_to_line{suffix}"),
    )
