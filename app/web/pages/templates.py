"""``/stations/templates``: named sets of settings, made from a reading or typed."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.errors import InvalidInputError
from app.domain.remote import KeyTemplate
from app.services.station_settings import copyable, parse_values
from app.web.forms import Form
from app.web.http import Visit


async def page(visit: Visit) -> Response:
    """All templates."""
    return visit.render("templates.html", templates=visit.services.remote.settings.templates())


async def add_page(visit: Visit) -> Response:
    """An empty form, or one with the settings of a station's newest reading."""
    station_id = visit.request.query_params.get("from", "")
    reading = visit.services.remote.settings.latest(station_id)
    values = {} if reading is None else {one.key: one.value or "" for one in copyable(reading)}
    return _form(visit, Form({"values": _written(values)}), None)


async def add(visit: Visit) -> Response:
    """Keeps a new template."""
    return await _save(visit, None)


async def edit_page(visit: Visit) -> Response:
    """The form with its settings."""
    template = _of(visit)
    return _form(
        visit, Form({"name": template.name, "values": _written(template.values)}), template
    )


async def edit(visit: Visit) -> Response:
    """Keeps the changed template."""
    return await _save(visit, _of(visit))


async def remove(visit: Visit) -> Response:
    """Forgets the template."""
    await visit.form()
    template = _of(visit)
    await visit.services.remote.settings.remove_template(template.template_id, visit.actor)
    return visit.redirect("/stations/templates", "template-removed")


async def _save(visit: Visit, before: KeyTemplate | None) -> Response:
    form = await visit.form()
    try:
        template = KeyTemplate(
            template_id=0 if before is None else before.template_id,
            name=form.text("name", most=60, needed=True),
            values=parse_values(form["values"]),
        )
        await visit.services.remote.settings.save_template(template, visit.actor)
    except InvalidInputError as error:
        return _form(visit, form, before, visit.refuse(form, error))
    return visit.redirect("/stations/templates", "template-saved")


def _of(visit: Visit) -> KeyTemplate:
    return visit.services.remote.settings.template(int(visit.request.path_params["template_id"]))


def _form(visit: Visit, form: Form, template: KeyTemplate | None, status: int = 200) -> Response:
    return visit.render("template_form.html", status, form=form, known=template)


def _written(values: dict[str, str]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in values.items())
