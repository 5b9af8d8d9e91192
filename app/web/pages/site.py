"""``/``: the whole site at a glance, live."""

from __future__ import annotations

from starlette.responses import Response

from app.services.live import DisplayState
from app.web.http import Visit


async def page(visit: Visit) -> Response:
    """The newest picture; what changes afterwards comes by the live stream."""
    chosen = visit.request.query_params.get("state", "")
    state = chosen if chosen in set(DisplayState) else ""
    site = visit.site
    if site is None:
        return visit.render("site.html", blocks=None, state=state)
    board = visit.web.boards.board("site", visit.language)
    assert board is not None
    board.show(site)
    return visit.render("site.html", blocks=board.blocks(), state=state)
