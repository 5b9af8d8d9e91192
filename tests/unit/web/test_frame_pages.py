"""The pages of recorded frames: found by what is known of them, read in full, taken away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from app.adapters import frame_search
from app.services.frame_ports import Exchange, FrameKind, NoFrames, RecordedFrame
from app.services.frames import FORMAT
from app.web import frame_words
from app.web.app import create_app
from app.web.i18n import Language, languages
from tests.support.frames import Talk
from tests.support.html import Element
from tests.support.showroom import Showroom
from tests.unit.web.conftest import BASE, Visitor, small_site

pytestmark = pytest.mark.asyncio(loop_scope="module")


def rows(page: Element) -> list[Element]:
    """The rows of exchanges, without those of days."""
    tables = page.all("table", class_="frames")
    return [row for table in tables for row in table.all("tr") if row.all("time")]


def actions(page: Element) -> list[str]:
    return [row.one("b").text for row in rows(page)]


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


async def test_all_stations_newest_first_and_a_caller_that_is_not_adopted(owner: Visitor) -> None:
    page = await owner.get("/frames")
    assert "Enregistré depuis le" in page.one("div", class_="page-top").one("p", class_="sub").text
    assert actions(page)[:2] == ["ClearCache", "UnlockConnector"]
    assert len(rows(page)) == 50
    names = {row.one("td", class_="s").text for row in rows(page)}
    assert names == {"A-001", "NEW-1"}
    links = {row.one("td", class_="s").one("a").get("href") for row in rows(page)}
    assert links == {"/stations/A-001/frames", "/frames?station=NEW-1"}
    stranger = await owner.get("/frames?station=NEW-1")
    assert {row.one("td", class_="s").text for row in rows(stranger)} == {"NEW-1"}


async def test_the_tab_of_a_station_shows_its_own(owner: Visitor) -> None:
    page = await owner.get("/stations/A-001/frames")
    assert (
        page.one("nav", class_="tabs").one("a", **{"aria-current": "page"}).text == "Journal OCPP"
    )
    assert len(rows(page)) == 46
    assert page.all(id="f-station") == []
    assert rows(await owner.get("/stations/A-002/frames")) == []
    await owner.get("/stations/nobody/frames", 404)


async def test_filters_find_by_message_direction_text_time_and_oddity(owner: Visitor) -> None:
    async def found(query: str) -> set[str]:
        return set(actions(await owner.get(f"/frames?{query}")))

    assert await found("action=Authorize") == {"Authorize"}
    assert "SetChargingProfile" not in await found("direction=in")
    assert "Heartbeat" not in await found("direction=out")
    assert await found("q=OVERHEATED") == {"StatusNotification"}
    assert await found("q=c0ffee") == set()
    odd = await found("odd=on")
    assert {"MeterValues", "Illisible", "RemoteStopTransaction", "SetChargingProfile"} <= odd
    assert "Heartbeat" not in odd
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M}"
    assert await found(f"since={tomorrow}") == set()
    assert "Heartbeat" in await found(f"until={tomorrow}&since=nonsense")
    assert "Heartbeat" in await found("direction=sideways&before=x&after=-1")


async def test_what_was_odd_is_told_in_words(owner: Visitor) -> None:
    page = await owner.get("/stations/A-001/frames?odd=on")
    told = [plain(row.text) for row in rows(page)]
    assert any("pas un message OCPP : ignoré" in text for text in told)
    assert any("réparé : mesurand" in text for text in told)
    assert any("RemoteStopTransaction" in text and "sans réponse" in text for text in told)
    assert any("NotSupported" in text for text in told)


async def test_pages_turn_both_ways(owner: Visitor) -> None:
    first = await owner.get("/frames")
    older = first.one("a", rel="next").get("href") or ""
    second = await owner.get(older)
    assert not set(numbers(first)) & set(numbers(second))
    newer = second.one("a", rel="prev").get("href") or ""
    assert numbers(await owner.get(newer)) == numbers(first)
    third = await owner.get(f"/frames?action=Heartbeat&before={numbers(second)[0]}")
    assert third.all("a", rel="prev") != []


async def test_turning_forward_stops_where_the_next_page_is_full(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.pages.frames.PAGE_SIZE", 5)
    page = await owner.get("/frames?after=0")
    assert len(rows(page)) == 5
    assert numbers(page)[-1] == 1
    last = await owner.get(page.one("a", rel="prev").get("href") or "")
    assert numbers(last)[-1] > numbers(page)[0]
    assert parse_qs(urlsplit(page.one("a", rel="next").get("href") or "").query)["before"] == ["1"]


def numbers(page: Element) -> list[int]:
    links = [row.one("td", class_="t").one("a").get("href") or "" for row in rows(page)]
    return [int(link.rpartition("/")[2]) for link in links]


async def test_nothing_found_says_so_and_a_long_search_offers_to_go_on(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await owner.get("/frames?q=nowhere")
    assert "Aucune trame ne correspond." in page.one("p", class_="empty").text
    monkeypatch.setattr(frame_search, "SEARCH_S", 0.0)
    monkeypatch.setattr(frame_search, "FIRST_SPAN", 3)
    page = await owner.get("/frames?q=nowhere")
    assert "Rien trouvé jusqu’au" in page.one("p", class_="empty").text
    assert page.one("a", rel="next").text == "Chercher plus loin"


async def test_one_exchange_in_full(owner: Visitor, room: Showroom) -> None:
    listed = await owner.get("/stations/A-001/frames?action=StartTransaction")
    page = await owner.get(f"/frames/{numbers(listed)[0]}")
    assert page.one("h1").text == "StartTransaction"
    asked, answered = page.all("pre")
    assert '"idTag": "04A1B2C3"' in asked.text
    assert '"transactionId": 17' in answered.text
    assert [link.text for link in page.one("div", class_="page-top").all("a")] == [
        "Précédente",
        "Suivante",
    ]
    unreadable = await owner.get("/frames?q=this+is+no+frame")
    page = await owner.get(f"/frames/{numbers(unreadable)[0]}")
    assert page.one("h1").text == "Illisible"
    assert page.one("pre").text == "this is no frame"
    missing = await owner.get("/frames/999999", 404)
    assert "n’est plus conservée" in missing.text
    stranger = await owner.get("/frames?station=NEW-1")
    page = await owner.get(f"/frames/{numbers(stranger)[0]}")
    assert page.one("p", class_="back").one("a").get("href") == "/frames?station=NEW-1"


async def test_exports_carry_the_filter_and_leave_a_trace(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/stations/A-001/frames?action=StartTransaction")
    links = [link.get("href") or "" for link in page.one("details", class_="export").all("a")]
    anonymous, full = [await owner.raw(link) for link in links]
    assert "bornier-frames-anonymous-" in anonymous.headers["content-disposition"]
    head, *lines = map(json.loads, full.text.splitlines())
    assert head["format"] == FORMAT
    assert head["anonymised"] is False
    assert head["masked"] == ["credentials"]
    assert [line["from"] for line in lines] == ["station", "manager"] * 2
    assert {line["action"] for line in lines} == {"StartTransaction"}
    assert json.loads(lines[0]["text"])[3]["idTag"] == "04A1B2C3"
    head, *lines = map(json.loads, anonymous.text.splitlines())
    assert head["anonymised"] is True
    assert "badges" in head["masked"]
    assert lines[0]["station"] == "STATION-001"
    assert json.loads(lines[0]["text"])[3]["idTag"] == "BADGE-0001"
    assert "04A1B2C3" not in anonymous.text
    assert "A-001" not in anonymous.text
    trail = await room.store.audit.recent(limit=2)
    assert [(record.action, record.subject, record.detail) for record in trail] == [
        ("frames-exported", "A-001", "in full"),
        ("frames-exported", "A-001", "anonymous"),
    ]


async def test_everything_is_exported_in_the_order_of_the_wire(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.frames.EXPORT_STEP", 7)
    one, two = Talk(room.recorder, "A-003"), Talk(room.recorder, "A-004")
    one._tap.received('[2,"x","Authorize",{"idTag":"1"}]')
    for _ in range(20):
        two.ask("Heartbeat", {})
    one._tap.sent('[3,"x",{}]')
    two.say("Mrs Leroy", "rejected")
    text = (await owner.raw("/frames.jsonl")).text
    lines = [json.loads(line) for line in text.splitlines()[1:]]
    assert lines[-1] | {"at": ""} == {
        "at": "", "station": "A-004", "connection": lines[-1]["connection"], "from": "station",
        "kind": "unreadable", "action": "", "text": "Mrs Leroy", "notes": ["rejected"],
    }  # fmt: skip
    assert lines[-2]["text"] == '[3,"x",{}]'
    assert lines[-2]["action"] == "Authorize"
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    anonymous = (await owner.raw("/frames.jsonl?anonymous=1")).text
    assert "Leroy" not in anonymous
    assert "21G0456" not in anonymous
    assert "04A1B2C3" not in anonymous
    assert len(anonymous.splitlines()) == len(lines) + 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Showroom]:
    folder: Path = tmp_path_factory.mktemp("bare")
    opened = Showroom(folder, small_site())
    await opened.open()
    await opened.set_password()
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def newcomer(bare: Showroom) -> AsyncIterator[Visitor]:
    transport = httpx.ASGITransport(app=create_app(bare.services), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url=BASE, headers={"Accept-Language": "fr-FR"}
    ) as client:
        visitor = Visitor(client)
        await visitor.sign_in()
        yield visitor


async def test_before_the_first_frame(newcomer: Visitor) -> None:
    page = await newcomer.get("/frames")
    assert (
        "Rien n’est encore enregistré."
        in page.one("div", class_="page-top").one("p", class_="sub").text
    )
    assert "dès qu’une borne parle" in page.one("p", class_="empty").text
    assert page.all("details", class_="export") == []


async def test_a_recorder_in_trouble_or_off(
    newcomer: Visitor, bare: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bare.recorder, "trouble_key", "frames-disk-full")
    monkeypatch.setattr(bare.recorder, "_dropped_out", 3)
    page = await newcomer.get("/frames")
    assert "trop peu de place" in page.one("p", class_="summary").text
    with monkeypatch.context() as patch:
        patch.setattr(bare.recorder, "path", Path("/nowhere/frames.sqlite3"))
        page = await newcomer.get("/frames")
        assert "ne peuvent pas être lues" in page.one("p", class_="summary").text
    monkeypatch.setattr(bare.services.frames, "_archive", NoFrames())
    page = await newcomer.get("/frames?action=Heartbeat")
    assert (
        "l’enregistreur est éteint"
        in page.one("div", class_="page-top").one("p", class_="sub").text
    )
    await newcomer.get("/frames/1", 404)
    assert await NoFrames().neighbours(1) == (None, None)
    answer = await newcomer.raw("/frames.jsonl")
    assert len(answer.text.splitlines()) == 1


# ---------------------------------------------------------------- words


def frame(text: str, action: str = "", kind: FrameKind = FrameKind.CALL) -> RecordedFrame:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return RecordedFrame(1, at, "S-1", 1, True, kind, action, "1", len(text), (), text)


@pytest.fixture(scope="module")
def french() -> Language:
    return languages()["fr"]


@pytest.mark.parametrize(
    ("action", "payload", "said"),
    [
        ("Authorize", {"idTag": "04A1"}, "Badge 04A1"),
        ("Authorize", {}, ""),
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}, "V M"),
        ("StatusNotification", {"connectorId": 1, "status": "Faulted", "errorCode": "E",
         "info": "i"}, "Point de recharge 1 : Faulted · E · i"),
        ("StatusNotification", {"status": "Available", "errorCode": "NoError"},
         "Borne entière : Available"),
        ("StopTransaction", {"transactionId": 3, "meterStop": "1200"}, "Transaction 3 · 1 200 Wh"),
        ("MeterValues", {"connectorId": 1, "meterValue": []}, "connectorId 1"),
        ("MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": [{"value": "5"}]}]},
         "Point de recharge 1 · 5,0 Wh"),
        ("SetChargingProfile", {"csChargingProfiles": None}, ""),
        ("Unheard", {"a": "b", "c": 1, "d": None, "e": "f", "g": "h"}, "a b · c 1 · e f"),
        ("Unheard", "text", ""),
    ],
)  # fmt: skip
async def test_a_call_in_a_line(action: str, payload: object, said: str, french: Language) -> None:
    text = json.dumps([2, "1", action, payload])
    assert plain(frame_words.summary(Exchange(frame(text, action)), french)) == said


async def test_odd_frames_in_a_line(french: Language) -> None:
    words = frame_words
    long = Exchange(frame("x" * 500, kind=FrameKind.UNREADABLE))
    assert len(words.summary(long, french)) == words.LONGEST
    assert words.outcome(long, french).text == ""
    assert words.summary(Exchange(frame("{}", "Authorize")), french) == ""
    call = frame('[2,"1","X",{}]', "X")
    error = Exchange(call, frame('[4,"1","GenericError","why",{}]', kind=FrameKind.ERROR), 1.0)
    assert words.outcome(error, french) == ("GenericError why", "bad")
    broken = Exchange(call, frame("[4", kind=FrameKind.ERROR), 1.0)
    assert words.outcome(broken, french) == ("?", "bad")
    pending = Exchange(call, frame('[3,"1",{"status":"Pending"}]', kind=FrameKind.RESULT), 1.0)
    assert words.outcome(pending, french) == ("Pending", "wait")
    assert words.pretty(frame("{")) == "{"
    assert words.pretty(frame('{"a":1}')) == '{\n  "a": 1\n}'
    assert words.pretty(frame('[3,"1",{}]')) == '[3, "1", {}]'
