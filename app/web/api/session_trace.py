"""``GET /api/sessions/{number}/trace``: one session's currents, limits and reasons for its chart."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from app.domain.units import Rotation
from app.web.api.trace import thinned
from app.web.http import Visit
from app.web.pages.sessions import limits_of, session_of
from app.web.wording import tone_of


async def session_trace(visit: Visit) -> Response:
    """``samples``: time (s), L1 to L3 (A); ``limits``: time, A; ``bands``: from, to, tone.

    Currents are per site phase; a current that was not measured is ``null``.
    """
    session = await session_of(visit)
    times = await limits_of(visit, session)
    stations = {one.station_id: one for one in visit.services.stations.configuration()}
    station = stations.get(session.station_id)
    connector = None if station is None else station.connector(session.connector_id)
    site_phases = (connector.rotation if connector is not None else Rotation.RST).site_phases
    samples: list[list[Any]] = [[], [], [], []]
    for point in thinned(await visit.services.sessions.measured(session)):
        samples[0].append(int(point.at_utc.timestamp()))
        for conductor, current in enumerate((point.l1_ma, point.l2_ma, point.l3_ma)):
            samples[1 + site_phases[conductor]].append(current / 1000)
    limits: list[list[float]] = [[], []]
    for span in times:
        limits[0].append(round(span.began_utc.timestamp(), 1))
        limits[1].append(span.limit_ma / 1000)
    if times:
        limits[0].append(round(times[-1].ended_utc.timestamp(), 1))
        limits[1].append(times[-1].limit_ma / 1000)
    bands = [
        [
            round(span.began_utc.timestamp(), 1),
            round(span.ended_utc.timestamp(), 1),
            tone_of(span.reason),
        ]
        for span in times
    ]
    return JSONResponse({"samples": samples, "limits": limits, "bands": bands})
