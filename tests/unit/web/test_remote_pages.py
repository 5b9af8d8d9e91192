"""The pages that give orders to stations, over a manager whose stations a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.domain.remote import EventKind, JobState
from app.ocpp16.actions.access_calls import ReservationStatus
from app.ocpp16.actions.types import (
    AvailabilityStatus,
    ClearChargingProfileStatus,
    CommandStatus,
    ConfigurationStatus,
    MessageTrigger,
    TriggerMessageStatus,
    UnlockStatus,
)
from app.ocpp16.standard_keys import STANDARD_KEYS
from app.services.station_commands import Reply
from app.web.answers import MEANINGS, meaning, said_of
from app.web.app import create_app
from app.web.bulk_forms import BULK_FORMS
from app.web.i18n import languages
from app.web.key_words import KEYS
from app.web.wording import MESSAGE_NAMES
from tests.support.html import Element, parsed
from tests.support.scripted import MemoryManager, ScriptedStation, settle
from tests.unit.web.conftest import BASE, Visitor

PASSWORD = "une borne bien gardée"
PARIS = ZoneInfo("Europe/Paris")
SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [
        {
            "id": "supply",
            "name": "Arrivée",
            "limit_a": [200, 200, 200],
            "worst_background_a": [30, 30, 30],
        },
        {"id": "north", "name": "Nord", "parent": "supply", "limit_a": [63, 63, 63]},
    ],
    "stations": [
        {"id": "A-1", "name": "Une", "circuit": "supply", "connectors": [{"id": 1}]},
        {"id": "A-2", "name": "Deux", "circuit": "north", "connectors": [{"id": 1}, {"id": 2}]},
        {"id": "A-3", "name": "Trois", "circuit": "north", "connectors": [{"id": 1}]},
    ],
    "badges": [{"id_tag": "C0FFEE", "holder": "Claire"}],
}
KEYS_GIVEN = {
    "configurationKey": [
        {"key": "LightIntensity", "readonly": False, "value": "50"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        {"key": "AuthorizationKey", "readonly": False, "value": "hunter2hunter2"},
        {"key": "LocalAuthListEnabled", "readonly": False, "value": "true"},
        {"key": "acme.Contact", "readonly": False, "value": "off"},
    ]
}


class House:
    """A running manager, a signed-in visitor, and its stations."""

    def __init__(self, site: MemoryManager, owner: Visitor) -> None:
        self.site = site
        self.owner = owner

    async def station(self, station_id: str = "A-1") -> ScriptedStation:
        """Connects and boots it."""
        station = self.site.connect(station_id)
        station.answers["GetConfiguration"] = KEYS_GIVEN
        for action in ("UnlockConnector", "ClearCache", "ReserveNow", "CancelReservation"):
            word = "Unlocked" if action == "UnlockConnector" else "Accepted"
            station.answers[action] = {"status": word}
        await station.boot(firmwareVersion="V1")
        await self.site.cycle()
        return station

    async def order(self, command: str, station_id: str = "A-1", **data: str) -> httpx.Response:
        """One command of the page of actions."""
        path = f"/stations/{station_id}/actions"
        token = (await self.owner.get(path)).one("main").all("input", name="csrf")[0]["value"]
        return await self.owner.post(path, {"csrf": token, "command": command, **data})

    async def landed(self, answer: httpx.Response) -> Element:
        """The page that a redirect leads to."""
        assert answer.status_code == 303, answer.text[:500]
        return await self.owner.get(answer.headers["location"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    site = MemoryManager(tmp_path, SITE)
    await site.start()
    access = site.manager.services.access
    secret = await access.bootstrap() or ""
    signed_in = await access.sign_in("admin", secret, "127.0.0.1")
    await access.change_password(signed_in.session, signed_in.user, secret, PASSWORD)
    transport = httpx.ASGITransport(app=create_app(site.manager.services))
    headers = {"Accept-Language": "fr-FR,fr;q=0.9"}
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        owner = Visitor(client)
        assert (await owner.sign_in(PASSWORD)).status_code == 303
        await site.cycle()
        yield House(site, owner)
    await site.stop()


def told(page: Element) -> str:
    """What the page says of the station's answer."""
    return next(
        box.text for box in page.walk() if box.tag == "div" and "said" in box.get("class").split()
    )


