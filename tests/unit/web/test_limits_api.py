"""Limits set by programs over HTTP: with a token, for a while, refused with a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.domain.rules import Bound, LimitScope
from app.domain.units import PhaseCurrents
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Program:
    """A client with a token, or without."""

    def __init__(self, client: httpx.AsyncClient, secret: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    async def ask(self, method: str, path: str = "", body: Any = None) -> httpx.Response:
        content = body if isinstance(body, bytes | None) else None
        return await self._client.request(
            method,
            f"/api/limits{path}",
            headers=self._headers,
            content=content,
            json=None if content is not None else body,
        )


def outside(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The limits in force that programs have set; the site has others by the hour."""
    return [cap for cap in told["in_force"] if cap["source"] == "external"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secret(room: Showroom) -> str:
    _, made = await room.services.tokens.create("Enedis", "admin")
    return made


@pytest.fixture
async def program(visit: Callable[[], Visitor], secret: str) -> AsyncIterator[Program]:
    visitor = visit()
    yield Program(visitor.client, secret)
    await visitor.client.aclose()


async def test_a_limit_is_set_told_renewed_and_ended(program: Program, room: Showroom) -> None:
    sent = {"limit_a": [32, 32, 16.5], "power_kw": 20, "scope": "charging", "minutes": 15}
    answer = await program.ask("PUT", "/p1", sent)
    assert answer.status_code == 200
    told = answer.json()
    assert told["by"] == "Enedis"
    assert told["limit_a"] == [32, 32, 16.5]
    lasts = datetime.fromisoformat(told["until"]) - datetime.fromisoformat(told["set"])
    assert lasts == timedelta(minutes=15)
    (order,) = room.services.external.orders()
    assert order.bound == Bound(PhaseCurrents(32_000, 32_000, 16_500), 20_000, LimitScope.CHARGING)
    everything = (await program.ask("GET")).json()
    assert everything["orders"] == [told]
    assert outside(everything) == [
        {
            "circuit": "p1",
            "source": "external",
            "limit_a": None,
            "power_kw": None,
            "charging_a": [32, 32, 16.5],
            "charging_kw": 20,
        }
    ]
    assert (await program.ask("PUT", "/p1", {"limit_a": 10, "minutes": 1440})).status_code == 200
    (order,) = room.services.external.orders()
    assert order.bound.limit == PhaseCurrents.uniform(10_000)
    assert (await program.ask("DELETE", "/p1")).status_code == 204
    assert room.services.external.orders() == ()
    gone = await program.ask("DELETE", "/p1")
    assert (gone.status_code, gone.json()["error"]) == (404, "outside-limit-unknown")


async def test_a_sign_of_life_limits_nothing(program: Program) -> None:
    answer = await program.ask("PUT", "/supply", {"minutes": 5})
    assert (answer.status_code, answer.json()["limit_a"]) == (200, None)
    assert outside((await program.ask("GET")).json()) == []
    await program.ask("DELETE", "/supply")


@pytest.mark.parametrize(
    ("path", "body", "status", "key"),
    [
        ("/nowhere", {"minutes": 5}, 404, "circuit-unknown"),
        ("/p1", {}, 422, "limit-unreadable"),
        ("/p1", b"", 422, "limit-unreadable"),
        ("/p1", b"\xff", 422, "limit-unreadable"),
        ("/p1", {"minutes": 0}, 422, "limit-unreadable"),
        ("/p1", {"minutes": 1441}, 422, "limit-unreadable"),
        ("/p1", {"minutes": 5, "limit": 3}, 422, "limit-unreadable"),
        ("/p1", {"minutes": 5, "limit_a": [1, 2]}, 422, "limit-unreadable"),
        ("/p1", {"minutes": 5, "scope": "some"}, 422, "limit-unreadable"),
        ("/p1", {"minutes": 5, "limit_a": -1}, 422, "rule-limit-range"),
        ("/p1", {"minutes": 5, "limit_a": 1e308}, 422, "rule-limit-range"),
        ("/p1", {"minutes": 5, "power_kw": 1e308}, 422, "rule-power-range"),
    ],
)
async def test_what_cannot_be_used_is_refused_in_words(
    program: Program, room: Showroom, path: str, body: Any, status: int, key: str
) -> None:
    answer = await program.ask("PUT", path, body)
    assert (answer.status_code, answer.json()["error"]) == (status, key)
    assert answer.json()["message"]
    assert room.services.external.orders() == ()


async def test_nothing_is_told_without_a_token(visit: Callable[[], Visitor], secret: str) -> None:
    visitor = visit()
    for wrong in ("", "wrong", secret[:-1]):
        answer = await Program(visitor.client, wrong).ask("GET")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    for _ in range(10):
        answer = await Program(visitor.client, "wrong").ask("PUT", "/p1", {"minutes": 5})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    answer = await visitor.client.get("/api/limits", headers={"Authorization": "Basic abc"})
    assert answer.status_code == 429
    await visitor.client.aclose()


async def test_a_page_of_another_site_cannot_use_it(program: Program, secret: str) -> None:
    answer = await program._client.put(
        "/api/limits/p1",
        json={"minutes": 5},
        headers={"Authorization": f"Bearer {secret}", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
