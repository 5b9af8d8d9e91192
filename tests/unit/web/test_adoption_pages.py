"""Inbox, window, lists, search and sheets as pages, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.domain.station import PendingStation, StationIdentity
from app.services.lan_scan import ScanPhase, ScanState
from app.web.app import create_app
from app.web.pages.sheets import qr_code
from app.web.pages.station_list import MOST_BYTES
from tests.support.html import Element, parsed
from tests.support.newcomers import DEVICES
from tests.support.showroom import Showroom, site_document
from tests.unit.web.conftest import BASE, Visitor

LIST = (
    "N° de série;Identité;Nom;Emplacement;Départ;Max A\r\n"
    "1;P-1;Borne P1;Niveau 1;Allée A;16\r\n"
    "2;P-2;Borne P2;Niveau 1;Nulle part;32\r\n"
    "3;P-3;Borne P3;Niveau 1;Allée B;32\r\n"
)
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Showroom]:
    opened = Showroom(tmp_path_factory.mktemp("adoption"), site_document(4))
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


async def send(
    owner: Visitor, path: str, data: dict[str, str], file: bytes | None = None, **more: str
) -> httpx.Response:
    """A form with a file, as a browser sends it; fields of the page's own form included."""
    page = await owner.get("/stations/list")
    (form,) = page.one("main").all("form", action="/stations/list")
    fields = {**form.fields(), **data}
    fields.pop("file", None)
    files = {"file": ("list.csv", file or b"", "text/csv")}
    return await owner.client.post(path, data=fields, files=files, headers={**SAME_SITE, **more})


def raw(page: Element) -> str:
    """What its textarea holds, as a browser sends it back."""
    return "".join(child for child in page.one("textarea").children if isinstance(child, str))


def rows(page: Element) -> list[str]:
    return [row.text for row in page.one("main").one("tbody").all("tr")]


# ------------------------------------------------------------------ inbox


async def test_the_inbox_tells_what_is_known_of_each_caller(owner: Visitor) -> None:
    page = await owner.get("/stations/new")
    callers = {item.one("h2").text: item.text for item in page.all("li", class_="card")}
    assert "Attendue : Borne 101" in callers["NEW-1"]
    assert "non connectée" in callers["NEW-1"]
    assert "non chiffrée" in callers["NEW-1"]
    odd = callers["NEW-4"]
    for text in (
        "Green’up Premium",
        "00:04:74:1A:2B:44",
        "V01.01.65/V01.01.08",
        "chiffrée",
        "Une autre borne montre le même numéro de série",
        "192.168.1.44, 192.168.1.45",
        "Pas adoptée d’elle-même",
        "prise domestique",
    ):
        assert text in odd
    assert "STRANGER" not in callers
    assert [link.text for link in page.one("nav", class_="tabs").all("a")] == [
        "Boîte de réception",
        "Bornes attendues",
        "Recherche sur le réseau",
        "Fiches",
    ]


async def test_callers_are_set_aside_and_let_in_again(owner: Visitor, room: Showroom) -> None:
    blocked = await owner.submit("/stations/new", {"action": "block:NEW-3"})
    assert blocked.headers["location"] == "/stations/new?done=station-blocked"
    assert room.manager.is_blocked("NEW-3")
    page = await owner.get("/stations/new")
    assert "NEW-3" in page.one("details", class_="aside").text
    allowed = await owner.submit("/stations/new", {"action": "allow:NEW-3"})
    assert allowed.headers["location"] == "/stations/new?done=station-allowed"
    assert not room.manager.is_blocked("NEW-3")
    gone = await owner.submit("/stations/new", {"action": "block:NOBODY"})
    assert gone.status_code == 404
    assert "NOBODY" in parsed(gone.text).text


async def test_adoption_takes_what_the_list_and_the_form_say(
    owner: Visitor, room: Showroom
) -> None:
    wrong = await owner.submit(
        "/stations/new", {"action": "adopt:NEW-2", "circuit_id": "p2", "max_a": "3"}
    )
    assert wrong.status_code == 422
    for name in ("NEW-1", "NEW-2"):
        done = await owner.submit(
            "/stations/new",
            {"action": f"adopt:{name}", "circuit_id": "p2", "max_a": "16", "phases": "1"},
        )
        assert done.status_code == 303
    stations = {item.station_id: item for item in room.services.stations.configuration()}
    listed, other = stations["NEW-1"], stations["NEW-2"]
    assert (listed.name, listed.circuit_id, listed.max_ma) == ("Borne 101", "supply", 32_000)
    assert (other.circuit_id, other.max_ma, other.connectors[0].phases) == ("p2", 16_000, 1)