def local(house: House, minutes: int) -> str:
    at = house.site.clock.utc_now() + timedelta(minutes=minutes)
    return at.astimezone(PARIS).strftime("%Y-%m-%dT%H:%M")


# ------------------------------------------------------------------ the list


async def names(house: House, query: str = "") -> list[str]:
    page = await house.owner.get(f"/stations{query}")
    bodies = page.one("main").all("tbody")
    rows = bodies[0].all("tr") if bodies else []
    return [row.one("th").one("a").text for row in rows]


async def test_the_list_is_filtered_and_sorted(house: House) -> None:
    station = await house.station("A-2")
    await station.call("StatusNotification", connectorId=1, errorCode="NoError", status="Charging")
    await station.call(
        "StatusNotification", connectorId=2, errorCode="GroundFailure", status="Faulted"
    )
    await house.site.cycle()
    assert await names(house) == ["Une", "Deux", "Trois"]
    assert await names(house, "?sort=name") == ["Deux", "Trois", "Une"]
    assert await names(house, "?sort=-name") == ["Une", "Trois", "Deux"]
    assert await names(house, "?sort=nonsense&state=nonsense&trouble=nonsense") == [
        "Une",
        "Deux",
        "Trois",
    ]
    assert await names(house, "?circuit=north&sort=model") == ["Trois", "Deux"]
    assert await names(house, "?firmware=V1") == ["Deux"]
    assert await names(house, "?model=Legrand+059004") == ["Deux"]
    assert await names(house, "?state=faulted") == ["Deux"]
    assert await names(house, "?state=offline") == ["Une", "Trois"]
    assert await names(house, "?trouble=any") == ["Deux"]
    assert await names(house, "?trouble=clock") == []
    for column in ("state", "circuit", "limit", "energy", "firmware", "trouble", "security"):
        assert len(await names(house, f"?sort={column}")) == 3
    row = (await house.owner.get("/stations?q=deux")).one("tbody").one("tr")
    assert "défaut" in row.text
    assert "V1" in row.text


async def test_the_choice_of_the_view_is_kept(house: House) -> None:
    tiles = await house.owner.get("/stations?view=tiles")
    assert [tile.get("id") for tile in tiles.one("ul", class_="tiles").all("li")] == [
        "t-A-1-1", "t-A-2-1", "t-A-2-2", "t-A-3-1",
    ]  # fmt: skip
    again = await house.owner.get("/stations?circuit=supply")
    assert len(again.one("ul", class_="tiles").all("li")) == 1
    assert (await house.owner.get("/stations?view=table")).all("tbody") != []


async def test_a_reserved_connector_says_for_whom_on_its_tile(house: House) -> None:
    station = await house.station()
    await house.order("reserve", id_tag="C0FFEE", connector="1", until=local(house, 30))
    await station.call("StatusNotification", connectorId=1, errorCode="NoError", status="Reserved")
    await house.site.cycle()
    tile = (await house.owner.get("/stations?view=tiles")).one("li", id="t-A-1-1")
    assert "Réservé" in tile.text
    assert "Claire" in tile.text


# ------------------------------------------------------------------ orders


