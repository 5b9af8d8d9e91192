"""Stations, badges, circuits and meters, edited by forms that need no JavaScript."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.domain.badge import normalised_id_tag
from app.domain.errors import StationRefusedError, StorageError
from app.domain.station import ConnectorKey, PendingStation, StationIdentity
from app.domain.units import PhaseCurrents, Rotation
from app.ocpp16.actions.manager_calls import RemoteStartTransactionConfirmation
from app.ocpp16.actions.types import CommandStatus
from app.web.pages.circuits import identifier
from tests.support.html import Element, parsed
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
async def french(owner: Visitor) -> None:
    page = await owner.get("/settings")
    token = page.all("input", name="csrf")[0]["value"]
    await owner.post("/language", {"csrf": token, "language": "fr", "next": "/"})


def refused(answer: Any, field: str) -> Element:
    """The page of a refusal: 422, summary first, linked to the field, which is marked."""
    assert answer.status_code == 422
    page = parsed(answer.text)
    summary = page.one(id="summary")
    assert summary["role"] == "alert"
    assert f"#f-{field}" in [link["href"] for link in summary.all("a")]
    marked = page.one(id=f"f-{field}")
    assert marked["aria-invalid"] == "true"
    assert f"e-{field}" in marked["aria-describedby"]
    return page


def station(room: Showroom, station_id: str) -> Any:
    stations = room.services.stations.configuration()
    return next((item for item in stations if item.station_id == station_id), None)


# ------------------------------------------------------------------ stations


async def test_a_station_is_added_with_equal_connectors(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit(
        "/stations/add",
        {
            "station_id": "N-200",
            "place": "Quai",
            "circuit_id": "p2",
            "count": "2",
            "max_a": "20,5",
            "rotation": "STR",
        },
    )
    assert answer.headers["location"] == "/stations/N-200?done=station-saved"
    made = station(room, "N-200")
    assert made.name == "N-200"
    assert made.max_ma == 20_500
    assert [item.connector_id for item in made.connectors] == [1, 2]
    assert made.connectors[1].rotation is Rotation.STR
    assert made.connectors[1].max_ma == 20_500
    page = await owner.get("/stations/N-200?done=station-saved")
    assert page.one("p", class_="notice").text == "Borne enregistrée."


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"station_id": ""}, "station_id"),
        ({"station_id": "with space"}, "station_id"),
        ({"station_id": "A-001"}, "station_id"),
        ({"circuit_id": ""}, "circuit_id"),
        ({"max_a": "much"}, "max_a"),
        ({"max_a": "500"}, "max_a"),
        ({"count": "1.5"}, "count"),
        ({"phases": "2"}, "phases"),
        ({"fallback_a": "3"}, "fallback_a"),
        ({"place": "x" * 81}, "place"),
    ],
)
async def test_a_refused_station_keeps_what_was_typed(
    owner: Visitor, changes: dict[str, str], field: str
) -> None:
    typed = {"station_id": "N-300", "place": "Quai 3", "circuit_id": "p2", **changes}
    page = refused(await owner.submit("/stations/add", typed), field)
    assert page.one(id="f-place")["value"] == typed["place"]


async def test_a_station_is_edited_connector_by_connector(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit(
        "/stations/A-002/edit",
        {"name": "Borne du fond", "max_a-1": "16", "phases-1": "1", "free_charging": "on"},
    )
    assert answer.status_code == 303
    edited = station(room, "A-002")
    assert edited.name == "Borne du fond"
    assert edited.free_charging
    assert (edited.connectors[0].max_ma, edited.connectors[0].phases) == (16_000, 1)
    page = refused(await owner.submit("/stations/A-002/edit", {"max_a-1": ""}), "max_a-1")
    assert page.one("h1").text == "Modifier Borne du fond"


async def test_a_fallback_that_does_not_fit_is_refused_with_the_arithmetic(
    owner: Visitor, room: Showroom
) -> None:
    answer = await owner.submit("/stations/A-002/edit", {"fallback_a": "16"})
    assert answer.status_code == 422
    summary = parsed(answer.text).one(id="summary")
    assert "Pas sûr" in summary.text
    assert "Allée A pourrait porter trop sur la phase L1" in summary.text
    assert "1 point × 16 A = 16 A + autres usages 160 A = 176 A > 125 A sur L1 (" in (
        summary.one("ul", class_="sums").text.replace("\u202f", " ")
    )
    assert station(room, "A-002").fallback_ma == 0


async def test_a_station_is_removed_after_a_question(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/stations/A-004/remove")
    assert page.one("h1").text == "Retirer A-004 ?"
    assert station(room, "A-004") is not None
    answer = await owner.submit("/stations/A-004/remove", {})
    assert answer.headers["location"] == "/stations?done=station-removed"
    assert station(room, "A-004") is None
    await owner.get("/stations/A-004", 404)


async def test_a_charging_station_stays(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = room.manager.registry.connector(ConnectorKey("A-001", 1))
    assert live is not None
    monkeypatch.setattr(live, "transaction", object())
    answer = await owner.submit("/stations/A-001/remove", {})
    assert answer.status_code == 422
    assert "arrêtez d’abord la charge" in parsed(answer.text).one("main").one(role="alert").text
    assert station(room, "A-001") is not None


async def test_the_list_can_be_searched(owner: Visitor) -> None:
    rows = (await owner.get("/stations?q=A-001")).one("tbody").all("tr")
    assert [row.one("th").one("a").text for row in rows] == ["A-001"]
    none = await owner.get("/stations?q=zzz")
    assert "zzz" in none.one("p", class_="empty").text


# ------------------------------------------------------------------ commands


class Link:
    """A connected station that gives one answer to everything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.repairs: dict[str, int] = {"text-cut": 3}

    async def call(self, request: Any, **options: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("command", "data"),
    [
        ("start", {"connector": "1", "id_tag": "04A1B200"}),
        ("reset", {"kind": "soft"}),
        ("reset", {"kind": "hard"}),
    ],
)
async def test_a_command_to_an_offline_station_is_told_with_its_remedy(
    owner: Visitor, command: str, data: dict[str, str]
) -> None:
    answer = await owner.submit("/stations/A-001", data, action=f"/stations/A-001/{command}")
    assert answer.status_code == 503
    alert = parsed(answer.text).one("div", role="alert", class_="summary")
    assert "n’est pas connectée" in alert.text
    assert alert.one("a")["href"] == "/help/errors/station-offline"