async def test_the_window_opens_counts_down_and_closes(owner: Visitor, room: Showroom) -> None:
    path = "/stations/new"
    wrong = await owner.submit(path, {"minutes": "5"}, action="/stations/new/window")
    assert wrong.status_code == 422
    wrong = await owner.submit(
        path, {"minutes": "15", "window_circuit_id": "none"}, action="/stations/new/window"
    )
    assert wrong.status_code == 422
    assert room.manager.adoption.window() is None
    opened = await owner.submit(
        path,
        {"minutes": "60", "scope": "listed", "window_circuit_id": "p1"},
        action="/stations/new/window",
    )
    assert opened.headers["location"] == "/stations/new?done=window-opened"
    room.show()
    page = await owner.get(path)
    shown = page.one("form", action="/stations/new/window").text
    assert "ouverte par admin" in shown
    assert "les bornes attendues seulement, sur Parking −1" in shown
    assert re.search(r"encore (1 h 00|59 min)", shown.replace("\u202f", " "))
    live = await owner.raw("/live/new?once")
    assert 'id="window-left"' in live.text
    closed = await owner.submit(path, {"action": "close"}, action="/stations/new/window")
    assert closed.headers["location"] == "/stations/new?done=window-closed"
    assert room.manager.adoption.window() is None
    room.show()
    assert "fermée" in (await owner.raw("/live/new?once")).text


# ------------------------------------------------------------------ lists


async def test_a_list_is_judged_before_anything_is_written(owner: Visitor, room: Showroom) -> None:
    before = room.manager.adoption.plans()
    answer = await send(owner, "/stations/list", {"circuit_id": "p2"}, LIST.encode("cp1252"))
    assert answer.status_code == 200
    page = parsed(answer.text)
    lines = rows(page)
    assert [line.split()[0] for line in lines] == ["2", "3", "4"]
    assert "à ajouter" in lines[0]
    assert "Il n’y a pas de départ « Nulle part »" in lines[1]
    assert "CP1252" in page.text
    assert room.manager.adoption.plans() == before

    (form,) = page.all("form", action="/stations/list/import")
    fields = {**form.fields(), "text": raw(form)}
    assert "adopt" not in fields
    done = await owner.client.post(
        "/stations/list/import", data=fields, files={"file": ("", b"")}, headers=SAME_SITE
    )
    assert done.headers["location"] == "/stations/list?done=stations-listed"
    added = {plan.station_id: plan for plan in room.manager.adoption.plans()}
    assert (added["P-1"].circuit_id, added["P-1"].max_ma) == ("aa", 16_000)
    assert "P-2" not in added

    again = parsed((await send(owner, "/stations/list", {"circuit_id": "p2"}, LIST.encode())).text)
    assert "sans changement" in rows(again)[0]
    assert "Rien à importer" in again.text
    listed = await owner.get("/stations/list")
    assert any("Borne P1" in row and "attend dans la boîte" in row for row in rows(listed))


async def test_lines_may_be_pasted(owner: Visitor) -> None:
    text = 'identity,name\nQ-1,"a, b"\n'
    answer = await send(owner, "/stations/list", {"text": text, "adopt": "on"})
    page = parsed(answer.text)
    assert "Q-1" in rows(page)[0]
    assert "adoptées dès qu’elles appelleront" in page.text
    assert '"Q-1";"a, b"' in raw(page)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "Choisissez un fichier"),
        (b"PK\x03\x04" + bytes(200), "Enregistrer sous"),
        (bytes(range(256)), "pas de texte lisible"),
        (LIST.encode()[: LIST.encode().index(b"Borne P3")], "au milieu de la ligne 4"),
        (b'identity;name\nA;"open', "au milieu de la ligne 2"),
        (b"name\nx\n", "titres des colonnes"),
        (b"identity\n" + b"A-123456\n" * (MOST_BYTES // 9 + 1), "au plus 300 lignes"),
    ],
)
async def test_damaged_files_are_refused_with_the_reason_and_nothing_is_lost(
    owner: Visitor, room: Showroom, file: bytes, said: str
) -> None:
    before = room.manager.adoption.plans()
    answer = await send(owner, "/stations/list", {"text": "", "circuit_id": "p2"}, file)
    assert answer.status_code == 422
    page = parsed(answer.text)
    assert said in page.one("div", class_="summary").text
    (chosen,) = [option for option in page.all("option") if option.has("selected")]
    assert chosen["value"] == "p2"
    assert room.manager.adoption.plans() == before
    forged = await send(owner, "/stations/list/import", {"text": "", "circuit_id": "p2"}, file)
    assert forged.status_code == 422


