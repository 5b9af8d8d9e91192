"""``/stations/new``: unknown callers wait here to be adopted or ignored."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from app.domain.errors import InvalidInputError, UnsafeConfigurationError
from app.web.forms import Form
from app.web.http import Visit


async def page(visit: Visit) -> Response:
    """Who waits, and the address to type into a station."""
    return _inbox(visit, Form())


async def decide(visit: Visit) -> Response:
    """``action``: ``all``, ``adopt:{id}`` or ``ignore:{id}``."""
    form = await visit.form()
    stations = visit.services.stations
    verb, _, station_id = form["action"].partition(":")
    try:
        if verb == "ignore":
            await stations.ignore(station_id, visit.actor)
            return visit.redirect("/stations/new", "station-ignored")
        waiting = [caller.station_id for caller in stations.pending()]
        wanted = waiting if verb == "all" else [station_id]
        circuit_id = form.choice(
            "circuit_id", {circuit.circuit_id for circuit in visit.services.circuits.tree()}
        )
        adopted = await stations.adopt(wanted, circuit_id, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return _inbox(visit, form, visit.refuse(form, error))
    return visit.redirect("/stations", "station-adopted" if adopted == 1 else "stations-adopted")


def _inbox(visit: Visit, form: Form, status: int = 200) -> Response:
    host = visit.request.url.hostname or "localhost"
    if ":" in host:
        host = f"[{host}]"
    settings = visit.services.settings
    now = visit.services.clock.utc_now()
    callers = [
        {
            "caller": caller,
            "first_seen": visit.language.moment(
                datetime.fromisoformat(caller.first_seen_utc), now, visit.zone
            ),
            "last_seen": visit.language.moment(
                datetime.fromisoformat(caller.last_seen_utc), now, visit.zone
            ),
        }
        for caller in visit.services.stations.pending()
    ]
    blocks = None
    if visit.site is not None:
        board = visit.web.boards.board("new", visit.language)
        assert board is not None
        board.show(visit.site)
        blocks = board.blocks()
    return visit.render(
        "new_stations.html",
        status,
        form=form,
        callers=callers,
        blocks=blocks,
        circuits=visit.services.circuits.tree(),
        url=f"ws://{host}:{settings.ocpp_port}/ocpp/",
        secure_url=(
            None if settings.ocpps_port is None else f"wss://{host}:{settings.ocpps_port}/ocpp/"
        ),
    )
