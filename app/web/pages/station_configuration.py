"""``/stations/{id}/configuration``: the settings inside the station, read, compared and changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.remote import KeyReading, Reading
from app.ocpp16.standard_keys import AUTHORIZATION_KEY, STANDARD_KEYS, KeyKind, Profile, is_secret
from app.services.station_settings import REBOOT, Difference, compared
from app.web import answers
from app.web.forms import Form
from app.web.http import Visit
from app.web.i18n import Language
from app.web.key_words import KEYS, PROFILES
from app.web.pages.station import station_of
from app.web.tiles import quoted

TOLD = (StationRefusedError, StationUnreachableError, InvalidInputError)


class Group(NamedTuple):
    """Settings under one heading."""

    title: str
    keys: list[KeyReading]


async def page(visit: Visit) -> Response:
    """What was read last, in groups, and how it differs from something else."""
    return await _page(visit, answers.said_in_address(visit))


async def read(visit: Visit) -> Response:
    """Asks the station for all its settings."""
    await visit.form()
    station_id = station_of(visit).station_id
    try:
        await visit.services.remote.settings.read(station_id, visit.actor)
    except TOLD as error:
        said = answers.said_of_error(visit, error)
        return await _page(visit, said, answers.status_of(error))
    return visit.redirect(f"/stations/{quoted(station_id)}/configuration", "settings-read")


async def change_page(visit: Visit) -> Response:
    """One setting: what it means, its value, and another."""
    known = _known(visit)
    return _change_page(visit, known, Form({"value": known.value or ""}), None)


async def change(visit: Visit) -> Response:
    """Writes one setting."""
    known, form = _known(visit), await visit.form()
    station_id = station_of(visit).station_id
    try:
        value = form.text("value", most=500)
        reply = await visit.services.remote.settings.change(
            station_id, known.key, value, visit.actor
        )
    except InvalidInputError as error:
        return _change_page(visit, known, form, None, visit.refuse(form, error))
    except (StationRefusedError, StationUnreachableError) as error:
        said = answers.said_of_error(visit, error)
        return _change_page(visit, known, form, said, answers.status_of(error))
    address = f"/stations/{quoted(station_id)}/configuration"
    said_query = urlencode({"said": f"{reply.action}.{reply.answer}"})
    return visit.redirect(f"{address}?{said_query}#k-{quoted(known.key)}")


def _known(visit: Visit) -> KeyReading:
    """The setting named in the address, as last read; a standard one may never have been."""
    name = visit.request.query_params.get("key", "").strip()
    if not 0 < len(name) <= 50 or not name.isprintable():
        raise HTTPException(404)
    reading = visit.services.remote.settings.latest(station_of(visit).station_id)
    for one in () if reading is None else reading.keys:
        if one.key.lower() == name.lower():
            return one
    standard = STANDARD_KEYS.get(name.lower())
    key = name if standard is None else standard.key
    return KeyReading(key, None, standard is not None and not standard.writable, is_secret(key))


def _change_page(
    visit: Visit, known: KeyReading, form: Form, said: answers.Said | None, status: int = 200
) -> Response:
    standard = STANDARD_KEYS.get(known.key.lower())
    return visit.render(
        "station_setting.html",
        status,
        station=station_of(visit),
        known=known,
        meaning=KEYS.get(known.key, ""),
        kind=KeyKind.TEXT if standard is None else standard.kind,
        of_security=known.key.lower() == AUTHORIZATION_KEY,
        form=form,
        said=said,
    )


async def _page(visit: Visit, said: answers.Said | None, status: int = 200) -> Response:
    station, settings = station_of(visit), visit.services.remote.settings
    params = visit.request.query_params
    wanted, against = params.get("q", "").strip(), params.get("with", "")
    readings = await settings.readings(station.station_id)
    latest = readings[0] if readings else None
    title, changes = _compared(visit, latest, readings, against)
    others = [
        one
        for one in visit.services.stations.configuration()
        if one.station_id != station.station_id and settings.latest(one.station_id) is not None
    ]
    return visit.render(
        "station_configuration.html",
        status,
        station=station,
        circuit=visit.services.circuits.tree()[station.circuit_id],
        online=visit.services.stations.is_online(station.station_id),
        identity=visit.services.stations.identity(station.station_id),
        latest=latest,
        readings=readings,
        groups=_groups(latest, wanted, visit.language),
        wanted=wanted,
        meanings=KEYS,
        against=against,
        compared_with=title,
        changes=changes,
        others=others,
        templates=settings.templates(),
        said=said,
        reboot=said is not None and said.quote == REBOOT,
    )


def _groups(reading: Reading | None, wanted: str, language: Language) -> list[Group]:
    """Standard settings by feature profile, the maker's own apart; those that match the search."""
    if reading is None:
        return []
    by_profile: dict[Profile | None, list[KeyReading]] = {}
    for one in sorted(reading.keys, key=lambda one: one.key.casefold()):
        meaning = language.text(KEYS.get(one.key, ""))
        if wanted.casefold() not in f"{one.key} {one.value or ''} {meaning}".casefold():
            continue
        standard = STANDARD_KEYS.get(one.key.lower())
        by_profile.setdefault(None if standard is None else standard.profile, []).append(one)
    groups = [
        Group(title, by_profile[profile])
        for profile, title in PROFILES.items()
        if profile in by_profile
    ]
    own = by_profile.get(None)
    return groups if own is None else [*groups, Group("", own)]


def _compared(
    visit: Visit, latest: Reading | None, readings: Sequence[Reading], against: str
) -> tuple[str, tuple[Difference, ...]]:
    """What the newest reading is compared with, in words, and the differences."""
    kind, _, name = against.partition(":")
    settings, other = visit.services.remote.settings, None
    title: Any = ""
    if latest is None or not kind:
        return "", ()
    if kind == "reading":
        other = next((one for one in readings[1:] if one.at_utc.isoformat() == name), None)
        title = "" if other is None else visit.language.date_time(other.at_utc, visit.zone)
    elif kind == "station":
        other = settings.latest(name)
        title = name
    elif kind == "template" and name.isdecimal():
        try:
            template = settings.template(int(name))
        except NotFoundError:
            return "", ()
        return template.name, settings.differences(latest.station_id, template.values)
    if other is None:
        return "", ()
    return title, compared(latest.values(), other.values())