# What a parser leaves of an unfinished part is closed by the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_upload_cut_short_on_its_way_is_told(owner: Visitor) -> None:
    page = await owner.get("/stations/list")
    (form,) = page.one("main").all("form", action="/stations/list")
    csrf = form.fields()["csrf"]
    head = (
        f'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{csrf}\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nidenti'
    )
    kinds = {"Content-Type": "multipart/form-data; boundary=x", **SAME_SITE}
    cut = await owner.client.post("/stations/list", content=head.encode(), headers=kinds)
    assert cut.status_code == 422
    assert "Choisissez un fichier" in parsed(cut.text).text
    torn = await owner.client.post("/stations/list", content=b"--y\r\nnonsense", headers=kinds)
    assert torn.status_code == 422
    assert "coupé en route" in parsed(torn.text).text


async def test_uploads_need_the_token_and_the_right_kind(owner: Visitor) -> None:
    forged = await send(owner, "/stations/list", {"csrf": "forged"}, LIST.encode())
    assert forged.status_code == 403
    plain = await owner.post("/stations/list", {"text": "x"})
    assert plain.status_code == 415
    huge = await send(owner, "/stations/list", {}, b"x" * 100_000)
    assert huge.status_code == 413


async def test_the_empty_list_can_be_filled_in(owner: Visitor) -> None:
    answer = await owner.raw("/stations/list.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    heading = answer.content.decode("utf-8-sig").strip()
    assert heading.startswith("Identité;Numéro de série;Nom;Place;Départ;Max A;")
    filled = answer.content + "T-1;9;Nom;Place;Allée A;32;3;RST\r\n".encode()
    page = parsed((await send(owner, "/stations/list", {}, filled)).text)
    assert "Colonnes sans signification" not in page.text
    assert "à ajouter" in rows(page)[0]


async def test_expected_stations_are_removed_one_by_one_and_all(
    owner: Visitor, room: Showroom
) -> None:
    first = room.manager.adoption.plans()[0]
    path = "/stations/list"
    done = await owner.submit(path, {"plan": first.plan_id}, action="/stations/list/remove")
    assert done.headers["location"] == "/stations/list?done=stations-unlisted"
    assert first not in room.manager.adoption.plans()
    await owner.submit(path, {"plan": "all"}, action="/stations/list/remove")
    assert room.manager.adoption.plans() == ()
    page = await owner.get(path)
    assert "Aucune borne n’est attendue" in page.text


# ------------------------------------------------------------------ sheets


async def test_a_sheet_holds_what_is_to_be_typed(owner: Visitor, room: Showroom) -> None:
    facts = room.manager.sheets
    wired = dict(vars(facts))

    async def key(station_id: str) -> str | None:
        return {"A-001": "30313233"}.get(station_id)

    facts.security_profile = lambda _station_id: 0
    page = await owner.get("/stations/A-001/sheet")
    sheet = page.one("article")
    assert sheet.all("code")[0].text == "ws://bornier.test:8080/ocpp/A-001"
    assert "Serveur de temps (NTP) bornier.test" in sheet.text
    assert "profil 0" in sheet.text
    assert "Clé" not in sheet.text
    assert sheet.one("figure").one("svg").one("path").get("d")
    secure = await owner.get("/stations/A-001/sheet?tls=1&size=a4")
    assert secure.one("article").all("code")[0].text == "wss://bornier.test:8081/ocpp/A-001"
    assert secure.all("div", class_="a4")
    facts.printable_key = key
    facts.security_profile = lambda station_id: 2 if station_id == "A-001" else 0
    facts.fingerprint = lambda: "AB:CD"
    try:
        keyed = (await owner.get("/stations/A-001/sheet")).one("article").text
    finally:
        vars(facts).update(wired)
    for text in ("wss://bornier.test:8081/ocpp/A-001", "30313233", "profil 2", "AB:CD"):
        assert text in keyed
    await owner.get("/stations/NOBODY/sheet", 404)


async def test_sheets_of_all_of_some_and_of_those_expected(owner: Visitor, room: Showroom) -> None:
    await send_list(owner, "serial;name\n26 0988;Borne neuve\n")
    (plan,) = room.manager.adoption.plans()
    page = await owner.get("/stations/sheets")
    names = [sheet["aria-label"] for sheet in page.all("article")]
    assert names[0] == "A-001"
    assert names[-1] == "Borne neuve"
    assert len(names) == len(room.services.stations.configuration()) + 1
    chosen = await owner.get(f"/stations/sheets?of=s:A-002&of=p:{plan.plan_id}")
    assert [sheet["aria-label"] for sheet in chosen.all("article")] == ["A-002", "Borne neuve"]
    # Nobody has chosen its identity: the serial number, as an address can carry it.
    assert chosen.all("article")[1].all("code")[0].text == "ws://bornier.test:8080/ocpp/260988"
    none = await owner.get("/stations/sheets?of=s:NOBODY")
    assert "Importer une liste" in none.text


async def send_list(owner: Visitor, text: str) -> None:
    page = parsed((await send(owner, "/stations/list", {"text": text})).text)
    (form,) = page.all("form", action="/stations/list/import")
    fields = {**form.fields(), "text": raw(form)}
    answer = await owner.client.post(
        "/stations/list/import", data=fields, files={"file": ("", b"")}, headers=SAME_SITE
    )
    assert answer.status_code == 303


async def test_identities_are_written_as_an_address_needs_them(
    owner: Visitor, room: Showroom
) -> None:
    await room.store.pending.save(
        PendingStation("Été/1", StationIdentity(), "192.0.2.7", "2026-01-01", "2026-01-01")
    )
    await room.manager._inbox.load()
    await owner.submit("/stations/new", {"action": "adopt:Été/1", "circuit_id": "p2"})
    page = await owner.get("/stations/%C3%89t%C3%A9%2F1/sheet")
    assert (
        page.one("article").all("code")[0].text == "ws://bornier.test:8080/ocpp/%C3%89t%C3%A9%2F1"
    )


async def test_stations_are_told_an_address_rather_than_a_name(
    room: Showroom, application: Any, owner: Visitor
) -> None:
    cookies = dict(owner.client.cookies)
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://[fd00::5]", cookies=cookies
    ) as client:
        page = parsed((await client.get("/stations/A-002/sheet")).text)
    assert page.one("article").all("code")[0].text == "ws://[fd00::5]:8080/ocpp/A-002"
    assert BASE.endswith("bornier.test")


