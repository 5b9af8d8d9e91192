"""A small site behind real services, and a browser without JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.web.app import create_app
from tests.support.html import Element, parsed
from tests.support.showroom import PASSWORD, Showroom, site_document

BASE = "https://bornier.test"


class Visitor:
    """Follows no redirect; sends forms as a browser would."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, status: int = 200, **headers: str) -> Element:
        answer = await self.client.get(path, headers=headers)
        assert answer.status_code == status, f"{path}: {answer.status_code}"
        return parsed(answer.text)

    async def raw(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def post(self, path: str, data: dict[str, str], **headers: str) -> httpx.Response:
        headers.setdefault("Sec-Fetch-Site", "same-origin")
        return await self.client.post(path, data=data, headers=headers)

    async def submit(self, path: str, changes: dict[str, str], action: str = "") -> httpx.Response:
        """Fills the form of ``path`` (the one that posts to ``action``) and sends it."""
        page = await self.get(path)
        forms = [
            form
            for form in page.one("main").all("form", method="post")
            if not action or form.get("action") == action
        ]
        assert forms, f"no form for {action or path}"
        target = forms[0].get("action") or path
        return await self.post(target, {**forms[0].fields(), **changes})

    async def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/sign-in", {"name": "admin", "password": password, "next": "/"})


def small_site(stations: int = 4, connectors: int = 1) -> dict[str, Any]:
    return site_document(stations, connectors)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Showroom]:
    folder: Path = tmp_path_factory.mktemp("room")
    opened = Showroom(folder, small_site())
    await opened.open()
    await opened.set_password()
    await opened.furnish()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture(scope="module")
def application(room: Showroom) -> Any:
    return create_app(room.services)


@pytest.fixture
def visit(application: Any) -> Callable[[], Visitor]:
    """Makes strangers."""

    def make() -> Visitor:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        return Visitor(
            httpx.AsyncClient(
                transport=transport, base_url=BASE, headers={"Accept-Language": "fr-FR,fr;q=0.9"}
            )
        )

    return make


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(application: Any, room: Showroom) -> AsyncIterator[Visitor]:
    """Signed in."""
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url=BASE, headers={"Accept-Language": "fr-FR,fr;q=0.9"}
    ) as client:
        visitor = Visitor(client)
        answer = await visitor.sign_in()
        assert answer.status_code == 303
        yield visitor
