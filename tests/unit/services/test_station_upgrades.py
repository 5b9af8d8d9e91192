"""A station is brought to a new key and to each profile, and nothing on the way locks it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.station_security import Delivery, SecurityProfile, Setback, StationSecurity
from app.services import station_upgrades
from app.services.station_upgrades import AGAIN_S, BACK_WITHIN, REQUEST_WITHIN_S
from tests.support.scripted import ScriptedStation, settle
from tests.support.secure_site import SecureSite, secure_site
from tests.support.station_tls import ec_key, request

OLD = "correct-horse-battery"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SecureSite]:
    monkeypatch.setattr(station_upgrades, "RECONNECTS_BY_ITSELF_S", 0.0)
    async with secure_site(tmp_path) as running:
        yield running


def settings(station: ScriptedStation) -> list[tuple[str, str]]:
    """What the station was told of its security."""
    ours = ("AuthorizationKey", "SecurityProfile", "CpoName")
    return [
        (call["key"], call["value"])
        for call in station.sent("ChangeConfiguration")
        if call["key"] in ours
    ]


def answering(answers: dict[str, Any]) -> Any:
    """ChangeConfiguration answered by key; a CALLERROR where the answer is ``None``."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": answers.get(payload["key"], "Accepted")}

    return answer


async def with_old_key(site: SecureSite) -> None:
    await site.security.keys.type_key("A-1", OLD, "admin")
    await site.knock(password=OLD)
    await site.require(1)


async def want(site: SecureSite, profile: int) -> None:
    await site.security.keys.want("A-1", SecurityProfile(profile), "admin")


# ---------------------------------------------------------------- keys


