"""What the watch over wiring does to a running manager, and what survives a restart of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.limits import ReasonCode
from app.domain.meter import Quality
from app.domain.station import ConnectorKey
from app.domain.units import Rotation
from app.energy.meter_verdict import Lie
from app.energy.phase_detective import PhaseEvidence, Standing
from app.services.energy_ports import Learnt
from tests.support.scripted import MemoryManager

A = ConnectorKey("A-001", 1)

SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Parking",
    "circuits": [
        {
            "id": "supply",
            "name": "Arrivée",
            "limit_a": [100, 100, 100],
            "worst_background_a": [60, 60, 60],
        }
    ],
    "meters": [{"id": "m", "model": "IME Nemo D4-Le", "host": "10.0.0.9", "circuit": "supply"}],
    "stations": [
        {"id": "A-001", "circuit": "supply", "connectors": [{"id": 1}], "free_charging": True},
        {"id": "A-002", "circuit": "supply", "connectors": [{"id": 1}, {"id": 2}]},
    ],
}


def wired_as(rotation: Rotation, steps: int = 4) -> PhaseEvidence:
    step = [0.0 if one is rotation else -4.0 for one in Rotation]
    return PhaseEvidence([[*step, -4.0]] * steps)


async def remember(running: MemoryManager, kind: str, subject: str, record: Any) -> None:
    encoded = msgspec.json.encode(record).decode()
    await running.store.learnt.save([Learnt(kind, subject, encoded)])


def now(running: MemoryManager) -> str:
    return running.clock.utc_now().isoformat()


async def started(folder: Path, *learnt: tuple[str, str, Any]) -> MemoryManager:
    running = MemoryManager(folder, SITE)
    for each in learnt:
        await remember(running, *each)
    await running.start()
    return running


async def test_a_lying_meter_is_planned_as_if_it_were_silent_and_told(tmp_path: Path) -> None:
    running = await started(tmp_path)
    await running.cycle(70, readings=(-20, 15, 15))
    detective = running.manager.detective
    (verdict,) = detective.verdicts().values()
    assert verdict.lie is Lie.SIGN
    view = running.manager.live.latest
    assert view is not None
    assert "MTR-002" in {alarm.key for alarm in view.alarms}
    (alarm,) = (one for one in view.alarms if one.key == "MTR-002")
    assert alarm.params["subject"] == "Arrivée"
    reading = running.manager.control._state().readings["supply"]
    assert reading is not None
    assert (reading.quality, reading.reason) == (Quality.DISTRUSTED, "MTR-002")
    await running.stop()
    # A restart does not make it honest.
    again = MemoryManager(tmp_path)
    await again.start()
    await again.cycle(20, readings=(21, 15, 15))
    assert again.manager.detective.verdicts()["supply"].lie is Lie.SIGN
    await again.manager.detective.trust("supply", "admin")
    await again.cycle(2, readings=(21, 15, 15))
    assert again.manager.detective.verdicts() == {}
    assert await again.store.learnt.load() == []
    with pytest.raises(NotFoundError):
        await again.manager.detective.trust("supply", "admin")
    actions = [record.action for record in await again.store.audit.recent()]
    assert "meter-trusted" in actions
    await again.stop()


async def test_a_changed_meter_is_judged_anew(tmp_path: Path) -> None:
    running = await started(tmp_path)
    await running.cycle(70, readings=(-20, 15, 15))
    configuration = running.manager.configuration
    (meter,) = configuration.current.meters
    await configuration.replace_meter(msgspec.structs.replace(meter, generation=True), "admin")
    await running.cycle(70, readings=(-20, 15, 15))
    assert running.manager.detective.verdicts() == {}
    assert running.manager.detective.right_steps("supply") == 0
    assert running.manager.detective.right_steps("nowhere") == 0
    await running.stop()


async def test_a_proposal_is_accepted_into_the_configuration(tmp_path: Path) -> None:
    running = await started(tmp_path, ("outlet", "1/A-001", wired_as(Rotation.STR)))
    detective = running.manager.detective
    first, *others = detective.outlets()
    assert (first.finding.standing, first.finding.candidates) == (
        Standing.PROPOSED,
        (Rotation.STR,),
    )
    assert [one.station_name for one in others] == ["A-002 · 1", "A-002 · 2"]
    with pytest.raises(InvalidInputError):
        await detective.accept(A, Rotation.TSR, "admin")
    with pytest.raises(InvalidInputError):
        await detective.dismiss(others[0].finding.key, "admin")
    with pytest.raises(NotFoundError):
        await detective.accept(ConnectorKey("nobody", 1), Rotation.STR, "admin")
    await detective.accept(A, Rotation.STR, "admin")
    station = running.manager.configuration.current.stations[0]
    assert station.connectors[0].rotation is Rotation.STR
    assert detective.outlets()[0].finding.standing is Standing.CONFIRMED
    (record,) = (one for one in await running.store.audit.recent() if "phases" in one.action)
    assert (record.actor, record.subject) == ("admin", "A-001")
    await running.stop()


async def test_a_dismissed_proposal_stays_dismissed(tmp_path: Path) -> None:
    running = await started(tmp_path, ("outlet", "1/A-001", wired_as(Rotation.STR)))
    await running.manager.detective.dismiss(A, "admin")
    assert running.manager.detective.outlets()[0].dismissed
    await running.stop()
    again = MemoryManager(tmp_path)
    await again.start()
    assert again.manager.detective.outlets()[0].dismissed
    assert running.manager.configuration.current.stations[0].connectors[0].rotation is Rotation.RST
    await again.stop()


async def test_records_that_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    running = await started(
        tmp_path,
        ("outlet", "one/A-001", wired_as(Rotation.STR)),
        ("badge", "04A1", "three"),
        ("of a later version", "1/A-001", 1),
    )
    assert running.manager.detective.prior("04a1") is None
    assert len(await running.store.learnt.load()) == 3
    await running.stop()


async def test_the_phases_of_a_car_are_remembered_under_its_badge(tmp_path: Path) -> None:
    running = await started(tmp_path)
    station = running.connect("A-001")
    await station.boot()
    await station.call(
        "StartTransaction", connectorId=1, idTag="04a1", meterStart=0, timestamp=now(running)
    )
    assert running.manager.detective.outlets()[0].usual_phases is None
    transaction = running.manager.registry.connector(A)
    assert transaction is not None
    assert transaction.transaction is not None
    values = [
        {"measurand": "Current.Import", "phase": phase, "unit": "A", "value": value}
        for phase, value in (("L1", "10.1"), ("L2", "10.2"), ("L3", "0.0"))
    ]
    await station.call(
        "MeterValues",
        connectorId=1,
        transactionId=transaction.transaction.transaction_id,
        meterValue=[{"timestamp": now(running), "sampledValue": values}],
    )
    await running.cycle(2, readings=(20, 20, 20))
    assert running.manager.detective.prior("04A1") == 2
    (view, *_) = running.manager.detective.outlets()
    assert (view.finding.car_phases, view.usual_phases, view.is_charging) == (2, 2, True)
    await running.stop()
    again = MemoryManager(tmp_path)
    await again.start()
    assert again.manager.detective.prior("04a1") == 2
    await again.stop()


async def test_a_fault_of_the_watch_stops_nothing(tmp_path: Path) -> None:
    running = await started(tmp_path)
    detective = running.manager.detective
    detective._watch.screen = None  # type: ignore[assignment,method-assign]
    await running.cycle(2, readings=(20, 20, 20))
    assert detective.failures >= 2
    view = running.manager.live.latest
    assert view is not None
    assert view.connectors[0].reason is not None
    assert view.connectors[0].reason.code is ReasonCode.OFFLINE
    await running.stop()
