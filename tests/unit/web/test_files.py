"""The pages of firmware, campaigns, diagnostics and badges offline, as a browser without JavaScript."""

from __future__ import annotations

import httpx
import pytest

from app.domain.campaign import CampaignState
from app.domain.local_list import OfflineBadges
from tests.support.showroom import Showroom
from tests.support.showroom_files import FIRMWARE, LEFT, LEFT_PART, SIGNED
from tests.unit.web.conftest import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = {"Sec-Fetch-Site": "same-origin"}


async def upload(
    owner: Visitor, content: bytes | None, *, token: str = "", **fields: str
) -> httpx.Response:
    form = (await owner.get("/firmware/add")).one("main").one("form")
    data = {**form.fields(), **fields}
    data.pop("file", None)
    if token:
        data["csrf"] = token
    parts: list[tuple[str, tuple[str | None, bytes]]] = [
        (name, (None, value.encode())) for name, value in data.items()
    ]
    parts.append(("file", ("fw.bin" if content is not None else "", content or b"")))
    return await owner.client.post("/firmware/add", files=parts, headers=HEADERS)


async def test_files_and_campaigns_are_listed(owner: Visitor) -> None:
    page = await owner.get("/firmware")
    text = page.one("main").text
    assert "premium-5.0.3.bin" in text
    assert "9f" * 32 in text  # to compare with the maker's
    assert "7,2" in text
    assert "2 sur 4 vérifiées" in text


async def test_a_firmware_is_uploaded_and_deleted(owner: Visitor, room: Showroom) -> None:
    answer = await upload(owner, b"firmware!" * 100_000, vendor="Legrand", version="6.0")
    assert answer.status_code == 303, answer.text
    files = room.services.files.firmware
    file = next(each for each in files.list() if each.version == "6.0")
    assert (file.name, file.size, file.added_by) == ("fw.bin", 900_000, "admin")
    page = f"/firmware/files/{file.file_id}/remove"
    assert (await owner.submit(page, {})).headers["location"] == "/firmware?done=firmware-removed"
    assert files.find(file.file_id) is None
    await owner.get(page, 404)


@pytest.mark.parametrize(
    ("content", "fields", "told"),
    [
        (None, {}, "Choisir un fichier"),
        (b"", {}, "Choisir un fichier"),
        (b"x", {"signature": "c2ln"}, "signature va avec son certificat"),
        (b"x", {"version": "v" * 61}, "60"),
    ],
)
async def test_a_refused_upload_says_why_and_keeps_the_form(
    owner: Visitor, room: Showroom, content: bytes | None, fields: dict[str, str], told: str
) -> None:
    before = room.services.files.drop.vault.used
    answer = await upload(owner, content, note="garder", **fields)
    assert answer.status_code == 422
    assert told in answer.text
    assert "garder" in answer.text
    assert room.services.files.drop.vault.used == before


async def test_an_upload_with_a_wrong_token_is_not_received(owner: Visitor, room: Showroom) -> None:
    before = room.services.files.drop.vault.used
    answer = await upload(owner, b"x" * 1000, token="wrong")
    assert answer.status_code == 403
    assert room.services.files.drop.vault.used == before


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=b"])
async def test_an_upload_that_cannot_be_read(owner: Visitor, kind: str) -> None:
    answer = await owner.client.post(
        "/firmware/add", content=b"nonsense", headers={**HEADERS, "Content-Type": kind}
    )
    assert answer.status_code == 422
    assert "coupé" in answer.text


async def test_only_uploads_may_be_long(owner: Visitor) -> None:
    answer = await owner.post("/settings/offline-badges", {"x": "y" * 70_000})
    assert answer.status_code == 413


async def test_a_firmware_in_use_is_not_deleted(owner: Visitor) -> None:
    answer = await owner.submit(f"/firmware/files/{FIRMWARE}/remove", {})
    assert answer.status_code == 422
    assert "annuler d’abord" in answer.text


async def test_a_campaign_tells_where_each_station_stands(owner: Visitor) -> None:
    page = await owner.get("/firmware/campaigns/2")
    words = ["vérifiée", "vérifiée", "installé, redémarrage à venir", "télécharge"]
    rows = page.one("main").one("tbody").all("tr")
    assert [row.all("td")[0].one("span", class_="state").text for row in rows] == words
    assert "22:00" in page.one("main").text
    await owner.get("/firmware/campaigns/99", 404)


async def test_a_campaign_is_paused_resumed_and_cancelled(owner: Visitor, room: Showroom) -> None:
    campaigns = room.services.files.campaigns
    path = f"/firmware/campaigns/add?file={SIGNED}"
    form = (await owner.get(path)).one("main").all("form", method="post")[0].fields()
    form |= {"from": "22:00", "until": "05:00"}
    answer = await owner.post("/firmware/campaigns/add", form)
    assert answer.status_code == 422
    assert "A-003 est en cours de mise à jour" in answer.text
    free = {name: value for name, value in form.items() if name not in ("s-A-003", "s-A-004")}
    answer = await owner.post("/firmware/campaigns/add", free)
    assert answer.status_code == 303, answer.text
    newest, counted = campaigns.all()[0]
    assert counted.total == 2
    assert (newest.idle_only, newest.pilots, newest.created_by) == (True, 1, "admin")
    here = f"/firmware/campaigns/{newest.campaign_id}"
    for act, state in (
        ("pause", CampaignState.PAUSED),
        ("resume", CampaignState.RUNNING),
        ("cancel", CampaignState.CANCELLED),
    ):
        assert (await owner.submit(here, {"act": act})).status_code == 303
        assert campaigns.get(newest.campaign_id).state is state
    page = await owner.get(f"{here}?done=campaign-cancel")
    assert "Annulée" in page.one("main").text
    token = (await owner.get(path)).one("main").all("form", method="post")[0].fields()["csrf"]
    answer = await owner.post(here, {"csrf": token, "act": "pause"})
    assert answer.status_code == 422
    assert "ne s’applique plus" in answer.text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"at_once": "99"}, "20"),
        ({"from": "22:00", "until": "22:00"}, "même heure"),
        ({"from": "22:00", "until": ""}, ""),
    ],
)
async def test_a_campaign_that_cannot_be(
    owner: Visitor, changes: dict[str, str], told: str
) -> None:
    path = f"/firmware/campaigns/add?file={SIGNED}"
    answer = await owner.submit(path, changes, "/firmware/campaigns/add")
    assert answer.status_code == 422
    assert told in answer.text


