"""Badges, lists, groups and reservations: the keys of OCPP 1.6 clause 9 are really obeyed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import Persona, load_persona
from tests.unit.simulators.station_bench import Bench, Payload, virtual

TWO = StationConfig(
    station_id="A-001",
    connectors=(ConnectorConfig(connector_id=1), ConnectorConfig(connector_id=2)),
)


def persona(**changes: Any) -> Persona:
    return msgspec.structs.replace(load_persona("control-generic"), **changes)


async def configure(bench: Bench, **keys: str) -> None:
    for key, value in keys.items():
        request = {"key": key, "value": value}
        answer = await bench.central.call("ChangeConfiguration", request)
        assert answer == {"status": "Accepted"}


async def send_list(bench: Bench, version: int, update: str, **tags: Payload | None) -> Any:
    entries = [
        {"idTag": tag} if info is None else {"idTag": tag, "idTagInfo": info}
        for tag, info in tags.items()
    ]
    return await bench.central.call(
        "SendLocalList",
        {"listVersion": version, "updateType": update, "localAuthorizationList": entries},
    )


async def cut_off(bench: Bench) -> None:
    bench.central.refuses_connections = True
    await bench.central.links[-1].close()
    await bench.run(2)


GOOD, BAD = {"status": "Accepted"}, {"status": "Blocked"}


# ---------------------------------------------------------------------- the local list


@virtual
async def test_a_list_that_is_too_long_changes_nothing() -> None:
    async with Bench(persona(local_list_max=2, local_list_most_sent=2)) as bench:
        assert await send_list(bench, 1, "Full", A=GOOD, B=GOOD) == {"status": "Accepted"}
        assert await send_list(bench, 2, "Full", A=GOOD, B=GOOD, C=GOOD) == {"status": "Failed"}
        assert await send_list(bench, 2, "Differential", C=GOOD) == {"status": "Failed"}
        assert await bench.central.call("GetLocalListVersion", {}) == {"listVersion": 1}
        assert await send_list(bench, 2, "Differential", A=None, C=GOOD) == GOOD
        assert await bench.central.call("GetLocalListVersion", {}) == {"listVersion": 2}
        answer = await send_list(bench, 3, "Full", **{"X" * 21: GOOD})
        assert answer == "FormationViolation"


@pytest.mark.parametrize("by_key", [False, True])
@virtual
async def test_a_station_without_a_list_says_so(*, by_key: bool) -> None:
    async with Bench(persona(local_list=by_key)) as bench:
        if by_key:
            await configure(bench, LocalAuthListEnabled="false")
        assert await bench.central.call("GetLocalListVersion", {}) == {"listVersion": -1}
        assert await send_list(bench, 1, "Full", A=GOOD) == {"status": "NotSupported"}


@virtual
async def test_the_list_comes_before_the_cache_and_both_end_with_their_date() -> None:
    async with Bench() as bench:
        await configure(bench, LocalPreAuthorize="true")
        for tag, asked in (("ANY", 1), ("ANY", 1)):
            bench.station.plug(1, Car(), tag)
            await bench.run(2)
            bench.station.unplug(1)
            assert len(bench.central.named("Authorize")) == asked
        # The list says no to a badge that the cache knows: the central system is asked.
        await send_list(bench, 1, "Full", ANY=BAD)
        bench.station.plug(1, Car(), "ANY")
        await bench.run(2)
        assert len(bench.central.named("Authorize")) == 2
        bench.station.unplug(1)
        ends = {"status": "Accepted", "expiryDate": "2026-06-01T08:01:00Z"}
        await send_list(bench, 2, "Full", ANY=ends)
        for later_s, asked in ((1, 2), (60, 3)):
            await bench.run(later_s)
            bench.station.plug(1, Car(), "ANY")
            await bench.run(2)
            bench.station.unplug(1)
            assert len(bench.central.named("Authorize")) == asked


@virtual
async def test_a_cache_that_is_off_neither_decides_nor_can_be_cleared() -> None:
    async with Bench() as bench:
        await configure(bench, LocalPreAuthorize="true", AuthorizationCacheEnabled="false")
        for asked in (1, 2):
            bench.station.plug(1, Car(), "TAG")
            await bench.run(2)
            bench.station.unplug(1)
            assert len(bench.central.named("Authorize")) == asked
        assert await bench.central.call("ClearCache", {}) == {"status": "Rejected"}


# ---------------------------------------------------------------------- offline


@pytest.mark.parametrize(
    ("keys", "tag", "starts"),
    [
        ({}, "LISTED", True),
        ({}, "BARRED", False),
        ({}, "UNKNOWN", False),
        ({"AllowOfflineTxForUnknownId": "true"}, "UNKNOWN", True),
        ({"AllowOfflineTxForUnknownId": "true"}, "BARRED", False),
        ({"LocalAuthorizeOffline": "false"}, "LISTED", False),
    ],
)
@virtual
async def test_who_may_charge_offline(keys: dict[str, str], tag: str, *, starts: bool) -> None:
    async with Bench() as bench:
        await configure(bench, **keys)
        await send_list(bench, 1, "Full", LISTED=GOOD, BARRED=BAD)
        await cut_off(bench)
        bench.station.plug(1, Car(), tag)
        await bench.run(3)
        assert bench.station.transactions_started == int(starts)


@pytest.mark.parametrize(("stops", "reason"), [("true", "DeAuthorized"), ("false", None)])
@virtual
async def test_a_badge_that_turns_out_to_be_refused(stops: str, reason: str | None) -> None:
    async with Bench() as bench:
        await configure(
            bench,
            AllowOfflineTxForUnknownId="true",
            StopTransactionOnInvalidId=stops,
            MaxEnergyOnInvalidId="100",
        )
        bench.central.answers["StartTransaction"] = {
            "transactionId": 7,
            "idTagInfo": {"status": "Invalid"},
        }
        await cut_off(bench)
        bench.station.plug(1, Car(max_a=16), "STRANGER")
        await bench.run(60)
        bench.central.refuses_connections = False
        await bench.run(300)
        (record,) = bench.station.records
        assert record.stop_reason == reason
        assert bench.amps == (0.0, 0.0, 0.0)
        if reason is None:
            # It goes on without energy, but for what the key grants from the refusal on.
            assert bench.central.statuses()[-1] == "SuspendedEVSE"
            bench.station.unplug(1)
            await bench.run(2)
            assert record.stop_reason == "EVDisconnected"


@virtual
async def test_a_transaction_may_outlive_the_cable() -> None:
    async with Bench() as bench:
        await configure(bench, StopTransactionOnEVSideDisconnect="false")
        bench.station.plug(1, Car(max_a=16), "TAG")
        await bench.run(30)
        bench.station.unplug(1)
        await bench.run(5)
        assert bench.central.statuses()[-1] == "SuspendedEV"
        assert not bench.central.named("StopTransaction")
        bench.station.plug(1, Car(max_a=16))
        await bench.run(30)
        assert bench.amps == (16.0, 16.0, 16.0)
        bench.station.swipe("TAG")
        await bench.run(1)
        (stop,) = bench.central.named("StopTransaction")
        assert (stop["reason"], stop["idTag"]) == ("Local", "TAG")


@pytest.mark.parametrize("by", ["badge", "UnlockConnector", "next car"])
@virtual
async def test_a_cable_stays_locked_where_the_key_says_so(by: str) -> None:
    async with Bench() as bench:
        await configure(bench, UnlockConnectorOnEVSideDisconnect="false")
        bench.station.plug(1, Car(), "TAG")
        await bench.run(5)
        bench.station.unplug(1)
        await bench.run(1)
        assert bench.central.statuses()[-1] == "Finishing"
        match by:
            case "badge":
                bench.station.swipe("TAG")
            case "UnlockConnector":
                answer = await bench.central.call("UnlockConnector", {"connectorId": 1})
                assert answer == {"status": "Unlocked"}
            case _:
                bench.station.plug(1, Car())
                bench.station.unplug(1)
        await bench.run(1)
        assert bench.central.statuses()[-1] == "Available"


@pytest.mark.parametrize("status", ["UnlockFailed", "NotSupported"])
@virtual
async def test_a_lock_that_does_not_open_ends_nothing(status: str) -> None:
    async with Bench(persona(unlock_status=status)) as bench:
        bench.station.plug(1, Car(), "TAG")
        await bench.run(3)
        answer = await bench.central.call("UnlockConnector", {"connectorId": 1})
        assert answer == {"status": status}
        await bench.run(1)
        assert not bench.central.named("StopTransaction")


# ---------------------------------------------------------------------- groups


@virtual
async def test_a_badge_of_the_same_group_ends_the_transaction() -> None:
    async with Bench() as bench:
        parents = {"A": "FAMILY", "B": "family", "C": "OTHERS"}
        bench.central.answers["Authorize"] = lambda payload: {
            "idTagInfo": {"status": "Accepted", "parentIdTag": parents[payload["idTag"]]}
        }
        bench.central.answers["StartTransaction"] = {
            "transactionId": 7,
            "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"},
        }
        bench.station.plug(1, Car(), "A")
        await bench.run(3)
        bench.station.swipe("C", 1)
        await bench.run(3)
        assert not bench.central.named("StopTransaction")
        bench.station.swipe("B", 1)
        await bench.run(3)
        (stop,) = bench.central.named("StopTransaction")
        assert (stop["idTag"], stop["transactionId"]) == ("B", 7)


RESERVATION = {
    "connectorId": 1,
    "expiryDate": "2026-06-04T08:00:00Z",
    "idTag": "MINE",
    "parentIdTag": "FAMILY",
    "reservationId": 5,
}


@pytest.mark.parametrize(("parent", "starts"), [("Family", True), ("OTHERS", False), (None, False)])
@virtual
async def test_a_reservation_admits_its_group_and_asks_who_belongs_to_it(
    parent: str | None, *, starts: bool
) -> None:
    async with Bench() as bench:
        info: Payload = {"status": "Accepted"}
        if parent is not None:
            info["parentIdTag"] = parent
        bench.central.answers["Authorize"] = {"idTagInfo": info}
        assert await bench.central.call("ReserveNow", RESERVATION) == {"status": "Accepted"}
        bench.station.plug(1, Car(), "SISTER")
        await bench.run(3)
        assert len(bench.central.named("Authorize")) == 1
        starts_seen = bench.central.named("StartTransaction")
        assert [start["reservationId"] for start in starts_seen] == ([5] if starts else [])


@virtual
async def test_a_reservation_of_days_ends_on_its_day() -> None:
    async with Bench() as bench:
        await bench.central.call("ReserveNow", RESERVATION)
        await asyncio.sleep(3 * 86_400 - 10)
        assert bench.central.statuses()[-1] == "Reserved"
        await bench.run(20)
        assert bench.central.statuses()[-1] == "Available"


@virtual
async def test_a_reservation_of_the_whole_post_keeps_its_last_outlet() -> None:
    any_outlet = {**RESERVATION, "connectorId": 0}
    async with Bench(config=TWO) as bench:
        assert await bench.central.call("ReserveNow", any_outlet) == {"status": "Rejected"}
    async with Bench(persona(reserves_station=True), TWO) as bench:
        assert await bench.central.call("ReserveNow", any_outlet) == {"status": "Accepted"}
        bench.station.plug(1, Car(), "FIRST")
        await bench.run(2)
        assert bench.station.transactions_started == 1
        bench.station.plug(2, Car(), "SECOND")
        await bench.run(2)
        assert bench.station.transactions_started == 1
        bench.station.swipe("MINE", 2)
        await bench.run(2)
        starts = bench.central.named("StartTransaction")
        assert [start.get("reservationId") for start in starts] == [None, 5]
        assert await bench.central.call("ReserveNow", any_outlet) == {"status": "Occupied"}
        bench.station.unplug(1)
        assert await bench.central.call("ReserveNow", any_outlet) == {"status": "Accepted"}
        answer = await bench.central.call("CancelReservation", {"reservationId": 5})
        assert answer == {"status": "Accepted"}
        bench.station.plug(1, Car(), "FIRST")
        await bench.run(2)
        assert bench.station.transactions_started == 3
