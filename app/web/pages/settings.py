"""``/settings``: the cards, the site's name, and health for people."""

from __future__ import annotations

from zoneinfo import available_timezones

from starlette.responses import Response

from app.domain.errors import InvalidInputError
from app.web.forms import Form
from app.web.http import THEMES, Visit


async def page(visit: Visit) -> Response:
    """A card for each subject."""
    configuration = visit.services.circuits.configuration()
    return visit.render("settings.html", configuration=configuration, themes=THEMES)


async def site_page(visit: Visit) -> Response:
    """Name and time zone."""
    configuration = visit.services.circuits.configuration()
    form = Form({"name": configuration.name, "timezone": configuration.timezone})
    return _site_form(visit, form)


async def save_site(visit: Visit) -> Response:
    """Saves name and time zone."""
    form = await visit.form()
    try:
        name = form.text("name", most=80, needed=True)
        zone = form.choice("timezone", available_timezones())
        await visit.services.circuits.rename_site(name, zone, visit.actor)
    except InvalidInputError as error:
        return _site_form(visit, form, visit.refuse(form, error))
    return visit.redirect("/settings", "site-saved")


async def health_page(visit: Visit) -> Response:
    """The checks of ``/health`` in words."""
    return visit.render("health.html", report=visit.services.health.report())


def _site_form(visit: Visit, form: Form, status: int = 200) -> Response:
    zones = sorted(zone for zone in available_timezones() if "/" in zone)
    return visit.render("site_form.html", status, form=form, zones=zones)