@pytest.mark.parametrize(
    ("command", "data", "action"),
    [
        ("start", {"connector": "1", "id_tag": "C0FFEE"}, "RemoteStartTransaction"),
        ("unlock", {"connector": "1"}, "UnlockConnector"),
        ("reset", {"kind": "hard"}, "Reset"),
        ("out", {"where": "0", "from": "", "until": ""}, "ChangeAvailability"),
        ("in", {"where": "1"}, "ChangeAvailability"),
        ("trigger", {"where": "0", "message": "Heartbeat"}, "TriggerMessage"),
        ("clear-cache", {}, "ClearCache"),
        ("clear-profiles", {}, "ClearChargingProfile"),
    ],
)
async def test_an_order_comes_back_with_the_stations_word(
    house: House, command: str, data: dict[str, str], action: str
) -> None:
    station = await house.station()
    page = await house.landed(await house.order(command, **data))
    answer = station.answers[action]
    assert isinstance(answer, dict)
    assert answer["status"] in told(page)
    assert meaning(action, answer["status"], languages()["fr"]) in told(page)
    assert len(station.sent(action)) >= 1
    # A refusal is quoted, with what it means.
    word = {"UnlockConnector": "UnlockFailed"}.get(action, "Rejected")
    station.answers[action] = (
        "NotSupported" if action == "ClearChargingProfile" else {"status": word}
    )
    refused = await house.order(command, **data)
    assert refused.status_code == 409
    assert ("NotSupported" if action == "ClearChargingProfile" else word) in told(
        parsed(refused.text)
    )


async def test_orders_to_a_station_that_is_away(house: House) -> None:
    answer = await house.order("clear-cache")
    assert answer.status_code == 503
    page = parsed(answer.text)
    assert "n’est pas connectée" in told(page)
    assert page.one("main").all("a", href="/help/errors/station-offline") != []
    idle = await house.order("stop", connector="1")
    assert idle.status_code == 422
    assert (await house.order("stop", connector="4")).status_code == 404
    assert (await house.order("nonsense")).status_code == 404
    assert (await house.order("set-up")).status_code == 503


async def test_an_outage_is_planned_shown_and_cancelled(house: House) -> None:
    await house.station()
    answer = await house.order(
        "out", where="1", until=local(house, 90), **{"from": local(house, 60)}
    )
    assert answer.headers["location"].endswith("done=outage-planned")
    page = await house.landed(answer)
    assert "Prévu" in page.one("main").text
    assert "Hors service à partir de" in (await house.owner.get("/stations/A-1")).one("main").text
    (planned,) = house.site.manager.remote.outages.of("A-1")
    assert planned.from_utc < (planned.until_utc or planned.from_utc)
    # What cannot be is refused at its field, and what was typed stays.
    for data, field in (
        ({"from": local(house, -60), "until": ""}, "from"),
        ({"from": "soon", "until": ""}, "from"),
        ({"from": local(house, 60), "until": local(house, 30)}, "until"),
    ):
        refused = await house.order("out", where="0", **data)
        assert refused.status_code == 422
        summary = parsed(refused.text).one("div", id="summary")
        assert summary.one("a")["href"] == f"#f-{field}"
    other = await house.order("cancel-outage", "A-3", outage=str(planned.outage_id))
    assert other.status_code == 404
    await house.landed(await house.order("cancel-outage", outage=str(planned.outage_id)))
    assert house.site.manager.remote.outages.of("A-1") == ()


async def test_an_outage_in_force_is_told_on_the_page_of_the_station(house: House) -> None:
    await house.station()
    await house.order("out", where="0", until=local(house, 90), **{"from": ""})
    assert "Hors service sur ordre de admin" in (await house.owner.get("/stations/A-1")).text
    (held,) = house.site.manager.remote.outages.of("A-1")
    await house.order("cancel-outage", outage=str(held.outage_id))
    assert house.site.manager.remote.outages.of("A-1") == ()


async def test_a_reservation_is_made_and_cancelled(house: House) -> None:
    station = await house.station()
    missing = await house.order("reserve", connector="1", id_tag="C0FFEE", until="")
    assert missing.status_code == 422
    page = await house.landed(
        await house.order("reserve", connector="1", id_tag="C0FFEE", until=local(house, 60))
    )
    assert "Claire" in page.one("main").text
    (held,) = house.site.manager.remote.reservations.of("A-1")
    number = str(held.reservation_id)
    assert (await house.order("cancel-reservation", "A-3", reservation=number)).status_code == 404
    station.answers["CancelReservation"] = {"status": "Rejected"}
    refused = await house.order("cancel-reservation", reservation=number)
    assert refused.status_code == 409
    assert "abandonnée ici aussi" in told(parsed(refused.text))