async def test_a_stop_without_a_charge_is_told(owner: Visitor) -> None:
    answer = await owner.submit(
        "/stations/A-001", {"connector": "1"}, action="/stations/A-001/stop"
    )
    assert answer.status_code == 422
    assert "Aucune charge" in answer.text


async def test_the_stations_own_refusal_is_quoted(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = StationRefusedError("station-refused", station="A-001", answer="Rejected")

    live = room.manager.registry.station("A-001")
    assert live is not None
    monkeypatch.setattr(live, "link", Link(refusal))
    answer = await owner.submit("/stations/A-001", {"kind": "soft"}, action="/stations/A-001/reset")
    assert answer.status_code == 409
    assert "Rejected" in answer.text


async def test_an_accepted_command_comes_back_with_a_notice(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_given = RemoteStartTransactionConfirmation(status=CommandStatus.ACCEPTED)

    live = room.manager.registry.station("A-001")
    assert live is not None
    monkeypatch.setattr(live, "link", Link(answer_given))
    answer = await owner.submit(
        "/stations/A-001",
        {"connector": "1", "id_tag": "04A1B200"},
        action="/stations/A-001/start",
    )
    assert answer.headers["location"] == "/stations/A-001?done=start-sent"


async def test_a_connector_that_is_not_there(owner: Visitor) -> None:
    answer = await owner.submit(
        "/stations/A-001", {"connector": "3"}, action="/stations/A-001/stop"
    )
    assert answer.status_code == 404


# ------------------------------------------------------------------ inbox


async def fill_inbox(room: Showroom, *names: str) -> None:
    for name in names:
        await room.store.pending.save(
            PendingStation(
                name,
                StationIdentity("Maker", "Model"),
                "192.0.2.7",
                "2026-11-22T08:00:00+00:00",
                "2026-11-22T08:05:00+00:00",
                (1, 2),
            )
        )
    await room.manager._inbox.load()


async def test_callers_are_adopted_one_by_one_or_all(owner: Visitor, room: Showroom) -> None:
    await fill_inbox(room, "X-1", "X-2", "X-3", "X-4")
    page = await owner.get("/stations/new")
    plain, secure, time = (element.text for element in page.all("code", class_="url"))
    assert "ws://bornier.test:8080/ocpp/" in plain
    assert "wss://bornier.test:8081/ocpp/" in secure
    assert time == "bornier.test"
    assert page.button("Adopter X-1")["value"] == "adopt:X-1"

    one = await owner.submit("/stations/new", {"action": "adopt:X-1", "circuit_id": "p2"})
    assert one.headers["location"] == "/stations?done=station-adopted"
    adopted = station(room, "X-1")
    assert adopted.circuit_id == "p2"
    assert len(adopted.connectors) == 2

    ignored = await owner.submit("/stations/new", {"action": "ignore:X-2"})
    assert ignored.headers["location"] == "/stations/new?done=station-ignored"
    assert station(room, "X-2") is None

    rest = await owner.submit("/stations/new", {"action": "all", "circuit_id": "pv"})
    assert rest.headers["location"] == "/stations?done=stations-adopted"
    assert station(room, "X-3").circuit_id == station(room, "X-4").circuit_id == "pv"
    empty = await owner.get("/stations/new")
    assert "Personne n’attend" in empty.one("p", class_="empty").text


async def test_adoption_needs_a_circuit_that_exists(owner: Visitor, room: Showroom) -> None:
    await fill_inbox(room, "Y-1")
    answer = await owner.submit("/stations/new", {"action": "adopt:Y-1", "circuit_id": "none"})
    refused(answer, "circuit_id")
    assert station(room, "Y-1") is None
    gone = await owner.submit("/stations/new", {"action": "adopt:Y-9", "circuit_id": "p2"})
    assert gone.status_code == 404


# ------------------------------------------------------------------ badges


async def test_a_badge_lives_its_life(owner: Visitor, room: Showroom) -> None:
    made = await owner.submit(
        "/badges/add", {"id_tag": "04aabb", "holder": "Zoé Marchand", "expires": "2027-12-31"}
    )
    assert made.headers["location"] == "/badges?done=badge-saved"
    badge = room.services.badges.get("04AABB")
    assert badge.expires_utc is not None
    assert badge.expires_utc.isoformat() == "2027-12-31T23:59:59+00:00"

    changed = await owner.submit("/badges/04AABB/edit", {"holder": "Zoé M."})
    assert changed.status_code == 303
    assert room.services.badges.get("04AABB").holder == "Zoé M."

    blocked = await owner.submit("/badges", {}, action="/badges/04AABB/block")
    assert blocked.headers["location"] == "/badges?done=badge-blocked"
    assert not room.services.badges.get("04AABB").active
    row = next(row for row in (await owner.get("/badges")).all("tr") if "Zoé M." in row.text)
    assert "bloqué" in row.text
    allowed = await owner.submit("/badges", {}, action="/badges/04AABB/block")
    assert allowed.headers["location"] == "/badges?done=badge-unblocked"

    assert "Zoé M." in (await owner.get("/badges/04AABB/remove")).one("h1").text
    removed = await owner.submit("/badges/04AABB/remove", {})
    assert removed.headers["location"] == "/badges?done=badge-removed"
    await owner.get("/badges/04AABB/edit", 404)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id_tag": ""}, "id_tag"),
        ({"id_tag": "x" * 21}, "id_tag"),
        ({"id_tag": "04A1B200"}, "id_tag"),
        ({"expires": "tomorrow"}, "expires"),
    ],
)
async def test_a_refused_badge_keeps_its_holder(
    owner: Visitor, changes: dict[str, str], field: str
) -> None:
    answer = await owner.submit("/badges/add", {"id_tag": "04CC", "holder": "Ana", **changes})
    assert refused(answer, field).labelled("Porteur")["value"] == "Ana"
    edited = await owner.submit("/badges/04A1B201/edit", {**changes, "holder": "Ana"})
    refused(edited, field)


