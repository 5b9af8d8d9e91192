"""Signing in and out, the own password, language and theme."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.errors import AccessDeniedError, InvalidInputError
from app.services.access import PASSWORD_LEAST, SignedIn
from app.web.forms import Form
from app.web.http import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    THEMES,
    YEAR_S,
    Visit,
    local_path,
)
from app.web.i18n import LANGUAGE_NAMES


async def sign_in_page(visit: Visit) -> Response:
    """The form; who is signed in already goes on."""
    if visit.user is not None:
        return visit.redirect("/")
    return _sign_in_form(visit, Form({"name": "admin"}))


async def sign_in(visit: Visit) -> Response:
    """Checks name and password; a first-login secret leads to choosing a password."""
    form = await visit.form()
    address = visit.request.client.host if visit.request.client else ""
    try:
        signed_in = await visit.services.access.sign_in(form["name"], form["password"], address)
    except AccessDeniedError as error:
        form.refuse(None, visit.say(error))
        status = 429 if "wait_s" in error.params else 403
        return _sign_in_form(visit, form, status)
    target = "/password" if signed_in.user.must_change else local_path(form["next"])
    return _with_session(visit.redirect(target), signed_in)


async def sign_out(visit: Visit) -> Response:
    """Ends the session here and on the server."""
    await visit.form()
    assert visit.session is not None
    await visit.services.access.sign_out(visit.session)
    response = visit.redirect("/sign-in")
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="strict")
    return response


async def password_page(visit: Visit) -> Response:
    """Choosing one's own password: forced after the first sign-in, free later."""
    return _password_form(visit, Form())


async def change_password(visit: Visit) -> Response:
    """Sets the password and ends all other sessions."""
    form = await visit.form()
    assert visit.session is not None
    assert visit.user is not None
    try:
        if form["new"] != form["again"]:
            raise InvalidInputError("password-different", field="again")
        signed_in = await visit.services.access.change_password(
            visit.session, visit.user, form["current"], form["new"]
        )
    except (InvalidInputError, AccessDeniedError) as error:
        return _password_form(visit, form, visit.refuse(form, error))
    return _with_session(visit.redirect("/", "password-changed"), signed_in)


async def language(visit: Visit) -> Response:
    """Remembers the language in the account, and in a cookie for the sign-in page."""
    form = await visit.form()
    code = form.choice("language", LANGUAGE_NAMES)
    if visit.user is not None:
        await visit.services.access.set_language(visit.user, code)
    return _kept(visit.redirect(local_path(form["next"])), LANGUAGE_COOKIE, code)


async def theme(visit: Visit) -> Response:
    """Remembers light, dark or the system's choice in a cookie."""
    form = await visit.form()
    chosen = form.choice("theme", THEMES)
    return _kept(visit.redirect(local_path(form["next"])), THEME_COOKIE, chosen)


def _sign_in_form(visit: Visit, form: Form, status: int = 200) -> Response:
    target = form["next"] or visit.request.query_params.get("next", "")
    return visit.render("sign_in.html", status, form=form, target=local_path(target))


def _password_form(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.render("password.html", status, form=form, least=PASSWORD_LEAST)


def _with_session(response: Response, signed_in: SignedIn) -> Response:
    response.set_cookie(
        SESSION_COOKIE, signed_in.token, path="/", secure=True, httponly=True, samesite="strict"
    )
    return response


def _kept(response: Response, name: str, value: str) -> Response:
    response.set_cookie(
        name, value, max_age=YEAR_S, path="/", secure=True, httponly=True, samesite="strict"
    )
    return response
