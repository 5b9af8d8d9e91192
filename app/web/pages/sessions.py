"""``/sessions``: the journal of transactions."""

from __future__ import annotations

from starlette.responses import Response

from app.web.http import Visit

PAGE_SIZE = 50


async def page(visit: Visit) -> Response:
    """Newest first, a page at a time, with the total of the page."""
    text = visit.request.query_params.get("page", "1")
    number = max(1, int(text)) if text.isdecimal() and len(text) < 7 else 1
    total = await visit.services.sessions.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(number, pages)
    recent = await visit.services.sessions.recent(limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE)
    now = {}
    if visit.site is not None:
        now = {
            view.transaction_id: view
            for view in visit.site.connectors
            if view.transaction_id is not None
        }
    names = {
        station.station_id: station.name for station in visit.services.stations.configuration()
    }
    return visit.render(
        "sessions.html",
        recent=recent,
        running=now,
        names=names,
        label=visit.services.sessions.badge_label,
        total=total,
        number=number,
        pages=pages,
        energy_wh=sum(item.energy_wh or 0 for item in recent),
    )
