"""``/stations/sheets``: what to type into each station, to print and to tick off."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import quote

import segno
from markupsafe import Markup
from starlette.responses import Response

from app.domain.adoption import PlannedStation
from app.domain.station import ChargingStation
from app.services.sheets import KEY_PROFILES, NO_PROFILE, SECURE_PROFILES
from app.web.adoption_words import SECURITY
from app.web.http import Visit
from app.web.pages.new_stations import station_url, time_server
from app.web.pages.station import station_of

SIZES = ("a6", "a4")
"""Four cards on a page of A4, or one."""

_QR_SCALE = 4


class Sheet(NamedTuple):
    """One card. ``key`` is ``None`` where none is to be typed, or it may not be shown again."""

    mark: str
    """What chooses it in the address: ``s:`` and a station, or ``p:`` and an expected one."""
    name: str
    place: str
    circuit: str
    url: str
    base: str
    identity: str
    serial: str
    model: str
    security: str
    """A message id."""
    key: str | None
    expected: bool


async def page(visit: Visit) -> Response:
    """All sheets, or those chosen by ``of``."""
    chosen = set(visit.request.query_params.getlist("of"))
    sheets = [
        *(_of_station(visit, item) for item in visit.services.stations.configuration()),
        *(_of_plan(visit, plan) for plan in visit.services.adoption.plans()),
    ]
    shown = [sheet for sheet in sheets if not chosen or sheet.mark in chosen]
    return await _render(visit, shown, sheets, chosen)


async def one(visit: Visit) -> Response:
    """The sheet of one station."""
    sheet = _of_station(visit, station_of(visit))
    return await _render(visit, [sheet], [], {sheet.mark}, station_of(visit))


async def _render(
    visit: Visit,
    shown: list[Sheet],
    sheets: list[Sheet],
    chosen: set[str],
    station: ChargingStation | None = None,
) -> Response:
    size = visit.request.query_params.get("size", SIZES[0])
    shown = [await _with_key(visit, sheet) for sheet in shown]
    urls = [sheet.url for sheet in shown]
    # Milliseconds for each code: together they would hold the control cycle up.
    drawn, fingerprint = await asyncio.to_thread(
        lambda: ([qr_code(url) for url in urls], visit.services.sheets.fingerprint())
    )
    return visit.render(
        "sheets.html",
        shown=list(zip(shown, drawn, strict=True)),
        sheets=sheets,
        chosen=chosen,
        station=station,
        size=size if size in SIZES else SIZES[0],
        secure=_secure(visit),
        has_secure_port=visit.services.settings.ocpps_port is not None,
        fingerprint=fingerprint,
        time_server=time_server(visit),
        site_name=visit.services.circuits.configuration().name,
    )


def _secure(visit: Visit) -> bool:
    return visit.request.query_params.get("tls") == "1"


def _over_tls(visit: Visit, profile: int) -> bool:
    """A profile says it; without one the person chooses."""
    return profile in SECURE_PROFILES or (profile == NO_PROFILE and _secure(visit))


def _of_station(visit: Visit, station: ChargingStation) -> Sheet:
    identity = visit.services.stations.identity(station.station_id)
    return _sheet(
        visit,
        mark=f"s:{station.station_id}",
        name=station.name,
        place=station.place,
        circuit_id=station.circuit_id,
        station_id=station.station_id,
        serial=identity.serial,
        model=" ".join(filter(None, (identity.vendor, identity.model))),
    )


def _of_plan(visit: Visit, plan: PlannedStation) -> Sheet:
    return _sheet(
        visit,
        mark=f"p:{plan.plan_id}",
        name=plan.shown_name,
        place=plan.place,
        circuit_id=plan.circuit_id,
        # A serial number stands for the identity that nobody has chosen yet.
        station_id=plan.station_id or plan.serial.replace(" ", ""),
        serial=plan.serial,
        expected=True,
    )


def _sheet(  # noqa: PLR0913 - by name
    visit: Visit,
    *,
    mark: str,
    name: str,
    place: str,
    circuit_id: str,
    station_id: str,
    serial: str,
    model: str = "",
    expected: bool = False,
) -> Sheet:
    facts = visit.services.sheets
    profile = facts.security_profile(station_id)
    base = station_url(visit, secure=_over_tls(visit, profile))
    url = base + quote(station_id, safe="")
    circuits = visit.services.circuits.tree()
    return Sheet(
        mark=mark,
        name=name,
        place=place,
        circuit=circuits[circuit_id].name if circuit_id in circuits else "",
        url=url,
        base=base,
        identity=station_id,
        serial=serial,
        model=model,
        security=SECURITY[profile, base.startswith("wss:")],
        key=None,
        expected=expected,
    )


async def _with_key(visit: Visit, sheet: Sheet) -> Sheet:
    """The sheet with the key to type, where the station is known and proves itself by one."""
    facts = visit.services.sheets
    if sheet.expected or facts.security_profile(sheet.identity) not in KEY_PROFILES:
        return sheet
    return sheet._replace(key=await facts.printable_key(sheet.identity))


def qr_code(text: str) -> Markup:
    """A QR code (ISO/IEC 18004) as inline SVG: paths alone, which the strict policy allows."""
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(scale=_QR_SCALE, border=4, svgclass=None, lineclass=None, omitsize=True)
    return Markup(drawn)  # noqa: S704 - made of numbers, whatever the text