async def test_a_set_up_is_shown_and_run_again(house: House) -> None:
    station = await house.station()
    station.answers["ChangeConfiguration"] = {"status": "Rejected"}
    before = len(station.sent("GetConfiguration"))
    page = await house.landed(await house.order("set-up"))
    assert "mise en service est lancée" in page.one("main").text
    await settle()
    assert len(station.sent("GetConfiguration")) == before + 1
    steps = (await house.owner.get("/stations/A-1")).one("ol", class_="steps")
    assert len(steps.all("li")) == len(house.site.manager.commissioning.steps)
    assert "MeterValuesSampledData" in steps.text


async def test_only_answers_of_the_table_are_repeated_from_an_address(house: House) -> None:
    for said in ("Reset.Rejected", "Reset.<b>", "Nonsense.Accepted", "Reset"):
        page = await house.owner.get(f"/stations/A-1/actions?said={said}")
        assert "a accepté" not in page.one("main").text
    page = await house.owner.get("/stations/A-1/actions?said=Reset.Accepted")
    assert "Accepted" in told(page)


# ------------------------------------------------------------------ configuration


async def test_settings_are_read_grouped_and_searched(house: House) -> None:
    never = await house.owner.get("/stations/A-1/configuration")
    assert "jamais été lus" in never.one("main").text
    station = await house.station()
    page = await house.owner.get("/stations/A-1/configuration")
    groups = [title.text for title in page.all("h2", class_="group-title")]
    assert groups == ["Base", "Liste de badges", "Sécurité", "Du fabricant"]
    assert "hunter2" not in page.text
    assert "secret, jamais affiché" in page.text
    assert page.all("a", href="/stations/A-1/configuration/change?key=NumberOfConnectors") == []
    found = await house.owner.get("/stations/A-1/configuration?q=luminosit%C3%A9")
    assert [code.text for code in found.one("ul", class_="keys").all("code")] == [
        "LightIntensity",
        "50",
    ]
    none = await house.owner.get("/stations/A-1/configuration?q=zzz")
    assert "zzz" in none.one("p", class_="empty").text
    answer = await house.owner.submit(
        "/stations/A-1/configuration", {}, "/stations/A-1/configuration/read"
    )
    assert answer.headers["location"].endswith("done=settings-read")
    station.answers["GetConfiguration"] = "InternalError"
    refused = await house.owner.submit(
        "/stations/A-1/configuration", {}, "/stations/A-1/configuration/read"
    )
    assert refused.status_code == 409
    assert "InternalError" in told(parsed(refused.text))


async def change(house: House, key: str, value: str) -> httpx.Response:
    path = f"/stations/A-1/configuration/change?key={key}"
    return await house.owner.submit(path, {"value": value}, path)


async def test_a_setting_is_changed(house: House) -> None:
    station = await house.station()
    asked = await house.owner.get("/stations/A-1/configuration/change?key=lightintensity")
    assert asked.one("h1").text == "LightIntensity"
    assert asked.one("input", name="value")["value"] == "50"
    choice = await house.owner.get("/stations/A-1/configuration/change?key=LocalAuthListEnabled")
    assert len(choice.one("select", name="value").all("option")) == 2
    page = await house.landed(await change(house, "LightIntensity", "30"))
    assert "Accepted" in told(page)
    assert station.sent("ChangeConfiguration")[-1] == {"key": "LightIntensity", "value": "30"}
    station.answers["ChangeConfiguration"] = {"status": "RebootRequired"}
    page = await house.landed(await change(house, "acme.Contact", "on"))
    assert "redémarrer maintenant" in page.one("main").text
    station.answers["ChangeConfiguration"] = {"status": "Rejected"}
    refused = await change(house, "NumberOfConnectors", "9")
    assert refused.status_code == 409
    assert "lecture seule" in told(parsed(refused.text))
    assert parsed(refused.text).one("input", name="value")["value"] == "9"
    long = await change(house, "LightIntensity", "x" * 501)
    assert long.status_code == 422
    station.answers["ChangeConfiguration"] = lambda _payload: None
    for path, status in (
        ("/stations/A-1/configuration/change", 404),
        (f"/stations/A-1/configuration/change?key={'x' * 51}", 404),
        ("/stations/Z/configuration", 404),
    ):
        assert (await house.owner.raw(path)).status_code == status


