"""Repaired messages and quirks of a station, and stops without their session."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.services.ports import NewTransaction, TransactionStop
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = "/stations/A-001/messages"
PARKED = "/sessions/parked"


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


async def test_repairs_are_told_with_their_meaning_and_originals(owner: Visitor) -> None:
    page = await owner.get(MESSAGES)
    text = plain(page.one("main").text)
    assert "mal orthographié" in text
    assert "31" in text
    assert "error-code" in text
    assert "avance de" in text
    page = await owner.get(f"{MESSAGES}?repair=mesurand")
    shown = page.all("pre")
    assert len(shown) == 20
    assert all("Current.Import" in one.text for one in shown)
    page = await owner.get(f"{MESSAGES}?repair=json-loose")
    assert "Plus aucun" in page.one("main").text
    page = await owner.get(f"{MESSAGES}?repair=nothing")
    assert "Plus aucun" not in page.one("main").text


async def test_a_station_that_is_well_behaved_says_so(owner: Visitor) -> None:
    text = plain((await owner.get("/stations/A-002/messages")).one("main").text)
    assert "Rien n’a dû être réparé" in text
    assert "encore daté aucun message" in text


async def test_the_station_page_leads_to_them(owner: Visitor) -> None:
    page = await owner.get("/stations/A-001")
    links = [link.get("href") for link in page.one("main").all("a")]
    assert MESSAGES in links


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("zone", "site", "celui du site"),
        ("pings", "no", "non"),
        ("waiting", "Rejected", "Rejected"),
        ("energy_scale", "1000", "1 000"),
        ("connectors", "1=2, 2=1", "1=2, 2=1"),
    ],
)
async def test_a_quirk_is_set_and_taken_back(
    owner: Visitor, name: str, value: str, said: str
) -> None:
    address = f"{MESSAGES}?quirk={name}"
    answer = await owner.submit(address, {"value": value, "action": "set"}, MESSAGES)
    assert answer.status_code == 303
    text = plain((await owner.get(MESSAGES)).one("main").text)
    assert said in text
    assert "réglé pour cette borne" in text
    answer = await owner.submit(address, {"value": value, "action": "back"}, MESSAGES)
    assert answer.status_code == 303


async def test_a_quirk_of_the_model_holds_for_its_other_stations(owner: Visitor) -> None:
    change = {"value": "yes", "scope": "model", "action": "set"}
    await owner.submit(f"{MESSAGES}?quirk=reversed_uid", change, MESSAGES)
    text = plain((await owner.get("/stations/A-003/messages")).one("main").text)
    assert "réglé pour ce modèle" in text
    change["action"] = "back"
    await owner.submit(f"{MESSAGES}?quirk=reversed_uid", change, MESSAGES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zone", "Mars"),
        ("zone", ""),
        ("energy_scale", "lots"),
        ("connectors", "1=2=3"),
        ("connectors", "one=two"),
        ("pings", "perhaps"),
    ],
)
async def test_what_cannot_be_is_refused_beside_its_field(
    owner: Visitor, name: str, value: str
) -> None:
    answer = await owner.submit(
        f"{MESSAGES}?quirk={name}", {"value": value, "action": "set"}, MESSAGES
    )
    assert answer.status_code == 422
    assert "f-value" in answer.text


async def test_energy_outside_of_sessions_is_listed(owner: Visitor, room: Showroom) -> None:
    at = room.services.clock.utc_now() + timedelta(days=1)
    for n, (start_wh, stop_wh) in enumerate(((70_000, 71_000), (73_500, 74_000))):
        begun = at + timedelta(hours=n)
        new = NewTransaction("A-004", 1, "04A1B201", begun, begun, start_wh)
        transaction, _ = await room.store.transactions.start(new)
        stop = TransactionStop(transaction.transaction_id, begun, begun, stop_wh, "Local")
        await room.store.transactions.take_stop("A-004", stop)
    text = plain((await owner.get("/stations/A-004/messages")).one("main").text)
    assert "2,5 kWh" in text
    change = {"value": "yes", "action": "set"}
    address = "/stations/A-004/messages"
    await owner.submit(f"{address}?quirk=session_meter", change, address)
    text = plain((await owner.get(address)).one("main").text)
    assert "remis à zéro" in text


async def test_stops_are_attached_and_dismissed_by_a_person(owner: Visitor, room: Showroom) -> None:
    sessions = await owner.get("/sessions")
    assert "3 fins sans session" in plain(sessions.one("main").text)
    page = await owner.get(PARKED)
    assert len(page.one("main").all("form", method="post")) == 3
    answer = await owner.submit(PARKED, {"action": "dismiss"}, PARKED)
    assert answer.headers["location"].startswith(PARKED)
    at = room.services.clock.utc_now()
    begun, _ = await room.store.transactions.start(
        NewTransaction("A-001", 1, "04A1B201", at, at, 7_999_000)
    )
    number = str(begun.transaction_id)
    answer = await owner.submit(PARKED, {"action": "attach", "transaction": number}, PARKED)
    assert answer.status_code == 303
    ended = await room.services.sessions.get(begun.transaction_id)
    assert ended is not None
    assert ended.assigned_stop
    assert "rattachée" in (await owner.get("/sessions")).one("main").text


async def test_a_settled_stop_or_a_wrong_order_is_refused_in_words(owner: Visitor) -> None:
    (form, *_others) = (await owner.get(PARKED)).one("main").all("form", method="post")
    fields = form.fields() | {"action": "dismiss"}
    answer = await owner.post(PARKED, fields)
    assert answer.status_code == 303
    answer = await owner.post(PARKED, fields)
    assert answer.status_code == 404
    assert "en attente" in answer.text
    answer = await owner.post(PARKED, fields | {"action": "burn"})
    assert answer.status_code == 422
    assert "Chaque fin a trouvé" in (await owner.get(PARKED)).one("main").text


async def test_a_badge_keeps_its_group_and_its_number_of_charges(owner: Visitor) -> None:
    change = {"parent": "FLOTTE", "max_sessions": "2"}
    answer = await owner.submit("/badges/04A1B203/edit", change)
    assert answer.status_code == 303
    form = (await owner.get("/badges/04A1B203/edit")).one("main").one("form")
    assert {name: form.fields()[name] for name in change} == change
    answer = await owner.submit("/badges/04A1B203/edit", {"max_sessions": "0"})
    assert answer.status_code == 422
