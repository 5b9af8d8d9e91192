"""``/stations/bulk`` and ``/stations/jobs``: one action on many stations, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import BornierError, InvalidInputError, NotFoundError
from app.domain.remote import BulkJob, JobState, Outcome, OutcomeState
from app.domain.station import ChargingStation
from app.services.station_settings import Difference, copyable
from app.web import answers, station_table
from app.web.bulk_forms import BOX_WORDS, BULK_FORMS, label_of
from app.web.forms import Form
from app.web.http import STATUS_OF, Visit
from app.web.wording import MESSAGE_NAMES

MOST_PREVIEWED = 100


async def choose(visit: Visit) -> Response:
    """Who is meant, what would be done, and what would change."""
    params = visit.request.query_params
    name = params.get("do", "")
    if name not in BULK_FORMS:
        raise HTTPException(404)
    form = Form({"kind": "soft", "message": "StatusNotification", **dict(params)})
    return _form(visit, name, _meant(visit), form)


async def start(visit: Visit) -> Response:
    """Begins the job."""
    form = await visit.form()
    name = form["do"]
    offered = BULK_FORMS.get(name)
    if offered is None:
        raise HTTPException(404)
    known = {station.station_id: station for station in visit.services.stations.configuration()}
    meant = [known[one] for one in form["stations"].split() if one in known]
    try:
        params = {**offered.fixed, **offered.read(form)}
        job = await visit.services.remote.bulk.start(
            offered.kind, params, [one.station_id for one in meant], visit.actor
        )
    except (InvalidInputError, NotFoundError) as error:
        status = visit.refuse(form, error)
        return _form(visit, name, meant, form, status)
    return visit.redirect(f"/stations/jobs/{job.job_id}")


async def jobs(visit: Visit) -> Response:
    """The newest jobs."""
    recent = await visit.services.remote.bulk.recent()
    return visit.render(
        "jobs.html",
        jobs=recent,
        label_of=label_of,
        job_words=answers.JOBS,
        counts=_counts,
        outcome_words=answers.OUTCOMES,
    )


async def job_page(visit: Visit) -> Response:
    """One job, station by station; the table follows by itself while it runs."""
    return await _job(visit, "job.html")


async def job_part(visit: Visit) -> Response:
    """The moving part of that page."""
    return await _job(visit, "job_part.html")


async def retry(visit: Visit) -> Response:
    """Tries again where it failed."""
    await visit.form()
    number = _number(visit)
    try:
        await visit.services.remote.bulk.retry(number, visit.actor)
    except InvalidInputError as error:
        return await _job(visit, "job.html", error)
    return visit.redirect(f"/stations/jobs/{number}")


async def cancel(visit: Visit) -> Response:
    """Begins at no further station."""
    await visit.form()
    number = _number(visit)
    try:
        await visit.services.remote.bulk.cancel(number, visit.actor)
    except InvalidInputError as error:
        return await _job(visit, "job.html", error)
    return visit.redirect(f"/stations/jobs/{number}", "job-cancelled")


def _number(visit: Visit) -> int:
    return int(visit.request.path_params["job_id"])


async def _job(visit: Visit, template: str, error: BornierError | None = None) -> Response:
    job = await visit.services.remote.bulk.get(_number(visit))
    names = {one.station_id: one.name for one in visit.services.stations.configuration()}
    return visit.render(
        template,
        200 if error is None else STATUS_OF.get(type(error), 422),
        job=job,
        label=label_of(job),
        names=names,
        ordered=_worst_first(job),
        running=job.state is JobState.RUNNING,
        counts=_counts(job),
        said={one.station_id: answers.outcome_words(visit, one) for one in job.outcomes},
        outcome_words=answers.OUTCOMES,
        job_words=answers.JOBS,
        failures=job.failures,
        refusal="" if error is None else visit.say(error),
    )


def _worst_first(job: BulkJob) -> list[Outcome]:
    """What failed first, once the job is over; in its own order before."""
    if job.state is JobState.RUNNING:
        return list(job.outcomes)
    return sorted(job.outcomes, key=lambda one: not one.state.failed)


def _counts(job: BulkJob) -> list[tuple[OutcomeState, int]]:
    return [(state, job.count(state)) for state in OutcomeState if job.count(state)]


def _meant(visit: Visit) -> list[ChargingStation]:
    """The stations named in the address: ticked, listed, shown by the filters, or all."""
    params = visit.request.query_params
    everyone = list(visit.services.stations.configuration())
    scope = params.get("scope", "")
    if scope == "all":
        return everyone
    if scope == "shown":
        choice = station_table.choice_of(params)
        rows = station_table.chosen(station_table.rows_of(visit), choice)
        return [row.station for row in rows]
    if scope.startswith("circuit:"):
        return [one for one in everyone if one.circuit_id == scope.removeprefix("circuit:")]
    ticked = {*params.getlist("s"), *params.get("stations", "").split()}
    return [one for one in everyone if one.station_id in ticked]


def _form(
    visit: Visit,
    name: str,
    meant: list[ChargingStation],
    form: Form,
    status: int = 200,
) -> Response:
    offered, services = BULK_FORMS[name], visit.services
    remote = services.remote
    sources = [
        one
        for one in services.stations.configuration()
        if name == "copy-settings" or remote.settings.latest(one.station_id) is not None
    ]
    source, keys = _source(visit, name, form)
    return visit.render(
        "bulk.html",
        status,
        name=name,
        offered=offered,
        meant=meant,
        form=form,
        circuits=services.circuits.tree().circuits,
        templates=remote.settings.templates(),
        message_names=MESSAGE_NAMES,
        sources=sources,
        source=source,
        keys=keys,
        box_words=BOX_WORDS,
        preview=_preview(visit, name, meant, form),
        charging=_charging(visit, meant),
    )


def _source(visit: Visit, name: str, form: Form) -> tuple[ChargingStation | None, list[Any]]:
    """The station that is copied, and its settings to choose from."""
    if name not in ("copy-settings", "copy-keys") or not form["from"]:
        return None, []
    source = _named(visit, form["from"])
    if source is None or name == "copy-settings":
        return source, []
    reading = visit.services.remote.settings.latest(source.station_id)
    return source, [] if reading is None else list(copyable(reading))


def _named(visit: Visit, station_id: str) -> ChargingStation | None:
    known = visit.services.stations.configuration()
    return next((one for one in known if one.station_id == station_id), None)


def _charging(visit: Visit, meant: list[ChargingStation]) -> int:
    """How many charges run there now."""
    ids = {one.station_id for one in meant}
    views = () if visit.site is None else visit.site.connectors
    return sum(view.transaction_id is not None and view.key.station_id in ids for view in views)


def _preview(
    visit: Visit, name: str, meant: list[ChargingStation], form: Form
) -> list[tuple[ChargingStation, tuple[Difference, ...]]] | None:
    """What would change, station by station; ``None`` where nothing can be said before."""
    settings = visit.services.remote.settings
    wanted: Mapping[str, str]
    if name == "template" and form["template"].isdecimal():
        try:
            wanted = settings.template(int(form["template"])).values
        except NotFoundError:
            return None
    elif name == "copy-keys" and form["from"]:
        reading = settings.latest(form["from"])
        wanted = {} if reading is None else {one.key: one.value or "" for one in copyable(reading)}
    elif name == "copy-settings" and form["from"]:
        return _box_preview(visit, meant, form["from"])
    else:
        return None
    return [
        (one, settings.differences(one.station_id, wanted))
        for one in meant[:MOST_PREVIEWED]
        if settings.latest(one.station_id) is not None
    ]


def _box_preview(
    visit: Visit, meant: list[ChargingStation], source_id: str
) -> list[tuple[ChargingStation, tuple[Difference, ...]]] | None:
    source = _named(visit, source_id)
    if source is None:
        return None
    wanted = _box_values(visit, source)
    found = []
    for one in meant[:MOST_PREVIEWED]:
        here = _box_values(visit, one)
        changes = tuple(
            Difference(visit.language.text(BOX_WORDS[name]), here[name], value)
            for name, value in wanted.items()
            if here[name] != value
        )
        found.append((one, changes))
    return found


def _box_values(visit: Visit, station: ChargingStation) -> dict[str, str]:
    language = visit.language
    return {
        "circuit": visit.services.circuits.tree()[station.circuit_id].name,
        "max": language.amperes(station.max_ma),
        "fallback": language.amperes(station.fallback_ma),
        "weight": language.decimal(station.weight / 1000, 1),
        "priority": str(station.priority),
        "free": language.gettext("yes") if station.free_charging else language.gettext("no"),
        "phases": str(station.connectors[0].phases),
    }