def test_a_qr_code_is_made_of_paths_that_the_policy_allows() -> None:
    drawn = str(qr_code("ws://192.168.1.5:8080/ocpp/<script>"))
    assert drawn.startswith("<svg")
    assert not re.search(r"style|script|class", drawn)


# ------------------------------------------------------------------ search


async def test_a_search_is_started_watched_and_ended(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/stations/scan")
    assert "192.168.1.0/24" in page.text
    assert "partie d’un réseau plus grand" in page.text
    started = await owner.submit("/stations/scan", {"action": "start"})
    assert started.headers["location"] == "/stations/scan"
    running = await owner.get("/stations/scan")
    assert running.all("progress")
    assert running.one("div", id="scan")["hx-trigger"] == "every 1s"
    twice = await owner.post(
        "/stations/scan", {**running.all("form")[-1].fields(), "action": "start"}
    )
    assert twice.status_code == 409
    assert "déjà en cours" in parsed(twice.text).text
    ended = await owner.submit("/stations/scan", {"action": "cancel"})
    assert ended.headers["location"] == "/stations/scan?done=scan-cancelled"


async def test_what_was_found_is_shown(owner: Visitor, room: Showroom) -> None:
    scan = room.services.scan
    scan.state = ScanState(ScanPhase.DONE, 9, 9, DEVICES, room.services.clock.utc_now())
    page = await owner.get("/stations/scan")
    assert "3 appareils ressemblent à des bornes" in page.text
    assert "2 autres appareils" in page.text
    station = page.all("ul", class_="devices")[0].all("li")[0]
    assert "Legrand · Green’up – configuration" in station.text
    link = station.one("a")
    assert link["href"] == "http://192.168.1.40/"
    assert link["rel"] == "noopener noreferrer"
    assert not page.one("div", id="scan").has("hx-get")


Maker = Callable[[], Visitor]


@pytest.mark.parametrize(
    "path",
    ["/stations/list", "/stations/list.csv", "/stations/scan", "/stations/sheets", "/stations/new"],
)
async def test_strangers_see_nothing_of_it(visit: Maker, path: str) -> None:
    answer = await visit().raw(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


async def test_the_time_server_stands_beside_the_address(owner: Visitor) -> None:
    page = await owner.get("/stations/new")
    card = next(part for part in page.all("section") if "Adresse à régler" in part.text)
    assert "Serveur de temps (NTP) : bornier.test" in card.text