async def test_an_unknown_token_is_adopted_in_one_click(owner: Visitor, room: Showroom) -> None:
    await room.services.badges.authorize("04C0FFEE", "A-001")
    page = await owner.get("/badges")
    assert page.button("Adopter 04C0FFEE").tag == "button"
    form = next(
        form for form in page.all("form", action="/badges/add") if "04C0FFEE" in str(form.fields())
    )
    answer = await owner.post("/badges/add", form.fields())
    assert answer.status_code == 303
    badge = room.services.badges.get("04C0FFEE")
    assert badge.known
    assert badge.active
    assert badge.last_station_id == "A-001"


async def test_deleting_tells_of_running_sessions(owner: Visitor, room: Showroom) -> None:
    view = msgspec.structs.replace(
        room.painter.connectors[0], badge_label="Claire Martin", transaction_id=7
    )
    room.painter.connectors[0] = view
    room.show()
    page = await owner.get(f"/badges/{normalised_id_tag('04a1b200')}/remove")
    assert "1 session est en cours" in page.one("main").text


# ------------------------------------------------------------------ circuits


async def test_a_circuit_is_added_moved_and_removed(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit(
        "/settings/energy/add?parent=p1",
        {"name": "Allée Ç", "limit-1": "63", "limit-2": "63", "limit-3": "40,5"},
    )
    assert answer.headers["location"] == "/settings/energy?done=circuit-saved"
    tree = room.services.circuits.tree()
    assert tree["allee-c"].parent_id == "p1"
    assert tree["allee-c"].limit == PhaseCurrents(63_000, 63_000, 40_500)

    page = await owner.get("/settings/energy/p1")
    parents = [option["value"] for option in page.labelled("Alimenté par").all("option")]
    assert "p1" not in parents
    assert "allee-c" not in parents, "a circuit cannot be fed by one below it"

    moved = await owner.submit(
        "/settings/energy/allee-c", {"parent": "supply", "background-1": "5", "background-2": "5",
                                     "background-3": "5", "margin": "1"}
    )  # fmt: skip
    assert moved.status_code == 303
    circuit = room.services.circuits.tree()["allee-c"]
    assert (circuit.parent_id, circuit.margin_ma) == ("supply", 1_000)
    assert circuit.worst_background == PhaseCurrents.uniform(5_000)
    assert "5" in (await owner.get("/settings/energy/allee-c")).one(id="f-background-2")["value"]

    gone = await owner.submit("/settings/energy/allee-c/remove", {})
    assert gone.headers["location"] == "/settings/energy?done=circuit-removed"
    assert "allee-c" not in room.services.circuits.tree()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"limit-2": ""}, "limit-2"),
        ({"margin": "200"}, "margin"),
        ({"parent": "none"}, "parent"),
        ({"background-1": "-3", "background-2": "1", "background-3": "1"}, "background-1"),
        ({"background-2": "1"}, "background-1"),
    ],
)
async def test_a_refused_circuit_keeps_what_was_typed(
    owner: Visitor, changes: dict[str, str], field: str
) -> None:
    typed = {"name": "Nord", "limit-1": "63", "limit-2": "63", "limit-3": "63", **changes}
    page = refused(await owner.submit("/settings/energy/add", typed), field)
    assert page.one(id="f-limit-1")["value"] == "63"


