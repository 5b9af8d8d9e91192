"""Callers become stations: by a click, by a list, in a window; and who stays outside, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.adoption import WindowScope
from app.domain.errors import InvalidInputError, NotFoundError, UnsafeConfigurationError
from app.domain.station import PendingStation, StationIdentity
from app.domain.units import Rotation
from app.services.adoption import AdoptionDefaults, AdoptionService
from app.services.inbox import MAX_CALLERS
from app.services.station_import import read_list
from tests.support.scripted import MemoryManager, ScriptedStation, settle

SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [
        {"id": "supply", "name": "Arrivée", "limit_a": [250] * 3, "worst_background_a": [30] * 3},
        {"id": "p1", "name": "Parking", "parent": "supply", "limit_a": [125] * 3},
    ],
    "stations": [{"id": "A-1", "circuit": "supply", "connectors": [{"id": 1}]}],
}
DEFAULTS = AdoptionDefaults("p1")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


def adoption_of(site: MemoryManager) -> AdoptionService:
    return site.manager.services.adoption


def stations(site: MemoryManager) -> list[str]:
    return [item.station_id for item in site.manager.configuration.current.stations]


def outlets(count: int) -> dict[str, Any]:
    setting = {"key": "NumberOfConnectors", "readonly": True, "value": str(count)}
    return {"configurationKey": [setting]}


async def call_in(
    site: MemoryManager, station_id: str, serial: str = "", **boot: Any
) -> ScriptedStation:
    """A caller that has introduced itself."""
    caller = site.connect(station_id)
    if serial:
        boot["chargeBoxSerialNumber"] = serial
    await caller.boot(**boot)
    return caller


async def import_list(site: MemoryManager, text: str, *, adopt: bool = False) -> int:
    return await adoption_of(site).import_list(
        read_list(text.encode()), "supply", adopt=adopt, actor="admin"
    )


async def audited(site: MemoryManager) -> list[tuple[str, str]]:
    """Newest first."""
    return [(record.action, record.actor) for record in await site.store.audit.recent()]


def refusal(site: MemoryManager, station_id: str) -> str:
    (caller,) = [c for c in adoption_of(site).callers() if c.pending.station_id == station_id]
    return caller.pending.refusal


# ------------------------------------------------------------------ one by one, all at once


async def test_connectors_are_asked_for_while_the_caller_waits(site: MemoryManager) -> None:
    caller = site.connect("N-1")
    caller.answers["GetConfiguration"] = outlets(2)
    assert (await caller.boot())["status"] == "Pending"
    await caller.boot()
    assert caller.sent("GetConfiguration") == [{"key": ["NumberOfConnectors"]}]
    (shown,) = adoption_of(site).callers()
    assert shown.pending.connector_ids == (1, 2)
    assert shown.online
    await adoption_of(site).adopt(["N-1"], DEFAULTS, "admin")
    adopted = site.manager.configuration.current.stations[-1]
    assert [connector.connector_id for connector in adopted.connectors] == [1, 2]


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (outlets(0), 0),
        (outlets(9), 4),
        ({"configurationKey": [{"key": "numberofconnectors", "readonly": True}]}, 0),
        (
            {"configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "two"}]},
            0,
        ),
        ({"unknownKey": ["NumberOfConnectors"]}, 0),
        ("NotSupported", 0),
    ],
)
async def test_odd_answers_about_connectors_do_no_harm(
    site: MemoryManager, answer: Any, count: int
) -> None:
    caller = site.connect("N-1")
    caller.answers["GetConfiguration"] = answer
    await caller.boot()
    (shown,) = adoption_of(site).callers()
    assert len(shown.pending.connector_ids) == count
    await caller.call("StatusNotification", connectorId=2, errorCode="NoError", status="Available")
    await caller.call("StatusNotification", connectorId=9, errorCode="NoError", status="Available")
    (shown,) = adoption_of(site).callers()
    assert 2 in shown.pending.connector_ids
    assert 9 not in shown.pending.connector_ids


async def test_a_hundred_callers_are_adopted_in_one_write_or_not_at_all(
    site: MemoryManager,
) -> None:
    names = [f"N-{n:03}" for n in range(99)]
    callers = [await call_in(site, name) for name in names]
    assert adoption_of(site).waiting() == 99
    extra = await call_in(site, "ONE-TOO-MANY")
    everybody = [*names, "ONE-TOO-MANY"]
    with pytest.raises(InvalidInputError) as refused:
        await adoption_of(site).adopt(everybody, DEFAULTS, "admin")
    assert refused.value.key == "too-many-stations"
    assert stations(site) == ["A-1"]
    assert adoption_of(site).waiting() == 100
    assert await adoption_of(site).adopt(names, DEFAULTS, "admin") == 99
    await settle()
    assert stations(site) == ["A-1", *names]
    assert adoption_of(site).waiting() == 1
    assert await site.store.site.load() == site.manager.configuration.current
    assert all(caller.sent("TriggerMessage") for caller in callers)
    assert not extra.sent("TriggerMessage")
    online = [live for live in site.manager.registry if live.online]
    assert len(online) == 99
    assert [name for name, _ in await audited(site)].count("stations-adopted") == 1


async def test_they_stand_in_the_list_as_people_number(site: MemoryManager) -> None:
    for name in ("N-10", "N-9", "M", "N-1"):
        await call_in(site, name)
    await adoption_of(site).adopt(["N-10", "N-9", "M", "N-1", "M"], DEFAULTS, "admin")
    assert stations(site) == ["A-1", "M", "N-1", "N-9", "N-10"]


async def test_what_the_person_chose_and_what_the_model_tells(site: MemoryManager) -> None:
    await call_in(site, "N-1", chargePointModel="0590 04")
    await call_in(site, "N-2", chargePointVendor="Other")
    (premium, other) = adoption_of(site).callers()
    assert premium.model is not None
    assert premium.model.second_outlet
    assert other.model is None
    await adoption_of(site).adopt(["N-1"], DEFAULTS, "admin")
    await adoption_of(site).adopt(["N-2"], AdoptionDefaults("p1", 16_000, 1), "admin")
    first, second = site.manager.configuration.current.stations[-2:]
    assert (first.max_ma, first.connectors[0].phases, first.fallback_ma) == (32_000, 3, 0)
    assert (second.max_ma, second.connectors[0].phases) == (16_000, 1)
    assert second.connectors[0].max_ma == 16_000


async def test_a_caller_forgotten_meanwhile_cannot_be_decided_about(site: MemoryManager) -> None:
    for decide in (adoption_of(site).ignore, adoption_of(site).block, adoption_of(site).allow):
        with pytest.raises(NotFoundError) as gone:
            await decide("nobody", "admin")
        assert gone.value.key == "caller-gone"


# ------------------------------------------------------------------ set aside


async def test_a_blocked_caller_is_cut_off_and_may_be_let_in_again(site: MemoryManager) -> None:
    caller = await call_in(site, "N-1")
    await adoption_of(site).block("N-1", "admin")
    await settle()
    assert caller.closed_because == "blocked"
    assert site.manager.is_blocked("N-1")
    assert not site.manager.is_blocked("N-2")
    assert adoption_of(site).callers() == ()
    (aside,) = adoption_of(site).set_aside()
    assert (aside.station_id, aside.blocked, aside.waits) == ("N-1", True, False)
    await adoption_of(site).allow("N-1", "admin")
    assert not site.manager.is_blocked("N-1")
    assert adoption_of(site).set_aside() == ()
    assert adoption_of(site).waiting() == 1
    assert [name for name, _ in await audited(site)][:2] == ["station-allowed", "station-blocked"]


async def test_strangers_without_number_push_out_no_decision(site: MemoryManager) -> None:
    inbox = site.manager._inbox
    await (await call_in(site, "BAD")).hang_up()
    await adoption_of(site).block("BAD", "admin")
    for number in range(MAX_CALLERS + 5):
        site.clock.advance(1)
        await site.connect(f"S-{number}").hang_up()
    assert inbox.is_blocked("BAD")
    assert len(inbox.waiting()) == MAX_CALLERS - 1
    assert inbox.get("S-0") is None
    assert len(await site.store.pending.list()) == MAX_CALLERS
    for caller in inbox.waiting():
        await adoption_of(site).ignore(caller.station_id, "admin")
    site.clock.advance(1)
    await site.connect("LAST").hang_up()
    # Where only decisions are left, one of them goes: the memory is bounded.
    assert len(await site.store.pending.list()) == MAX_CALLERS


async def test_a_power_cut_between_the_two_writes_leaves_nobody_twice(tmp_path: Path) -> None:
    before = MemoryManager(tmp_path, SITE)
    await before.start()
    await before.store.pending.save(
        PendingStation("A-1", StationIdentity(), "10.0.0.1", "2026-01-01", "2026-01-01")
    )
    await before.stop()
    after = MemoryManager(tmp_path, SITE)
    await after.start()
    assert after.manager._inbox.get("A-1") is None
    assert await after.store.pending.list() == []
    await after.stop()


# ------------------------------------------------------------------ signs of duplicates


async def test_one_serial_under_two_identities_is_told(site: MemoryManager) -> None:
    await call_in(site, "N-1", "S1")
    await call_in(site, "N-2", "S2")
    assert not any(caller.repeated_serial for caller in adoption_of(site).callers())
    await call_in(site, "N-3", "S1")
    told = {c.pending.station_id: c.repeated_serial for c in adoption_of(site).callers()}
    assert told == {"N-1": True, "N-2": False, "N-3": True}
    await adoption_of(site).adopt(["N-1"], DEFAULTS, "admin")
    told = {c.pending.station_id: c.repeated_serial for c in adoption_of(site).callers()}
    assert told == {"N-2": False, "N-3": True}


async def test_one_identity_from_two_addresses_is_told(site: MemoryManager) -> None:
    first = await call_in(site, "N-1")
    assert not adoption_of(site).callers()[0].several_addresses
    await first.hang_up()
    assert not adoption_of(site).callers()[0].online
    second = site.connect("N-1")
    second.link.address = "10.0.0.77"
    second.link.secure = True
    await second.boot()
    (caller,) = adoption_of(site).callers()
    assert caller.several_addresses
    assert caller.pending.addresses == ("10.0.0.77", "10.0.0.9")
    assert caller.pending.secure
    assert adoption_of(site).addresses() == {"10.0.0.77"}


# ------------------------------------------------------------------ lists


async def test_a_list_fills_in_what_waits_in_the_inbox(site: MemoryManager) -> None:
    text = "serial;name;place;circuit;max;phases;rotation\nab12;Nord;Place 4;Parking;16;1;STR\n"
    assert await import_list(site, text) == 1
    await call_in(site, "GREENUP", "AB12")
    await call_in(site, "OTHER", "ZZ")
    shown = {caller.pending.station_id: caller.plan for caller in adoption_of(site).callers()}
    assert shown["OTHER"] is None
    assert shown["GREENUP"] is not None
    await adoption_of(site).adopt(["GREENUP", "OTHER"], AdoptionDefaults("supply"), "admin")
    listed, other = site.manager.configuration.current.stations[-2:]
    assert (listed.name, listed.place, listed.circuit_id) == ("Nord", "Place 4", "p1")
    assert (listed.max_ma, listed.connectors[0].phases) == (16_000, 1)
    assert listed.connectors[0].rotation is Rotation.STR
    assert (other.name, other.circuit_id) == ("OTHER", "supply")
    assert adoption_of(site).plans() == ()
    assert await site.store.plans.list() == []


async def test_what_the_list_says_so_is_adopted_at_once(site: MemoryManager) -> None:
    already = await call_in(site, "N-0", "S0")
    await import_list(site, "identity;serial\nN-0;S0\nN-1;\n;S2\nLATER;\n", adopt=True)
    await settle()
    assert already.sent("TriggerMessage")
    caller = site.connect("N-1")
    caller.answers["GetConfiguration"] = outlets(2)
    await caller.boot()
    await call_in(site, "s2")  # its identity is the serial number of the sheet
    await call_in(site, "STRANGER", "S9")
    await settle()
    assert stations(site) == ["A-1", "N-0", "N-1", "s2"]
    assert len(site.manager.configuration.current.stations[2].connectors) == 2
    assert [plan.station_id for plan in adoption_of(site).plans()] == ["LATER"]
    assert ("stations-adopted", "manager") in await audited(site)
    assert ("stations-listed", "admin") in await audited(site)


async def test_a_name_goes_before_a_serial(site: MemoryManager) -> None:
    await import_list(site, "identity;serial;name\nOTHER;S1;by serial\nN-1;;by name\n")
    await call_in(site, "N-1", "S1")
    (caller,) = adoption_of(site).callers()
    assert caller.plan is not None
    assert caller.plan.name == "by name"


async def test_one_line_of_the_list_is_for_one_station(site: MemoryManager) -> None:
    await import_list(site, "identity;serial;name\nN-1;S1;Nord\n")
    await call_in(site, "TWIN", "S1")
    await call_in(site, "N-1", "S1")
    plans = {caller.pending.station_id: caller.plan for caller in adoption_of(site).callers()}
    assert plans["TWIN"] is None
    assert plans["N-1"] is not None
    await adoption_of(site).adopt(["TWIN", "N-1"], DEFAULTS, "admin")
    names = [item.name for item in site.manager.configuration.current.stations]
    assert names == ["A-1", "Nord", "TWIN"]


async def test_doubts_are_for_people(site: MemoryManager) -> None:
    await import_list(site, "identity;serial\nN-1;S1\n;S2\n", adopt=True)
    await call_in(site, "N-1", "OTHER")
    assert refusal(site, "N-1") == "caller-serial-differs"
    await call_in(site, "TWIN", "S7")
    await call_in(site, "TWO", "S2")
    await call_in(site, "TWO-AGAIN", "S2")
    await settle()
    assert stations(site) == ["A-1", "TWO"]
    assert adoption_of(site).waiting() == 3


async def test_two_that_show_one_serial_are_both_left_to_people(site: MemoryManager) -> None:
    await call_in(site, "X", "S2")
    await call_in(site, "Y", "S2")
    await import_list(site, "serial\nS2\n", adopt=True)
    assert stations(site) == ["A-1"]
    assert refusal(site, "X") == "caller-serial-repeated"
    assert all(caller.repeated_serial for caller in adoption_of(site).callers())


async def test_expected_stations_are_kept_and_removed(site: MemoryManager) -> None:
    await import_list(site, "identity;name\nN-1;Un\nN-2;Deux\n")
    assert await import_list(site, "identity;name\nN-1;Un\nN-2;Two\n") == 1
    assert await import_list(site, "identity;name\nN-1;Un\nN-2;Two\n") == 0
    first, second = await site.store.plans.list()
    assert (first.name, second.name) == ("Un", "Two")
    adoption = adoption_of(site)
    assert adoption.plan(first.plan_id) == first
    assert await adoption.remove_plans([first.plan_id, "none"], "admin") == 1
    assert await adoption.remove_plans(["none"], "admin") == 0
    with pytest.raises(NotFoundError):
        adoption.plan(first.plan_id)
    assert [plan.station_id for plan in adoption.plans()] == ["N-2"]


async def test_who_cannot_be_adopted_stays_with_the_reason_and_stops_nobody(
    site: MemoryManager,
) -> None:
    await import_list(site, "identity;circuit\nN-1;Parking\nN-2;\n", adopt=True)
    current = site.manager.configuration.current
    root = current.circuits[0]
    await site.manager.configuration.apply(
        msgspec.structs.replace(current, circuits=(root,)), "admin", "circuit-removed", "p1"
    )
    await call_in(site, "N-1")
    await call_in(site, "N-2")
    await settle()
    assert stations(site) == ["A-1", "N-2"]
    assert refusal(site, "N-1") == "station-unknown-circuit"
    (caller,) = adoption_of(site).callers()
    assert caller.pending.waits


async def test_an_unsafe_site_takes_nobody_in_by_itself(
    site: MemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the supply's check says is kept with its numbers, and the caller waits."""
    current = site.manager.configuration.current
    station = msgspec.structs.replace(current.stations[0], fallback_ma=32_000)
    root = msgspec.structs.replace(current.circuits[0], worst_background=None)
    # A site of an older version, whose worst case was not checked as strictly.
    site.manager.configuration.current = msgspec.structs.replace(
        current, circuits=(root, *current.circuits[1:]), stations=(station,)
    )
    await call_in(site, "N-1")
    with pytest.raises(UnsafeConfigurationError):
        await adoption_of(site).adopt(["N-1"], DEFAULTS, "admin")
    await adoption_of(site).open_window(15, WindowScope.ALL, "p1", "admin")
    assert refusal(site, "N-1") == "fallback-background-unknown"
    (caller,) = adoption_of(site).callers()
    assert caller.pending.refusal_params["circuit"] == "supply"
    assert stations(site) == ["A-1"]