async def test_secrets_are_typed_blind_and_the_key_of_the_link_is_another_pages_matter(
    house: House,
) -> None:
    station = await house.station()
    page = await house.owner.get("/stations/A-1/configuration/change?key=AuthorizationKey")
    assert page.one("main").all("form") == []
    token = (await house.owner.get("/settings")).all("input", name="csrf")[0]["value"]
    answer = await house.owner.post(
        "/stations/A-1/configuration/change?key=AuthorizationKey", {"csrf": token, "value": "x"}
    )
    assert answer.status_code == 422
    page = await house.owner.get("/stations/A-1/configuration/change?key=acme.WifiPassword")
    field = page.one("input", name="value")
    assert (field["type"], field.get("value")) == ("password", "")
    await change(house, "acme.WifiPassword", "correct-horse")
    assert station.sent("ChangeConfiguration")[-1]["value"] == "correct-horse"
    audit = await house.site.store.audit.recent(20)
    assert not any("correct-horse" in one.detail for one in audit)


async def test_readings_are_compared(house: House) -> None:
    station = await house.station()
    await house.station("A-2")
    templates = house.site.manager.remote.settings
    changed = [dict(one) for one in KEYS_GIVEN["configurationKey"]]
    changed[0]["value"] = "80"
    station.answers["GetConfiguration"] = {"configurationKey": changed}
    house.site.clock.advance(60.0)
    await templates.read("A-1", "admin")
    page = await house.owner.get("/stations/A-1/configuration")
    options = [one["value"] for one in page.one("select", name="with").all("option")]
    reading = next(one for one in options if one.startswith("reading:"))
    for against in (reading, "station:A-2"):
        query = httpx.QueryParams({"with": against})
        compared = await house.owner.get(f"/stations/A-1/configuration?{query}")
        rows = compared.one("table", class_="diff").one("tbody").all("tr")
        assert [row.text for row in rows] == ["LightIntensity 80 50"]
    for against in ("station:A-3", "template:9", "template:x", "reading:never", "nonsense"):
        page = await house.owner.get(f"/stations/A-1/configuration?with={against}")
        assert page.all("table", class_="diff") == []


# ------------------------------------------------------------------ templates


async def test_templates_are_made_changed_and_deleted(house: House) -> None:
    await house.station()
    page = await house.owner.get("/stations/templates/add?from=A-1")
    assert "LightIntensity = 50" in page.one("textarea", name="values").text
    assert "hunter2" not in page.text
    assert "NumberOfConnectors" not in page.text
    for data, field in (
        ({"name": "", "values": "A = 1"}, "name"),
        ({"name": "X", "values": "nonsense"}, "values"),
        ({"name": "X", "values": "WifiPassword = 1"}, "values"),
        ({"name": "X", "values": ""}, "values"),
    ):
        refused = await house.owner.submit("/stations/templates/add", data)
        assert refused.status_code == 422
        assert parsed(refused.text).one("div", id="summary").one("a")["href"] == f"#f-{field}"
    await house.owner.submit(
        "/stations/templates/add", {"name": "Nuit", "values": "LightIntensity = 10"}
    )
    (made,) = house.site.manager.remote.settings.templates()
    path = f"/stations/templates/{made.template_id}"
    assert "LightIntensity = 10" in (await house.owner.get(path)).text
    await house.owner.submit(path, {"name": "Jour", "values": "LightIntensity = 90"})
    assert "Jour" in (await house.owner.get("/stations/templates")).one("main").text
    compared = await house.owner.get(
        f"/stations/A-1/configuration?with=template:{made.template_id}"
    )
    assert "90" in compared.one("table", class_="diff").text
    await house.owner.submit(path, {}, f"{path}/remove")
    assert house.site.manager.remote.settings.templates() == ()
    assert (await house.owner.raw(path)).status_code == 404


# ------------------------------------------------------------------ many at once


