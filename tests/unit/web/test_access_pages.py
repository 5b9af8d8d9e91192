"""From the first-login secret to one's own password, and out again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.web.app import create_app
from app.web.http import SESSION_COOKIE
from tests.support.html import parsed
from tests.support.showroom import Showroom
from tests.unit.web.conftest import BASE, Visitor, small_site

pytestmark = pytest.mark.asyncio(loop_scope="function")
OWN = "quatre mots faciles à retenir"


@pytest_asyncio.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[tuple[Showroom, Visitor]]:
    room = Showroom(tmp_path, small_site(1))
    await room.open()
    transport = httpx.ASGITransport(app=create_app(room.services))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield room, Visitor(client)
    await room.close()


async def test_the_secret_leads_to_an_own_password_before_anything_else(
    fresh: tuple[Showroom, Visitor],
) -> None:
    room, visitor = fresh
    page = await visitor.get("/sign-in")
    assert page.labelled("Mot de passe")["autocomplete"] == "current-password"
    answer = await visitor.sign_in(room.secret)
    assert answer.headers["location"] == "/password"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert part in cookie

    for path in ("/", "/stations", "/help"):
        assert (await visitor.raw(path)).headers["location"] == "/password"
    assert (await visitor.raw("/live/site")).status_code == 403

    wrong = await visitor.submit(
        "/password", {"current": room.secret, "new": "short", "again": "short"}
    )
    assert wrong.status_code == 422
    refused = parsed(wrong.text)
    assert refused.labelled("Nouveau mot de passe")["aria-invalid"] == "true"
    assert "12" in refused.one(id="e-new").text
    assert refused.one(id="summary").one("a")["href"] == "#f-new"
    assert "short" not in wrong.text

    differing = await visitor.submit(
        "/password", {"current": room.secret, "new": OWN, "again": OWN + "!"}
    )
    assert "e-again" in differing.text
    old_token = visitor.client.cookies[SESSION_COOKIE]
    done = await visitor.submit("/password", {"current": room.secret, "new": OWN, "again": OWN})
    assert done.headers["location"] == "/?done=password-changed"
    assert visitor.client.cookies[SESSION_COOKIE] != old_token
    home = await visitor.get("/?done=password-changed")
    assert "Mot de passe changé" in home.one("p", class_="notice").text


async def test_who_is_signed_in_skips_the_form_and_leaves_by_a_button(
    fresh: tuple[Showroom, Visitor],
) -> None:
    room, visitor = fresh
    await room.set_password()
    answer = await visitor.post(
        "/sign-in", {"name": "admin", "password": "une borne bien gardée", "next": "/badges"}
    )
    assert answer.headers["location"] == "/badges"
    assert (await visitor.raw("/sign-in")).headers["location"] == "/"
    left = await visitor.submit("/settings", {}, action="/sign-out")
    assert left.headers["location"] == "/sign-in"
    assert SESSION_COOKIE not in visitor.client.cookies
    assert (await visitor.raw("/")).headers["location"] == "/sign-in?next=/"


async def test_a_wrong_password_keeps_the_name_and_forgets_the_password(
    fresh: tuple[Showroom, Visitor],
) -> None:
    _, visitor = fresh
    answer = await visitor.post("/sign-in", {"name": "marie", "password": "not this one"})
    assert answer.status_code == 403
    page = parsed(answer.text)
    assert page.labelled("Nom")["value"] == "marie"
    assert "not this one" not in answer.text
    assert "faux" in page.one(role="alert").text
    for _ in range(6):
        answer = await visitor.post("/sign-in", {"name": "marie", "password": "nor this"})
    assert answer.status_code == 429


async def test_language_and_theme_are_remembered_without_an_account(
    fresh: tuple[Showroom, Visitor],
) -> None:
    _, visitor = fresh
    answer = await visitor.post("/language", {"language": "en", "next": "/sign-in"})
    assert answer.headers["location"] == "/sign-in"
    await visitor.post("/theme", {"theme": "dark", "next": "/sign-in"})
    page = await visitor.get("/sign-in")
    assert page.one("html")["lang"] == "en"
    assert page.one("html")["data-theme"] == "dark"
    assert page.one("meta", name="color-scheme")["content"] == "dark"
    assert page.one("h1").text == "Sign in"


async def test_before_the_first_cycle_pages_say_so(fresh: tuple[Showroom, Visitor]) -> None:
    room, visitor = fresh
    await room.set_password()
    await visitor.sign_in()
    room.manager.live.latest = None
    assert "vient de démarrer" in (await visitor.get("/")).one("p", class_="empty").text
    assert (await visitor.raw("/live/site?once")).text == ""
    for path in ("/stations/A-001", "/stations", "/sessions", "/settings/meters", "/settings"):
        await visitor.get(path)
    await visitor.get("/badges/04A1B200/remove")
    await visitor.get("/help/errors/DLM-003")
