"""``GET /live/{view}``: the live stream of a page, or its present blocks with ``?once``."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from app.web.http import SESSION_COOKIE, Visit
from app.web.sse import EventStreamResponse, stream


async def live(visit: Visit) -> Response:
    """Server-sent events; ``?once`` is for windows beyond what a browser can stream to."""
    board = visit.web.boards.board(visit.request.path_params["view"], visit.language)
    if board is None:
        raise HTTPException(404)
    if "once" in visit.request.query_params:
        if visit.site is None:
            return HTMLResponse("")
        board.show(visit.site)
        return HTMLResponse(board.snapshot())
    token = visit.request.cookies.get(SESSION_COOKIE, "")

    async def still_allowed() -> bool:
        return await visit.services.access.authenticate(token) is not None

    services = visit.services
    events = stream(services.live, board, services.clock, still_allowed)
    return EventStreamResponse(events, visit.request.headers.get("accept-encoding", ""))