async def finished(house: House, answer: httpx.Response) -> Element:
    assert answer.status_code == 303, answer.text[:800]
    number = int(answer.headers["location"].rpartition("/")[2])
    async with asyncio.timeout(30):
        while (  # noqa: ASYNC110 - the job paces itself
            await house.site.manager.remote.bulk.get(number)
        ).state is JobState.RUNNING:
            await asyncio.sleep(0.05)
    return await house.owner.get(answer.headers["location"])


async def test_one_action_on_many_and_its_failures_again(house: House) -> None:
    one, two = await house.station("A-1"), await house.station("A-2")
    two.answers["ClearCache"] = {"status": "Rejected"}
    path = "/stations/bulk?do=clear-cache&scope=all"
    page = await house.owner.get(path)
    assert [item.text for item in page.one("ul", class_="names").all("li")] == [
        "Une",
        "Deux",
        "Trois",
    ]
    job = await finished(house, await house.owner.submit(path, {}, "/stations/bulk"))
    rows = job.one("table", class_="results").one("tbody").all("tr")
    # Failures first: refused with its word, unreachable, then what is done.
    assert [row.one("th").text for row in rows] == ["Deux", "Trois", "Une"]
    assert "refusé" in rows[0].text
    assert "Rejected" in rows[0].text
    assert "n’est pas connectée" in rows[1].text
    assert "fait" in rows[2].text
    assert job.all("div", hx_get="/stations/jobs/1/part") == []
    two.answers["ClearCache"] = {"status": "Accepted"}
    retried = await house.owner.submit("/stations/jobs/1", {}, "/stations/jobs/1/retry")
    await finished(house, retried)
    assert len(one.sent("ClearCache")) == 1
    assert len(two.sent("ClearCache")) == 2
    assert "Oublier les badges" in (await house.owner.get("/stations/jobs")).one("main").text
    token = job.all("input", name="csrf")[0]["value"]
    over = await house.owner.post("/stations/jobs/1/cancel", {"csrf": token})
    assert over.status_code == 422
    assert (await house.owner.raw("/stations/jobs/99")).status_code == 404


async def test_a_running_job_follows_by_itself_and_is_cancelled(house: House) -> None:
    await house.station("A-1")
    answer = await house.owner.submit(
        "/stations/bulk?do=restart&s=A-1&s=A-2&s=A-3", {"kind": "soft"}, "/stations/bulk"
    )
    page = await house.owner.get(answer.headers["location"])
    part = page.one("div", id="job")
    assert part.get("hx-get") == "/stations/jobs/1/part"
    assert (await house.owner.get("/stations/jobs/1/part")).one("div", id="job").text
    busy = await house.owner.post(
        "/stations/jobs/1/retry", {"csrf": page.all("input", name="csrf")[0]["value"]}
    )
    assert busy.status_code == 422
    cancelled = await house.owner.submit("/stations/jobs/1", {}, "/stations/jobs/1/cancel")
    assert "job-cancelled" in cancelled.headers["location"]
    page = await finished(house, answer)
    assert "annulée" in page.one("main").text
    assert "pas commencé" in page.one("main").text


async def test_who_is_meant(house: House) -> None:
    for query, wanted in (
        ("scope=ticked&s=A-3&s=Z", ["Trois"]),
        ("scope=shown&circuit=north", ["Deux", "Trois"]),
        ("scope=circuit:supply", ["Une"]),
        ("stations=A-1+A-2", ["Une", "Deux"]),
    ):
        page = await house.owner.get(f"/stations/bulk?do=trigger&{query}")
        assert [one.text for one in page.one("ul", class_="names").all("li")] == wanted
    nobody = await house.owner.get("/stations/bulk?do=trigger&scope=ticked")
    assert "Aucune borne" in nobody.one("main").text
    assert (await house.owner.raw("/stations/bulk?do=nonsense")).status_code == 404
    token = (await house.owner.get("/settings")).all("input", name="csrf")[0]["value"]
    for data, status in (
        ({"do": "nonsense"}, 404),
        ({"do": "clear-cache", "stations": ""}, 422),
        ({"do": "settings", "stations": "A-1"}, 422),
        ({"do": "settings", "stations": "A-1", "max": "1000"}, 422),
        ({"do": "template", "stations": "A-1", "template": "9"}, 404),
        ({"do": "copy-keys", "stations": "A-1", "from": "A-2"}, 422),
    ):
        answer = await house.owner.post("/stations/bulk", {"csrf": token, **data})
        assert answer.status_code == status, data


