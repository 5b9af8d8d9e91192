"""Evidence of overloads and reactions, from a real manager whose meter and stations are played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.adapters.storage import open_store
from app.domain.circuit import Circuit
from app.domain.errors import StorageError
from app.domain.evidence import EventKind, EvidenceEvent, EvidenceMonth
from app.domain.units import PhaseCurrents
from app.services import evidence as module
from tests.support.scripted import MemoryManager, settle
from tests.unit.services.test_intake import SITE, charging


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


async def seen(site: MemoryManager, kind: EventKind | None = None) -> list[EvidenceEvent]:
    since = site.clock.utc_now() - timedelta(days=30)
    events = await site.manager.evidence.events(since)
    return [event for event in events if kind is None or event.kind is kind]


async def month(site: MemoryManager) -> EvidenceMonth:
    """The newest account; the manager's own first cycle belongs to it."""
    return (await site.manager.evidence.months())[-1]


# ------------------------------------------------------------------------------- overloads


async def test_nothing_happens_while_the_meter_shows_no_more_than_the_limit(
    site: MemoryManager,
) -> None:
    await site.cycle(20, readings=(50, 49, 10))
    assert await seen(site) == []
    account = await month(site)
    assert account.month == "2026-11"
    assert account.observed_s == 20
    assert account.since_utc <= site.clock.utc_now() - timedelta(seconds=19)


async def test_an_overload_has_its_beginning_its_end_and_its_peak(site: MemoryManager) -> None:
    await site.cycle(5, readings=(40, 40, 40))
    began = site.clock.utc_now() + timedelta(seconds=1)
    await site.cycle(2, readings=(51, 40, 40))
    await site.cycle(3, readings=(54, 40, 40))
    (lasting,) = await seen(site)
    assert lasting.ended_utc is None
    assert site.manager.evidence.lasts(lasting)
    await site.cycle(10, readings=(40, 40, 40))
    (event,) = await seen(site)
    assert not site.manager.evidence.lasts(event)
    assert event == EvidenceEvent(
        EventKind.OVERLOAD,
        "supply",
        "supply",
        began,
        began + timedelta(seconds=5),
        phase=0,
        limit_ma=50_000,
        peak_ma=54_000,
        severe_s=3.0,
    )
    account = await month(site)
    assert (account.overloads, account.severe, account.longest_s) == (1, 1, 5.0)


async def test_a_short_dip_does_not_end_an_overload(site: MemoryManager) -> None:
    await site.cycle(2, readings=(51, 40, 40))
    await site.cycle(2, readings=(49, 40, 40))
    await site.cycle(2, readings=(51, 40, 40))
    await site.cycle(6, readings=(49, 40, 40))
    (event,) = await seen(site)
    assert event.duration_s == 6
    assert event.severe_s == 0


async def test_each_phase_has_its_own_events(site: MemoryManager) -> None:
    await site.cycle(2, readings=(51, 40, 60))
    assert {event.phase for event in await seen(site)} == {0, 2}
    assert (await month(site)).severe == 1


async def test_an_overload_ends_with_the_last_word_of_its_meter(site: MemoryManager) -> None:
    await site.cycle(3, readings=(51, 40, 40))
    await site.cycle(40)
    (event,) = await seen(site, EventKind.OVERLOAD)
    assert event.duration_s == 2


async def test_the_reaction_is_the_time_to_the_last_accepted_decrease(site: MemoryManager) -> None:
    station, _ = await charging(site)
    sent = len(station.sent("SetChargingProfile"))
    await site.cycle(1, readings=(60, 60, 60))
    await site.cycle(8, readings=(30, 30, 30))
    assert len(station.sent("SetChargingProfile")) > sent
    events = await seen(site, EventKind.OVERLOAD)
    assert len(events) == 3
    # The sample, the plan and the station's answer all fall into one instant of the test's clock.
    assert {event.reaction_s for event in events} == {0.0}


async def test_a_decrease_that_is_answered_late_counts_when_it_is_accepted(
    site: MemoryManager,
) -> None:
    station, _ = await charging(site)
    accept = station.answers["SetChargingProfile"]
    station.answers["SetChargingProfile"] = lambda _: None
    await site.cycle(3, readings=(60, 60, 60))
    station.answers["SetChargingProfile"] = accept
    await site.cycle(12, readings=(60, 60, 60))
    await site.cycle(8, readings=(30, 30, 30))
    for event in await seen(site, EventKind.OVERLOAD):
        assert event.reaction_s is not None
        assert event.reaction_s >= 3


async def test_no_decrease_means_no_reaction(site: MemoryManager) -> None:
    await site.cycle(2, readings=(60, 40, 40))
    await site.cycle(6, readings=(30, 30, 30))
    (event,) = await seen(site)
    assert event.reaction_s is None


