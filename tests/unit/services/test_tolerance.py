"""What real stations do to their transactions, and what becomes of it; see ``tests/README.md``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.badge import Badge
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import ConnectorKey
from app.domain.transaction import Transaction
from app.services.registry import StationLive
from tests.support.scripted import MemoryManager, ScriptedStation

SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [{"id": "supply", "name": "Arrivée", "limit_a": [80, 80, 80], "margin_a": 2}],
    "stations": [
        {"id": "A-1", "circuit": "supply", "connectors": [{"id": 1}]},
        {"id": "A-2", "circuit": "supply", "connectors": [{"id": 1}, {"id": 2}]},
    ],
    "badges": [{"id_tag": "04A1B2", "holder": "Claire"}, {"id_tag": "C0FFEE", "holder": "Denis"}],
}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


def at(site: MemoryManager, minutes: float = 0) -> str:
    return (site.clock.utc_now() + timedelta(minutes=minutes)).isoformat()


async def started(
    site: MemoryManager, station: ScriptedStation, minutes: float = 0, **changes: Any
) -> int:
    payload = {
        "connectorId": 1,
        "idTag": "04A1B2",
        "meterStart": 1_000,
        "timestamp": at(site, minutes),
    }
    answer = await station.call("StartTransaction", **payload | changes)
    return int(answer["transactionId"])


async def stopped(
    site: MemoryManager, station: ScriptedStation, number: int, minutes: float = 0, **changes: Any
) -> dict[str, Any]:
    payload = {"transactionId": number, "meterStop": 5_000, "timestamp": at(site, minutes)}
    return await station.call("StopTransaction", **payload | changes)


async def measured(
    site: MemoryManager, station: ScriptedStation, minutes: float = 0, **changes: Any
) -> None:
    fields = {"connectorId": 1, "amperes": 16.0, "energy": None, "power": None} | changes
    sampled = [
        {"value": str(fields["amperes"]), "measurand": "Current.Import", "unit": "A", "phase": p}
        for p in ("L1", "L2", "L3")
    ]
    if fields["energy"] is not None:
        sampled.append({"value": str(fields["energy"]), "unit": "Wh"})
    if fields["power"] is not None:
        power = {"value": str(fields["power"]), "measurand": "Power.Active.Import", "unit": "W"}
        sampled.append(power)
    payload: dict[str, Any] = {
        "connectorId": fields["connectorId"],
        "meterValue": [{"timestamp": at(site, minutes), "sampledValue": sampled}],
    }
    if "transactionId" in fields:
        payload["transactionId"] = fields["transactionId"]
    await station.call("MeterValues", **payload)


async def recorded(site: MemoryManager, number: int) -> Transaction:
    found = await site.manager.sessions.get(number)
    assert found is not None
    return found


def live(site: MemoryManager, station_id: str = "A-1") -> StationLive:
    found = site.manager.registry.station(station_id)
    assert found is not None
    return found


def running(site: MemoryManager, station_id: str = "A-1", connector_id: int = 1) -> int | None:
    transaction = live(site, station_id).connectors[connector_id].transaction
    return None if transaction is None else transaction.transaction_id


# ------------------------------------------------------------------ 17: repeats and orphans


async def test_a_start_repeated_after_a_restart_is_answered_the_same(
    site: MemoryManager, tmp_path: Path
) -> None:
    moment = at(site)
    number = await started(site, site.connect("A-1"), timestamp=moment)
    site.store.abandon()
    site.manager.abandon()
    again = MemoryManager(tmp_path)
    await again.start()
    try:
        station = again.connect("A-1")
        assert await started(again, station, timestamp=moment) == number
        assert await again.manager.sessions.count() == 1
    finally:
        await again.stop()


async def test_a_start_without_a_time_is_not_recorded_twice(site: MemoryManager) -> None:
    station = site.connect("A-1")
    number = await started(site, station, timestamp="soon")
    site.clock.advance(30)
    assert await started(site, station, timestamp="soon") == number
    await stopped(site, station, number)
    assert await started(site, station, timestamp="soon") != number


async def test_a_new_start_on_a_busy_outlet_closes_the_orphan(site: MemoryManager) -> None:
    station = site.connect("A-1")
    orphan = await started(site, station)
    site.clock.advance(3600)
    number = await started(site, station, meterStart=4_000)
    closed = await recorded(site, orphan)
    assert (closed.estimated_stop, closed.energy_wh) == (True, 3_000)
    assert running(site) == number


async def test_an_orphan_that_goes_on_is_opened_again(site: MemoryManager) -> None:
    station = site.connect("A-1")
    number = await started(site, station)
    site.clock.advance(600)
    await measured(site, station, transactionId=number)
    phantom = await started(site, station, meterStart=3_000)
    assert running(site) == phantom
    for _ in range(2):
        assert running(site) == phantom
        site.clock.advance(30)
        await measured(site, station, transactionId=number)
    assert running(site) == number
    assert (await recorded(site, number)).is_open
    assert (await recorded(site, phantom)).estimated_stop
    await stopped(site, station, number)
    assert (await recorded(site, number)).is_sure


async def test_a_straggler_of_the_last_session_opens_nothing(site: MemoryManager) -> None:
    station = site.connect("A-1")
    first = await started(site, station)
    site.clock.advance(60)
    second = await started(site, station, meterStart=2_000)
    for number in (first, second, first, second):
        site.clock.advance(30)
        await measured(site, station, transactionId=number)
    assert running(site) == second
    await stopped(site, station, second)
    third = await started(site, station, 1, meterStart=6_000)
    for _ in range(3):
        site.clock.advance(30)
        await measured(site, station, transactionId=second)
    assert running(site) == third


async def test_a_start_held_back_until_the_next_one_runs_leaves_it_running(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    site.clock.advance(7_200)
    current = await started(site, station, meterStart=8_000)
    late = await started(site, station, -100, meterStart=5_000)
    assert running(site) == current
    assert (await recorded(site, late)).estimated_stop
    await stopped(site, station, late, -40, meterStop=8_000)
    told = await recorded(site, late)
    assert told.is_sure
    assert told.energy_wh == 3_000
    assert running(site) == current


async def test_a_start_of_a_clock_that_was_reset_is_the_present(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await started(site, station)
    number = await started(site, station, timestamp="2000-01-01T00:00:00Z")
    assert running(site) == number


# ------------------------------------------------------------------ 18: stops of the unknown


@pytest.mark.parametrize("number", [-1, 0, 4_711])
async def test_a_stop_without_its_number_ends_the_only_session_it_can(
    site: MemoryManager, number: int
) -> None:
    station = site.connect("A-1")
    started_as = await started(site, station)
    site.clock.advance(3_600)
    moment = at(site)
    for _ in range(2):
        assert await stopped(site, station, number, timestamp=moment) == {}
        ended = await recorded(site, started_as)
        assert (ended.assigned_stop, ended.energy_wh) == (True, 4_000)
        assert running(site) is None
    assert await site.manager.services.parked.count() == 0


async def test_the_number_of_another_stations_session_ends_nothing_there(
    site: MemoryManager,
) -> None:
    mine, other = site.connect("A-1"), site.connect("A-2")
    number = await started(site, other)
    site.clock.advance(60)
    assert await stopped(site, mine, number) == {}
    assert (await recorded(site, number)).is_open
    assert running(site, "A-2") == number
    (parked,) = await site.manager.services.parked.waiting()
    assert (parked.station_id, parked.transaction_id) == ("A-1", number)


async def test_two_sessions_that_fit_are_for_a_person_to_tell_apart(site: MemoryManager) -> None:
    station = site.connect("A-2")
    one = await started(site, station)
    two = await started(site, station, connectorId=2)
    site.clock.advance(3_600)
    await stopped(site, station, -1)
    parked = site.manager.services.parked
    (stop,) = await parked.waiting()
    found = await parked.candidates(stop)
    assert {each.transaction_id for each in found} == {one, two}
    await parked.attach(stop.key, two, "admin")
    assert (await recorded(site, two)).energy_wh == 4_000
    assert running(site, "A-2", 2) is None
    assert running(site, "A-2", 1) == one
    with pytest.raises(NotFoundError):
        await parked.attach(stop.key, one, "admin")
    assert [each.action for each in await site.store.audit.recent(1)] == ["stop-attached"]


async def test_a_stop_is_not_attached_to_a_sure_end_and_can_be_dismissed(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    number = await started(site, station)
    await stopped(site, station, number, 10)
    moment = at(site, 20)
    await stopped(site, station, -1, timestamp=moment)
    parked = site.manager.services.parked
    (stop,) = await parked.waiting()
    assert await parked.candidates(stop) == []
    with pytest.raises(InvalidInputError, match="parked-not-attachable"):
        await parked.attach(stop.key, number, "admin")
    await parked.dismiss(stop.key, "admin")
    assert await parked.count() == 0
    # Its repeats stay dismissed.
    await stopped(site, station, -1, timestamp=moment)
    assert await parked.count() == 0
    with pytest.raises(NotFoundError):
        await parked.dismiss(stop.key, "admin")


async def test_a_stop_of_the_unknown_without_a_time_waits_once(site: MemoryManager) -> None:
    station = site.connect("A-1")
    for _ in range(3):
        site.clock.advance(60)
        await stopped(site, station, -1, timestamp="then")
    assert await site.manager.services.parked.count() == 1


# ------------------------------------------------------------------ 19: what happened offline


async def test_an_outage_is_replayed_in_order_with_its_own_times(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await station.boot()
    site.clock.advance(4 * 3_600)
    station = site.connect("A-1")
    first = await started(site, station, -180)
    await measured(site, station, -150, transactionId=first, energy=3_000)
    await stopped(site, station, first, -120)
    second = await started(site, station, -60, meterStart=5_000)
    one, two = await recorded(site, first), await recorded(site, second)
    assert (one.started_utc, one.stopped_utc) == (
        site.clock.utc_now() - timedelta(minutes=180),
        site.clock.utc_now() - timedelta(minutes=120),
    )
    assert one.is_sure
    assert running(site) == second == two.transaction_id
    assert two.received_utc == site.clock.utc_now()


async def test_a_stop_that_comes_before_its_start_finds_it(site: MemoryManager) -> None:
    station = site.connect("A-1")
    site.clock.advance(4 * 3_600)
    await stopped(site, station, -1, -60, idTag="04A1B2")
    assert await site.manager.services.parked.count() == 1
    number = await started(site, station, -120)
    ended = await recorded(site, number)
    assert (ended.assigned_stop, ended.energy_wh) == (True, 4_000)
    assert running(site) is None
    assert await site.manager.services.parked.count() == 0


async def test_late_measurements_go_to_the_session_they_belong_to(site: MemoryManager) -> None:
    station = site.connect("A-1")
    first = await started(site, station)
    site.clock.advance(1_800)
    await stopped(site, station, first)
    second = await started(site, station, 1, meterStart=5_000)
    await measured(site, station, -10, transactionId=first, energy=3_333)
    await measured(site, station, -9, transactionId=999_999, energy=4_444)
    await site.store.flush()
    rows = await site.store._engine.read(
        lambda database: database.raw.execute(
            "SELECT transaction_id, energy_wh FROM sample ORDER BY at_us"
        ).fetchall()
    )
    assert rows == [(first, 3_333), (second, 4_444)]


async def test_what_a_stop_brings_of_its_session_is_kept_as_samples(site: MemoryManager) -> None:
    station = site.connect("A-1")
    number = await started(site, station)
    site.clock.advance(600)
    data = [
        {"timestamp": at(site, -5), "sampledValue": [{"value": "2000", "unit": "Wh"}]},
        {"timestamp": "never", "sampledValue": [{"value": "2500", "unit": "Wh"}]},
    ]
    await stopped(site, station, number, transactionData=data)
    await site.store.flush()
    trace = await site.manager.sessions.measured(await recorded(site, number))
    assert [point.energy_wh for point in trace] == [2_000]


async def test_energy_between_two_sessions_is_reported(site: MemoryManager) -> None:
    station = site.connect("A-1")
    first = await started(site, station)
    await stopped(site, station, first, 30)
    site.clock.advance(7_200)
    second = await started(site, station, meterStart=5_800)
    (gap,) = await site.manager.services.parked.gaps("A-1")
    assert (gap.energy_wh, gap.after_id, gap.before_id) == (800, first, second)
    assert gap.key == ConnectorKey("A-1", 1)
    assert not gap.is_estimated


async def test_a_register_of_the_session_reports_no_gap_and_right_energy(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    await station.boot(firmwareVersion="V01.01.65/V01.01.08")
    assert live(site).quirks.session_meter
    for start_wh, stop_wh in ((0, 500), (900, 1_400)):
        number = await started(site, station, meterStart=start_wh)
        site.clock.advance(600)
        await stopped(site, station, number, meterStop=stop_wh)
        assert (await recorded(site, number)).energy_wh == 500
    assert await site.manager.services.parked.gaps("A-1") == ()
    assert await site.manager.services.parked.gaps("nobody") == ()


async def test_registers_that_begin_at_nought_are_known_for_what_they_are(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    for _ in range(3):
        number = await started(site, station, meterStart=0)
        site.clock.advance(600)
        await stopped(site, station, number, meterStop=0)
        site.clock.advance(600)
    assert await site.manager.services.parked.gaps("A-1") == []


# ------------------------------------------------------------------ 20 to 22: badges


async def test_an_unknown_badge_in_a_recorded_session_waits_to_be_adopted(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    site.clock.advance(7_200)
    answer = await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="BEEF01",
        meterStart=0,
        timestamp=at(site, -60),
    )
    assert answer["idTagInfo"] == {"status": "Invalid"}
    assert (await recorded(site, answer["transactionId"])).id_tag == "BEEF01"
    seen = site.manager.badges.get("BEEF01")
    assert (seen.known, seen.active) == (False, False)
    await site.manager.badges.create(Badge("BEEF01", "Zoé"), "admin")
    assert (await station.call("Authorize", idTag="beef01"))["idTagInfo"]["status"] == "Accepted"


@pytest.mark.parametrize("read", ["04a1b2", "04:A1:B2", "04-a1-b2", " 04A1B2 "])
async def test_a_badge_is_the_same_however_it_is_written(site: MemoryManager, read: str) -> None:
    station = site.connect("A-1")
    assert (await station.call("Authorize", idTag=read))["idTagInfo"]["status"] == "Accepted"
    assert all(badge.known for badge in site.manager.badges.list())


async def test_a_reader_that_reads_backwards_is_understood_where_it_is_known(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    assert (await station.call("Authorize", idTag="B2A104"))["idTagInfo"]["status"] == "Invalid"
    await site.manager.badges.remove("B2A104", "admin")
    await site.manager.quirks.set("A-1", "reversed_uid", True, "admin")
    assert (await station.call("Authorize", idTag="B2A104"))["idTagInfo"]["status"] == "Accepted"
    await started(site, station, idTag="B2A104")
    assert live(site).connectors[1].authorized


async def test_a_badge_charges_as_often_as_it_may_and_not_once_more(site: MemoryManager) -> None:
    badges = site.manager.badges
    await badges.edit("04A1B2", Badge("04A1B2", max_sessions=1), "admin")
    one, two = site.connect("A-1"), site.connect("A-2")
    number = await started(site, one)
    # Asked again at the same outlet, it is the same charge.
    moment = recorded(site, number)
    assert await started(site, one, timestamp=(await moment).started_utc.isoformat()) == number
    assert live(site).connectors[1].authorized
    assert (await two.call("Authorize", idTag="04a1b2"))["idTagInfo"]["status"] == "ConcurrentTx"
    assert (await two.call("Authorize", idTag="C0FFEE"))["idTagInfo"]["status"] == "Accepted"
    refused = await started(site, two)
    assert not live(site, "A-2").connectors[1].authorized
    await stopped(site, two, refused, 1)
    await stopped(site, one, number, 1)
    assert (await two.call("Authorize", idTag="04A1B2"))["idTagInfo"]["status"] == "Accepted"


async def test_a_station_is_told_the_group_and_the_end_of_a_badge(site: MemoryManager) -> None:
    until = site.clock.utc_now() + timedelta(days=9)
    badge = Badge("04A1B2", expires_utc=until, parent="FLEET")
    await site.manager.badges.edit("04A1B2", badge, "admin")
    station = site.connect("A-1")
    told = (await station.call("Authorize", idTag="04A1B2"))["idTagInfo"]
    assert told["status"] == "Accepted"
    assert told["parentIdTag"] == "FLEET"
    assert told["expiryDate"].startswith(until.date().isoformat())


@pytest.mark.parametrize("changes", [{"max_sessions": 0}, {"parent": "x" * 21}])
async def test_a_badge_with_an_impossible_group_or_number_is_refused(
    site: MemoryManager, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError):
        await site.manager.badges.edit("04A1B2", Badge("04A1B2", **changes), "admin")


# ------------------------------------------------------------------ 23: clocks


async def test_the_skew_of_a_clock_is_seen_in_whatever_it_dates(site: MemoryManager) -> None:
    sessions = site.manager.sessions
    assert sessions.clock_skew_s("A-1") is None
    assert sessions.clock_skew_s("nobody") is None
    station = site.connect("A-1")
    await station.call(
        "StatusNotification",
        connectorId=1,
        errorCode="NoError",
        status="Available",
        timestamp=at(site, 60),
    )
    assert sessions.clock_skew_s("A-1") == 3_600.0
    # What is replayed is older, and says nothing of the clock.
    await measured(site, station, -600)
    assert sessions.clock_skew_s("A-1") == 3_600.0
    site.clock.advance(3_600)
    await measured(site, station, -2)
    assert sessions.clock_skew_s("A-1") == -120.0


async def test_a_time_without_zone_is_read_in_the_zone_of_its_station(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    await site.manager.quirks.set("A-1", "zone", "site", "admin")
    number = await started(site, station, timestamp="2026-11-22T09:00:00")
    assert (await recorded(site, number)).started_utc.hour == 8
    other = await started(site, site.connect("A-2"), timestamp="2026-11-22T08:00:00")
    assert (await recorded(site, other)).started_utc.hour == 8


# ------------------------------------------------------------------ 24: units


@pytest.mark.parametrize("starts_in_kwh", [True, False])
async def test_a_register_in_kwh_is_found_out_and_converted_from_then_on(
    site: MemoryManager, starts_in_kwh: bool
) -> None:
    station = site.connect("A-1")
    number = await started(site, station, meterStart=361 if starts_in_kwh else 361_000)
    for minute in range(120):
        register = int(361 + 11.04 * minute / 60)
        await measured(site, station, transactionId=number, energy=register, power=11_040)
        site.clock.advance(60)
    assert live(site).quirks.energy_scale == 1_000
    shown = live(site).connectors[1].session_energy_wh
    assert shown is not None
    assert 20_000 <= shown <= 23_000
    await stopped(site, station, number, meterStop=383 if starts_in_kwh else 383_000)
    assert (await recorded(site, number)).energy_wh == 22_000
    counts = await site.manager.repairs.counts("A-1")
    assert "energy-scale" in {one.name for one in counts}
    # It is known from now on, after a restart as well.
    await site.manager.quirks.load()
    assert live(site).quirks.meter_scale == (1_000 if starts_in_kwh else 1)


async def test_a_session_from_nought_shows_its_unit_at_its_end(site: MemoryManager) -> None:
    station = site.connect("A-1")
    number = await started(site, station, meterStart=0)
    for minute in range(120):
        register = int(11.04 * minute / 60)
        await measured(site, station, transactionId=number, energy=register, power=11_040)
        site.clock.advance(60)
    assert live(site).quirks.energy_scale == 1_000
    await stopped(site, station, number, meterStop=22)
    assert (await recorded(site, number)).energy_wh == 22_000


async def test_a_power_in_kw_is_found_out(site: MemoryManager) -> None:
    station = site.connect("A-1")
    number = await started(site, station, meterStart=0)
    for minute in range(60):
        energy = int(11_040 * minute / 60)
        await measured(site, station, transactionId=number, energy=energy, power=11.04)
        site.clock.advance(60)
    assert live(site).quirks.power_scale == 1_000
    assert live(site).quirks.meter_scale == 1
    sample = live(site).connectors[1].sample
    assert sample is not None
    assert sample.power_w == 11_040


# ------------------------------------------------------------------ what was repaired


async def test_repaired_messages_are_counted_and_kept_over_a_restart(
    site: MemoryManager, tmp_path: Path
) -> None:
    station = site.connect("A-1")
    for n in range(25):
        await station.call("Authorize", idTag=n, colour="red")
    repairs = site.manager.repairs
    assert repairs.total("A-1") == 50
    counts = {one.name: one.messages for one in await repairs.counts("A-1")}
    assert counts == {"number-as-text": 25, "unknown-field": 25}
    frames = await repairs.frames("A-1", "unknown-field")
    assert len(frames) == 20
    assert '"idTag": 24' in frames[0].frame
    assert '"colour": "red"' in frames[0].frame
    await station.call("Authorize", idTag=99)
    await site.manager.stop()
    again = MemoryManager(tmp_path)
    await again.start()
    try:
        assert again.manager.repairs.total("A-1") == 51
        (newest, *_) = await again.manager.repairs.frames("A-1", "number-as-text")
        assert '"idTag": 99' in newest.frame
    finally:
        await again.stop()


async def test_strangers_leave_no_trace_in_the_register_of_repairs(site: MemoryManager) -> None:
    caller = site.connect("NEW-1")
    await caller.call("Authorize", idTag=1)
    await site.manager.repairs.flush()
    assert await site.store.repairs.totals() == {}


async def test_a_start_at_an_outlet_that_is_not_there_is_at_the_only_one(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    number = await started(site, station, connectorId=0)
    assert running(site) == number
    counts = await site.manager.repairs.counts("A-1")
    assert [one.name for one in counts] == ["connector-unknown"]
    other = await started(site, site.connect("A-2"), connectorId=7)
    assert (await recorded(site, other)).connector_id == 7


async def test_measurements_without_an_outlet_go_where_their_session_runs(
    site: MemoryManager,
) -> None:
    station = site.connect("A-2")
    number = await started(site, station, connectorId=2)
    await measured(site, station, connectorId=0, transactionId=number)
    assert live(site, "A-2").connectors[2].sample is not None
    # Not by the session of another station.
    other = site.connect("A-1")
    await measured(site, other, connectorId=0, transactionId=number)
    assert live(site).connectors[1].sample is None


async def test_replayed_states_hold_in_their_order_whatever_their_times(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    for minutes, status in ((-90, "Charging"), (-30, "Finishing"), (-60, "Available")):
        await station.call(
            "StatusNotification",
            connectorId=1,
            errorCode="NoError",
            status=status,
            timestamp=at(site, minutes),
        )
    assert live(site).connectors[1].status.value == "Available"
    assert live(site).online


async def test_more_keys_than_promised_and_a_heartbeat_once_a_day(site: MemoryManager) -> None:
    station = site.connect("A-1")
    keys = [{"key": f"Maker{n}", "readonly": True, "value": str(n)} for n in range(300)]
    keys += [
        {"key": "GetConfigurationMaxKeys", "readonly": True, "value": "10"},
        {"key": "HeartbeatInterval", "readonly": False, "value": "86400"},
    ]
    station.answers["GetConfiguration"] = {"configurationKey": keys, "unknownKey": []}
    await station.boot()
    told = {call["key"]: call["value"] for call in station.sent("ChangeConfiguration")}
    assert int(told["HeartbeatInterval"]) <= 300


# ------------------------------------------------------------------ quirks


async def test_a_kind_that_cannot_bear_pending_is_told_otherwise(site: MemoryManager) -> None:
    await site.connect("A-1").boot()
    await site.manager.quirks.set("A-1", "waiting", "Rejected", "admin", for_model=True)
    assert (await site.connect("NEW-1").boot())["status"] == "Rejected"
    assert (await site.connect("NEW-2").boot(chargePointModel="other"))["status"] == "Pending"


async def test_crossed_outlets_are_told_apart_in_both_directions(site: MemoryManager) -> None:
    await site.manager.quirks.set("A-2", "connectors", [[1, 2], [2, 1]], "admin")
    station = site.connect("A-2")
    number = await started(site, station, connectorId=1)
    assert running(site, "A-2", 2) == number
    await site.manager.services.remote.commands.start(ConnectorKey("A-2", 1), "C0FFEE", "admin")
    assert station.sent("RemoteStartTransaction")[-1]["connectorId"] == 2


async def test_a_station_that_must_conform_is_refused_what_is_wrong(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await site.manager.quirks.set("A-1", "strict", True, "admin")
    assert (await station.exchange("Authorize", {"idTag": 5}))[0] == 4
    await site.manager.quirks.set("A-1", "strict", None, "admin")
    assert (await station.exchange("Authorize", {"idTag": 5}))[0] == 3


async def test_the_last_word_on_a_quirk_is_the_stations_own(site: MemoryManager) -> None:
    quirks = site.manager.quirks
    await site.connect("A-1").boot(firmwareVersion="V01.01.65")

    def session_meter() -> tuple[Any, str]:
        line = next(one for one in quirks.lines("A-1") if one.name == "session_meter")
        return line.value, line.origin

    assert session_meter() == (True, "family")
    await quirks.set("A-1", "session_meter", False, "admin", for_model=True)
    assert session_meter() == (False, "model")
    await quirks.learn(live(site), session_meter=True)
    assert session_meter() == (True, "learnt")
    await quirks.set("A-1", "session_meter", False, "admin")
    assert session_meter() == (False, "station")
    for scope in (False, True):
        await quirks.set("A-1", "session_meter", None, "admin", for_model=scope)
    assert session_meter() == (True, "learnt")


@pytest.mark.parametrize(
    ("name", "value"), [("zone", "Mars/Olympus"), ("energy_scale", -1.0), ("waiting", "No")]
)
async def test_a_value_that_a_quirk_cannot_have_is_refused(
    site: MemoryManager, name: str, value: Any
) -> None:
    with pytest.raises(InvalidInputError, match="quirk-value"):
        await site.manager.quirks.set("A-1", name, value, "admin")
    with pytest.raises(InvalidInputError, match="quirk-no-model"):
        await site.manager.quirks.set("A-1", "pings", False, "admin", for_model=True)
    with pytest.raises(NotFoundError):
        await site.manager.quirks.set("nobody", "pings", False, "admin")


async def test_whole_amperes_are_counted_with_what_they_hide(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await started(site, station)
    await measured(site, station, amperes=6.5)
    site.clock.advance(10)
    await measured(site, station, amperes=6.0)
    exact = live(site).connectors[1].energy_sample()
    await site.manager.quirks.set("A-1", "whole_amperes", True, "admin")
    site.clock.advance(10)
    await measured(site, station, amperes=6.0)
    cut = live(site).connectors[1].energy_sample()
    assert exact is not None
    assert cut is not None
    assert (exact.high.l1, cut.high.l1) == (6_000, 7_000)