# ------------------------------------------------------------------ the window


async def test_outside_of_a_window_callers_only_wait(site: MemoryManager) -> None:
    await import_list(site, "identity\nN-1\n")
    await call_in(site, "N-1")
    assert stations(site) == ["A-1"]
    assert adoption_of(site).window() is None
    assert adoption_of(site).window_left_s() == 0


async def test_a_window_for_all_takes_in_who_waits_and_who_comes(site: MemoryManager) -> None:
    await call_in(site, "BEFORE")
    await (await call_in(site, "GONE")).hang_up()
    adoption = adoption_of(site)
    window = await adoption.open_window(15, WindowScope.ALL, "p1", "claire")
    assert (window.by, window.scope) == ("claire", WindowScope.ALL)
    await call_in(site, "AFTER")
    await settle()
    assert stations(site) == ["A-1", "BEFORE", "AFTER"]
    assert {item.circuit_id for item in site.manager.configuration.current.stations[1:]} == {"p1"}
    assert adoption.window_left_s() == 15 * 60
    site.clock.advance(15 * 60 - 1)
    assert adoption.window_left_s() == 1
    await call_in(site, "JUST")
    await settle()
    site.clock.advance(1)
    assert adoption.window() is None
    await call_in(site, "LATE")
    await settle()
    assert stations(site) == ["A-1", "BEFORE", "AFTER", "JUST"]
    assert await adoption.adopt(["LATE"], DEFAULTS, "claire") == 1