async def test_the_supply_stays_where_it_is(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/settings/energy/supply")
    assert not page.all("select")
    assert "Retirer" not in page.one("main").text
    answer = await owner.submit("/settings/energy/supply", {"name": "Arrivée", "margin": "5"})
    assert answer.status_code == 303
    assert room.services.circuits.tree().root.margin_ma == 5_000
    refusal = await owner.submit("/settings/energy/supply/remove", {})
    assert refusal.status_code == 422
    in_use = await owner.submit("/settings/energy/aa/remove", {})
    assert "alimente encore" in parsed(in_use.text).one("main").one(role="alert").text
    edited = await owner.submit("/settings/energy/aa", {"margin": "900"})
    refused(edited, "margin")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Parking −1", "parking-1"),
        ("Été & Co", "ete-co"),
        ("火", "circuit"),
        ("supply", "supply-3"),
    ],
)
async def test_identifiers_are_readable_and_free(name: str, expected: str) -> None:
    assert identifier(name, {"supply", "supply-2"}) == expected


# ------------------------------------------------------------------ meters


async def test_a_meter_is_tested_before_it_is_saved(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/settings/meters/add")
    models = page.labelled("Modèle").all("option")
    assert len(models) == 31
    assert any("(B)" in option.text for option in models)
    typed = {"model": "IME Conto D2", "host": "127.0.0.1", "port": "9", "circuit_id": "p2"}
    tested = await owner.submit("/settings/meters/add", {**typed, "action": "test"})
    assert tested.status_code == 200
    result = parsed(tested.text).one("section", class_="test")
    assert "Rien ne répond" in result.text
    assert parsed(tested.text).labelled("Adresse")["value"] == "127.0.0.1"
    assert len(room.services.circuits.configuration().meters) == 1

    saved = await owner.submit("/settings/meters/add", {**typed, "action": "save"})
    assert saved.headers["location"] == "/settings/meters?done=meter-saved"
    meter = room.services.circuits.configuration().meters[-1]
    assert meter.meter_id == "ime-conto-d2"

    changed = await owner.submit(
        "/settings/meters/ime-conto-d2", {"placement": "charging", "action": "save"}
    )
    assert changed.status_code == 303
    meter = room.services.circuits.configuration().meters[-1]
    assert meter.placement == "charging"
    assert meter.poll_period_s == 1.0

    gone = await owner.submit("/settings/meters/ime-conto-d2/remove", {})
    assert gone.headers["location"] == "/settings/meters?done=meter-removed"
    assert len(room.services.circuits.configuration().meters) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": ""}, "model"),
        ({"host": " "}, "host"),
        ({"port": "70000"}, "port"),
        ({"unit_id": "x"}, "unit_id"),
        ({"circuit_id": ""}, "circuit_id"),
    ],
)
async def test_a_refused_meter(owner: Visitor, changes: dict[str, str], field: str) -> None:
    typed = {"model": "IME Conto D2", "host": "192.0.2.1", "action": "save", **changes}
    refused(await owner.submit("/settings/meters/add", typed), field)


