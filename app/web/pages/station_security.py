"""``/stations/{id}/security``: what a station must prove, its key, certificates and reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.responses import Response

from app.domain.errors import (
    BornierError,
    InvalidInputError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station_security import SecurityProfile
from app.ocpp16.actions.security_calls import CertificateHashData, HashAlgorithm
from app.services.station_certificates import InstalledRoot
from app.web import security_words
from app.web.forms import Form
from app.web.http import STATUS_OF, Visit
from app.web.pages.station import station_of
from app.web.pages.stations_security import secure_url
from app.web.tiles import quoted

EVENTS_SHOWN = 30


async def page(visit: Visit) -> Response:
    """Everything of one station's security."""
    record = visit.services.station_keys.of(station_of(visit).station_id)
    wanted = record.required if record.wanted is None else record.wanted
    return await _page(visit, Form({"profile": str(int(wanted))}))


async def act(visit: Visit) -> Response:
    """``action`` names what to do; a new key is shown on this answer and nowhere else."""
    form = await visit.form()
    station_id = station_of(visit).station_id
    try:
        if form["action"] == "new-key":
            key = await visit.services.station_keys.new_key(station_id, visit.actor)
            return _key_page(visit, key)
        do, notice = _ACTIONS[form.choice("action", _ACTIONS)]
        await do(visit, station_id, form)
    except (InvalidInputError, StationRefusedError, StationUnreachableError) as error:
        return await _page(visit, form, error)
    return visit.redirect(_here(visit), notice)


async def roots_page(visit: Visit) -> Response:
    """The roots that the station holds, asked of it now."""
    form = Form()
    try:
        roots = await visit.services.security.certificates.installed(station_of(visit).station_id)
    except (StationRefusedError, StationUnreachableError) as error:
        return await _page(visit, form, error)
    return await _page(visit, form, roots=roots)


# ---------------------------------------------------------------- actions


async def _want(visit: Visit, station_id: str, form: Form) -> None:
    await visit.services.station_keys.want(station_id, _profile(form), visit.actor)
    visit.services.security.upgrades.look()


async def _require(visit: Visit, station_id: str, form: Form) -> None:
    await visit.services.security.require(station_id, _profile(form), visit.actor)
    visit.services.security.upgrades.look()


async def _type_key(visit: Visit, station_id: str, form: Form) -> None:
    await visit.services.station_keys.type_key(station_id, form["key"], visit.actor)


async def _withdraw_key(visit: Visit, station_id: str, _form: Form) -> None:
    await visit.services.station_keys.withdraw_key(station_id, visit.actor)


async def _take_key(visit: Visit, station_id: str, form: Form) -> None:
    keys = visit.services.station_keys
    await keys.take_presented(station_id, visit.actor, form["verifier"])


async def _ask_certificate(visit: Visit, station_id: str, _form: Form) -> None:
    await visit.services.security.certificates.request(station_id, visit.actor)


async def _revoke(visit: Visit, station_id: str, form: Form) -> None:
    certificates = visit.services.security.certificates
    await certificates.revoke(station_id, form["fingerprint"], visit.actor)


async def _install_root(visit: Visit, station_id: str, _form: Form) -> None:
    await visit.services.security.certificates.install(station_id, visit.actor)


async def _delete_root(visit: Visit, station_id: str, form: Form) -> None:
    data = CertificateHashData(
        HashAlgorithm(form.choice("algorithm", tuple(HashAlgorithm))),
        form.text("name_hash", most=128),
        form.text("key_hash", most=128),
        form.text("serial", most=40),
    )
    await visit.services.security.certificates.delete(station_id, data, visit.actor)


async def _dismiss(visit: Visit, station_id: str, _form: Form) -> None:
    await visit.services.security.dismiss(station_id, visit.actor)


_ACTIONS: dict[str, tuple[Callable[[Visit, str, Form], Awaitable[None]], str]] = {
    "want": (_want, "security-wanted"),
    "require": (_require, "security-required"),
    "type-key": (_type_key, "key-typed"),
    "withdraw-key": (_withdraw_key, "key-withdrawn"),
    "take-key": (_take_key, "key-taken"),
    "ask-certificate": (_ask_certificate, "certificate-asked"),
    "revoke": (_revoke, "certificate-revoked"),
    "install-root": (_install_root, "root-installed"),
    "delete-root": (_delete_root, "root-deleted"),
    "dismiss": (_dismiss, "security-dismissed"),
}


def _profile(form: Form) -> SecurityProfile:
    return SecurityProfile(
        int(form.choice("profile", [str(int(each)) for each in SecurityProfile]))
    )


# ---------------------------------------------------------------- answers


def _here(visit: Visit) -> str:
    return f"/stations/{quoted(visit.request.path_params['station_id'])}/security"


def _key_page(visit: Visit, key: str) -> Response:
    station = station_of(visit)
    visit.services.security.upgrades.look()
    return visit.render(
        "station_key.html",
        station=station,
        key=key,
        online=visit.services.stations.is_online(station.station_id),
        here=_here(visit),
    )


async def _page(
    visit: Visit,
    form: Form,
    error: BornierError | None = None,
    roots: Sequence[InstalledRoot] | None = None,
) -> Response:
    station = station_of(visit)
    security = visit.services.security
    station_id = station.station_id
    status = 200
    if isinstance(error, InvalidInputError):
        status = visit.refuse(form, error)
    elif error is not None:
        status = STATUS_OF[type(error)]
    if "profile" not in form:
        form.values["profile"] = str(int(security.keys.of(station_id).required))
    form.values.pop("key", None)
    return visit.render(
        "station_security.html",
        status,
        station=station,
        form=form,
        security_words=security_words,
        record=security.keys.of(station_id),
        standing=security.gate.standing(station_id),
        online=visit.services.stations.is_online(station_id),
        presented=security.keys.presented(station_id),
        certificates=security.book.of(station_id),
        request_refused=security.certificates.refused.get(station_id, ""),
        attempts=security.attempts.last(station_id),
        events=await security.events.last(station_id, EVENTS_SHOWN),
        roots=roots,
        refusal="" if error is None or form.errors else visit.say(error),
        now=visit.services.clock.utc_now(),
        here=_here(visit),
        url=secure_url(visit, station_id),
    )