async def test_a_window_for_the_list_takes_in_nobody_else(site: MemoryManager) -> None:
    await import_list(site, "identity;circuit\nN-1;Parking\nN-2;\n")
    await adoption_of(site).open_window(60, WindowScope.LISTED, "supply", "admin")
    await call_in(site, "N-1")
    await call_in(site, "STRANGER")
    await settle()
    assert stations(site) == ["A-1", "N-1"]
    assert site.manager.configuration.current.stations[-1].circuit_id == "p1"


async def test_a_window_is_closed_by_hand_and_recorded(site: MemoryManager) -> None:
    adoption = adoption_of(site)
    await adoption.close_window("admin")
    await adoption.open_window(15, WindowScope.ALL, "p1", "admin")
    await adoption.open_window(480, WindowScope.LISTED, "p1", "admin")
    window = adoption.window()
    assert window is not None
    assert window.until_utc - window.opened_utc == timedelta(hours=8)
    await adoption.close_window("bob")
    assert adoption.window() is None
    assert await site.store.plans.window() is None
    assert await audited(site)
    assert [record for record in await audited(site) if "window" in record[0]] == [
        ("window-closed", "bob"),
        ("window-opened", "admin"),
        ("window-opened", "admin"),
    ]


async def test_a_window_closes_by_itself_and_says_so(site: MemoryManager) -> None:
    await adoption_of(site).open_window(15, WindowScope.ALL, "p1", "admin")
    await settle()
    site.clock.advance(15 * 60)
    # The clock stands still for the loop: it looks again when something changes.
    adoption_of(site)._window_changed.set()
    await settle()
    assert await site.store.plans.window() is None
    assert (await audited(site))[0] == ("window-closed", "manager")


