"""``/settings/sharing/outside``: limits set for a while, by hand or by programs with a token."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.responses import Response

from app.domain.errors import InvalidInputError
from app.domain.outside_limit import PAGE
from app.domain.rules import LimitScope
from app.web.forms import Form
from app.web.http import Visit
from app.web.pages.sharing import names
from app.web.pages.sharing_rules import PLACES, read_bound

HERE = "/settings/sharing/outside"


async def page(visit: Visit) -> Response:
    """What is set now, the form to set more, and the tokens."""
    return _page(visit, _fresh(visit), Form())


async def set_limit(visit: Visit) -> Response:
    """Sets a limit until a time of day, at most a day ahead."""
    form = await visit.form()
    try:
        bound = read_bound(form)
        if not bound.binds:
            raise InvalidInputError("rule-limit-missing", field="limit", place="")
        await visit.services.external.order(
            form["circuit_id"],
            bound,
            _lasts(visit, form.minute("until")),
            source=PAGE,
            by=visit.actor,
        )
    except InvalidInputError as error:
        places = {**PLACES, "minutes": "until"}
        return _page(visit, form, Form(), visit.refuse(form, error, places))
    return visit.redirect(HERE, "outside-limit-set")


async def end_limit(visit: Visit) -> Response:
    """Ends a limit now, whoever set it."""
    form = await visit.form()
    await visit.services.external.end(form["circuit_id"], form["source"], visit.actor)
    return visit.redirect(HERE, "outside-limit-ended")


async def add_token(visit: Visit) -> Response:
    """Makes a token; its secret is on this answer and nowhere else."""
    form = await visit.form()
    try:
        token, secret = await visit.services.tokens.create(form["name"], visit.actor)
    except InvalidInputError as error:
        status = visit.refuse(form, error)
        return _page(visit, _fresh(visit), form, status)
    return visit.render("token.html", token=token, secret=secret)


async def revoke_token(visit: Visit) -> Response:
    """Revokes a token."""
    form = await visit.form()
    await visit.services.tokens.revoke(form["token_id"], visit.actor)
    return visit.redirect(HERE, "token-revoked")


def _fresh(visit: Visit) -> Form:
    root = visit.services.circuits.tree().root
    return Form({"circuit_id": root.circuit_id, "scope": LimitScope.ALL.value})


def _lasts(visit: Visit, minute: int) -> timedelta:
    """From now to the next time the wall clock shows ``minute``."""
    now_utc = visit.services.clock.utc_now()
    zone = visit.services.rules.zone
    local = now_utc.astimezone(zone)
    day = datetime(local.year, local.month, local.day, tzinfo=zone)
    end = day + timedelta(minutes=minute)
    if end <= local:
        end += timedelta(days=1)
    # Differences of one zone are of the wall clock, which jumps: those of UTC are true.
    return end.astimezone(now_utc.tzinfo) - now_utc


def _page(visit: Visit, form: Form, token_form: Form, status: int = 200) -> Response:
    services = visit.services
    return visit.render(
        "outside.html",
        status,
        form=form,
        token_form=token_form,
        orders=services.external.orders(),
        without_news=services.rule_book.rules.without_news,
        tokens=services.tokens.list(),
        tree=services.circuits.tree(),
        names=names(visit),
        now=services.clock.utc_now(),
        page_source=PAGE,
    )