async def test_a_silent_meter_is_shown_as_such(owner: Visitor, room: Showroom) -> None:
    site = room.painter.picture()
    silent = msgspec.structs.replace(site.meters[0], stale=True, error_key="meter-timeout")
    room.manager.live.publish(msgspec.structs.replace(site, meters=(silent,)))
    page = await owner.get("/settings/meters")
    assert "muet" in page.one("main").text
    assert "ne répond pas" in page.one("main").text
    room.show()


# ------------------------------------------------------------------ site


async def test_the_site_is_named(owner: Visitor, room: Showroom) -> None:
    answer = await owner.submit("/settings/site", {"name": "Le Parc", "timezone": "Europe/Rome"})
    assert answer.headers["location"] == "/settings?done=site-saved"
    configuration = room.services.circuits.configuration()
    assert (configuration.name, configuration.timezone) == ("Le Parc", "Europe/Rome")
    refused(await owner.submit("/settings/site", {"name": ""}), "name")
    refused(await owner.submit("/settings/site", {"timezone": "Moon/Base"}), "timezone")


async def test_a_full_disk_is_told_in_style(
    owner: Visitor, room: Showroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*arguments: Any) -> None:
        raise StorageError("storage-full")

    monkeypatch.setattr(room.manager.configuration, "apply", full)
    answer = await owner.submit("/settings/site", {"name": "Autre"})
    assert answer.status_code == 507
    page = parsed(answer.text)
    assert "disque est plein" in page.one("main").text
    assert page.button("Que faire ?")["href"] == "/help/errors/storage-full"
