"""``/firmware``: files for stations, and the campaigns that give them out."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.campaign import CampaignState, Why, Window
from app.domain.errors import BornierError, InvalidInputError, StorageError
from app.domain.station import ChargingStation
from app.services.campaigns import AT_ONCE_MOST, CampaignOrder
from app.services.firmware import FILE_MOST, FirmwareAbout
from app.web.file_words import CAMPAIGNS, STAGES, WHY
from app.web.firmware_form import FirmwareForm
from app.web.forms import Form
from app.web.http import STATUS_OF, Visit

STATION_FIELD = "s-"
HERE = "/firmware"


async def page(visit: Visit) -> Response:
    """Files and campaigns."""
    files = visit.services.files
    return visit.render(
        "firmware.html",
        files=files.firmware.list(),
        campaigns=files.campaigns.all(),
        campaign_words=CAMPAIGNS,
    )


async def add_page(visit: Visit) -> Response:
    """The form of an upload."""
    return _add_form(visit, Form())


async def add(visit: Visit) -> Response:
    """Receives a firmware file."""
    sent = FirmwareForm(visit, visit.services.files.firmware)
    try:
        await sent.receive()
        form, upload = sent.form, sent.upload
        if upload is None:
            raise InvalidInputError("firmware-empty", field="file")
        try:
            about = FirmwareAbout(
                vendor=form["vendor"],
                model=form["model"],
                version=form["version"],
                note=form["note"],
                signature=form["signature"],
                certificate=form["certificate"],
            )
        except InvalidInputError:
            await upload.give_up()
            raise
        await upload.finish(about, visit.actor)
    except (InvalidInputError, StorageError) as error:
        form = sent.form
        return _add_form(visit, form, visit.refuse(form, error))
    return visit.redirect(HERE, "firmware-added")


async def remove_page(visit: Visit) -> Response:
    """Asks before deleting a file."""
    file = visit.services.files.firmware.get(visit.request.path_params["file_id"])
    return visit.render("firmware_remove.html", file=file, refusal="")


async def remove(visit: Visit) -> Response:
    """Deletes a file."""
    file = visit.services.files.firmware.get(visit.request.path_params["file_id"])
    await visit.form()
    try:
        await visit.services.files.firmware.remove(file.file_id, visit.actor)
    except InvalidInputError as error:
        return visit.render("firmware_remove.html", 422, file=file, refusal=visit.say(error))
    return visit.redirect(HERE, "firmware-removed")


# ------------------------------------------------------------------ campaigns


async def campaign_form(visit: Visit) -> Response:
    """Chooses the stations, and how carefully it goes; without JavaScript by reloading."""
    query = visit.request.query_params
    file = visit.services.files.firmware.get(query.get("file", ""))
    form = Form(
        {
            "model": query.get("model", file.model),
            "firmware": query.get("firmware", ""),
            "pilots": "1",
            "at_once": "5",
            "most_failures": "1",
            "idle_only": "on",
        }
    )
    for station in _matching(visit, form):
        form.values[STATION_FIELD + station.station_id] = "on"
    return _campaign_form(visit, form, file.file_id)


async def campaign_add(visit: Visit) -> Response:
    """Begins a campaign."""
    form = await visit.form()
    file_id = form["file"]
    try:
        campaign = await visit.services.files.campaigns.create(_read(form), visit.actor)
    except BornierError as error:
        return _campaign_form(visit, form, file_id, visit.refuse(form, error))
    return visit.redirect(f"{HERE}/campaigns/{campaign.campaign_id}", "campaign-created")


async def campaign_page(visit: Visit) -> Response:
    """Every station of a campaign and how far it has come."""
    return _campaign(visit)


async def campaign_act(visit: Visit) -> Response:
    """Pauses, goes on, cancels or retries."""
    form = await visit.form()
    campaigns = visit.services.files.campaigns
    campaign_id: int = visit.request.path_params["campaign_id"]
    acts = {
        "pause": campaigns.pause,
        "resume": campaigns.resume,
        "cancel": campaigns.cancel,
        "retry": campaigns.retry,
    }
    act = form.choice("act", acts)
    try:
        await acts[act](campaign_id, visit.actor)
    except InvalidInputError as error:
        return _campaign(visit, visit.say(error), STATUS_OF[InvalidInputError])
    return visit.redirect(f"{HERE}/campaigns/{campaign_id}", f"campaign-{act}")


def _campaign(visit: Visit, refusal: str = "", status: int = 200) -> Response:
    services = visit.services
    campaign_id: int = visit.request.path_params["campaign_id"]
    campaign = services.files.campaigns.get(campaign_id)
    updates = services.files.campaigns.updates(campaign_id)
    counted = next(counted for each, counted in services.files.campaigns.all() if each == campaign)
    return visit.render(
        "campaign.html",
        status,
        campaign=campaign,
        counted=counted,
        updates=updates,
        names=_names(visit),
        online={
            station_id: services.stations.is_online(station_id) for station_id in _names(visit)
        },
        stages=STAGES,
        whys=WHY,
        silent=Why.SILENT,
        word=CAMPAIGNS[campaign.state],
        states=CampaignState,
        under_way=bool(counted.running) or campaign.state is CampaignState.RUNNING,
        refusal=refusal,
        now=services.clock.utc_now(),
    )


def _names(visit: Visit) -> dict[str, str]:
    return {station.station_id: station.name for station in visit.services.stations.configuration()}


def _matching(visit: Visit, form: Form) -> list[ChargingStation]:
    """Stations whose model and firmware hold the words of the filter."""
    model, firmware = form["model"].casefold(), form["firmware"].casefold()
    found = []
    for station in visit.services.stations.configuration():
        identity = visit.services.stations.identity(station.station_id)
        text = f"{identity.vendor} {identity.model}".casefold()
        if model in text and firmware in identity.firmware.casefold():
            found.append(station)
    return found


def _campaign_form(visit: Visit, form: Form, file_id: str, status: int = 200) -> Response:
    services = visit.services
    stations = _matching(visit, form)
    return visit.render(
        "campaign_form.html",
        status,
        form=form,
        file=services.files.firmware.get(file_id),
        stations=stations,
        identities={
            each.station_id: services.stations.identity(each.station_id) for each in stations
        },
        online={each.station_id: services.stations.is_online(each.station_id) for each in stations},
        prefix=STATION_FIELD,
        total=len(services.stations.configuration()),
        at_once_most=AT_ONCE_MOST,
    )


def _read(form: Form) -> CampaignOrder:
    window = None
    if form["from"].strip() or form["until"].strip():
        window = Window(form.minute("from"), form.minute("until"))
    return CampaignOrder(
        file_id=form["file"],
        station_ids=tuple(
            name.removeprefix(STATION_FIELD)
            for name in form.values
            if name.startswith(STATION_FIELD)
        ),
        pilots=form.whole("pilots", least=0, most=20),
        at_once=form.whole("at_once", least=1, most=AT_ONCE_MOST),
        most_failures=form.whole("most_failures", least=0, most=100),
        window=window,
        idle_only=form.checked("idle_only"),
    )


def _add_form(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.render("firmware_form.html", status, form=form, most_mb=FILE_MOST // 1_000_000)
