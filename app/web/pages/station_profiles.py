"""``/stations/{id}/profiles`` and ``/history``: what the station holds, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import StationRefusedError, StationUnreachableError
from app.domain.remote import EventKind, StationEvent
from app.domain.station import ConnectorKey
from app.ocpp16.actions.manager_calls import ChargingSchedule
from app.web import answers, conduct
from app.web.http import Visit
from app.web.i18n import N_
from app.web.pages.station import station_of

SESSIONS_SHOWN = 25

EVENTS: Mapping[EventKind, tuple[str, str, str]] = {
    EventKind.CONNECTED: (N_("Connected"), "plug", "charge"),
    EventKind.LOST: (N_("Connection lost"), "unlink", "bad"),
    EventKind.BOOTED: (N_("Started up"), "restart", "idle"),
    EventKind.FIRMWARE: (N_("Firmware changed"), "download", "idle"),
    EventKind.FAULT: (N_("Fault"), "alert", "bad"),
    EventKind.FAULT_OVER: (N_("Fault cleared"), "check", "charge"),
    EventKind.DISOBEYS: (N_("Ignores its limit"), "warn", "wait"),
    EventKind.OBEYS: (N_("Follows its limit again"), "check", "charge"),
    EventKind.COMMAND: (N_("Command"), "play", "idle"),
    EventKind.SET_UP: (N_("Set up"), "gear", "idle"),
}
"""Word, icon and tone."""


async def page(visit: Visit) -> Response:
    """What we installed, and how the station takes it."""
    return await _page(visit)


async def schedule(visit: Visit) -> Response:
    """Asks the station what its limits add up to."""
    form, station = await visit.form(), station_of(visit)
    number = form.whole("connector", least=0, most=4)
    if number and station.connector(number) is None:
        raise HTTPException(404)
    try:
        answer = await visit.services.remote.commands.schedule(
            ConnectorKey(station.station_id, number), visit.actor
        )
    except (StationRefusedError, StationUnreachableError) as error:
        said = answers.said_of_error(visit, error)
        return await _page(visit, answers.status_of(error), said=said)
    return await _page(visit, number=number, schedule=answer.charging_schedule)


async def _page(
    visit: Visit,
    status: int = 200,
    *,
    said: answers.Said | None = None,
    number: int | None = None,
    schedule: ChargingSchedule | None = None,
) -> Response:
    station, services = station_of(visit), visit.services
    known = await services.safety.of(station.station_id)
    return visit.render(
        "station_profiles.html",
        status,
        station=station,
        circuit=services.circuits.tree()[station.circuit_id],
        online=services.stations.is_online(station.station_id),
        installed=services.remote.installed(station.station_id),
        conduct=conduct.facts(known, visit.language),
        said=said,
        number=number,
        schedule=schedule,
        asked=number is not None,
        now=services.clock.utc_now(),
    )


async def history(visit: Visit) -> Response:
    """Sessions, connections, boots, faults and commands of the last weeks."""
    station, services = station_of(visit), visit.services
    chosen = visit.request.query_params.get("kind", "")
    events = [
        one
        for one in await services.remote.log.recent(station.station_id)
        if chosen in ("", one.kind.value)
    ]
    known = await services.safety.of(station.station_id)
    context: dict[str, Any] = {
        "recent": await services.sessions.recent(station.station_id, limit=SESSIONS_SHOWN),
        "label": services.sessions.badge_label,
        "disobedience": known.history,
    }
    return visit.render(
        "station_history.html",
        station=station,
        circuit=services.circuits.tree()[station.circuit_id],
        events=events,
        told=[_told(visit, one) for one in events],
        kinds=EVENTS,
        chosen=chosen,
        now=services.clock.utc_now(),
        **context,
    )


def _told(visit: Visit, event: StationEvent) -> str:
    """The rest of a line, in words."""
    text = visit.language.text
    if event.kind is EventKind.SET_UP:
        names = {step.value: text(label) for step, (label, _) in answers.STEPS.items()}
        failed = ", ".join(names.get(step, step) for step in event.detail.split())
        if not failed:
            return text(N_("every step done"))
        return text(N_("not done: %(steps)s"), steps=failed)
    if event.kind is EventKind.COMMAND:
        parts = event.detail.split(" · ")
        return " · ".join(
            text(answers.ORDERS[one]) if one in answers.ORDERS else one for one in parts
        )
    return event.detail
