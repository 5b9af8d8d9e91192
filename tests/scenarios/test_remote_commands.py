"""What people order a station to do from afar, and how each answer of it comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.remote import EventKind, OutageStage
from app.domain.station import ConnectorKey, ConnectorStatus
from app.ocpp16.actions.types import MessageTrigger
from app.services.ladder import Rung
from app.services.live import DisplayState
from app.services.remote import RemoteManagement
from app.services.station_commands import Reply
from tests.support.lab import Lab, persona, virtual

A1 = ConnectorKey("A", 1)
WHOLE = ConnectorKey("A", 0)
MINUTE = timedelta(minutes=1)

Order = Callable[[RemoteManagement, Lab], Awaitable[Any]]

ORDERS: dict[str, tuple[Order, str]] = {
    "RemoteStartTransaction": (
        lambda remote, _lab: remote.commands.start(A1, "AAAA", "admin"),
        "remote-start",
    ),
    "UnlockConnector": (lambda remote, _lab: remote.commands.unlock(A1, "admin"), "unlock"),
    "Reset": (lambda remote, _lab: remote.commands.reset("A", False, "admin"), "reset-soft"),
    "TriggerMessage": (
        lambda remote, _lab: remote.commands.trigger(A1, MessageTrigger.HEARTBEAT, "admin"),
        "trigger",
    ),
    "ClearCache": (lambda remote, _lab: remote.commands.clear_cache("A", "admin"), "clear-cache"),
    "ClearChargingProfile": (
        lambda remote, _lab: remote.commands.clear_profiles("A", "admin"),
        "clear-profiles",
    ),
    "ReserveNow": (
        lambda remote, lab: remote.reservations.reserve(
            A1, "AAAA", lab.clock.utc_now() + 30 * MINUTE, "admin"
        ),
        "reserve",
    ),
    "ChangeAvailability": (
        lambda remote, _lab: remote.outages.take_out(WHOLE, None, "admin"),
        "out-of-service",
    ),
    "ChangeConfiguration": (
        lambda remote, _lab: remote.settings.change("A", "ConnectionTimeOut", "90", "admin"),
        "configuration",
    ),
}


async def one(tmp_path: Path, **changes: Any) -> Lab:
    lab = Lab(tmp_path, {"A": persona(**changes)})
    await lab.start()
    return lab


def status(lab: Lab) -> ConnectorStatus:
    live = lab.manager.registry.connector(A1)
    assert live is not None
    return live.status


async def audited(lab: Lab, action: str) -> list[str]:
    return [one.detail for one in await lab.store.audit.recent(50) if one.action == action]


async def events(lab: Lab, kind: EventKind) -> list[str]:
    await lab.run(2)
    return [one.detail for one in await lab.manager.remote.log.recent("A") if one.kind is kind]


@pytest.mark.parametrize("action", ORDERS)
@virtual
async def test_what_a_station_accepts_is_told_and_written_down(tmp_path: Path, action: str) -> None:
    lab = await one(tmp_path)
    order, written = ORDERS[action]
    reply = await order(lab.manager.remote, lab)
    assert reply.action == action
    expected = {"UnlockConnector": "Unlocked"}.get(action, "Accepted")
    assert reply.answer == expected
    (detail,) = await audited(lab, written)
    assert expected in detail
    assert any(written in line for line in await events(lab, EventKind.COMMAND))
    await lab.stop()


@pytest.mark.parametrize("action", ORDERS)
@virtual
async def test_a_refusal_is_quoted_and_written_down(tmp_path: Path, action: str) -> None:
    lab = await one(tmp_path)
    order, written = ORDERS[action]
    word = {"UnlockConnector": "UnlockFailed", "ReserveNow": "Occupied"}.get(action, "Rejected")
    answers: dict[str, Any] = {"": {"status": word}, "InternalError": "InternalError"}
    if action == "ClearChargingProfile":
        del answers[""]  # this one knows no refusal but an error
    for answer in answers.values():
        lab.instead["A", action] = answer
        with pytest.raises(StationRefusedError) as refused:
            await order(lab.manager.remote, lab)
        said = word if isinstance(answer, dict) else answer
        assert refused.value.params["answer"] == said
        assert refused.value.params["action"] == action
        assert said in (await audited(lab, written))[0]
    # Nothing is believed of what was refused.
    assert lab.manager.remote.outages.of("A") == ()
    assert lab.manager.remote.reservations.of("A") == ()
    await lab.stop()


@pytest.mark.parametrize("action", ORDERS)
@virtual
async def test_who_does_not_answer_is_unreachable(tmp_path: Path, action: str) -> None:
    lab = await one(tmp_path)
    order, written = ORDERS[action]
    lab.instead["A", action] = None
    with pytest.raises(StationUnreachableError) as silent:
        await order(lab.manager.remote, lab)
    assert silent.value.key == "station-no-answer"
    del lab.instead["A", action]
    lab.cut("A")
    await lab.run(2)
    with pytest.raises(StationUnreachableError) as away:
        await order(lab.manager.remote, lab)
    assert away.value.key == "station-offline"
    assert len(await audited(lab, written)) == 2
    await lab.stop()


@virtual
async def test_a_charge_is_stopped_and_what_cannot_be_is_refused_before_it_is_sent(
    tmp_path: Path,
) -> None:
    lab = await one(tmp_path)
    commands = lab.manager.remote.commands
    with pytest.raises(InvalidInputError, match="connector-idle"):
        await commands.stop(A1, "admin")
    lab.plug("A")
    await lab.run(20)
    for order, key in (
        (commands.start(A1, "AAAA", "admin"), "connector-charging"),
        (commands.clear_profiles("A", "admin"), "profiles-while-charging"),
        (
            lab.manager.remote.reservations.reserve(
                A1, "AAAA", lab.clock.utc_now() + MINUTE, "admin"
            ),
            "connector-charging",
        ),
    ):
        with pytest.raises(InvalidInputError, match=key):
            await order
    assert await commands.stop(A1, "admin") == Reply("RemoteStopTransaction", "Accepted")
    await lab.run(5)
    assert lab.draw_a("A") == 0
    for unknown in (ConnectorKey("Z", 1), ConnectorKey("A", 9)):
        with pytest.raises(NotFoundError):
            await commands.unlock(unknown, "admin")
    await lab.stop()


@virtual
async def test_cleared_profiles_leave_a_station_with_its_fallback(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()}, fallback_a=8)
    await lab.start()
    before = len(lab.calls("A", "SetChargingProfile"))
    await lab.manager.remote.commands.clear_profiles("A", "admin")
    # Nobody has put it back yet: all of its rating counts.
    ceilings = lab.manager.planner.ceilings
    assert ceilings.fallback_ma(A1) is None
    await lab.run(10)
    written = lab.calls("A", "SetChargingProfile")[before:]
    assert [one["csChargingProfiles"]["chargingProfilePurpose"] for one in written] == [
        "TxDefaultProfile"
    ]
    assert ceilings.fallback_ma(A1) == 8_000
    lab.plug("A", max_a=16)
    await lab.run(30)
    assert lab.draw_a("A") > 8  # its live limit
    await lab.stop()


@virtual
async def test_a_composite_schedule_is_asked_for(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    commands = lab.manager.remote.commands
    answer = await commands.schedule(A1, "admin")
    assert answer.charging_schedule is not None
    assert answer.charging_schedule.charging_schedule_period[0].limit == 0  # the fallback
    lab.instead["A", "GetCompositeSchedule"] = {"status": "Rejected"}
    with pytest.raises(StationRefusedError, match="Rejected"):
        await commands.schedule(WHOLE, "admin")
    await lab.stop()


# ------------------------------------------------------------------ out of service


@virtual
async def test_out_of_service_at_once_and_back(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    outages = lab.manager.remote.outages
    await outages.take_out(A1, None, "admin")
    await lab.run(5)
    assert status(lab) is ConnectorStatus.UNAVAILABLE
    (held,) = outages.of("A")
    assert (held.stage, held.answer) == (OutageStage.IN_FORCE, "Accepted")
    # Once more for an hour: the newest order takes the place of the first.
    await outages.take_out(A1, lab.clock.utc_now() + 60 * MINUTE, "admin")
    assert len(outages.of("A")) == 1
    await outages.bring_back(A1, "admin")
    await lab.run(5)
    assert status(lab) is ConnectorStatus.AVAILABLE
    assert outages.of("A") == ()
    assert not outages.holds_out(A1)
    await lab.stop()


@virtual
async def test_a_charging_connector_goes_out_after_its_charge(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    lab.plug("A")
    await lab.run(20)
    reply = await lab.manager.remote.outages.take_out(A1, None, "admin")
    assert reply.answer == "Scheduled"
    await lab.run(120)
    assert lab.draw_a("A") > 6
    # It is not told again and again while the charge goes on.
    assert len(lab.calls("A", "ChangeAvailability")) == 1
    await lab.manager.remote.commands.stop(A1, "admin")
    lab.stations["A"].unplug(1)
    await lab.run(10)
    assert status(lab) is ConnectorStatus.UNAVAILABLE
    await lab.stop()


@virtual
async def test_a_planned_outage_outlives_a_restart_of_the_manager(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    start = lab.clock.utc_now() + 10 * MINUTE
    await lab.manager.remote.outages.plan(WHOLE, start, start + 20 * MINUTE, "admin")
    await lab.run(60)
    assert lab.calls("A", "ChangeAvailability") == []
    lab.kill_manager()
    await lab.start_manager()
    await lab.run(700)
    assert lab.calls("A", "ChangeAvailability") == [{"connectorId": 0, "type": "Inoperative"}]
    assert lab.manager.remote.outages.holds_out(A1)
    lab.kill_manager()
    await lab.start_manager()
    await lab.run(1_300)
    assert lab.calls("A", "ChangeAvailability")[-1] == {"connectorId": 0, "type": "Operative"}
    assert lab.manager.remote.outages.of("A") == ()
    await lab.stop()


@virtual
async def test_an_outage_reaches_a_station_that_comes_late_and_ends_for_one_that_is_away(
    tmp_path: Path,
) -> None:
    lab = await one(tmp_path)
    outages = lab.manager.remote.outages
    now = lab.clock.utc_now()
    await outages.plan(A1, now + MINUTE, now + 30 * MINUTE, "admin")
    lab.cut("A")
    await lab.run(300)
    assert outages.of("A")[0].stage is OutageStage.PLANNED
    lab.mend("A")
    await lab.until(lambda: outages.of("A")[0].stage is OutageStage.IN_FORCE, 300)
    lab.cut("A")
    await lab.until(lambda: outages.of("A")[0].stage is OutageStage.ENDING, 1_800)
    await lab.run(30)
    lab.mend("A")
    await lab.until(lambda: outages.of("A") == (), 300)
    assert [one["type"] for one in lab.calls("A", "ChangeAvailability")] == [
        "Inoperative",
        "Operative",
    ]
    # One that is away all the time is missed, and told so.
    now = lab.clock.utc_now()
    lab.cut("A")
    await outages.plan(A1, now + MINUTE, now + 3 * MINUTE, "admin")
    await lab.run(240)
    assert outages.of("A") == ()
    assert "outage-missed" in await events(lab, EventKind.COMMAND)
    await lab.stop()


@virtual
async def test_a_refused_outage_is_tried_again_less_and_less_often(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    outages = lab.manager.remote.outages
    lab.instead["A", "ChangeAvailability"] = {"status": "Rejected"}
    await outages.plan(A1, lab.clock.utc_now() + MINUTE, None, "admin")
    await lab.run(1_200)
    assert outages.of("A")[0].answer == "Rejected"
    assert 3 <= len(lab.calls("A", "ChangeAvailability")) <= 6
    del lab.instead["A", "ChangeAvailability"]
    await lab.until(lambda: outages.of("A")[0].stage is OutageStage.IN_FORCE, 1_800)
    await lab.stop()


@virtual
async def test_a_station_that_forgets_it_over_a_restart_is_told_again(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    await lab.manager.remote.outages.take_out(WHOLE, None, "admin")
    await lab.run(90)
    assert len(lab.calls("A", "ChangeAvailability")) == 1
    for connector in lab.stations["A"].connectors:
        connector.available = True
    lab.stations["A"].reboot("PowerLoss")
    await lab.until(lambda: len(lab.calls("A", "ChangeAvailability")) == 2, 300)
    await lab.run(10)
    assert status(lab) is ConnectorStatus.UNAVAILABLE
    await lab.stop()


@virtual
async def test_orders_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    outages, now = lab.manager.remote.outages, lab.clock.utc_now()
    with pytest.raises(InvalidInputError, match="outage-in-the-past"):
        await outages.plan(A1, now - MINUTE, None, "admin")
    with pytest.raises(InvalidInputError, match="outage-ends-before"):
        await outages.plan(A1, now + MINUTE, now + MINUTE, "admin")
    with pytest.raises(NotFoundError):
        await outages.plan(ConnectorKey("Z", 0), now + MINUTE, None, "admin")
    with pytest.raises(NotFoundError):
        await outages.cancel(99, "admin")
    planned = await outages.plan(A1, now + MINUTE, None, "admin")
    await outages.cancel(planned.outage_id, "admin")
    assert outages.of("A") == ()
    await outages.take_out(WHOLE, None, "admin")
    await outages.cancel(outages.of("A")[0].outage_id, "admin")
    assert lab.calls("A", "ChangeAvailability")[-1] == {"connectorId": 0, "type": "Operative"}
    # A station that is removed takes its orders with it.
    await outages.plan(A1, now + MINUTE, None, "admin")
    await lab.manager.services.stations.remove("A", "admin")
    await lab.run(3)
    assert outages.of("A") == ()
    await lab.stop()


@virtual
async def test_a_person_wins_over_the_ladder(tmp_path: Path) -> None:
    """The ladder has blocked a connector that ignores its limits; a person decides otherwise."""
    lab = Lab(tmp_path, {"A": persona()}, limit_a=60)
    await lab.start()
    lab.plug("A", max_a=32)
    await lab.run(60)
    lab.stations["A"].set_faults(ignores_profiles=True, never_sends_stop=True)
    lab.instead["A", "RemoteStopTransaction"] = {"status": "Rejected"}
    lab.building_a = 56.0
    ladders = lab.manager.safety.ladders
    await lab.until(lambda: ladders.rung(A1) in (Rung.BLOCKED, Rung.HELPLESS), 600)
    await lab.manager.remote.outages.bring_back(A1, "admin")
    assert ladders.rung(A1) is Rung.NONE
    await lab.run(1)
    assert A1 not in await lab.store.conduct.blocked()
    # The other way round: who is out by order is not brought back by the ladder.
    await lab.until(lambda: ladders.rung(A1) in (Rung.BLOCKED, Rung.HELPLESS), 900)
    await lab.manager.remote.outages.take_out(A1, None, "admin")
    sent = len(lab.calls("A", "ChangeAvailability"))
    lab.building_a = 0.0
    lab.stations["A"].set_faults(ignores_profiles=False)
    await lab.until(lambda: ladders.rung(A1) is Rung.NONE, 900)
    told = lab.calls("A", "ChangeAvailability")[sent:]
    assert [one for one in told if one["type"] == "Operative"] == []
    assert lab.manager.remote.outages.holds_out(A1)
    await lab.stop()


# ------------------------------------------------------------------ reservations


def display(lab: Lab) -> Any:
    latest = lab.manager.live.latest
    assert latest is not None
    return latest.connectors[0]


@virtual
async def test_a_reservation_is_shown_used_and_cancelled(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    reservations, until = lab.manager.remote.reservations, lab.clock.utc_now() + 30 * MINUTE
    await reservations.reserve(A1, "AAAA", until, "admin")
    await lab.run(3)
    assert display(lab).state is DisplayState.RESERVED
    assert (display(lab).reserved_until_utc, display(lab).reserved_for) == (until, "Claire")
    with pytest.raises(InvalidInputError, match="connector-reserved"):
        await reservations.reserve(A1, "AAAA", until, "admin")
    # A restart of the manager forgets nothing.
    lab.kill_manager()
    await lab.start_manager()
    reservations = lab.manager.remote.reservations
    (kept,) = reservations.of("A")
    await lab.run(60)
    assert await reservations.cancel(kept.reservation_id, "admin") == Reply(
        "CancelReservation", "Accepted"
    )
    await lab.run(3)
    assert display(lab).state is DisplayState.AVAILABLE
    assert display(lab).reserved_until_utc is None
    with pytest.raises(NotFoundError):
        await reservations.cancel(kept.reservation_id, "admin")
    # The next one has another number, and ends when its badge charges.
    await reservations.reserve(A1, "aaaa", lab.clock.utc_now() + 30 * MINUTE, "admin")
    assert lab.calls("A", "ReserveNow")[-1]["reservationId"] > kept.reservation_id
    await lab.manager.remote.commands.start(A1, "AAAA", "admin")
    lab.plug("A")
    await lab.until(lambda: reservations.of("A") == (), 60)
    await lab.stop()


@virtual
async def test_a_reservation_expires_and_one_unknown_to_the_station_is_dropped(
    tmp_path: Path,
) -> None:
    lab = await one(tmp_path)
    reservations = lab.manager.remote.reservations
    now = lab.clock.utc_now()
    for until in (now, now + timedelta(days=8)):
        with pytest.raises(InvalidInputError, match="reservation-time"):
            await reservations.reserve(A1, "AAAA", until, "admin")
    await reservations.reserve(A1, "AAAA", now + 2 * MINUTE, "admin")
    await lab.run(130)
    assert reservations.of("A") == ()
    assert display(lab).state is DisplayState.AVAILABLE
    await reservations.reserve(A1, "AAAA", lab.clock.utc_now() + 30 * MINUTE, "admin")
    lab.instead["A", "CancelReservation"] = {"status": "Rejected"}
    (held,) = reservations.of("A")
    with pytest.raises(StationRefusedError):
        await reservations.cancel(held.reservation_id, "admin")
    assert reservations.of("A") == ()
    await lab.stop()


# ------------------------------------------------------------------ history


@virtual
async def test_connections_boots_and_faults_are_kept_for_weeks(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    lab.stations["A"].reboot("PowerLoss")
    await lab.run(60)
    lab.cut("A")
    await lab.run(5)
    lab.mend("A")
    await lab.run(30)
    lab.stations["A"].fail(1)
    await lab.run(10)
    lab.stations["A"].repair(1)
    await lab.run(10)
    lab.kill_manager()
    await lab.start_manager()
    await lab.run(5)
    told = [one.kind for one in await lab.manager.remote.log.recent("A")]
    for kind in (
        EventKind.CONNECTED,
        EventKind.LOST,
        EventKind.BOOTED,
        EventKind.SET_UP,
        EventKind.FAULT,
        EventKind.FAULT_OVER,
    ):
        assert kind in told, kind
    assert await lab.store.station_records.prune(lab.clock.utc_now() + MINUTE) == len(told)
    assert await lab.manager.remote.log.recent("A") == []
    await lab.stop()


@virtual
async def test_who_flickers_cannot_fill_the_history(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    for _ in range(200):
        lab.manager.remote.log.note("A", EventKind.FAULT, "GroundFailure", 1)
    await lab.run(2)
    assert len(await lab.manager.remote.log.recent("A")) <= 60
    await lab.stop()