async def test_a_copy_shows_what_would_change_before_it_is_done(house: House) -> None:
    await house.station("A-1")
    two = await house.station("A-2")
    changed = [dict(one) for one in KEYS_GIVEN["configurationKey"]]
    changed[0]["value"] = "80"
    two.answers["GetConfiguration"] = {"configurationKey": changed}
    await house.site.manager.remote.settings.read("A-2", "admin")
    path = "/stations/bulk?do=copy-keys&scope=all&from=A-1"
    page = await house.owner.get(path)
    section = page.one("section", class_="card")
    assert "Deux" in section.text
    assert [row.text for row in section.one("tbody").all("tr")] == ["LightIntensity 80 50"]
    assert "1 borne n’a jamais été lue" in section.text
    boxes = {one["name"] for one in page.one("main").all("input", type="checkbox")}
    assert boxes == {"k:acme.Contact", "k:LightIntensity", "k:LocalAuthListEnabled"}
    before = len(two.sent("ChangeConfiguration"))
    answer = await house.owner.submit(
        "/stations/bulk?do=copy-keys&s=A-2&from=A-1", {"k:LightIntensity": "on"}, "/stations/bulk"
    )
    await finished(house, answer)
    assert two.sent("ChangeConfiguration")[before:] == [{"key": "LightIntensity", "value": "50"}]


async def test_settings_of_the_manager_are_copied_and_typed(house: House) -> None:
    answer = await house.owner.submit(
        "/stations/bulk?do=settings&s=A-1",
        {"max": "16", "weight": "2", "circuit": "north", "free": "on"},
        "/stations/bulk",
    )
    await finished(house, answer)
    path = "/stations/bulk?do=copy-settings&s=A-2&s=A-3&from=A-1"
    page = await house.owner.get(path)
    assert "16" in page.one("section", class_="card").text
    answer = await house.owner.submit(path, {"f:max": "on", "f:weight": "on"}, "/stations/bulk")
    job = await finished(house, answer)
    assert "enregistré dans le gestionnaire" in job.text
    stations = house.site.manager.configuration.current.stations
    assert [(one.max_ma, one.weight) for one in stations] == [(16_000, 2_000)] * 3
    assert [one.free_charging for one in stations] == [True, False, False]
    missing = await house.owner.get("/stations/bulk?do=copy-settings&scope=all&from=Z")
    assert missing.one("main").all("form", method="post") == []


async def test_a_template_is_previewed_and_applied(house: House) -> None:
    station = await house.station("A-1")
    empty = await house.owner.get("/stations/bulk?do=template&scope=all")
    assert "Aucun modèle" in empty.one("main").text
    await house.owner.submit(
        "/stations/templates/add", {"name": "Nuit", "values": "LightIntensity = 10"}
    )
    path = "/stations/bulk?do=template&s=A-1&template=1"
    page = await house.owner.get(path)
    assert "LightIntensity 50 10" in page.one("section", class_="card").text
    await finished(house, await house.owner.submit(path, {}, "/stations/bulk"))
    assert station.sent("ChangeConfiguration")[-1] == {"key": "LightIntensity", "value": "10"}
    unknown = await house.owner.get("/stations/bulk?do=template&s=A-1&template=77")
    assert unknown.one("main").all("form", method="post") == []
    await finished(
        house,
        await house.owner.submit(
            "/stations/bulk?do=read-configuration&s=A-1", {}, "/stations/bulk"
        ),
    )
    assert "5 réglages" in (await house.owner.get("/stations/jobs/2")).one("main").text


# ------------------------------------------------------------------ profiles, history


