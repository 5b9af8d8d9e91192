"""``/stations/{id}``: one station, live, with its commands."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station import ChargingStation, ConnectorKey
from app.web import answers, conduct
from app.web.forms import Form
from app.web.http import STATUS_OF, Visit
from app.web.tiles import quoted

RECENT_SESSIONS = 10


def station_of(visit: Visit) -> ChargingStation:
    """The adopted station named in the address."""
    station_id = visit.request.path_params["station_id"]
    for station in visit.services.stations.configuration():
        if station.station_id == station_id:
            return station
    raise NotFoundError("station-unknown", station=station_id)


async def page(visit: Visit) -> Response:
    """State, reason, trace, commands, recent sessions, identity."""
    return await _page(visit)


async def start(visit: Visit) -> Response:
    """Starts a charge under a badge."""
    form = await visit.form()
    key = _connector(visit, form)
    id_tag = form.text("id_tag", most=20, needed=True)
    return await _command(
        visit, visit.services.remote.commands.start(key, id_tag, visit.actor), "start-sent"
    )


async def stop(visit: Visit) -> Response:
    """Ends the running charge."""
    form = await visit.form()
    key = _connector(visit, form)
    return await _command(visit, visit.services.remote.commands.stop(key, visit.actor), "stop-sent")


async def unlock(visit: Visit) -> Response:
    """Frees the plug."""
    form = await visit.form()
    key = _connector(visit, form)
    return await _command(
        visit, visit.services.remote.commands.unlock(key, visit.actor), "unlock-sent"
    )


async def reset(visit: Visit) -> Response:
    """Restarts the station, softly (charges end first) or at once."""
    form = await visit.form()
    hard = form.choice("kind", ("soft", "hard")) == "hard"
    station_id = station_of(visit).station_id
    return await _command(
        visit, visit.services.remote.commands.reset(station_id, hard, visit.actor), "reset-sent"
    )


def _connector(visit: Visit, form: Form) -> ConnectorKey:
    station = station_of(visit)
    connector_id = form.whole("connector", least=1, most=4)
    if station.connector(connector_id) is None:
        raise HTTPException(404)
    return ConnectorKey(station.station_id, connector_id)


async def _command(visit: Visit, command: Awaitable[object], notice: str) -> Response:
    try:
        await command
    except (StationRefusedError, StationUnreachableError, InvalidInputError) as error:
        return await _page(visit, error)
    return visit.redirect(f"/stations/{quoted(visit.request.path_params['station_id'])}", notice)


async def _page(visit: Visit, error: BornierError | None = None) -> Response:
    station = station_of(visit)
    services = visit.services
    blocks = None
    site = visit.site
    if site is not None:
        board = visit.web.boards.board(f"station/{station.station_id}", visit.language)
        assert board is not None
        board.show(site)
        blocks = board.blocks()
    known = await services.safety.of(station.station_id)
    return visit.render(
        "station.html",
        200 if error is None else STATUS_OF.get(type(error), 422),
        station=station,
        circuit=services.circuits.tree()[station.circuit_id],
        identity=services.stations.identity(station.station_id),
        online=services.stations.is_online(station.station_id),
        repairs=services.repairs.total(station.station_id),
        badges=[badge for badge in services.badges.list() if badge.known and badge.active],
        recent=await services.sessions.recent(station.station_id, limit=RECENT_SESSIONS),
        label=services.sessions.badge_label,
        conduct=conduct.facts(known, visit.language),
        disobedience=known.history,
        blocks=blocks,
        said=None if error is None else answers.said_of_error(visit, error),
        setup=services.remote.set_up_of(station.station_id),
        steps=answers.STEPS,
        step_states=answers.STEP_STATES,
        outages=services.remote.outages.of(station.station_id),
        reservations=services.remote.reservations.of(station.station_id),
        now=services.clock.utc_now(),
    )
