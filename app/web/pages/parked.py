"""``/sessions/parked``: stops whose session is unknown, to attach to one or to dismiss."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.errors import BornierError, InvalidInputError, NotFoundError
from app.web.http import STATUS_OF, Visit

PAGE = "/sessions/parked"


async def page(visit: Visit) -> Response:
    """Those that wait, newest first."""
    return await _page(visit)


async def decide(visit: Visit) -> Response:
    """Attaches a stop to a session, or dismisses it."""
    form = await visit.form()
    try:
        action = form.choice("action", ("attach", "dismiss"))
        key = form.whole("stop", least=1, most=2**53)
        if action == "dismiss":
            await visit.services.parked.dismiss(key, visit.actor)
            return visit.redirect(PAGE, "stop-dismissed")
        number = form.whole("transaction", least=1, most=2**31 - 1)
        await visit.services.parked.attach(key, number, visit.actor)
    except (InvalidInputError, NotFoundError) as error:
        return await _page(visit, error)
    return visit.redirect(PAGE, "stop-attached")


async def _page(visit: Visit, error: BornierError | None = None) -> Response:
    services = visit.services
    waiting = await services.parked.waiting()
    return visit.render(
        "parked.html",
        200 if error is None else STATUS_OF.get(type(error), 422),
        stops=[(stop, await services.parked.candidates(stop)) for stop in waiting[:50]],
        more=max(0, len(waiting) - 50),
        names={one.station_id: one.name for one in services.stations.configuration()},
        label=services.sessions.badge_label,
        refusal="" if error is None else visit.say(error),
    )
