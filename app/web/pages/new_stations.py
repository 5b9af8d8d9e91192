"""``/stations/new``: unknown callers wait here to be adopted, ignored or blocked."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from typing import Final

from starlette.responses import Response

from app.domain.adoption import WindowScope
from app.domain.errors import InvalidInputError, UnsafeConfigurationError
from app.services.adoption import WINDOW_MINUTES, AdoptionDefaults
from app.web.adoption_words import SCOPES
from app.web.forms import Form
from app.web.http import Visit

NTP_PORT: Final = 123


async def page(visit: Visit) -> Response:
    """Who waits, the commissioning window, and the address to type into a station."""
    return _inbox(visit, Form())


async def decide(visit: Visit) -> Response:
    """``action``: ``all``, or ``adopt``, ``ignore``, ``block``, ``allow`` with ``:{id}``."""
    form = await visit.form()
    adoption = visit.services.adoption
    verb, _, station_id = form["action"].partition(":")
    if verb == "ignore":
        await adoption.ignore(station_id, visit.actor)
        return visit.redirect("/stations/new", "station-ignored")
    if verb == "block":
        await adoption.block(station_id, visit.actor)
        return visit.redirect("/stations/new", "station-blocked")
    if verb == "allow":
        await adoption.allow(station_id, visit.actor)
        return visit.redirect("/stations/new", "station-allowed")
    try:
        waiting = [caller.pending.station_id for caller in adoption.callers()]
        adopted = await adoption.adopt(
            waiting if verb == "all" else [station_id], _defaults(visit, form), visit.actor
        )
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return _inbox(visit, form, visit.refuse(form, error))
    return visit.redirect("/stations", "station-adopted" if adopted == 1 else "stations-adopted")


async def set_window(visit: Visit) -> Response:
    """Opens the commissioning window for ``minutes``, or closes it (``action`` ``close``)."""
    form = await visit.form()
    adoption = visit.services.adoption
    if form["action"] == "close":
        await adoption.close_window(visit.actor)
        return visit.redirect("/stations/new", "window-closed")
    try:
        minutes = int(form.choice("minutes", [str(choice) for choice in WINDOW_MINUTES]))
        scope = WindowScope(form.choice("scope", set(WindowScope)))
        await adoption.open_window(minutes, scope, form["window_circuit_id"], visit.actor)
    except InvalidInputError as error:
        places = {"circuit_id": "window_circuit_id"}
        return _inbox(visit, form, visit.refuse(form, error, places))
    return visit.redirect("/stations/new", "window-opened")


def station_url(visit: Visit, *, secure: bool = False) -> str:
    """What stations are told to call, up to their identity."""
    host, settings = _station_host(visit), visit.services.settings
    if ":" in host:
        host = f"[{host}]"
    if secure and settings.ocpps_port is not None:
        return f"wss://{host}:{settings.ocpps_port}/ocpp/"
    return f"ws://{host}:{settings.ocpp_port}/ocpp/"


def time_server(visit: Visit) -> str | None:
    """Whom stations may ask the time (NTP); ``None`` without a time server."""
    host, port = _station_host(visit), visit.services.settings.ntp_port
    if port is None or ":" in host:  # it speaks IPv4 alone
        return None
    return host if port == NTP_PORT else f"{host}:{port}"


def _station_host(visit: Visit) -> str:
    """An address where there is one: few stations resolve names of a LAN without a server."""
    host = visit.request.url.hostname or "localhost"
    if _is_address(host):
        return host
    addresses = [name for name in visit.services.settings.public_names if _is_address(name)]
    return next((name for name in addresses if ":" not in name), host)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _defaults(visit: Visit, form: Form) -> AdoptionDefaults:
    circuits = {circuit.circuit_id for circuit in visit.services.circuits.tree()}
    circuit_id = form.choice("circuit_id", circuits)
    max_ma = None
    if form["max_a"].strip():
        max_ma = form.current_ma("max_a", least_a=6, most_a=125)
    phases = int(form.choice("phases", ("", "1", "3")) or 0)
    return AdoptionDefaults(circuit_id, max_ma, phases or None)


def _inbox(visit: Visit, form: Form, status: int = 200) -> Response:
    services = visit.services
    now = services.clock.utc_now()

    def moment(instant: str) -> str:
        return visit.language.moment(datetime.fromisoformat(instant), now, visit.zone)

    blocks = None
    if visit.site is not None:
        board = visit.web.boards.board("new", visit.language)
        assert board is not None
        board.show(visit.site)
        blocks = board.blocks()
    secure = services.settings.ocpps_port is not None
    return visit.render(
        "new_stations.html",
        status,
        form=form,
        callers=services.adoption.callers(),
        set_aside=services.adoption.set_aside(),
        window=services.adoption.window(),
        window_left_s=services.adoption.window_left_s(),
        window_minutes=WINDOW_MINUTES,
        scopes=SCOPES,
        expected=len(services.adoption.plans()),
        moment=moment,
        blocks=blocks,
        circuits=services.circuits.tree(),
        url=station_url(visit),
        secure_url=station_url(visit, secure=True) if secure else None,
        time_server=time_server(visit),
    )