async def test_the_station_is_asked_what_it_makes_of_its_limits(house: House) -> None:
    station = await house.station()
    page = await house.owner.get("/stations/A-1/profiles")
    assert "pas de charge" in page.one("main").text
    station.answers["GetCompositeSchedule"] = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": "2026-03-02T12:00:00Z",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 13.0},
                {"startPeriod": 3600, "limit": -1.0},
            ],
        },
    }
    answer = await house.owner.submit(
        "/stations/A-1/profiles", {"connector": "1"}, "/stations/A-1/profiles"
    )
    rows = parsed(answer.text).one("tbody").all("tr")
    assert "13,0 A" in rows[0].text.replace("\u202f", " ")
    assert "sans limite" in rows[1].text
    station.answers["GetCompositeSchedule"] = {"status": "Accepted"}
    answer = await house.owner.submit(
        "/stations/A-1/profiles", {"connector": "0"}, "/stations/A-1/profiles"
    )
    assert "sans donner de programme" in answer.text
    station.answers["GetCompositeSchedule"] = {"status": "Rejected"}
    answer = await house.owner.submit(
        "/stations/A-1/profiles", {"connector": "1"}, "/stations/A-1/profiles"
    )
    assert answer.status_code == 409
    answer = await house.owner.submit(
        "/stations/A-1/profiles", {"connector": "3"}, "/stations/A-1/profiles"
    )
    assert answer.status_code == 404


async def test_the_history_tells_in_words(house: House) -> None:
    station = await house.station()
    station.answers["ChangeConfiguration"] = {"status": "Rejected"}
    await house.order("reset", kind="soft")
    await house.site.manager.commissioning.again(house.site.manager.remote.commands.station("A-1"))
    await settle()
    await station.hang_up()
    await house.site.cycle(2)
    page = await house.owner.get("/stations/A-1/history")
    lines = [line.text for line in page.one("ol", class_="timeline").all("li")]
    assert any("Connexion perdue" in line for line in lines)
    assert any("admin · redémarrer en douceur · Accepted" in line for line in lines)
    assert any("pas fait : Signe de vie et mesures" in line.replace("\xa0", " ") for line in lines)
    some = await house.owner.get(f"/stations/A-1/history?kind={EventKind.BOOTED}")
    assert len(some.one("ol", class_="timeline").all("li")) == 1
    none = await house.owner.get("/stations/A-1/history?kind=fault")
    assert "Rien de tel" in none.one("main").text


# ------------------------------------------------------------------ words


def test_every_answer_has_a_meaning() -> None:
    for action, statuses in (
        ("RemoteStartTransaction", CommandStatus),
        ("RemoteStopTransaction", CommandStatus),
        ("Reset", CommandStatus),
        ("ClearCache", CommandStatus),
        ("CancelReservation", CommandStatus),
        ("UnlockConnector", UnlockStatus),
        ("ChangeAvailability", AvailabilityStatus),
        ("TriggerMessage", TriggerMessageStatus),
        ("ClearChargingProfile", ClearChargingProfileStatus),
        ("ReserveNow", ReservationStatus),
        ("ChangeConfiguration", ConfigurationStatus),
    ):
        for status in statuses:
            assert (action, status.value) in MEANINGS
    french = languages()["fr"]
    assert meaning("Reset", "InternalError out of memory", french) != ""
    assert meaning("ChangeConfiguration", "A: Rejected · B: NotSupported", french) != ""
    assert meaning("Reset", "Perhaps", french) == ""
    assert said_of(Reply("Reset", "Accepted"), french).good


def test_every_standard_setting_every_message_and_every_action_has_words(tmp_path: Path) -> None:
    assert {one.key for one in STANDARD_KEYS.values()} == set(KEYS)
    assert set(MESSAGE_NAMES) == {one.value for one in MessageTrigger}

    async def kinds() -> set[str]:
        site = MemoryManager(tmp_path, SITE)
        await site.start()
        found = set(site.manager.remote.bulk.kinds)
        await site.stop()
        return found

    assert {form.kind for form in BULK_FORMS.values()} == asyncio.run(kinds())
