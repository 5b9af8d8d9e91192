"""``/stations/{id}/files``: diagnostics of one station and its firmware; ``/firmware/diagnostics``: of many."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from app.domain.errors import BornierError, InvalidInputError
from app.domain.station_files import LogKind
from app.services.file_ports import Reading
from app.web.file_words import CAMPAIGNS, LOG_KINDS, REASONS, REQUESTS, SCHEMES, STAGES, WHY
from app.web.forms import Form
from app.web.http import STATUS_OF, Visit
from app.web.pages.firmware import STATION_FIELD
from app.web.pages.station import station_of
from app.web.tiles import quoted

SHOWN = 20
MANY_SHOWN = 200
PIECE = 128 * 1024


async def page(visit: Visit) -> Response:
    """Requests, files and firmware history of a station."""
    return _page(visit)


async def ask(visit: Visit) -> Response:
    """Asks the station for its diagnostics."""
    station = station_of(visit)
    form = await visit.form()
    kind = LogKind(form.choice("kind", [each.value for each in LogKind]))
    try:
        await visit.services.files.diagnostics.ask([station.station_id], kind, visit.actor)
    except BornierError as error:
        return _page(visit, error)
    return visit.redirect(f"/stations/{quoted(station.station_id)}/files", "diagnostics-asked")


async def download(visit: Visit) -> Response:
    """A file as the station has left it, always as a download."""
    station = station_of(visit)
    diagnostics = visit.services.files.diagnostics
    file = diagnostics.file(station.station_id, visit.request.path_params["file_id"])
    reading = await diagnostics.read(file)
    name = file.name if file.complete else f"{file.name}.part"
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(reading.size),
    }
    return StreamingResponse(
        _bytes(reading), headers=headers, media_type="application/octet-stream"
    )


async def remove(visit: Visit) -> Response:
    """Deletes a file."""
    station = station_of(visit)
    await visit.form()
    diagnostics = visit.services.files.diagnostics
    file = diagnostics.file(station.station_id, visit.request.path_params["file_id"])
    await diagnostics.remove(file, visit.actor)
    return visit.redirect(f"/stations/{quoted(station.station_id)}/files", "file-removed")


async def many_page(visit: Visit) -> Response:
    """Asks many stations, and what came of the newest requests."""
    return _many(visit, Form({"kind": LogKind.DIAGNOSTICS.value}))


async def ask_many(visit: Visit) -> Response:
    """Asks every station that is ticked."""
    form = await visit.form()
    chosen = [
        name.removeprefix(STATION_FIELD) for name in form.values if name.startswith(STATION_FIELD)
    ]
    try:
        if not chosen:
            raise InvalidInputError("campaign-no-station", field="stations")
        kind = LogKind(form.choice("kind", [each.value for each in LogKind]))
        await visit.services.files.diagnostics.ask(chosen, kind, visit.actor)
    except BornierError as error:
        return _many(visit, form, visit.refuse(form, error))
    return visit.redirect("/firmware/diagnostics", "diagnostics-asked")


async def _bytes(reading: Reading) -> AsyncIterator[bytes]:
    at = 0
    try:
        while piece := await reading.read(at, PIECE):
            at += len(piece)
            yield piece
    finally:
        await reading.close()


def _page(visit: Visit, error: BornierError | None = None) -> Response:
    station = station_of(visit)
    services = visit.services
    station_id = station.station_id
    requests = services.files.diagnostics.requests(station_id)
    return visit.render(
        "station_files.html",
        200 if error is None else STATUS_OF.get(type(error), 422),
        station=station,
        circuit=services.circuits.tree()[station.circuit_id],
        identity=services.stations.identity(station_id),
        online=services.stations.is_online(station_id),
        requests=requests[:SHOWN],
        files=services.files.diagnostics.files(station_id),
        history=services.files.campaigns.history(station_id)[:SHOWN],
        held=services.files.local_lists.held(station_id),
        refusal="" if error is None else visit.say(error),
        now=services.clock.utc_now(),
        **_words(),
    )


def _many(visit: Visit, form: Form, status: int = 200) -> Response:
    services = visit.services
    stations = services.stations.configuration()
    diagnostics = services.files.diagnostics
    return visit.render(
        "diagnostics.html",
        status,
        form=form,
        prefix=STATION_FIELD,
        stations=stations,
        online={each.station_id: services.stations.is_online(each.station_id) for each in stations},
        names={each.station_id: each.name for each in stations},
        requests=diagnostics.requests()[:MANY_SHOWN],
        files=diagnostics.files(),
        now=services.clock.utc_now(),
        **_words(),
    )


def _words() -> dict[str, object]:
    return {
        "log_kinds": LOG_KINDS,
        "request_words": REQUESTS,
        "reasons": REASONS,
        "schemes": SCHEMES,
        "stages": STAGES,
        "campaign_words": CAMPAIGNS,
        "whys": WHY,
    }
