"""``/frames`` and ``/stations/{id}/frames``: what stations and manager have said, word for word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse

from app.domain.errors import NotFoundError, StorageError
from app.services.frame_ports import Exchange, FrameFilter, FramePage, FrameState
from app.web import frame_words
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages.station import station_of
from app.web.tiles import quoted

PAGE_SIZE = 50
LONGEST_ID = 15
"""Digits of the number of a frame."""

FIELDS = ("q", "action", "direction", "since", "until", "odd", "station")
DIRECTIONS = {"in": True, "out": False}


async def page(visit: Visit) -> Response:
    """Frames of all stations, or of any caller."""
    form = _asked(visit)
    return await _page(visit, form, "/frames")


async def station_page(visit: Visit) -> Response:
    """Frames of one station."""
    station = station_of(visit)
    form = _asked(visit)
    form.values["station"] = station.station_id
    return await _page(visit, form, f"/stations/{quoted(station.station_id)}/frames")


async def exchange_page(visit: Visit) -> Response:
    """One CALL and its answer, in full."""
    number = visit.request.path_params["frame_id"]
    frames = visit.services.frames
    found = await frames.exchange(number)
    if found is None:
        raise NotFoundError("frame-unknown", number=number)
    before, after = await frames.neighbours(found.frame.frame_id)
    adopted = _names(visit)
    return visit.render(
        "frame.html",
        exchange=found,
        before=before,
        after=after,
        name=adopted.get(found.frame.station_id),
        summary=frame_words.summary(found, visit.language),
        outcome=frame_words.outcome(found, visit.language),
        notes=frame_words.notes(found, visit.language),
        pretty=frame_words.pretty,
        instant=partial(_instant, visit),
    )


async def export(visit: Visit) -> Response:
    """The frames that the filter finds as lines of JSON; ``anonymous=1`` without persons."""
    anonymised = visit.request.query_params.get("anonymous") == "1"
    wanted = _filter(visit, _asked(visit))
    lines = await visit.services.frames.export(wanted, visit.actor, anonymised=anonymised)
    kind = "anonymous" if anonymised else "full"
    stamp = f"{visit.services.clock.utc_now():%Y%m%dT%H%M%SZ}"
    return StreamingResponse(
        lines,
        media_type="application/jsonl",
        headers={
            "Content-Disposition": f'attachment; filename="bornier-frames-{kind}-{stamp}.jsonl"'
        },
    )


async def _page(visit: Visit, form: Form, address: str) -> Response:
    frames = visit.services.frames
    found, state, trouble = FramePage(), FrameState(on=True), ""
    actions: Sequence[str] = ()
    turned = _number(visit, "before") is not None
    try:
        wanted = _filter(visit, form)
        found, turned = await _found(visit, wanted)
        actions = await frames.actions()
        state = await frames.state()
    except StorageError as error:
        trouble = visit.say(error)
    here = {name: value for name, value in form.values.items() if value}
    asked = dict(here)
    if address != "/frames":
        del asked["station"]

    def turn(**more: int) -> str:
        return f"{address}?{urlencode({**asked, **more})}"

    adopted = _names(visit)
    whole = address == "/frames"
    return visit.render(
        "frames.html",
        station=None if whole else station_of(visit),
        address=address,
        form=form,
        filtered=bool(asked),
        narrowed=bool({"action", "direction", "since", "until", "odd"} & set(asked)),
        days=_days(visit, found.exchanges),
        count=len(found.exchanges),
        older=None if found.older is None else turn(before=found.older),
        newer=turn(after=found.exchanges[0].frame.frame_id) if turned and found.exchanges else None,
        newest=turn(),
        searched=found.searched_utc,
        export="/frames.jsonl?" + urlencode(here),
        actions=actions,
        state=state,
        trouble=trouble or (visit.say_key(state.trouble_key) if state.trouble_key else ""),
        names=adopted,
        summary=frame_words.summary,
        outcome=frame_words.outcome,
        notes=frame_words.notes,
        instant=partial(_instant, visit),
    )


async def _found(visit: Visit, wanted: FrameFilter) -> tuple[FramePage, bool]:
    """A page of what is wanted, and whether there is anything newer."""
    frames = visit.services.frames
    after, before = _number(visit, "after"), _number(visit, "before")
    if after is not None:
        page = await frames.newer(wanted, after, PAGE_SIZE)
        if page.older is not None and page.exchanges:
            oldest = page.exchanges[-1].frame.frame_id
            return FramePage(page.exchanges, oldest, page.searched_utc), True
        before = None  # the end is near: the newest page, full
    return await frames.find(wanted, before, PAGE_SIZE), before is not None


def _asked(visit: Visit) -> Form:
    params = visit.request.query_params
    return Form({name: params.get(name, "").strip() for name in FIELDS})


def _filter(visit: Visit, form: Form) -> FrameFilter:
    return FrameFilter(
        station_id=form["station"] or None,
        action=form["action"] or None,
        from_station=DIRECTIONS.get(form["direction"]),
        text=form["q"],
        since_utc=_moment(visit, form["since"]),
        until_utc=_moment(visit, form["until"]),
        odd=form.checked("odd"),
    )


def _moment(visit: Visit, text: str) -> datetime | None:
    """A time on the site's clock as browsers send it (``2026-03-02T12:00``)."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=visit.zone)
    except ValueError:
        return None


def _number(visit: Visit, name: str) -> int | None:
    text = visit.request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID else None


def _days(visit: Visit, exchanges: Sequence[Exchange]) -> list[tuple[str, list[Exchange]]]:
    """The exchanges by day of the site's clock."""

    def day(exchange: Exchange) -> str:
        return visit.language.day(exchange.frame.at_utc, visit.zone)

    return [(label, list(items)) for label, items in groupby(exchanges, day)]


def _instant(visit: Visit, at_utc: datetime) -> tuple[str, str]:
    """Time of day to the second, and its milliseconds."""
    return visit.language.time_s(at_utc, visit.zone), f"{at_utc.microsecond // 1000:03d}"


def _names(visit: Visit) -> dict[str, str]:
    return {station.station_id: station.name for station in visit.services.stations.configuration()}
