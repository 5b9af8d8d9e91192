"""One visit to a page: who asks, in which language, and how it is answered."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.domain.errors import (
    AccessDeniedError,
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
    StorageError,
    UnsafeConfigurationError,
)
from app.services.live import SiteView
from app.services.ports import User, WebSession
from app.web.forms import Form
from app.web.i18n import Language, chosen_language
from app.web.messages import MESSAGES, filled
from app.web.notices import NOTICES
from app.web.security import SAFE_METHODS, comes_from_here

if TYPE_CHECKING:
    from app.services.context import Services
    from app.web.live_pages import LiveBoards
    from app.web.rendering import Pages

SESSION_COOKIE = "__Host-bornier"
LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = ("auto", "light", "dark")
YEAR_S = 365 * 24 * 3600

STATUS_OF: Mapping[type[BornierError], int] = {
    InvalidInputError: 422,
    UnsafeConfigurationError: 422,
    NotFoundError: 404,
    AccessDeniedError: 403,
    StationRefusedError: 409,
    StationUnreachableError: 503,
    StorageError: 507,
}


@dataclass
class Web:
    """What all visits share."""

    services: Services
    pages: Pages
    boards: LiveBoards


class Visit:
    """One request of one person (or of nobody yet)."""

    def __init__(
        self, web: Web, request: Request, session: WebSession | None, user: User | None
    ) -> None:
        self.web = web
        self.services = web.services
        self.request = request
        self.session = session
        self.user = user

    @cached_property
    def language(self) -> Language:
        """The account's, the cookie's or the browser's."""
        cookies = self.request.cookies
        return chosen_language(
            self.user.language if self.user else None,
            cookies.get(LANGUAGE_COOKIE),
            self.request.headers.get("accept-language"),
        )

    @property
    def theme(self) -> str:
        """``auto``, ``light`` or ``dark``."""
        theme = self.request.cookies.get(THEME_COOKIE, "auto")
        return theme if theme in THEMES else "auto"

    @property
    def actor(self) -> str:
        """Who is named in the audit log."""
        assert self.user is not None
        return self.user.name

    @property
    def site(self) -> SiteView | None:
        """The newest picture of the site; ``None`` before the first control cycle."""
        return self.services.live.latest

    @cached_property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        site = self.site
        return ZoneInfo(site.timezone if site is not None else "Europe/Paris")

    async def form(self) -> Form:
        """The form that was sent, its token checked for signed-in visitors."""
        if self.request.headers.get("content-type", "").partition(";")[0] != (
            "application/x-www-form-urlencoded"
        ):
            raise HTTPException(415)
        async with self.request.form(max_fields=200, max_files=0) as sent:
            values = {name: value for name, value in sent.items() if isinstance(value, str)}
        self.check_token(values.pop("csrf", ""))
        return Form(values)

    def check_token(self, token: str) -> None:
        """Raises ``AccessDeniedError("form-expired")`` for a form that is not a page's of theirs."""
        if self.session is not None and not hmac.compare_digest(
            token.encode(), self.session.csrf_token.encode()
        ):
            raise AccessDeniedError("form-expired")

    def render(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page."""
        html = self.web.pages.render(self, template, context)
        return HTMLResponse(html, status_code=status)

    def redirect(self, path: str, notice: str = "", **params: str) -> Response:
        """To another page of ours, which shows ``notice`` (a key of ``NOTICES``)."""
        if notice:
            assert notice in NOTICES, notice
            params = {"done": notice, **params}
        query = f"?{urlencode(params)}" if params else ""
        return RedirectResponse(path + query, status_code=303)

    def say(self, error: BornierError) -> str:
        """The error's text in the visitor's language."""
        return MESSAGES.title(error.key, self._written(error), self.language)

    def _written(self, error: BornierError) -> dict[str, str]:
        """The error's parameters, written; circuits and stations by name, not by identifier."""
        params = filled(error.params, self.language, self.zone)
        if isinstance(error, UnsafeConfigurationError):
            node = params.get("circuit", "")
            params["circuit"] = self._names().get(node, node)
        return params

    def _names(self) -> dict[str, str]:
        configuration = self.services.circuits.configuration()
        names = {station.station_id: station.name for station in configuration.stations}
        return names | {circuit.circuit_id: circuit.name for circuit in configuration.circuits}

    def say_again(self, key: str, params: Mapping[str, str | int]) -> str:
        """The text of an error that was kept, with its plain parameters."""
        return MESSAGES.title(key, filled(params, self.language, self.zone), self.language)

    def say_key(self, key: str) -> str:
        """The text of a key that has no parameters."""
        return MESSAGES.title(key, {}, self.language)

    def refuse(
        self, form: Form, error: BornierError, places: Mapping[str, str] | None = None
    ) -> int:
        """Puts the error's text at its field of the form; returns the HTTP status.

        ``places`` tells which input stands for a field that has several.
        """
        field = error.field if isinstance(error, InvalidInputError) else None
        if field is not None and places is not None:
            field = places.get(field, field)
        form.refuse(field, self.say(error))
        if isinstance(error, UnsafeConfigurationError):
            params = self._written(error)
            form.effect = MESSAGES.effect(error.key, params, self.language)
            form.remedy = MESSAGES.remedy(error.key, params, self.language)
            names = self._names()
            excesses = error.params.get("excesses", ())
            assert isinstance(excesses, tuple)
            form.excesses = [(names.get(item.node, item.node), item) for item in excesses]
        return STATUS_OF.get(type(error), 422)


Handler = Callable[[Visit], Awaitable[Response]]


async def visit_of(web: Web, request: Request) -> Visit:
    """Who asks, by the session cookie."""
    token = request.cookies.get(SESSION_COOKIE)
    known = await web.services.access.authenticate(token) if token else None
    if known is None:
        return Visit(web, request, None, None)
    return Visit(web, request, *known)


def endpoint(
    web: Web, handler: Handler, *, public: bool = False, stream: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """``handler`` behind the checks: same origin, signed in, own password set.

    ``public`` pages need no account. A ``stream`` (or API) answers 401 instead of redirecting.
    """

    async def answer(request: Request) -> Response:
        if request.method not in SAFE_METHODS and not comes_from_here(request):
            raise HTTPException(403)
        visit = await visit_of(web, request)
        if not public:
            if visit.user is None:
                if stream or request.method not in SAFE_METHODS:
                    raise HTTPException(401)
                return RedirectResponse(f"/sign-in?next={quote(_asked(request))}", 303)
            if visit.user.must_change and request.url.path not in _ALLOWED_BEFORE_PASSWORD:
                if stream:
                    raise HTTPException(403)
                return RedirectResponse("/password", 303)
        try:
            return await handler(visit)
        except BornierError as error:
            return error_page(visit, STATUS_OF.get(type(error), 500), visit.say(error), error.key)

    return answer


_ALLOWED_BEFORE_PASSWORD = frozenset({"/password", "/sign-out", "/language", "/theme"})


def _asked(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def local_path(path: str | None) -> str:
    """``path`` when it is one of ours, else the first page: never a way to another site."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    return path


def error_page(visit: Visit, status: int, text: str = "", key: str = "") -> Response:
    """The error in the style of the other pages."""
    message = MESSAGES.by_key.get(key)
    return visit.render(
        "error.html",
        status,
        error_status=status,
        error_text=text,
        error_key=key if message is not None and message.severity else "",
    )
