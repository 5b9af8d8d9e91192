"""``/stations/{id}/actions``: everything one station can be ordered to do, with what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station import ConnectorKey
from app.ocpp16.actions.types import MessageTrigger
from app.services.station_commands import Reply
from app.web import answers
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages.station import station_of
from app.web.tiles import quoted
from app.web.wording import MESSAGE_NAMES

TOLD = (StationRefusedError, StationUnreachableError, InvalidInputError, NotFoundError)


async def page(visit: Visit) -> Response:
    """The commands, what is planned and what is reserved."""
    return await _page(visit, Form(_usual()), answers.said_in_address(visit))


async def command(visit: Visit) -> Response:
    """Carries one command out; the page tells the station's answer."""
    form = await visit.form()
    order = _ORDERS.get(form["command"])
    if order is None:
        raise HTTPException(404)
    address = f"/stations/{quoted(station_of(visit).station_id)}/actions"
    try:
        reply = await order(visit, form)
    except TOLD as error:
        if isinstance(error, InvalidInputError) and error.field is not None:
            return await _page(visit, form, None, visit.refuse(form, error))
        said = answers.said_of_error(visit, error)
        return await _page(visit, Form(_usual()), said, answers.status_of(error))
    if isinstance(reply, str):
        return visit.redirect(address, reply)
    return visit.redirect(f"{address}?{urlencode({'said': f'{reply.action}.{reply.answer}'})}")


def _usual() -> dict[str, str]:
    return {"connector": "1", "message": MessageTrigger.STATUS_NOTIFICATION.value, "where": "0"}


async def _page(visit: Visit, form: Form, said: answers.Said | None, status: int = 200) -> Response:
    station, services = station_of(visit), visit.services
    remote, now = services.remote, services.clock.utc_now()
    views = () if visit.site is None else visit.site.connectors
    mine = [view for view in views if view.key.station_id == station.station_id]
    return visit.render(
        "station_actions.html",
        status,
        station=station,
        circuit=services.circuits.tree()[station.circuit_id],
        online=services.stations.is_online(station.station_id),
        form=form,
        said=said,
        views=mine,
        charging=[view for view in mine if view.transaction_id is not None],
        outages=remote.outages.of(station.station_id),
        now=now,
        reservations=remote.reservations.of(station.station_id),
        badges=[badge for badge in services.badges.list() if badge.known and badge.active],
        label=services.sessions.badge_label,
        message_names=MESSAGE_NAMES,
        soon=(now + timedelta(hours=1)).astimezone(visit.zone),
    )


# ------------------------------------------------------------------ orders


def _key(visit: Visit, form: Form, name: str = "connector", *, least: int = 1) -> ConnectorKey:
    station = station_of(visit)
    number = form.whole(name, least=least, most=4)
    if number and station.connector(number) is None:
        raise HTTPException(404)
    return ConnectorKey(station.station_id, number)


async def _start(visit: Visit, form: Form) -> Reply:
    id_tag = form.text("id_tag", most=20, needed=True)
    return await visit.services.remote.commands.start(_key(visit, form), id_tag, visit.actor)


async def _stop(visit: Visit, form: Form) -> Reply:
    return await visit.services.remote.commands.stop(_key(visit, form), visit.actor)


async def _unlock(visit: Visit, form: Form) -> Reply:
    return await visit.services.remote.commands.unlock(_key(visit, form), visit.actor)


async def _reset(visit: Visit, form: Form) -> Reply:
    hard = form.choice("kind", ("soft", "hard")) == "hard"
    station_id = station_of(visit).station_id
    return await visit.services.remote.commands.reset(station_id, hard, visit.actor)


async def _out(visit: Visit, form: Form) -> Reply | str:
    key = _key(visit, form, "where", least=0)
    from_utc, until_utc = form.instant("from", visit.zone), form.instant("until", visit.zone)
    outages = visit.services.remote.outages
    if from_utc is None:
        return await outages.take_out(key, until_utc, visit.actor)
    await outages.plan(key, from_utc, until_utc, visit.actor)
    return "outage-planned"


async def _in(visit: Visit, form: Form) -> Reply:
    key = _key(visit, form, "where", least=0)
    return await visit.services.remote.outages.bring_back(key, visit.actor)


async def _cancel_outage(visit: Visit, form: Form) -> str:
    number = form.whole("outage", least=1, most=2**31)
    mine = visit.services.remote.outages.of(station_of(visit).station_id)
    if number not in {outage.outage_id for outage in mine}:
        raise NotFoundError("outage-unknown")
    await visit.services.remote.outages.cancel(number, visit.actor)
    return "outage-ended"


async def _reserve(visit: Visit, form: Form) -> Reply:
    id_tag = form.text("id_tag", most=20, needed=True)
    until_utc = form.instant("until", visit.zone)
    if until_utc is None:
        raise InvalidInputError("required", field="until")
    return await visit.services.remote.reservations.reserve(
        _key(visit, form), id_tag, until_utc, visit.actor
    )


async def _cancel_reservation(visit: Visit, form: Form) -> Reply:
    number = form.whole("reservation", least=1, most=2**31)
    mine = visit.services.remote.reservations.of(station_of(visit).station_id)
    if number not in {reservation.reservation_id for reservation in mine}:
        raise NotFoundError("reservation-unknown")
    return await visit.services.remote.reservations.cancel(number, visit.actor)


async def _trigger(visit: Visit, form: Form) -> Reply:
    message = MessageTrigger(form.choice("message", list(MESSAGE_NAMES)))
    key = _key(visit, form, "where", least=0)
    return await visit.services.remote.commands.trigger(key, message, visit.actor)


async def _clear_cache(visit: Visit, _form: Form) -> Reply:
    station_id = station_of(visit).station_id
    return await visit.services.remote.commands.clear_cache(station_id, visit.actor)


async def _clear_profiles(visit: Visit, _form: Form) -> Reply:
    station_id = station_of(visit).station_id
    return await visit.services.remote.commands.clear_profiles(station_id, visit.actor)


async def _set_up(visit: Visit, _form: Form) -> str:
    await visit.services.remote.set_up_again(station_of(visit).station_id, visit.actor)
    return "set-up-begun"


_ORDERS: Mapping[str, Callable[[Visit, Form], Awaitable[Reply | str]]] = {
    "start": _start,
    "stop": _stop,
    "unlock": _unlock,
    "reset": _reset,
    "out": _out,
    "in": _in,
    "cancel-outage": _cancel_outage,
    "reserve": _reserve,
    "cancel-reservation": _cancel_reservation,
    "trigger": _trigger,
    "clear-cache": _clear_cache,
    "clear-profiles": _clear_profiles,
    "set-up": _set_up,
}
"""By the value of ``command``; each gives the station's answer, or the notice to show."""