async def test_stations_are_chosen_by_model_and_firmware(owner: Visitor) -> None:
    path = f"/firmware/campaigns/add?file={SIGNED}"
    page = await owner.get(f"{path}&firmware=4.2")
    assert len(page.one("main").one("ul").all("input")) == 4
    page = await owner.get(f"{path}&firmware=9.9")
    assert "Aucune borne ne correspond" in page.one("main").text
    page = await owner.get(f"{path}&model=nobody")
    assert "0 sur 4" in page.one("main").text


async def test_a_station_s_files(owner: Visitor) -> None:
    page = await owner.get("/stations/A-001/files")
    text = page.one("main").text
    assert "diag-2026-11.log" in text
    assert "n’est pas connectée" in text
    assert "NotImplemented" in text
    assert page.one("main").one("nav").one("a", href="/stations/A-001/files").get("aria-current")
    answer = await owner.raw(f"/stations/A-001/files/{LEFT}")
    assert answer.content == b"log\n" * 40_000
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''diag-2026-11.log"
    assert answer.headers["content-type"] == "application/octet-stream"
    await owner.get(f"/stations/A-002/files/{LEFT}", 404)


async def test_a_part_is_named_so(owner: Visitor) -> None:
    page = await owner.get("/stations/A-002/files")
    assert "incomplet" in page.one("main").text
    answer = await owner.raw(f"/stations/A-002/files/{LEFT_PART}")
    assert answer.headers["content-disposition"].endswith("diag.tar.gz.part")
    assert answer.content == b"half of it"
    answer = await owner.submit(
        "/stations/A-002/files", {}, f"/stations/A-002/files/{LEFT_PART}/delete"
    )
    assert answer.status_code == 303
    assert "diag.tar.gz" not in (await owner.get("/stations/A-002/files")).one("main").text


async def test_a_station_is_asked_once_at_a_time(owner: Visitor, room: Showroom) -> None:
    page = await owner.get("/stations/A-003/files")
    fields = page.one("main").one("form", action="/stations/A-003/files").fields()
    answer = await owner.post("/stations/A-003/files", {**fields, "kind": "diagnostics"})
    assert answer.headers["location"].endswith("done=diagnostics-asked")
    again = await owner.post("/stations/A-003/files", {**fields, "kind": "diagnostics"})
    assert again.status_code in (303, 422)  # it may have been found away meanwhile
    assert room.services.files.diagnostics.requests("A-003")
    answer = await owner.post("/stations/A-003/files", {**fields, "kind": "nonsense"})
    assert answer.status_code == 422


async def test_many_are_asked_at_once(owner: Visitor) -> None:
    page = await owner.get("/firmware/diagnostics")
    fields = page.one("main").one("form", method="post").fields()
    answer = await owner.post("/firmware/diagnostics", {**fields, "kind": "diagnostics"})
    assert answer.status_code == 422
    assert "au moins une borne" in answer.text
    chosen = {**fields, "kind": "diagnostics", "s-A-004": "on"}
    answer = await owner.post("/firmware/diagnostics", chosen)
    assert answer.status_code == 303
    assert "A-004" in (await owner.get("/firmware/diagnostics")).one("main").one("table").text


async def test_badges_offline(owner: Visitor, room: Showroom) -> None:
    lists = room.services.files.local_lists
    text = (await owner.get("/settings/offline-badges")).one("main").text
    assert "ne tient pas de liste" in text
    assert "a refusé la liste" in text
    assert "7 badges sans place" in text
    page = await owner.get("/settings/offline-badges")
    fields = page.one("main").one("form", action="/settings/offline-badges").fields()
    assert fields.pop("allowed") == "on"
    await owner.post("/settings/offline-badges", {**fields, "unknown": "on"})
    assert lists.policy == OfflineBadges(allowed=False, unknown=True)
    answer = await owner.submit(
        "/settings/offline-badges", {"station": "A-002"}, "/settings/offline-badges/resend"
    )
    assert answer.status_code == 303
    held = lists.held("A-002")
    assert held is not None
    assert held.supported
    fields["station"] = "nobody"
    assert (await owner.post("/settings/offline-badges/resend", fields)).status_code == 404


async def test_strangers_see_and_send_nothing(visit: object) -> None:
    assert callable(visit)
    stranger: Visitor = visit()
    for path in ("/firmware", f"/stations/A-001/files/{LEFT}", "/settings/offline-badges"):
        assert (await stranger.raw(path)).status_code == 303
    answer = await stranger.client.post(
        "/firmware/add", files={"file": ("x", b"x")}, headers=HEADERS
    )
    assert answer.status_code == 401
