"""The evidence of a year, as a page and as a table for a spreadsheet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.domain.evidence import EventKind, EvidenceEvent
from app.web.app import create_app
from app.web.pages import evidence
from app.web.pages.evidence import _p95, _plain
from tests.support.showroom import Showroom
from tests.unit.web.conftest import BASE, Visitor, small_site

pytestmark = pytest.mark.asyncio(loop_scope="module")


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Showroom]:
    """A site on which nothing has happened yet."""
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


async def test_nothing_has_happened_and_since_when_is_told(
    newcomer: Visitor, bare: Showroom
) -> None:
    bare.manager.evidence._log.account(observed_s=30.0)
    page = await newcomer.get("/evidence")
    assert "Rien à signaler depuis le" in page.one("p", class_="notice").text
    assert page.all(id="circuit") == []
    assert len(page.one("tbody").all("tr")) == 1


async def test_before_the_first_cycle_nothing_is_claimed(
    newcomer: Visitor, bare: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none() -> list[object]:
        return []

    monkeypatch.setattr(bare.manager.evidence, "months", none)
    page = await newcomer.get("/evidence")
    assert "premier cycle" in page.one("p", class_="empty").text


async def test_twelve_months_and_their_events(owner: Visitor) -> None:
    page = await owner.get("/evidence")
    months, events = page.all("tbody")
    assert len(months.all("tr")) == 12
    assert "Surcharge" in events.text
    assert "Arrivée générale · L" in events.text
    assert "A-001" in events.text
    assert "fin inconnue" in events.text
    assert len(page.all("svg", class_="months")) == 3
    figures = plain(page.one("main").one("dl").text)
    assert "Surcharges au-delà de 105 %" in figures


async def test_events_of_one_circuit(owner: Visitor) -> None:
    page = await owner.get("/evidence?circuit=aa")
    _, events = page.all("tbody")
    assert [row.one("th").text for row in events.all("tr")] == ["Limite non suivie A-001"]
    assert page.one("option", selected="")["value"] == "aa"
    assert page.button("Tableau pour tableur")["href"] == "/evidence.csv?bom=1&circuit=aa"
    none = await owner.get("/evidence?circuit=p2")
    assert "Rien sur ce départ" in none.one("p", class_="empty").text
    everything = await owner.get("/evidence?circuit=zz")
    assert len(everything.all("tbody")[1].all("tr")) > 1


async def test_older_events_are_in_the_table_only(
    owner: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "EVENTS_SHOWN", 3)
    page = await owner.get("/evidence")
    assert len(page.all("tbody")[1].all("tr")) == 3
    assert "plus anciens sont dans le tableau" in page.one("main").text


async def test_what_lasts_is_said_to_last(owner: Visitor, room: Showroom) -> None:
    service = room.manager.evidence
    service._condition(EventKind.METER_LOST, "supply", "supply", True, 1_000.0)
    first = (await owner.get("/evidence")).all("tbody")[1].all("tr")[0]
    assert "en cours" in first.text
    service._condition(EventKind.METER_LOST, "supply", "supply", False, 1_003.0)
    first = (await owner.get("/evidence")).all("tbody")[1].all("tr")[0]
    assert "en cours" not in first.text


async def test_the_table_for_a_spreadsheet(owner: Visitor, room: Showroom) -> None:
    now = room.services.clock.utc_now() - timedelta(minutes=5)
    event = EvidenceEvent(
        EventKind.OVERLOAD,
        "pv",
        "pv",
        now,
        now + timedelta(seconds=2.5),
        phase=2,
        limit_ma=63_000,
        peak_ma=64_500,
        reaction_s=0.3,
    )
    stranger = EvidenceEvent(EventKind.DISOBEYING, "GONE/2", "pv", now - timedelta(minutes=1))
    await room.store.evidence.record([event, stranger], [])
    answer = await owner.raw("/evidence.csv?circuit=pv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = [line.split(";") for line in answer.text.split("\r\n")]
    assert rows[0][:4] == ["Événement", "Départ", "Lieu", "Phase"]
    assert rows[1][:4] == ["Surcharge", "Parvis visiteurs", "Parvis visiteurs", "L3"]
    assert rows[1][6:] == ["2,5", "63,0", "64,5", "0,0", "0,300"]
    assert rows[2][2:4] == ["GONE/2", ""]
    assert rows[2][5:8] == ["", "", ""]
    assert len(rows) == 4
    with_bom = await owner.raw("/evidence.csv?bom=1")
    assert with_bom.content.startswith(b"\xef\xbb\xbf")
    assert len(with_bom.text.split("\r\n")) > 10


async def test_english_numbers_have_a_point(owner: Visitor) -> None:
    token = (await owner.get("/settings")).all("input", name="csrf")[0]["value"]
    await owner.post("/language", {"csrf": token, "language": "en", "next": "/"})
    text = (await owner.raw("/evidence.csv")).text
    await owner.post("/language", {"csrf": token, "language": "fr", "next": "/"})
    assert text.startswith("Event;Circuit;Where;Phase;Began;Ended;Duration (seconds)")
    assert ";400.0;" in text


async def test_settings_and_health_lead_to_it(owner: Visitor) -> None:
    for path in ("/settings", "/settings/health"):
        page = await owner.get(path)
        assert "/evidence" in [link["href"] for link in page.one("main").all("a")]


async def test_no_name_becomes_a_formula() -> None:
    assert [_plain(name) for name in ("Allée A", "=1+1", "-2", "@x", "")] == [
        "Allée A",
        "'=1+1",
        "'-2",
        "'@x",
        "",
    ]


async def test_95_percent_are_not_above() -> None:
    assert _p95([]) is None
    assert _p95([0.4]) == 0.4
    assert _p95([float(value) for value in range(100)]) == 94.0