@pytest.mark.parametrize("minutes", [0, 5, 1_000_000])
async def test_a_window_is_never_open_for_long(site: MemoryManager, minutes: int) -> None:
    with pytest.raises(InvalidInputError):
        await adoption_of(site).open_window(minutes, WindowScope.ALL, "p1", "admin")
    with pytest.raises(InvalidInputError):
        await adoption_of(site).open_window(15, WindowScope.ALL, "nowhere", "admin")
    assert adoption_of(site).window() is None


async def test_a_clock_set_back_lengthens_no_window(site: MemoryManager) -> None:
    adoption = adoption_of(site)
    await adoption.open_window(15, WindowScope.ALL, "p1", "admin")
    site.clock.advance(14 * 60)
    site.clock._start -= timedelta(minutes=10)
    assert adoption.window() is not None
    site.clock.advance(60)
    assert adoption.window() is None


@pytest.mark.parametrize(
    ("away_s", "is_open"),
    [(5 * 60, True), (15 * 60, False), (3 * 86_400, False), (-60, False)],
)
async def test_a_restart_neither_lengthens_nor_forgets_a_window(
    tmp_path: Path, away_s: float, is_open: bool
) -> None:
    before = MemoryManager(tmp_path, SITE)
    await before.start()
    await adoption_of(before).open_window(15, WindowScope.ALL, "p1", "admin")
    opened = before.clock.utc_now()
    await before.stop()
    after = MemoryManager(tmp_path, SITE)
    after.clock.advance(away_s)
    await after.start()
    adoption = adoption_of(after)
    assert (adoption.window() is not None) is is_open
    if is_open:
        after.clock.advance((opened - after.clock.utc_now()).total_seconds() + 15 * 60)
    else:
        assert ("window-closed", "manager") in await audited(after)
        assert await after.store.plans.window() is None
    await call_in(after, "N-1")
    await settle()
    assert stations(after) == ["A-1"]
    await after.stop()
