"""Keys and profiles of stations: what is made, typed, taken, shown and required."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station_security import (
    Delivery,
    SecurityDefaults,
    SecurityProfile,
    StationSecurity,
    Strangers,
)
from app.services.audit import AuditTrail
from app.services.station_keys import MOST_PRESENTED, StationKeys
from tests.support.scripted import settle
from tests.support.secure_site import SecureSite, secure_site

KEY = "correct-horse-battery"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SecureSite]:
    async with secure_site(tmp_path) as running:
        yield running


def refused(error: pytest.ExceptionInfo[InvalidInputError]) -> str:
    return error.value.key


async def test_a_new_key_is_told_once_and_again_while_it_is_under_way(site: SecureSite) -> None:
    keys = site.security.keys
    text = await keys.new_key("A-1", "admin")
    assert len(bytes.fromhex(text)) == 20
    assert await keys.new_key("A-1", "admin") == text
    assert site.record().next_key.delivery is Delivery.TO_SEND  # type: ignore[union-attr]
    await site.knock(password=bytes.fromhex(text))
    assert site.record().key.sealed == ""  # type: ignore[union-attr]
    assert await keys.printable_key("A-1") is None
    assert await keys.new_key("A-1", "admin") != text


async def test_the_database_gives_no_key_away(site: SecureSite, tmp_path: Path) -> None:
    keys = site.security.keys
    made = await keys.new_key("A-1", "admin")
    await keys.type_key("A-2", KEY, "admin")
    files = tmp_path.glob("bornier.sqlite3*")  # noqa: ASYNC240
    content = b"".join(path.read_bytes() for path in files)
    assert b"station-key-typed" in content
    for secret in (made.encode(), bytes.fromhex(made), KEY.encode()):
        assert secret not in content


async def test_the_sheets_key_is_made_once_and_survives_a_restart(site: SecureSite) -> None:
    text = await site.security.keys.printable_key("A-1")
    assert text is not None
    assert await site.security.keys.printable_key("A-1") == text
    await site.power_cut()
    assert await site.security.keys.printable_key("A-1") == text
    assert site.record().required is SecurityProfile.OPEN
    await site.knock(password=text)
    assert await site.security.keys.printable_key("A-1") is None


async def test_a_typed_key_cannot_be_printed(site: SecureSite) -> None:
    await site.security.keys.type_key("A-1", KEY, "admin")
    assert await site.security.keys.printable_key("A-1") is None
    with pytest.raises(InvalidInputError) as error:
        await site.security.keys.new_key("A-1", "admin")
    assert refused(error) == "station-key-under-way"
    await site.security.keys.withdraw_key("A-1", "admin")
    await site.security.keys.withdraw_key("A-1", "admin")
    assert site.record() == StationSecurity("A-1")


@pytest.mark.parametrize("text", ["", "1234567", "x" * 41, "with\x00null-byte"])
async def test_a_typed_key_has_bounds(site: SecureSite, text: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        await site.security.keys.type_key("A-1", text, "admin")
    assert refused(error) == "station-key-invalid"


async def test_a_key_that_was_shown_may_be_taken_if_it_is_the_one_looked_at(
    site: SecureSite,
) -> None:
    keys = site.security.keys
    with pytest.raises(InvalidInputError):
        await keys.take_presented("A-1", "admin")
    await site.knock(password=KEY)
    looked_at = keys.presented("A-1")
    assert looked_at.address == "192.0.2.7"
    await site.knock(password="an-impostors-key")
    with pytest.raises(InvalidInputError) as error:
        await keys.take_presented("A-1", "admin", looked_at.verifier)
    assert refused(error) == "station-key-not-presented"
    await site.knock(password=KEY)
    await keys.take_presented("A-1", "admin", looked_at.verifier)
    await site.require(1)
    assert (await site.knock(password=KEY)).status == 101
    assert keys.presented("A-1") is None


async def test_keys_shown_are_remembered_in_bounds(site: SecureSite) -> None:
    for n in range(MOST_PRESENTED + 1):
        await site.knock(f"X-{n}", password=KEY)
    await site.knock("Y", password=b"")
    assert site.security.keys.presented("X-0") is None
    assert site.security.keys.presented("X-1") is not None
    assert site.security.keys.presented("Y") is None


async def test_a_profile_without_a_way_in_is_not_required(site: SecureSite) -> None:
    for profile, key in (
        (1, "station-key-missing"),
        (2, "station-key-missing"),
        (3, "station-certificate-missing"),
    ):
        with pytest.raises(InvalidInputError) as error:
            await site.require(profile)
        assert refused(error) == key
    with pytest.raises(NotFoundError):
        await site.require(0, "A-9")


async def test_requiring_more_cuts_off_who_proves_less(site: SecureSite) -> None:
    await site.security.keys.type_key("A-1", KEY, "admin")
    station = await site.enter()
    await site.require(1)
    await settle()
    assert station.closed_because == "more is required now"
    again = await site.enter(password=KEY)
    await site.require(1)
    assert again.closed_because is None
    assert ("admin", "station-profile-required", "A-1") in await site.audit()


async def test_new_stations_are_brought_to_the_sites_profile_and_old_ones_are_not(
    site: SecureSite,
) -> None:
    defaults = SecurityDefaults(SecurityProfile.TLS_KEY, Strangers.TLS, " Régie ")
    await site.security.keys.set_defaults(defaults, "admin")
    assert site.security.keys.defaults.organisation == "Régie"
    stations = site.running.manager.services.stations
    new = msgspec.structs.replace(stations.configuration()[0], station_id="A-3", name="Trois")
    await stations.add(new, "admin")
    await site.power_cut()
    assert site.security.keys.defaults.profile is SecurityProfile.TLS_KEY
    assert site.record("A-3").wanted is SecurityProfile.TLS_KEY
    assert site.record("A-3").required is SecurityProfile.OPEN
    assert site.record("A-1") == StationSecurity("A-1")


@pytest.mark.parametrize("name", ["", " ", "x" * 51, "a\nb"])
async def test_the_organisation_has_bounds(site: SecureSite, name: str) -> None:
    with pytest.raises(InvalidInputError):
        await site.security.keys.set_defaults(SecurityDefaults(organisation=name), "admin")


async def test_a_removed_station_starts_afresh(site: SecureSite) -> None:
    await site.security.keys.type_key("A-1", KEY, "admin")
    await site.require(1)
    stations = site.running.manager.services.stations
    removed = stations.configuration()[0]
    await stations.remove("A-1", "admin")
    assert site.security.keys.find("A-1") is None
    await site.power_cut()
    await site.running.manager.services.stations.add(removed, "admin")
    assert site.record() == StationSecurity("A-1")


async def test_wanting_less_holds_at_once_and_wanting_the_same_ends_a_change(
    site: SecureSite,
) -> None:
    await site.security.keys.type_key("A-1", KEY, "admin")
    await site.require(2)
    await site.security.keys.want("A-1", SecurityProfile.CERTIFICATE, "admin")
    assert site.record().wanted is SecurityProfile.CERTIFICATE
    await site.security.keys.want("A-1", SecurityProfile.TLS_KEY, "admin")
    assert site.record().wanted is None
    await site.security.keys.want("A-1", SecurityProfile.KEY, "admin")
    assert (site.record().required, site.record().wanted) == (SecurityProfile.KEY, None)


async def test_without_a_secret_there_are_no_keys(site: SecureSite) -> None:
    running = site.running
    audit = AuditTrail(running.store.audit, running.clock)
    keys = StationKeys(running.store.security, None, audit, running.clock)
    await keys.load(running.manager.configuration.current.stations)
    keys.note_presented("A-1", b"key", "192.0.2.1")
    assert keys.presented("A-1") is None
    assert keys.match(keys.of("A-1"), b"key") is None
    assert await keys.printable_key("A-1") is None
    for work in (keys.new_key("A-1", "x"), keys.want("A-1", SecurityProfile.KEY, "x")):
        with pytest.raises(InvalidInputError) as error:
            await work
        assert refused(error) == "station-security-unavailable"
