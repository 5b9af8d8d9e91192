"""``/settings/stations-security``: the site's choices, its root certificate, and who was refused."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.errors import InvalidInputError
from app.domain.station_security import SecurityDefaults, SecurityProfile, Strangers
from app.services.security_ports import RootCertificate
from app.web import security_words
from app.web.forms import Form
from app.web.http import Visit
from app.web.tiles import quoted

HERE = "/settings/stations-security"
ATTEMPTS_SHOWN = 50


async def page(visit: Visit) -> Response:
    """What new stations are brought to, the root to install, and the last refused attempts."""
    defaults = visit.services.station_keys.defaults
    values = {
        "profile": str(int(defaults.profile)),
        "strangers": defaults.strangers.value,
        "organisation": defaults.organisation,
    }
    return _page(visit, Form(values))


async def save(visit: Visit) -> Response:
    """Saves the site's choices."""
    form = await visit.form()
    try:
        profile = form.choice("profile", [str(int(each)) for each in SecurityProfile])
        strangers = form.choice("strangers", tuple(Strangers))
        defaults = SecurityDefaults(
            SecurityProfile(int(profile)), Strangers(strangers), form["organisation"]
        )
        await visit.services.station_keys.set_defaults(defaults, visit.actor)
    except InvalidInputError as error:
        return _page(visit, form, visit.refuse(form, error))
    return visit.redirect(HERE, "stations-security-saved")


async def root_pem(visit: Visit) -> Response:
    """The root as a file, PEM."""
    return _file(_root(visit).pem, "application/x-pem-file", "pem")


async def root_der(visit: Visit) -> Response:
    """The root as a file, DER."""
    return _file(_root(visit).der, "application/pkix-cert", "cer")


def secure_url(visit: Visit, station_id: str) -> str:
    """The address to set in a station for TLS; empty where the manager opens no such port."""
    port = visit.services.settings.ocpps_port
    if port is None:
        return ""
    host = visit.request.url.hostname or "localhost"
    named = f"[{host}]" if ":" in host else host
    return f"wss://{named}:{port}/ocpp/{quoted(station_id)}"


def _root(visit: Visit) -> RootCertificate:
    root = visit.services.security.root()
    if root is None:
        raise HTTPException(404)
    return root


def _file(content: str | bytes, kind: str, ending: str) -> Response:
    disposition = f'attachment; filename="bornier-stations-root.{ending}"'
    return Response(content, media_type=kind, headers={"Content-Disposition": disposition})


def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    security = visit.services.security
    names = {each.station_id: each.name for each in visit.services.stations.configuration()}
    records = security.keys.records()
    return visit.render(
        "stations_security.html",
        status,
        form=form,
        security_words=security_words,
        root=security.root(),
        served=security.served(),
        attempts=security.attempts.last()[:ATTEMPTS_SHOWN],
        names=names,
        counts={
            profile: sum(record.required is profile for record in records)
            for profile in SecurityProfile
        },
        changing=sum(record.wanted is not None for record in records),
        now=visit.services.clock.utc_now(),
    )
