"""What holds for every address: who may, from where, how large, and with which headers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import StorageError
from app.services.ports import TracePoint
from app.web.api.trace import MOST_POINTS, thinned
from app.web.assets import STATIC, Assets
from app.web.http import local_path
from app.web.i18n import languages
from app.web.live_pages import MOST_BOARDS, LiveBoards
from app.web.rendering import Pages
from app.web.security import SecurityHeaders
from tests.support.html import parsed
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = (
    "/", "/?state=charging", "/stations", "/stations?q=allée", "/stations?q=nothing-like-it",
    "/stations?view=tiles", "/stations?view=table&sort=-energy&state=charging&trouble=any",
    "/stations/jobs", "/stations/templates", "/stations/templates/add?from=A-001",
    "/stations/bulk?do=restart&s=A-001&s=A-002", "/stations/bulk?do=settings&scope=all",
    "/stations/bulk?do=copy-settings&scope=all&from=A-001", "/stations/bulk?do=template&scope=all",
    "/stations/bulk?do=trigger&scope=ticked", "/stations/A-001/configuration",
    "/stations/A-001/configuration/change?key=LightIntensity",
    "/stations/A-001/configuration/change?key=AuthorizationKey",
    "/stations/A-001/profiles", "/stations/A-001/actions", "/stations/A-001/history",
    "/stations/add", "/stations/new", "/stations/A-001", "/stations/A-001/edit",
    "/stations/A-001/remove", "/sessions", "/sessions?page=2", "/sessions?page=x", "/badges",
    "/badges?q=claire", "/badges?q=nobody-at-all", "/badges/add", "/badges/add?number=04AA",
    "/badges/04A1B200/edit", "/badges/04A1B200/remove", "/settings", "/settings/site",
    "/settings/health", "/settings/energy", "/settings/energy/add?parent=p1",
    "/settings/energy/supply", "/settings/energy/aa", "/settings/energy/aa/remove",
    "/settings/sharing", "/settings/sharing/outside", "/settings/sharing/limits/add",
    "/settings/sharing/priorities/add", "/settings/sharing/tariff/add",
    "/settings/sharing/without-news/add",
    "/settings/meters", "/settings/meters/add", "/settings/meters/nemo",
    "/settings/meters/nemo/remove", "/password", "/help", "/help/errors/DLM-003",
    "/help/errors/STN-001",
)  # fmt: skip


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_sound_without_javascript(
    owner: Visitor, path: str, language: str
) -> None:
    page = await owner.get(path)
    if page.one("html")["lang"] != language:
        await owner.post("/language", {**await csrf(owner), "language": language, "next": "/"})
        page = await owner.get(path)
    assert page.one("html")["lang"] == language
    assert page.one("h1").text
    assert page.one("title").text.endswith("· Bornier")
    ids = [element["id"] for element in page.walk() if element.has("id")]
    assert len(ids) == len(set(ids))
    for element in page.walk():
        assert not element.has("style"), "a style attribute is blocked by the policy"
        assert not any(name.startswith("on") for name in element.attributes)
        if element.tag == "script":
            assert element["src"].startswith("/static/")
        if element.tag == "form" and element.get("method") == "post":
            assert element.one("input", name="csrf")["value"]
        for name in ("href", "src", "action"):
            assert not element.get(name).startswith(("http:", "https:", "//", "javascript:"))
    labels = {label["for"] for label in page.all("label")}
    for element in page.walk():
        hidden = element.get("type") == "hidden" or element.has("hidden")
        if element.tag in ("input", "select") and not hidden:
            assert element["id"] in labels
        for reference in element.get("aria-describedby").split():
            assert reference in ids


async def csrf(visitor: Visitor) -> dict[str, str]:
    page = await visitor.get("/settings")
    return {"csrf": page.all("input", name="csrf")[0]["value"]}


# ------------------------------------------------------------------ who may


@pytest.mark.parametrize("path", ["/", "/stations/A-001", "/settings/energy", "/help"])
async def test_a_stranger_is_led_to_the_sign_in(visit: Callable[[], Visitor], path: str) -> None:
    answer = await visit().raw(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={path}"


@pytest.mark.parametrize("path", ["/live/site", "/api/trace?station=A-001&connector=1"])
async def test_streams_and_data_tell_a_stranger_so(visit: Callable[[], Visitor], path: str) -> None:
    answer = await visit().raw(path)
    assert answer.status_code == 401
    assert answer.json() == {"status": 401}


async def test_a_stranger_cannot_send_a_form(visit: Callable[[], Visitor]) -> None:
    answer = await visit().post("/badges/add", {"id_tag": "04"})
    assert answer.status_code == 401
    assert "déconnecté" in parsed(answer.text).one("h1").text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
    ],
)
async def test_a_form_of_another_site_is_refused(
    owner: Visitor, headers: dict[str, str], status: int
) -> None:
    answer = await owner.post(
        "/theme", {**await csrf(owner), "theme": "dark", "next": "/settings"}, **headers
    )
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("origin", "status"), [("https://bornier.test", 303), ("https://evil.test", 403), ("null", 403)]
)
async def test_an_older_browser_is_judged_by_its_origin(
    owner: Visitor, origin: str, status: int
) -> None:
    answer = await owner.client.post(
        "/theme",
        data={**await csrf(owner), "theme": "light", "next": "/settings"},
        headers={"Origin": origin},
    )
    assert answer.status_code == status


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_form_without_its_token_changes_nothing(
    owner: Visitor, room: Showroom, token: str
) -> None:
    before = room.services.badges.list()
    answer = await owner.post("/badges/add", {"csrf": token, "id_tag": "04FF", "active": "on"})
    assert answer.status_code == 403
    assert "trop ancien" in answer.text or "too old" in answer.text
    assert room.services.badges.list() == before


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/stations?q=a", "/stations?q=a"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("https://evil.test", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
async def test_no_redirect_leaves_the_site(path: str | None, expected: str) -> None:
    assert local_path(path) == expected


# ------------------------------------------------------------------ errors in style


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/stations/none", 404),
        ("/stations/none/edit", 404),
        ("/badges/none/edit", 404),
        ("/settings/energy/none", 404),
        ("/settings/meters/none", 404),
        ("/help/errors/none", 404),
        ("/help/errors/required", 404),
        ("/sign-out", 405),
    ],
)
async def test_errors_look_like_the_other_pages(owner: Visitor, path: str, status: int) -> None:
    page = await owner.get(path, status)
    assert page.one("nav", class_="nav").all("a")
    assert page.one("h1").text


async def test_a_405_tells_what_is_allowed(owner: Visitor) -> None:
    assert (await owner.raw("/sign-out")).headers["allow"] == "POST"


async def test_an_enormous_body_is_refused(owner: Visitor) -> None:
    answer = await owner.post("/badges/add", {"holder": "x" * 100_000})
    assert answer.status_code == 413


async def test_a_form_is_a_form(owner: Visitor) -> None:
    answer = await owner.client.post("/theme", json={}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 415


async def test_a_choice_that_was_not_offered_is_an_error_page(owner: Visitor) -> None:
    answer = await owner.post("/theme", {**await csrf(owner), "theme": "pink"})
    assert answer.status_code == 422


async def test_a_failure_is_told_calmly(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("broken on purpose")

    monkeypatch.setattr(room.services.circuits, "_configuration", Broken())
    answer = await owner.raw("/settings/energy")
    assert answer.status_code == 500
    assert "broken on purpose" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


# ------------------------------------------------------------------ headers and files


async def test_pages_carry_the_strict_headers(visit: Callable[[], Visitor]) -> None:
    headers = (await visit().raw("/sign-in")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in headers


async def test_files_are_kept_for_ever_under_their_hash(visit: Callable[[], Visitor]) -> None:
    stranger = visit()
    page = await stranger.get("/sign-in")
    sheet = page.one("link", rel="stylesheet")["href"]
    answer = await stranger.raw(sheet)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == (STATIC / "app.css").read_text(encoding="utf-8")
    old = await stranger.raw("/static/000000000000/app.css")
    assert old.headers["cache-control"] == "no-cache"
    plain = await stranger.raw(sheet, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert (await stranger.raw("/static/x/nothing.css")).status_code == 404
    assert (await stranger.raw("/static/x/../app.py")).status_code == 404


async def test_the_hash_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "b.bin").write_bytes(b"\0")
    first = Assets(tmp_path)
    (tmp_path / "a.css").write_text("b{}")
    second = Assets(tmp_path)
    assert first.version != second.version
    assert first.url("a.css") == f"/static/{first.version}/a.css"
    with pytest.raises(KeyError):
        first.url(".hidden")


async def test_scripts_and_sheet_keep_their_budget() -> None:
    def size(*names: str) -> int:
        return sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names)

    scripts = ("vendor/htmx.min.js", "vendor/hx-sse.min.js", "live.js")
    assert size(*scripts) <= 25_000
    assert size(*scripts, "trace.js", "vendor/uPlot.iife.min.js") <= 50_000
    assert size("app.css", "vendor/uPlot.min.css") <= 15_000


# ------------------------------------------------------------------ health and trace


async def test_health_needs_no_account(visit: Callable[[], Visitor], room: Showroom) -> None:
    answer = await visit().raw("/health")
    report = answer.json()
    assert answer.status_code == (200 if report["ready"] else 503)
    assert {check["name"] for check in report["checks"]} >= {"stations", "meters"}
    assert report["version"]


async def test_the_trace_is_in_amperes_by_columns(owner: Visitor, room: Showroom) -> None:
    key = room.painter.connectors[0].key
    answer = await owner.raw(f"/api/trace?station={key.station_id}&connector=1&hours=24")
    times, l1, l2, l3, limit = answer.json()
    assert len(times) == len(l1) == len(l2) == len(l3) == len(limit) > 300
    assert times == sorted(times)
    assert (l1[0], l2[0], l3[0], limit[0]) == (15.7, 15.55, 15.62, 16.0)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("station=A-001&connector=1&hours=2", 422),
        ("station=A-001&connector=x", 422),
        ("connector=1", 422),
        ("station=A-001&connector=9", 404),
        ("station=none&connector=1", 404),
    ],
)
async def test_a_wrong_question_to_the_trace(owner: Visitor, query: str, status: int) -> None:
    assert (await owner.raw(f"/api/trace?{query}")).status_code == status


# ------------------------------------------------------------------ blocks of live pages


@pytest.mark.parametrize("view", ["status", "site", "new", "stations", "station/A-001"])
async def test_a_window_too_many_asks_for_the_blocks(owner: Visitor, view: str) -> None:
    answer = await owner.raw(f"/live/{view}?once")
    assert answer.status_code == 200
    for element in parsed(answer.text).children:
        assert element.has("hx-swap-oob")  # type: ignore[union-attr]


async def test_an_unknown_view_is_not_found(owner: Visitor) -> None:
    assert (await owner.raw("/live/nothing?once")).status_code == 404


# ------------------------------------------------------------------ the live stream itself


async def test_the_stream_is_served_as_events(owner: Visitor, room: Showroom) -> None:
    """Through the application: the first event comes, then the visitor leaves."""
    scope = owner.client.build_request("GET", "/live/site", headers={"Accept-Encoding": "identity"})
    sent: list[Any] = []
    left = asyncio.Event()

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and message["body"]:
            left.set()

    application = owner.client._transport.app  # type: ignore[attr-defined]
    await asyncio.wait_for(
        application(
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "https",
                "path": "/live/site",
                "raw_path": b"/live/site",
                "query_string": b"",
                "root_path": "",
                "headers": [(name.lower(), value) for name, value in scope.headers.raw]
                + [
                    (
                        b"cookie",
                        "; ".join(f"{n}={v}" for n, v in owner.client.cookies.items()).encode(),
                    )
                ],
                "client": ("127.0.0.1", 1),
                "server": ("bornier.test", 443),
            },
            receive,
            send,
        ),
        30,
    )
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-store"
    first = sent[1]["body"].decode()
    assert first.startswith("id: ")
    assert 'id="tiles"' in first


async def test_a_long_history_is_thinned_and_keeps_its_end() -> None:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    points = [
        TracePoint(start + timedelta(seconds=10 * n), 0, 0, 0, None, None, None)
        for n in range(2 * MOST_POINTS + 1)
    ]
    thin = thinned(points)
    assert len(thin) <= MOST_POINTS
    assert thin[-1] is points[-1]
    assert thinned(points[:3]) == points[:3]


async def test_other_protocols_pass_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*arguments: Any) -> Any:
        return None

    await SecurityHeaders(inner)({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]


async def test_when_sessions_cannot_be_read_the_error_is_still_told(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(token: str) -> Any:
        raise StorageError("storage-damaged")

    monkeypatch.setattr(room.services.access, "authenticate", damaged)
    answer = await owner.raw("/stations")
    assert answer.status_code == 500
    assert parsed(answer.text).one("h1").text


async def test_a_client_that_is_no_browser_may_send_a_form(visit: Callable[[], Visitor]) -> None:
    answer = await visit().client.post("/theme", data={"theme": "dark", "next": "/sign-in"})
    assert answer.status_code == 303


async def test_boards_are_kept_within_bounds(room: Showroom) -> None:
    boards = LiveBoards(Pages(Assets()))
    language = languages()["fr"]
    first = boards.board("station/0", language)
    for number in range(MOST_BOARDS + 1):
        boards.board(f"station/{number}", language)
    assert boards.board("station/0", language) is not first
    assert boards.board("site", language) is boards.board("site", language)
