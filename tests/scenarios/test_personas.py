"""Every persona through a rough half hour with the whole manager, on virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.services.adoption import AdoptionDefaults
from simulators.station.persona import load_persona, persona_names
from tests.support.lab import Lab, virtual

LIMIT_A = 20

WITHIN_WH = 1.01
"""Between two registers of whole watt-hours and the truth, which is summed in small steps."""

DISOBEDIENT = {"deaf-generic", "overshooting-generic", "uncontrolled-generic"}
"""What these take has no bearing on what they are told."""

RESUMES = {"resuming-generic", "looping-generic"}


@pytest.mark.parametrize("name", persona_names())
@virtual
async def test_a_rough_half_hour(tmp_path: Path, name: str) -> None:
    lab = Lab(tmp_path, {"A": load_persona(name)}, limit_a=LIMIT_A, fallback_a=6)
    await lab.start()
    station = lab.stations["A"]
    lab.plug("A")
    await lab.until(lambda: lab.draw_a("A") > 6)
    # The building takes half of the supply: the car has to yield, if anybody can make it.
    lab.building_a = 10.0
    if name not in DISOBEDIENT:
        await lab.until(lambda: 6 <= lab.draw_a("A") <= LIMIT_A - 10, 500)
    # Alone for five minutes, then back with all that it kept.
    station.go_offline(300)
    await lab.run(310)
    await lab.until(lambda: station.connected and not station.queued, 300)
    # The mains fail.
    station.power_cut(30)
    await lab.run(60)
    await lab.until(lambda: station.connected and not station.queued, 300)
    await lab.run(120)
    station.unplug(1)
    await lab.run(5)
    await lab.until(lambda: station.connected and not station.queued, 300)
    recorded = {t.transaction_id: t for t in await lab.store.transactions.recent(limit=100)}
    records = [record for record in station.records if record.acknowledged_start]
    assert len(recorded) == len(station.records) == len(records)
    if name in RESUMES:
        assert len(records) == 1
    for record in records:
        assert record.transaction_id is not None
        transaction = recorded[record.transaction_id]
        assert transaction.is_open is (name == "stopless-generic" and record is records[-1])
        if not transaction.is_open and not transaction.estimated_stop:
            assert transaction.energy_wh is not None
            # A stuck register shows what it showed; the others are of whole watt-hours.
            true_wh = 0.0 if name == "frozen-generic" else record.energy_wh
            assert abs(transaction.energy_wh - true_wh) < WITHIN_WH
    await lab.stop()


@virtual
async def test_a_clock_that_is_hours_slow_keeps_nobody_from_charging(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": load_persona("late-clock-generic")}, limit_a=LIMIT_A)
    await lab.start()
    lab.plug("A")
    # The first limit begins three hours later by that clock; the next one takes it into account.
    await lab.until(lambda: lab.draw_a("A") > 6, 60)
    assert lab.draw_a("A") <= LIMIT_A
    await lab.stop()


@virtual
async def test_one_that_dislikes_to_wait_is_adopted_all_the_same(tmp_path: Path) -> None:
    kinds = {"A": load_persona("control-generic"), "B": load_persona("impatient-generic")}
    lab = Lab(tmp_path, kinds, limit_a=LIMIT_A)
    lab.site["stations"] = lab.site["stations"][:1]
    await lab.start()
    await lab.run(120)
    assert lab.stations["B"].counters.connections > 2
    assert not lab.stations["B"].connected
    (waiting,) = lab.manager.services.adoption.callers()
    assert waiting.pending.station_id == "B"
    await lab.manager.services.adoption.adopt(["B"], AdoptionDefaults("supply"), "admin")
    await lab.until(lambda: lab.stations["B"].connected, 120)
    connections = lab.stations["B"].counters.connections
    await lab.run(120)
    assert lab.stations["B"].counters.connections == connections
    await lab.stop()


@virtual
async def test_silence_after_an_early_drop_evicts_nobody(tmp_path: Path) -> None:
    """Reconnects without a boot, and says nothing for a minute."""
    lab = Lab(tmp_path, {"A": load_persona("control-generic")}, limit_a=LIMIT_A)
    await lab.start()
    station = lab.stations["A"]
    station.power_cut(5)
    station.network.delay_s = (5.0, 5.0)
    await lab.until(lambda: station._registration.boot_unanswered, 120)
    station.drop_socket()
    station.network.delay_s = (0.0, 0.0)
    connections = station.counters.connections
    await lab.until(lambda: station.counters.connections > connections, 60)
    assert await lab.until(lambda: station.connected, 120) > 50
    assert station.counters.connections == connections + 1
    await lab.stop()