async def test_a_key_is_sent_and_both_open_until_the_new_one_was_shown(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    new = await site.security.keys.new_key("A-1", "admin")
    await site.look()
    assert settings(station) == [("AuthorizationKey", new)]
    assert station.closed_because == "to use what it was told"
    assert site.record().next_key.delivery is Delivery.SENT  # type: ignore[union-attr]
    assert (await site.knock(password=OLD)).status == 101
    assert (await site.knock(password=bytes.fromhex(new))).status == 101
    assert (await site.knock(password=OLD)).status == 401
    assert ("station:A-1", "station-key-proved", "A-1") in await site.audit()


@pytest.mark.parametrize(
    "answer", [{"status": "Rejected"}, {"status": "NotSupported"}, "NotSupported"]
)
async def test_a_key_that_the_station_refuses_is_dropped(site: SecureSite, answer: Any) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    station.answers["ChangeConfiguration"] = answer
    new = await site.security.keys.new_key("A-1", "admin")
    await site.look()
    record = site.record()
    assert (record.setback, record.next_key) == (Setback.KEY_REFUSED, None)
    assert record.setback_detail.strip() in ("Rejected", "NotSupported")
    assert (await site.knock(password=new, address="192.0.2.50")).status == 401
    assert (await site.knock(password=OLD)).status == 101
    assert "SEC-009" in {key for key, _ in site.alarms()}
    await site.security.dismiss("A-1", "admin")
    assert "SEC-009" not in {key for key, _ in site.alarms()}
    assert station.closed_because is None


async def test_a_power_cut_before_the_key_was_sent(site: SecureSite) -> None:
    await with_old_key(site)
    new = await site.security.keys.new_key("A-1", "admin")
    await site.power_cut()
    station = await site.enter(password=OLD)
    await site.look()
    assert settings(station) == [("AuthorizationKey", new)]
    assert (await site.knock(password=new)).status == 101


async def test_a_power_cut_before_the_answer_came(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    station.answers["ChangeConfiguration"] = lambda _: None
    new = await site.security.keys.new_key("A-1", "admin")
    await site.look()
    assert settings(station) == [("AuthorizationKey", new)]
    await site.power_cut()
    # It took the key and comes with it; or it did not, and is told the same one again.
    again = await site.enter(password=OLD)
    await site.look()
    assert settings(again) == [("AuthorizationKey", new)]
    assert (await site.knock(password=new)).status == 101
    assert (await site.knock(password=OLD, address="192.0.2.50")).status == 401


@pytest.mark.parametrize("comes_with", ["old", "new"])
async def test_a_power_cut_before_the_station_came_back(site: SecureSite, comes_with: str) -> None:
    await with_old_key(site)
    await site.enter(password=OLD)
    new = await site.security.keys.new_key("A-1", "admin")
    await site.look()
    await site.power_cut()
    station = await site.enter(password=OLD if comes_with == "old" else new)
    await site.look()
    assert settings(station) == []  # it has taken it: it is not told again
    assert (await site.knock(password=new)).status == 101


async def test_a_power_cut_after_the_new_key_was_shown(site: SecureSite) -> None:
    await with_old_key(site)
    await site.enter(password=OLD)
    new = await site.security.keys.new_key("A-1", "admin")
    await site.look()
    assert (await site.knock(password=new)).status == 101
    await site.power_cut()
    assert (await site.knock(password=OLD)).status == 401
    assert (await site.knock(password=new)).status == 101


async def test_a_station_without_answer_is_told_again_later(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    station.answers["ChangeConfiguration"] = lambda _: None
    await site.security.keys.new_key("A-1", "admin")
    await site.look()
    await site.look()
    assert len(settings(station)) == 1
    await station.hang_up()
    await settle()
    again = await site.enter(password=OLD)
    await site.look()
    assert settings(again) == []
    site.clock.advance(AGAIN_S)
    await site.look()
    assert len(settings(again)) == 1


async def test_a_key_withdrawn_while_its_answer_is_under_way_stays_withdrawn(
    site: SecureSite,
) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    asked = asyncio.Event()

    def silent(_: dict[str, Any]) -> None:
        asked.set()

    station.answers["ChangeConfiguration"] = silent
    await site.security.keys.new_key("A-1", "admin")
    await site.look()
    await asked.wait()
    await site.security.keys.withdraw_key("A-1", "admin")
    call_id = next(iter(station.link._calls))
    station._to_manager.put_nowait(f'[3,"{call_id}",{{"status":"Accepted"}}]')
    await settle()
    assert site.record().next_key is None


async def test_a_key_sealed_with_a_lost_secret_is_not_sent(
    site: SecureSite, tmp_path: Path
) -> None:
    await with_old_key(site)
    await site.security.keys.new_key("A-1", "admin")
    (tmp_path / "stations.secret").write_text("00" * 32)
    await site.power_cut()
    station = site.running.connect("A-1")
    await settle()
    await site.look()
    assert settings(station) == []
    assert site.record().setback is Setback.KEY_REFUSED


async def test_a_station_that_needs_a_restart_gets_it_once_no_car_charges(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    await station.boot()
    answer = await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="AAAA",
        meterStart=0,
        timestamp=site.clock.utc_now().isoformat(),
    )
    station.answers["ChangeConfiguration"] = answering({"AuthorizationKey": "RebootRequired"})
    await site.security.keys.new_key("A-1", "admin")
    await site.look()
    await site.look()
    assert station.sent("Reset") == []
    assert station.closed_because is None
    await station.call(
        "StopTransaction",
        transactionId=answer["transactionId"],
        meterStop=10,
        timestamp=site.clock.utc_now().isoformat(),
    )
    site.clock.advance(AGAIN_S)
    await site.look()
    assert station.sent("Reset") == [{"type": "Soft"}]
    await site.look()
    assert len(station.sent("Reset")) == 1


# ---------------------------------------------------------------- profiles


async def test_from_nothing_to_a_key(site: SecureSite) -> None:
    station = await site.enter()
    await want(site, 1)
    await site.look()
    (name, key), profile = settings(station)
    assert (name, profile) == ("AuthorizationKey", ("SecurityProfile", "1"))
    assert station.closed_because == "to use what it was told"
    # the old way goes on to open until the new one was shown
    assert (await site.knock()).status == 101
    assert (await site.knock(password=bytes.fromhex(key))).status == 101
    assert site.record().required is SecurityProfile.KEY
    assert (await site.knock()).status == 401
    assert ("station:A-1", "station-profile-proved", "A-1") in await site.audit()


async def test_the_key_on_the_sheet_is_the_one_that_is_sent(site: SecureSite) -> None:
    printed = await site.security.keys.printable_key("A-1")
    station = await site.enter()
    await want(site, 1)
    await site.look()
    assert settings(station)[0] == ("AuthorizationKey", printed)


async def test_a_typed_key_is_not_sent(site: SecureSite) -> None:
    await site.security.keys.type_key("A-1", OLD, "admin")
    station = await site.enter()
    await want(site, 1)
    await site.look()
    assert settings(station) == [("SecurityProfile", "1")]


async def test_a_station_that_knows_no_profiles_needs_its_key_alone(site: SecureSite) -> None:
    station = await site.enter()
    station.answers["ChangeConfiguration"] = answering({"SecurityProfile": "NotSupported"})
    await want(site, 1)
    await site.look()
    assert station.closed_because is not None
    assert (await site.knock(password=settings(station)[0][1])).status == 101
    assert site.record().required is SecurityProfile.KEY


async def test_from_a_key_to_tls(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    await want(site, 2)
    await site.look()
    assert [call["certificateType"] for call in station.sent("InstallCertificate")] == [
        "CentralSystemRootCertificate"
    ]
    assert settings(station) == [("SecurityProfile", "2")]
    await site.power_cut()
    assert (await site.knock(password=OLD)).status == 101
    assert site.record().required is SecurityProfile.KEY
    assert (await site.knock(password=OLD, secure=True)).status == 101
    assert site.record().required is SecurityProfile.TLS_KEY
    assert (await site.knock(password=OLD)).status == 403


async def test_a_station_whose_address_must_be_set_by_hand_may_take_its_time(
    site: SecureSite,
) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    station.answers["ChangeConfiguration"] = answering({"SecurityProfile": "NotSupported"})
    station.answers["InstallCertificate"] = "NotImplemented"
    await want(site, 2)
    await site.look()
    assert site.record().setback is Setback.BY_HAND
    assert station.closed_because is None
    assert site.alarms() == []
    site.clock.advance(30 * 86_400)
    await site.look()
    assert site.record().wanted is SecurityProfile.TLS_KEY
    assert (await site.knock(password=OLD, secure=True)).status == 101
    assert site.record().required is SecurityProfile.TLS_KEY
    assert site.record().setback is None


async def test_a_refused_profile_leaves_everything_as_it_was(site: SecureSite) -> None:
    await with_old_key(site)
    before = site.record()
    station = await site.enter(password=OLD)
    station.answers["ChangeConfiguration"] = answering({"SecurityProfile": "Rejected"})
    await want(site, 2)
    await site.look()
    assert site.record() == before.with_setback(Setback.PROFILE_REFUSED, "Rejected")
    assert (await site.knock(password=OLD)).status == 101


async def test_a_station_that_does_not_come_back_so_stays_as_it_was(site: SecureSite) -> None:
    await with_old_key(site)
    await site.enter(password=OLD)
    await want(site, 2)
    await site.look()
    await site.enter(password=OLD)
    site.clock.advance(BACK_WITHIN.total_seconds() - 1)
    await site.look()
    assert site.record().wanted is SecurityProfile.TLS_KEY
    site.clock.advance(1)
    await site.look()
    record = site.record()
    assert (record.setback, record.wanted, record.required) == (
        Setback.NOT_BACK,
        None,
        SecurityProfile.KEY,
    )
    # late, it is welcome
    assert (await site.knock(password=OLD, secure=True)).status == 101


async def test_a_restart_that_a_profile_needs_waits_for_the_car_and_so_does_the_time(
    site: SecureSite,
) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD)
    await station.boot()
    await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="AAAA",
        meterStart=0,
        timestamp=site.clock.utc_now().isoformat(),
    )
    station.answers["ChangeConfiguration"] = answering({"SecurityProfile": "RebootRequired"})
    station.answers["Reset"] = "InternalError"
    await want(site, 2)
    await site.look()
    for _ in range(5):
        site.clock.advance(BACK_WITHIN.total_seconds() / 2)
        await site.look()
    assert site.record().wanted is SecurityProfile.TLS_KEY
    live = site.running.manager.registry.station("A-1")
    assert live is not None
    live.connectors[1].transaction = None
    site.clock.advance(AGAIN_S)
    await site.look()
    assert station.sent("Reset") == [{"type": "Soft"}]
    assert site.record().restart_due is False


async def test_one_that_proves_it_already_is_held_to_it_at_once(site: SecureSite) -> None:
    await site.security.keys.type_key("A-1", OLD, "admin")
    station = await site.enter(password=OLD, secure=True)
    await want(site, 2)
    await site.look()
    assert site.record().required is SecurityProfile.TLS_KEY
    assert settings(station) == []


async def test_an_absent_station_waits(site: SecureSite) -> None:
    await want(site, 1)
    await site.look()
    assert site.record() == StationSecurity("A-1", wanted=SecurityProfile.KEY)


# ---------------------------------------------------------------- certificates


async def test_from_tls_to_a_certificate(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD, secure=True)
    await want(site, 3)
    await site.look()
    assert settings(station) == [("CpoName", "Bornier")]
    assert station.sent("ExtendedTriggerMessage") == [
        {"requestedMessage": "SignChargePointCertificate"}
    ]
    await site.look()
    assert len(station.sent("ExtendedTriggerMessage")) == 1
    answer = await station.call("SignCertificate", csr=request(ec_key(), "A-1"))
    assert answer == {"status": "Accepted"}
    await site.until(lambda: site.security.book.serving("A-1"))
    await site.look()
    assert settings(station)[-1] == ("SecurityProfile", "3")
    assert station.closed_because is not None
    (certificate,) = site.security.book.of("A-1")
    assert station.sent("CertificateSigned")[0]["certificateChain"].count("BEGIN") == 1
    assert certificate.proved_utc is None


@pytest.mark.parametrize(
    "answer", [{"status": "Rejected"}, {"status": "NotImplemented"}, "NotImplemented"]
)
async def test_a_station_that_asks_for_no_certificate(site: SecureSite, answer: Any) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD, secure=True)
    station.answers["ExtendedTriggerMessage"] = answer
    await want(site, 3)
    await site.look()
    assert site.record().setback is Setback.CERTIFICATE_REFUSED
    assert site.record().required is SecurityProfile.KEY


async def test_a_request_that_never_comes_or_cannot_be_granted(site: SecureSite) -> None:
    await with_old_key(site)
    station = await site.enter(password=OLD, secure=True)
    await want(site, 3)
    await site.look()
    site.clock.advance(REQUEST_WITHIN_S + 1)
    await site.look()
    assert site.record().setback_detail == "no request came"
    await want(site, 3)
    await site.look()
    answer = await station.call("SignCertificate", csr=request(ec_key(), "A-2"))
    assert answer == {"status": "Rejected"}
    await site.look()
    assert site.record().setback is Setback.CERTIFICATE_REFUSED
    assert site.record().setback_detail == "it names A-2, not A-1"


async def test_the_loop_looks_by_itself(site: SecureSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_upgrades, "PERIOD_S", 0.0)
    station = await site.enter()
    await want(site, 1)
    running = asyncio.get_running_loop().create_task(site.security.upgrades.run())
    await site.until(lambda: len(settings(station)) == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