async def test_a_trembling_meter_is_counted_on_but_not_written_for_ever(
    site: MemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_DAY", 2)
    for _ in range(4):
        await site.cycle(1, readings=(51, 40, 40))
        await site.cycle(5, readings=(40, 40, 40))
    assert len(await seen(site)) == 2
    account = await month(site)
    assert (account.overloads, account.unrecorded) == (4, 2)
    site.clock.advance(86_400)
    await site.cycle(1, readings=(51, 40, 40))
    assert len(await seen(site, EventKind.OVERLOAD)) == 3


# ------------------------------------------------------------------------------- meters


async def test_a_silent_meter_is_late_then_lost_then_back(site: MemoryManager) -> None:
    await site.cycle(5, readings=(10, 10, 10))
    await site.cycle(20)
    await site.cycle(6, readings=(10, 10, 10))
    (lost,) = await seen(site, EventKind.METER_LOST)
    (static,) = await seen(site, EventKind.STATIC_BUDGET)
    assert lost.began_utc < static.began_utc
    assert lost.duration_s is not None
    assert static.duration_s is not None
    assert lost.duration_s > static.duration_s > 14
    account = await month(site)
    assert account.meter_lost_s == lost.duration_s
    assert account.static_s == static.duration_s


async def test_before_its_first_reading_a_meter_is_not_late(site: MemoryManager) -> None:
    await site.cycle(5)
    assert await seen(site) == []


async def test_a_meter_that_is_removed_is_lost_no_more(site: MemoryManager) -> None:
    await site.cycle(5, readings=(10, 10, 10))
    await site.cycle(10)
    await site.manager.services.circuits.remove_meter("m", "admin")
    await site.cycle(1)
    assert all(event.ended_utc is not None for event in await seen(site))


# ------------------------------------------------------------------------------- obedience


def measured(transaction_id: int, current_a: float, at: str) -> dict[str, Any]:
    values = [
        {"value": str(current_a), "measurand": "Current.Import", "phase": phase, "unit": "A"}
        for phase in ("L1", "L2", "L3")
    ]
    return {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": at, "sampledValue": values}],
    }


async def test_a_station_that_ignores_its_limit_is_told_with_what_it_drew(
    site: MemoryManager,
) -> None:
    station, number = await charging(site)
    for _ in range(5):
        at = site.clock.utc_now().isoformat()
        await station.call("MeterValues", **measured(number, 31.0, at))
        await site.cycle(10, readings=(62, 62, 62))
    (event,) = await seen(site, EventKind.DISOBEYING)
    assert event.subject == "A-1/1"
    assert event.circuit_id == "supply"
    assert event.peak_ma == 31_000
    assert event.ended_utc is None
    assert (await month(site)).disobeying == 1
    await station.call(
        "StopTransaction",
        transactionId=number,
        meterStop=2_000,
        timestamp=site.clock.utc_now().isoformat(),
    )
    await site.cycle(2, readings=(10, 10, 10))
    (event,) = await seen(site, EventKind.DISOBEYING)
    assert event.ended_utc is not None


async def test_a_station_that_is_removed_disobeys_no_more(site: MemoryManager) -> None:
    live = next(iter(site.manager.registry.connectors()))
    site.manager.evidence._condition(EventKind.DISOBEYING, "gone/1", "supply", True, 1_000.0)
    assert str(live.key) != "gone/1"
    await site.cycle(1, readings=(10, 10, 10))
    (event,) = await seen(site)
    assert event.ended_utc is not None


# ------------------------------------------------------------------------------- accounts


async def test_what_the_guard_held_back_is_counted(site: MemoryManager) -> None:
    await site.cycle(1, readings=(10, 10, 10))
    site.manager.sender.guard_refusals += 3
    await site.cycle(2, readings=(10, 10, 10))
    assert (await month(site)).guard_refusals == 3


async def test_a_gap_between_cycles_was_not_observed(site: MemoryManager) -> None:
    await site.cycle(2, readings=(10, 10, 10))
    site.clock.advance(3_600)
    await site.cycle(1, readings=(10, 10, 10))
    assert (await month(site)).observed_s == 7


async def test_months_are_those_of_the_site(site: MemoryManager) -> None:
    site.clock.advance((8 * 24 + 15) * 3_600)  # 30 November, 23:00 UTC: December in Paris
    await site.cycle(1, readings=(10, 10, 10))
    assert (await month(site)).month == "2026-12"


async def test_an_event_is_on_disk_at_once_and_its_end_unknown_after_a_cut(
    site: MemoryManager, tmp_path: Path
) -> None:
    await site.cycle(2, readings=(60, 40, 40))
    await settle()
    other = open_store(tmp_path / "bornier.sqlite3", inline=True)
    (event,) = await other.evidence.events(site.clock.utc_now() - timedelta(hours=1))
    await other.close()
    assert event.ended_utc is None
    again = MemoryManager(tmp_path)
    await again.start()
    (cut,) = await seen(again)
    assert not again.manager.evidence.lasts(cut)
    await again.stop()


async def test_what_the_disk_refused_is_written_later(
    site: MemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(events: Sequence[EvidenceEvent], months: Sequence[EvidenceMonth]) -> None:
        if events or months:
            # What happens in the meantime must not be lost either.
            site.manager.evidence._log.account(overloads=10)
        raise StorageError("storage-full")

    with monkeypatch.context() as patch:
        patch.setattr(site.store.evidence, "record", refused)
        await site.cycle(2, readings=(60, 40, 40))
        await site.manager.evidence.flush()
    assert len(await seen(site)) == 1
    account = await month(site)
    assert account.overloads >= 11
    assert account.observed_s == 2


async def test_the_limits_are_those_of_the_configuration_in_force(site: MemoryManager) -> None:
    await site.cycle(2, readings=(45, 40, 40))
    root = site.manager.services.circuits.tree().root
    lower = msgspec.structs.replace(root, limit=PhaseCurrents.uniform(42_000))
    assert isinstance(lower, Circuit)
    await site.manager.services.circuits.save_circuit(lower, "admin", new=False)
    await site.cycle(2, readings=(45, 40, 40))
    (event,) = await seen(site)
    assert event.limit_ma == 42_000
