"""``/badges``: who may charge."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.badge import ID_TAG_MAX_LENGTH, Badge
from app.domain.errors import InvalidInputError
from app.services.badges import SESSIONS_MOST
from app.web.forms import Form
from app.web.http import Visit


async def page(visit: Visit) -> Response:
    """Known badges, searchable, and the unknown tokens that were seen."""
    wanted = visit.request.query_params.get("q", "").strip()
    badges = visit.services.badges.list()
    known = [badge for badge in badges if badge.known]
    stations = {
        station.station_id: station.name for station in visit.services.stations.configuration()
    }
    return visit.render(
        "badges.html",
        known=[
            badge
            for badge in known
            if wanted.casefold() in f"{badge.holder} {badge.id_tag}".casefold()
        ],
        total=len(known),
        seen=[badge for badge in badges if not badge.known],
        wanted=wanted,
        stations=stations,
        now=visit.services.clock.utc_now(),
    )


async def add_page(visit: Visit) -> Response:
    """An empty form, or one with the number of a token that was seen."""
    number = visit.request.query_params.get("number", "")
    return _form(visit, Form({"id_tag": number, "active": "on", "weight": "1"}), None)


async def add(visit: Visit) -> Response:
    """Creates a badge; one that was only seen becomes known."""
    form = await visit.form()
    try:
        await visit.services.badges.create(_read(form), visit.actor)
    except InvalidInputError as error:
        return _form(visit, form, None, visit.refuse(form, error))
    return visit.redirect("/badges", "badge-saved")


async def edit_page(visit: Visit) -> Response:
    """The form with the badge's values."""
    badge = _badge(visit)
    expires = badge.expires_utc
    values = {
        "id_tag": badge.id_tag,
        "holder": badge.holder,
        "active": "on" if badge.active else "",
        "expires": "" if expires is None else expires.date().isoformat(),
        "weight": f"{badge.weight / 1000:g}",
        "priority": "" if badge.priority is None else str(badge.priority),
        "parent": badge.parent,
        "max_sessions": "" if badge.max_sessions is None else str(badge.max_sessions),
    }
    return _form(visit, Form(values), badge)


async def edit(visit: Visit) -> Response:
    """Saves the badge."""
    before = _badge(visit)
    form = await visit.form()
    try:
        await visit.services.badges.edit(before.key, _read(form), visit.actor)
    except InvalidInputError as error:
        return _form(visit, form, before, visit.refuse(form, error))
    return visit.redirect("/badges", "badge-saved")


async def block(visit: Visit) -> Response:
    """Blocks the badge or allows it again."""
    badge = _badge(visit)
    form = await visit.form()
    blocked = form.choice("blocked", ("yes", "no")) == "yes"
    await visit.services.badges.block(badge.key, blocked, visit.actor)
    return visit.redirect("/badges", "badge-blocked" if blocked else "badge-unblocked")


async def remove_page(visit: Visit) -> Response:
    """Asks before deleting, and tells whether the badge charges now."""
    badge = _badge(visit)
    running = 0
    if visit.site is not None:
        label = visit.services.sessions.badge_label(badge.id_tag)
        running = sum(
            view.badge_label == label and view.transaction_id is not None
            for view in visit.site.connectors
        )
    return visit.render("badge_remove.html", badge=badge, running=running)


async def remove(visit: Visit) -> Response:
    """Deletes the badge."""
    badge = _badge(visit)
    await visit.form()
    await visit.services.badges.remove(badge.key, visit.actor)
    return visit.redirect("/badges", "badge-removed")


def _badge(visit: Visit) -> Badge:
    return visit.services.badges.get(visit.request.path_params["key"])


def _read(form: Form) -> Badge:
    weight = 1.0
    if form["weight"].strip():  # adopting in one step sends none
        weight = form.number("weight", least=0.1, most=10)
    return Badge(
        id_tag=form["id_tag"],
        holder=form.text("holder", most=80),
        active=form.checked("active"),
        expires_utc=form.end_of_day("expires"),
        known=True,
        weight=round(weight * 1000),
        priority=form.whole("priority", least=0, most=3) if form["priority"] else None,
        parent=form.text("parent", most=ID_TAG_MAX_LENGTH),
        max_sessions=form.whole("max_sessions", least=1, most=SESSIONS_MOST)
        if form["max_sessions"]
        else None,
    )


def _form(visit: Visit, form: Form, badge: Badge | None, status: int = 200) -> Response:
    return visit.render("badge_form.html", status, form=form, badge=badge, most=ID_TAG_MAX_LENGTH)
