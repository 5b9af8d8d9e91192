"""``/sessions``: the journal of transactions, and each one with its limits and their reasons."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import Response

from app.domain.errors import NotFoundError
from app.domain.transaction import Transaction
from app.services.history import Span, shares, spans
from app.services.live import ConnectorView
from app.web.http import Visit
from app.web.wording import circuit_names

PAGE_SIZE = 50

SPANS_SHOWN = 60
"""Newest changes of a limit on the page, unless all are asked for."""


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
    return visit.render(
        "sessions.html",
        recent=recent,
        running=now,
        names=_station_names(visit),
        label=visit.services.sessions.badge_label,
        total=total,
        number=number,
        pages=pages,
        energy_wh=sum(item.energy_wh or 0 for item in recent),
        parked=await visit.services.parked.count(),
    )


async def session_page(visit: Visit) -> Response:
    """One session: its facts, its currents and limits, and why each limit was what it was."""
    session = await session_of(visit)
    times = await limits_of(visit, session)
    newest = times[::-1]
    everything = "all" in visit.request.query_params
    station = visit.services.stations
    known = {one.station_id: one for one in station.configuration()}.get(session.station_id)
    connector = None if known is None else known.connector(session.connector_id)
    return visit.render(
        "session.html",
        session=session,
        view=_view(visit, session),
        name=_station_names(visit).get(session.station_id, session.station_id),
        several=known is not None and len(known.connectors) > 1,
        is_known=known is not None,
        max_a=32 if connector is None else connector.max_ma / 1000,
        label=visit.services.sessions.badge_label(session.id_tag),
        ended_utc=ended(visit, session),
        times=newest if everything else newest[:SPANS_SHOWN],
        more=0 if everything else max(0, len(newest) - SPANS_SHOWN),
        strip=strip(times),
        shares=shares(times),
        names=circuit_names(visit.services.circuits.tree()),
    )


async def session_of(visit: Visit) -> Transaction:
    """The transaction named in the address."""
    number = visit.request.path_params["transaction_id"]
    found = await visit.services.sessions.get(number)
    if found is None:
        raise NotFoundError("session-unknown", number=number)
    return found


async def limits_of(visit: Visit, session: Transaction) -> list[Span]:
    """The session's limits as times, up to its end or to now."""
    records = await visit.services.history.of(session.transaction_id)
    return spans(records, ended(visit, session))


def ended(visit: Visit, session: Transaction) -> datetime:
    """The session's end, or now while it runs."""
    return session.stopped_utc or visit.services.clock.utc_now()


def strip(times: list[Span]) -> list[tuple[Span, float, float]]:
    """The times with start and width on a scale of 1000, for the strip of reasons."""
    if not times:
        return []
    began = times[0].began_utc
    whole = max(1.0, (times[-1].ended_utc - began).total_seconds())
    return [
        (
            span,
            (span.began_utc - began).total_seconds() * 1000 / whole,
            span.duration_s * 1000 / whole,
        )
        for span in times
    ]


def _view(visit: Visit, session: Transaction) -> ConnectorView | None:
    """The running session's connector as it is now."""
    if visit.site is None or not session.is_open:
        return None
    for view in visit.site.connectors:
        if view.transaction_id == session.transaction_id:
            return view
    return None


def _station_names(visit: Visit) -> dict[str, str]:
    return {station.station_id: station.name for station in visit.services.stations.configuration()}
