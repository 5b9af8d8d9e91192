"""``/stations/scan``: looks through the box's own network for stations that call nobody yet."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.errors import InvalidInputError
from app.web.adoption_words import SCAN_ENDS
from app.web.http import Visit


async def page(visit: Visit) -> Response:
    """What would be looked through, how far a search has come, and what was found."""
    return _page(visit)


async def command(visit: Visit) -> Response:
    """``action``: ``start`` or ``cancel``."""
    form = await visit.form()
    scan = visit.services.scan
    if form["action"] == "cancel":
        await scan.cancel(visit.actor)
        return visit.redirect("/stations/scan", "scan-cancelled")
    try:
        await scan.start(visit.actor)
    except InvalidInputError as error:
        return _page(visit, visit.say(error), 409)
    return visit.redirect("/stations/scan")


def _page(visit: Visit, refusal: str = "", status: int = 200) -> Response:
    scan, state = visit.services.scan, visit.services.scan.state
    ended = ""
    if state.ended_utc is not None:
        time = visit.language.moment(state.ended_utc, visit.services.clock.utc_now(), visit.zone)
        ended = visit.language.text(SCAN_ENDS[state.phase], time=time)
    likely = [device for device in state.devices if device.likely or scan.talks(device)]
    return visit.render(
        "scan.html",
        status,
        networks=scan.networks(),
        state=state,
        likely=likely,
        others=[device for device in state.devices if device not in likely],
        talks=scan.talks,
        ended=ended,
        refusal=refusal,
    )
