"""``/stations``: every station, as a table or as tiles, searched, filtered and sorted."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from app.web import station_table
from app.web.bulk_forms import BULK_FORMS
from app.web.http import YEAR_S, Visit
from app.web.tiles import tile_id

VIEW_COOKIE = "stations-view"
VIEWS = ("table", "tiles")


async def page(visit: Visit) -> Response:
    """All stations, or those that match."""
    params = visit.request.query_params
    asked = params.get("view", "")
    kept = visit.request.cookies.get(VIEW_COOKIE, "")
    view = asked if asked in VIEWS else kept if kept in VIEWS else "table"
    choice = station_table.choice_of(params)
    everyone = station_table.rows_of(visit)
    rows = station_table.chosen(everyone, choice)
    narrowed = {name: value for name, value in choice.wanted.items() if value}
    response = visit.render(
        "stations.html",
        rows=rows,
        choice=choice,
        wanted=choice.wanted["q"],
        options=station_table.options(everyone),
        columns=station_table.COLUMNS,
        troubles=station_table.TROUBLES,
        view=view,
        tiles=_tiles(visit, rows) if view == "tiles" else (),
        total=len(everyone),
        pending=visit.services.adoption.waiting(),
        bulk_forms=BULK_FORMS,
        narrowed=narrowed,
        query=urlencode(narrowed),
    )
    if asked in VIEWS:
        response.set_cookie(
            VIEW_COOKIE, asked, max_age=YEAR_S, secure=True, httponly=True, samesite="lax"
        )
    return response


def _tiles(visit: Visit, rows: list[station_table.Row]) -> list[str]:
    """HTML of the tiles, as the live board keeps them."""
    if visit.site is None:
        return []
    board = visit.web.boards.board("station-tiles", visit.language)
    assert board is not None
    board.show(visit.site)
    blocks = board.blocks()
    return [
        blocks[tile_id(view.key)]
        for row in rows
        for view in row.views
        if tile_id(view.key) in blocks
    ]
