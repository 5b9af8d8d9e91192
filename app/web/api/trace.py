"""``GET /api/trace``: the history of one connector for its chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.domain.station import ConnectorKey
from app.services.ports import TracePoint
from app.web.http import Visit

HOURS = {"1": 1.0, "24": 24.0}
MOST_POINTS = 1_500
"""More than a chart has pixels; a longer history is thinned."""


async def trace(visit: Visit) -> Response:
    """``?station=A-001&connector=1&hours=1`` -> columns: time (s), L1, L2, L3, limit (A).

    Currents are per site phase.
    """
    query = visit.request.query_params
    try:
        key = ConnectorKey(query["station"], int(query["connector"]))
        hours = HOURS[query.get("hours", "1")]
    except (KeyError, ValueError):
        raise HTTPException(422) from None
    stations = {station.station_id: station for station in visit.services.stations.configuration()}
    station = stations.get(key.station_id)
    connector = None if station is None else station.connector(key.connector_id)
    if connector is None:
        raise HTTPException(404)
    points = thinned(await visit.services.sessions.trace(key, hours))
    columns: list[list[Any]] = [[], [], [], [], []]
    site_phases = connector.rotation.site_phases
    for point in points:
        currents: list[float | None] = [None, None, None]
        for conductor, current in enumerate((point.l1_ma, point.l2_ma, point.l3_ma)):
            currents[site_phases[conductor]] = current / 1000
        columns[0].append(int(point.at_utc.timestamp()))
        for phase in range(3):
            columns[1 + phase].append(currents[phase])
        columns[4].append(None if point.limit_ma is None else point.limit_ma / 1000)
    return JSONResponse(columns)


def thinned(points: Sequence[TracePoint]) -> Sequence[TracePoint]:
    """At most ``MOST_POINTS``, evenly taken, the newest always among them."""
    if len(points) <= MOST_POINTS:
        return points
    step = -(-len(points) // MOST_POINTS)
    return points[::-1][::step][::-1]
