"""One session explained: its facts, its limits with their reasons, and what its chart is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.domain.evidence import LimitRecord
from app.domain.limits import Reason, ReasonCode
from app.domain.station import ConnectorKey
from app.domain.transaction import Sample, Transaction
from app.services.ports import NewTransaction, TransactionStop
from app.web.pages import sessions
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)
HOUR = timedelta(hours=1)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


async def ended(room: Showroom, station_id: str = "A-002", at_utc: datetime = NOON) -> Transaction:
    new = NewTransaction(station_id, 1, "04A1B201", at_utc, at_utc, 1_000)
    begun, _ = await room.store.transactions.start(new)
    stop = TransactionStop(
        begun.transaction_id, at_utc + HOUR, at_utc + HOUR, 13_400, "EVDisconnected"
    )
    stopped = await room.store.transactions.stop(stop)
    assert stopped is not None
    return stopped


def limits(session: Transaction) -> list[LimitRecord]:
    share, wait = Reason(ReasonCode.CIRCUIT, "aa", 1), Reason(ReasonCode.WAITING, "aa", 2)
    steps = ((0, 16_000, share), (1_800, 0, wait), (2_700, 13_000, Reason(ReasonCode.DEMAND)))
    return [
        LimitRecord(
            session.transaction_id, session.started_utc + timedelta(seconds=at), limit_ma, reason
        )
        for at, limit_ma, reason in steps
    ]


async def test_an_ended_session_is_explained(owner: Visitor, room: Showroom) -> None:
    session = await ended(room)
    await room.store.history.add(limits(session))
    page = await owner.get(f"/sessions/{session.transaction_id}")
    assert page.one("h1").text == "A-002"
    live = page.one(id="session-live")
    assert not live.has("data-running")
    facts = plain(live.one("dl").text)
    for fact in ("terminée", "12,4 kWh", "1 h 00", "Karim Benali", "câble débranché"):
        assert fact in facts
    shares = [plain(item.text) for item in live.one("ul", class_="shares").all("li")]
    assert shares == [
        "50 % limité par le départ Allée A 30 min",
        "25 % en attente de puissance sur le départ Allée A 15 min",
        "25 % la voiture n’en prenait pas plus 15 min",
    ]
    steps = [plain(item.text) for item in live.one("ol", class_="limits").all("li")]
    assert "13 A : la voiture" in steps[0]
    assert steps[1].startswith("2 mars 12:30 En pause")
    assert "16 A : part égale" in steps[2]
    bands = live.one("svg", class_="reasons").all("rect")
    assert [(band["class"], band["x"], band["width"]) for band in bands] == [
        ("r-share", "0.0", "500.0"),
        ("r-pause", "500.0", "250.0"),
        ("r-car", "750.0", "250.0"),
    ]


async def test_a_session_without_a_record_says_so(owner: Visitor, room: Showroom) -> None:
    session = await ended(room, at_utc=NOON + 2 * HOUR)
    page = await owner.get(f"/sessions/{session.transaction_id}")
    texts = [item.text for item in page.all("p", class_="empty")]
    assert any("Aucune limite n’est enregistrée" in text for text in texts)


async def test_many_changes_are_shown_on_demand(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SPANS_SHOWN", 2)
    session = await ended(room, at_utc=NOON + 4 * HOUR)
    await room.store.history.add(limits(session))
    address = f"/sessions/{session.transaction_id}"
    page = await owner.get(address)
    assert len(page.one("ol", class_="limits").all("li")) == 2
    assert page.button("Afficher 1 changement plus ancien")["href"] == "?all"
    whole = await owner.get(f"{address}?all")
    assert len(whole.one("ol", class_="limits").all("li")) == 3


@pytest.fixture
async def running(room: Showroom) -> AsyncIterator[Transaction]:
    """A session that the picture of the site shows running on the first connector."""
    painter = room.painter
    first = painter.connectors[0]
    started = datetime.now(UTC) - timedelta(minutes=10)
    new = NewTransaction(first.key.station_id, 1, "04A1B201", started, started, 1_000)
    session, _ = await room.store.transactions.start(new)
    painter.connectors[0] = msgspec.structs.replace(
        first,
        transaction_id=session.transaction_id,
        limit_ma=16_000,
        energy_wh=2_100,
        reason=Reason(ReasonCode.CIRCUIT, "aa", 1),
    )
    room.show()
    yield session
    painter.connectors[0] = first
    room.show()


async def test_a_running_session_tells_its_limit_of_now(
    owner: Visitor, running: Transaction
) -> None:
    page = await owner.get(f"/sessions/{running.transaction_id}")
    live = page.one(id="session-live")
    assert live.has("data-running")
    assert "16 A : part égale" in plain(live.one("p", class_="why").text)
    facts = plain(live.one("dl").text)
    assert "en cours" in facts
    assert "2,1 kWh" in facts
    assert "16 A" in facts


async def test_the_station_and_the_list_lead_to_the_session(
    owner: Visitor, running: Transaction
) -> None:
    address = f"/sessions/{running.transaction_id}"
    station = await owner.get(f"/stations/{running.station_id}")
    assert address in [link["href"] for link in station.one("p", class_="why").all("a")]
    listed = await owner.get("/sessions")
    assert address in [link["href"] for link in listed.one("tbody").all("a")]


async def test_a_session_of_a_station_that_is_gone_has_its_page(
    owner: Visitor, room: Showroom
) -> None:
    session = await ended(room, "GONE-1")
    page = await owner.get(f"/sessions/{session.transaction_id}")
    assert page.one("h1").text == "GONE-1"
    answer = await owner.raw(f"/api/sessions/{session.transaction_id}/trace")
    assert answer.json()["limits"] == [[], []]


async def test_no_such_session(owner: Visitor) -> None:
    page = await owner.get("/sessions/123", 404)
    assert "numéro 123" in page.one("main").text
    assert (await owner.raw("/sessions/abc")).status_code == 404


async def test_the_chart_is_given_currents_per_site_phase_limits_and_bands(
    owner: Visitor, room: Showroom
) -> None:
    station = room.manager.configuration.current.stations[1]
    session = await ended(room, station.station_id, NOON + 8 * HOUR)
    await room.store.history.add(limits(session))
    key = ConnectorKey(station.station_id, 1)
    for seconds in (60, 70, 7_200):
        at = session.started_utc + timedelta(seconds=seconds)
        room.store.samples.add(key, None, Sample(at, 0.0, (15_000, 14_000, 13_000)), None)
    await room.store.flush()
    answer = (await owner.raw(f"/api/sessions/{session.transaction_id}/trace")).json()
    began = session.started_utc.timestamp()
    assert answer["samples"] == [[began + 60, began + 70], [15, 15], [14, 14], [13, 13]]
    assert answer["limits"] == [
        [began, began + 1_800, began + 2_700, began + 3_600],
        [16, 0, 13, 13],
    ]
    assert [band[2] for band in answer["bands"]] == ["share", "pause", "car"]


async def test_the_chart_is_for_those_signed_in(visit: Callable[[], Visitor]) -> None:
    assert (await visit().raw("/api/sessions/1/trace")).status_code == 401
