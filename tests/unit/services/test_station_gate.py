"""Who is let in, by what is required and what is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from app.domain.station_security import (
    Refusal,
    SecurityDefaults,
    SecurityProfile,
    StationCertificate,
    Strangers,
)
from app.services.refused_attempts import AUDITED_PER_HOUR, MOST_KEPT, STORM_FROM
from app.services.security_ports import PeerCertificate
from app.services.station_gate import read_credentials
from tests.support.scripted import settle
from tests.support.secure_site import SecureSite, basic, secure_site

KEY = "correct-horse-battery"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SecureSite]:
    async with secure_site(tmp_path) as running:
        yield running


async def keyed(site: SecureSite, profile: int, key: str = KEY) -> None:
    await site.security.keys.type_key("A-1", key, "admin")
    await site.require(profile)


async def shown(site: SecureSite, name: str = "A-1", owner: str = "A-1") -> PeerCertificate:
    """A certificate on record for ``owner``, as TLS reads it."""
    now = site.clock.utc_now()
    until = now + timedelta(days=400)
    fingerprint = f"{name}{owner}{now.timestamp()}"
    await site.security.book.add(
        StationCertificate(fingerprint, owner, "77", now, until, accepted=True)
    )
    return PeerCertificate(fingerprint, name, "77", now, until)


async def test_nothing_is_required_at_first(site: SecureSite) -> None:
    assert (await site.knock()).status == 101
    assert (await site.knock(secure=True)).status == 101
    assert (await site.knock(password="whatever-it-is")).status == 101
    assert site.security.attempts.last() == ()


@pytest.mark.parametrize("secure", [False, True])
async def test_profile_1_takes_the_key_on_either_port(site: SecureSite, secure: bool) -> None:
    await keyed(site, 1)
    assert (await site.knock(password=KEY, secure=secure)).status == 101
    refused = await site.knock(secure=secure)
    assert refused.status == 401
    assert (await site.knock(password="another-one", secure=secure)).status == 401
    assert [each.why for each in site.security.attempts.last("A-1")] == [
        Refusal.WRONG_KEY,
        Refusal.NO_KEY,
    ]
    level = site.security.gate.standing("A-1").level
    assert level == (SecurityProfile.TLS_KEY if secure else SecurityProfile.KEY)


async def test_profile_2_is_refused_without_tls_and_without_its_key(site: SecureSite) -> None:
    await keyed(site, 2)
    refused = await site.knock(password=KEY)
    assert (refused.status, "wss" in refused.text) == (403, True)
    assert (await site.knock(secure=True)).status == 401
    assert (await site.knock(password="another-one", secure=True)).status == 401
    assert (await site.knock(password=KEY, secure=True)).status == 101


async def test_profile_3_is_refused_without_its_certificate(site: SecureSite) -> None:
    mine = await shown(site)
    await site.require(3)
    await site.security.keys.type_key("A-1", KEY, "admin")
    assert (await site.knock(password=KEY)).status == 403
    assert (await site.knock(password=KEY, secure=True)).status == 403
    assert (await site.knock(secure=True, certificate=mine)).status == 101
    assert site.security.level_of("A-1") is SecurityProfile.OPEN  # it is not connected yet


async def test_a_certificate_opens_where_a_key_is_required(site: SecureSite) -> None:
    mine = await shown(site)
    await keyed(site, 2)
    assert (await site.knock(secure=True, certificate=mine)).status == 101


async def test_another_revoked_or_expired_certificate_is_refused_by_name(site: SecureSite) -> None:
    mine = await shown(site)
    theirs = await shown(site, "A-1", owner="A-2")
    await site.require(3)
    assert (await site.knock(secure=True, certificate=theirs)).status == 403
    assert site.security.attempts.last()[0].why is Refusal.OTHER_CERTIFICATE
    site.clock.advance(401 * 86_400)
    assert (await site.knock(secure=True, certificate=mine)).status == 403
    assert site.security.attempts.last()[0].why is Refusal.EXPIRED
    await site.security.certificates.revoke("A-1", mine.fingerprint, "admin")
    assert (await site.knock(secure=True, certificate=mine)).status == 403
    assert site.security.attempts.last()[0].why is Refusal.REVOKED


async def test_one_that_is_not_on_record_opens_for_whom_it_names(site: SecureSite) -> None:
    """A box restored from a backup does not know what was signed since."""
    mine = await shown(site)
    await site.require(3)
    newer = msgspec.structs.replace(mine, fingerprint="newer", common_name="a-1")
    assert (await site.knock(secure=True, certificate=newer)).status == 101
    assert site.security.book.of("A-1")[0].fingerprint == "newer"
    other = msgspec.structs.replace(mine, fingerprint="other", common_name="A-2")
    assert (await site.knock(secure=True, certificate=other)).status == 403
    old = msgspec.structs.replace(mine, fingerprint="old", until_utc=mine.from_utc)
    site.clock.advance(60)
    assert (await site.knock(secure=True, certificate=old)).status == 403


async def test_older_certificates_are_void_once_a_newer_one_was_shown(site: SecureSite) -> None:
    first = await shown(site)
    site.clock.advance(60)
    second = await shown(site)
    assert (await site.knock(secure=True, certificate=first)).status == 101
    assert (await site.knock(secure=True, certificate=second)).status == 101
    await site.require(3)
    assert (await site.knock(secure=True, certificate=first)).status == 403
    assert (await site.knock(secure=True, certificate=second)).status == 101


@pytest.mark.parametrize("user", ["A-1", "a-1", "A%2D1", "a%2d1", " A-1 "])
async def test_the_user_may_differ_in_case_and_encoding(site: SecureSite, user: str) -> None:
    await keyed(site, 1)
    assert (await site.knock(password=KEY, user=user)).status == 101


@pytest.mark.parametrize("user", ["A-2", "", "admin"])
async def test_another_user_is_refused(site: SecureSite, user: str) -> None:
    await keyed(site, 1)
    assert (await site.knock(password=KEY, user=user)).status == 401
    assert site.security.attempts.last()[0].why is Refusal.WRONG_USER


@pytest.mark.parametrize(
    "header", [b"", b"Bearer abc", b"Basic", b"Basic !!!", b"Basic QUFB", b"Basic \xff\xfe"]
)
async def test_what_is_not_basic_is_refused(site: SecureSite, header: bytes) -> None:
    await keyed(site, 1)
    assert (await site.knock(header=header)).status == 401
    assert site.security.attempts.last()[0].why is Refusal.UNREADABLE


def test_credentials_are_read_as_stations_write_them() -> None:
    for header in (basic("A-1", b"\x00\xff:x"), basic("A-1", b"\x00\xff:x").rstrip(b"=")):
        found = read_credentials(header.replace(b"Basic", b"basic"), "A-1")
        assert found is not None
        assert (found.user, found.password) == ("A-1", b"\x00\xff:x")
    colon = read_credentials(basic("P:1", "key"), "P:1")
    assert colon is not None
    assert (colon.user, colon.password) == ("P:1", b"key")


@pytest.mark.parametrize("form", ["raw", "hex", "HEX"])
async def test_a_made_key_is_taken_as_bytes_and_as_digits(site: SecureSite, form: str) -> None:
    text = await site.security.keys.new_key("A-1", "admin")
    await site.require(1)
    password = {"raw": bytes.fromhex(text), "hex": text.encode(), "HEX": text.upper().encode()}
    assert (await site.knock(password=password[form])).status == 101
    assert site.record().key is not None
    assert (await site.knock(password=bytes.fromhex(text)[:-1])).status == 401


# ---------------------------------------------------------------- strangers


async def test_unknown_stations_may_knock_any_way(site: SecureSite) -> None:
    for how in ({}, {"password": "some-key-1"}, {"secure": True}, {"header": b"Bearer x"}):
        assert (await site.knock("NEW", **how)).status == 101


@pytest.mark.parametrize(
    ("strangers", "plain", "tls"), [(Strangers.TLS, 403, 101), (Strangers.NONE, 403, 403)]
)
async def test_unless_the_site_forbids_it(
    site: SecureSite, strangers: Strangers, plain: int, tls: int
) -> None:
    await site.security.keys.set_defaults(SecurityDefaults(strangers=strangers), "admin")
    assert (await site.knock("NEW")).status == plain
    assert (await site.knock("NEW", secure=True)).status == tls
    assert (await site.knock("A-1")).status == 101


async def test_the_key_a_stranger_shows_may_be_taken_at_adoption(site: SecureSite) -> None:
    await site.knock("NEW", password=KEY)
    assert site.security.keys.presented("NEW") is not None
    station = msgspec.structs.replace(
        site.running.manager.configuration.current.stations[0], station_id="NEW", name="Neuve"
    )
    await site.running.manager.services.stations.add(station, "admin")
    await site.security.keys.take_presented("NEW", "admin")
    await site.require(1, "NEW")
    assert (await site.knock("NEW", password="another-one")).status == 401
    assert (await site.knock("NEW", password=KEY)).status == 101
    assert ("admin", "station-key-taken", "NEW") in await site.audit()


# ---------------------------------------------------------------- failures


async def test_guesses_wait_longer_each_time_and_only_from_there(site: SecureSite) -> None:
    await keyed(site, 1)
    statuses = [(await site.knock(password=f"guess-number-{n}")).status for n in range(5)]
    assert statuses == [401, 401, 401, 401, 429]
    # not even the right key, from there
    refused = await site.knock(password=KEY)
    assert refused.status == 429
    assert refused.wait_s == 2
    # the station itself, elsewhere, is never kept out
    assert (await site.knock(password=KEY, address="192.0.2.99")).status == 101
    site.clock.advance(2)
    assert (await site.knock(password="guess-again")).status == 401
    assert (await site.knock(password=KEY)).wait_s == 4
    site.clock.advance(4)
    assert (await site.knock(password=KEY)).status == 101
    assert (await site.knock(password="guess-again")).status == 401


async def test_a_key_that_is_put_right_opens_at_once(site: SecureSite) -> None:
    await keyed(site, 1, "typed-with-a-slip")
    for _ in range(6):
        await site.knock(password=KEY)
    assert (await site.knock(password=KEY)).status == 429
    await site.security.keys.type_key("A-1", KEY, "admin")
    assert (await site.knock(password=KEY)).status == 101


async def test_a_station_that_tries_without_tls_first_is_not_slowed_down(site: SecureSite) -> None:
    await keyed(site, 2)
    for _ in range(10):
        assert (await site.knock(password=KEY)).status == 403
        assert (await site.knock(secure=True)).status == 401
    assert (await site.knock(password=KEY, secure=True)).status == 101


async def test_an_address_that_fails_everywhere_waits_but_not_its_good_stations(
    site: SecureSite,
) -> None:
    await keyed(site, 1)
    await site.security.keys.type_key("A-2", KEY, "admin")
    await site.require(1, "A-2")
    assert (await site.knock("A-2", password=KEY)).status == 101
    for n in range(60):
        await site.knock("A-1", password=f"guess-number-{n}")
        site.clock.advance(300)
        if n % 2:
            site.clock.advance(1)
    for n in range(60):
        # each time the wait of the pair is over, the address as a whole is not
        await site.security.keys.type_key("A-1", f"{KEY}-{n}", "admin")
        await site.knock("A-1", password=f"guess-number-{n}")
    assert (await site.knock("A-1", password=f"{KEY}-59")).status == 429
    assert (await site.knock("A-2", password=KEY)).status == 101


async def test_failures_are_kept_counted_told_and_bounded(site: SecureSite) -> None:
    await keyed(site, 1)
    for _ in range(2):
        await site.knock(password="another-one")
    assert site.alarms() == []
    await site.knock(password="another-one")
    (attempt,) = site.security.attempts.last("A-1")
    assert (attempt.address, attempt.why, attempt.count) == ("192.0.2.7", Refusal.WRONG_KEY, 3)
    assert site.alarms() == [("SEC-001", {"subject": "A-1", "address": "192.0.2.7"})]
    await settle()
    assert (await site.audit()).count(("station:A-1", "station-refused", "A-1")) == 1
    site.clock.advance(3601)
    assert site.alarms() == []
    await site.knock(password="another-one")
    assert site.security.attempts.last("A-1")[0].count == 1


async def test_what_is_told_depends_on_what_is_wrong(site: SecureSite) -> None:
    await shown(site)
    await site.require(3)
    for _ in range(3):
        await site.knock()
    assert [key for key, _ in site.alarms()] == ["SEC-002"]
    for _ in range(3):
        await site.knock(secure=True)
    assert {key for key, _ in site.alarms()} == {"SEC-002", "SEC-003"}
    await site.require(0)
    await site.enter()
    assert {key for key, _ in site.alarms()} == {"SEC-004"}


async def test_strangers_in_masses_are_told_and_fill_neither_memory_nor_disk(
    site: SecureSite,
) -> None:
    defaults = SecurityDefaults(strangers=Strangers.NONE)
    await site.security.keys.set_defaults(defaults, "admin")
    for n in range(MOST_KEPT + 50):
        assert (await site.knock(f"X-{n}")).status == 403
    assert len(site.security.attempts.last()) == MOST_KEPT
    await settle()
    records = await site.running.store.audit.recent(1000)
    assert sum(each.action == "station-refused" for each in records) == AUDITED_PER_HOUR
    ((key, params),) = site.alarms()
    assert key == "SEC-005"
    assert int(params["count"]) >= STORM_FROM


async def test_a_disk_that_cannot_note_a_proof_keeps_nobody_out(site: SecureSite) -> None:
    await keyed(site, 1)
    site.running.store._engine._closed = True
    assert (await site.knock(password=KEY)).status == 101
    site.running.store._engine._closed = False
    assert site.record().next_key is not None
    assert (await site.knock(password=KEY)).status == 101
    assert site.record().next_key is None
