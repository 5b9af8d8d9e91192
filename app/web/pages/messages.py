"""``/stations/{id}/messages``: what of a station's messages had to be repaired, and its quirks."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from app.domain.errors import InvalidInputError
from app.ocpp16.quirk import NO_QUIRKS
from app.ocpp16.repair_names import REPAIRS
from app.web import intake_words
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages.station import station_of
from app.web.tiles import quoted

CLOCK_OFF_S = 5.0
"""A clock that is off by more is told as such."""


async def page(visit: Visit) -> Response:
    """Repairs, the clock, quirks and energy outside of sessions."""
    return await _page(visit, Form(), 200)


async def set_quirk(visit: Visit) -> Response:
    """Says what holds for the station or its model, or takes that back."""
    station_id = station_of(visit).station_id
    form = await visit.form()
    try:
        name = form.choice("quirk", tuple(intake_words.QUIRKS))
        for_model = form.choice("scope", ("station", "model")) == "model"
        value = None if form["action"] == "back" else _value(form, name)
        await visit.services.quirks.set(station_id, name, value, visit.actor, for_model=for_model)
    except InvalidInputError as error:
        return await _page(visit, form, visit.refuse(form, error))
    return visit.redirect(f"/stations/{quoted(station_id)}/messages", "quirk-saved")


async def _page(visit: Visit, form: Form, status: int) -> Response:
    station, services = station_of(visit), visit.services
    station_id = station.station_id
    chosen = visit.request.query_params.get("repair", "")
    frames = await services.repairs.frames(station_id, chosen) if chosen in REPAIRS else ()
    lines = services.quirks.lines(station_id)
    edited = form["quirk"] or visit.request.query_params.get("quirk", "")
    line = next((each for each in lines if each.name == edited), None)
    if line is not None and not form["quirk"]:
        form = Form({"value": intake_words.typed(line.value), "scope": "station"})
    names = {one.station_id: one.name for one in services.stations.configuration()}
    return visit.render(
        "messages.html",
        status,
        station=station,
        names=names,
        counts=await services.repairs.counts(station_id),
        repairs=REPAIRS,
        chosen=chosen,
        frames=frames,
        skew_s=services.sessions.clock_skew_s(station_id),
        clock_off_s=CLOCK_OFF_S,
        lines=lines,
        line=line,
        form=form,
        identity=services.stations.identity(station_id),
        gaps=await services.parked.gaps(station_id),
        session_meter=any(one.name == "session_meter" and one.value for one in lines),
        intake_words=intake_words,
    )


def _value(form: Form, name: str) -> Any:
    """The value typed for a quirk, in the type of the quirk."""
    default = getattr(NO_QUIRKS, name)
    if isinstance(default, bool):
        return form.choice("value", ("yes", "no")) == "yes"
    if isinstance(default, float):
        return form.number("value", least=0.001, most=1000)
    if isinstance(default, tuple):
        return _pairs(form.text("value", most=60))
    return form.text("value", most=40, needed=True)


def _pairs(text: str) -> list[list[int]]:
    try:
        pairs = [[int(number) for number in pair.split("=")] for pair in text.split(",") if pair]
    except ValueError:
        raise InvalidInputError("quirk-value", field="value") from None
    if any(len(pair) != 2 for pair in pairs):
        raise InvalidInputError("quirk-value", field="value")
    return pairs
