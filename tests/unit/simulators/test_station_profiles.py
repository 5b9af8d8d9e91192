"""Combination of charging profiles (OCPP 1.6, clauses 3.13 and 7.8), as tables."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from simulators.station.charging_profiles import (
    ChargingProfile,
    ProfileStore,
    RunningTransaction,
    epoch_s,
)
from simulators.station.persona import Persona, load_persona
from tests.unit.simulators.station_bench import EPOCH, set_limit

T0 = EPOCH.timestamp()
RUNNING = RunningTransaction(transaction_id=101, started_s=T0, active_phases=1, wired_phases=3)


def store(*profiles: dict[str, Any], received_s: float = T0, **persona: Any) -> ProfileStore:
    made = ProfileStore(_persona(**persona), 230.0)
    for request in profiles:
        assert install(made, request, received_s=received_s)
    return made


def _persona(**changes: Any) -> Persona:
    return msgspec.structs.replace(load_persona("control-generic"), **changes)


def install(
    profiles: ProfileStore,
    request: dict[str, Any],
    running: RunningTransaction | None = RUNNING,
    *,
    received_s: float = T0,
) -> bool:
    profile = ChargingProfile(request["connectorId"], request["csChargingProfiles"], received_s)
    return profiles.install(profile, running, known=True)


def default(limit: float, *, stack_level: int = 0, profile_id: int = 50, **extra: Any) -> Any:
    return set_limit(
        limit,
        purpose="TxDefaultProfile",
        profile_id=profile_id,
        stack_level=stack_level,
        **extra,
    )


@pytest.mark.parametrize(
    ("after_s", "limit_a", "change_s"),
    [(0, 16.0, 599.0), (598, 16.0, 599.0), (599, 6.0, math.inf), (10_000, 6.0, math.inf)],
)
def test_a_lease_that_ends_leaves_the_default_profile(
    after_s: float, limit_a: float, change_s: float
) -> None:
    leased = set_limit(16, stack_level=1, validTo="2026-06-01T08:09:59Z")
    profiles = store(default(6), leased)
    limit, until_s = profiles.connector_limit_a(1, T0 + after_s, RUNNING)
    assert limit == limit_a
    assert until_s == T0 + change_s


@pytest.mark.parametrize("kind", ["Absolute", "Relative"])
def test_a_duration_is_a_lease_too(kind: str) -> None:
    profiles = store(default(6), set_limit(16, kind=kind, duration=300))
    assert profiles.connector_limit_a(1, T0 + 299, RUNNING) == (16.0, T0 + 300)
    assert profiles.connector_limit_a(1, T0 + 300, RUNNING)[0] == 6.0


@pytest.mark.parametrize(("from_receipt", "limit_a"), [(True, 16.0), (False, 6.0)])
def test_a_relative_schedule_starts_with_the_transaction_or_at_its_receipt(
    *, from_receipt: bool, limit_a: float
) -> None:
    profiles = store(
        default(6),
        set_limit(16, kind="Relative", duration=300),
        received_s=T0 + 1000,
        relative_from_receipt=from_receipt,
    )
    assert profiles.connector_limit_a(1, T0 + 1100, RUNNING)[0] == limit_a


def test_the_highest_stack_level_that_is_valid_now_wins_within_a_purpose() -> None:
    profiles = store(
        set_limit(10, profile_id=1, stack_level=0),
        set_limit(32, profile_id=2, stack_level=5, validFrom="2026-06-01T08:01:00Z",
                  validTo="2026-06-01T08:02:00Z"),
    )  # fmt: skip
    assert profiles.connector_limit_a(1, T0, RUNNING) == (10.0, T0 + 60)
    assert profiles.connector_limit_a(1, T0 + 60, RUNNING) == (32.0, T0 + 120)
    assert profiles.connector_limit_a(1, T0 + 120, RUNNING) == (10.0, math.inf)


def test_a_transaction_profile_may_be_above_the_default() -> None:
    assert store(default(6, stack_level=9), set_limit(20)).connector_limit_a(1, T0, RUNNING) == (
        20.0,
        math.inf,
    )


def test_the_default_of_the_outlet_goes_before_that_of_the_post() -> None:
    profiles = store(
        default(8, profile_id=51, connector_id=1), default(10, profile_id=50, connector_id=0)
    )
    assert profiles.connector_limit_a(1, T0, RUNNING)[0] == 8.0
    assert profiles.connector_limit_a(2, T0, RUNNING)[0] == 10.0


def test_a_higher_level_goes_before_a_more_specific_outlet() -> None:
    profiles = store(
        default(8, profile_id=51, connector_id=1, stack_level=1),
        default(10, profile_id=50, connector_id=0, stack_level=2),
    )
    assert profiles.connector_limit_a(1, T0, RUNNING)[0] == 10.0


def test_the_limit_of_the_post_is_separate() -> None:
    profiles = store(
        set_limit(20, connector_id=0, purpose="ChargePointMaxProfile"), set_limit(32, profile_id=2)
    )
    assert profiles.station_limit_a(T0, 3)[0] == 20.0
    assert profiles.connector_limit_a(1, T0, RUNNING)[0] == 32.0


def test_periods_follow_each_other() -> None:
    steps = [{"startPeriod": s, "limit": a} for s, a in ((0, 6), (60, 12), (120, 0))]
    profiles = store(set_limit(0, chargingSchedulePeriod=steps))
    seen = [profiles.connector_limit_a(1, T0 + s, RUNNING) for s in (0, 59, 60, 119, 120)]
    assert seen == [
        (6.0, T0 + 60),
        (6.0, T0 + 60),
        (12.0, T0 + 120),
        (12.0, T0 + 120),
        (0.0, math.inf),
    ]


def test_a_daily_schedule_recurs() -> None:
    daily = default(10, kind="Recurring", recurrencyKind="Daily", duration=3600)
    profiles = store(daily)
    day_s = 86_400
    assert profiles.connector_limit_a(1, T0 + 5 * day_s + 10, RUNNING)[0] == 10.0
    limit, until_s = profiles.connector_limit_a(1, T0 + 5 * day_s + 3600, RUNNING)
    assert (limit, until_s) == (None, T0 + 6 * day_s)


def test_a_schedule_that_has_not_begun_says_nothing() -> None:
    later = set_limit(10, startSchedule="2026-06-01T09:00:00Z")
    assert store(later).connector_limit_a(1, T0, RUNNING) == (None, T0 + 3600)


@pytest.mark.parametrize(("active", "limit_a"), [(True, 16.0), (False, 3680 / 690)])
def test_watts_are_divided_by_the_wired_or_the_active_phases(
    *, active: bool, limit_a: float
) -> None:
    profiles = store(
        set_limit(3680, unit="W"), rate_units=("A", "W"), watts_by_active_phases=active
    )
    assert profiles.connector_limit_a(1, T0, RUNNING)[0] == pytest.approx(limit_a)


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(set_limit(10, unit="W"), id="unit that it does not take"),
        pytest.param(set_limit(10, stack_level=21), id="stack level"),
        pytest.param(set_limit(10, stack_level=-1), id="negative stack level"),
        pytest.param(set_limit(-5), id="negative limit"),
        pytest.param(set_limit(10, transaction_id=7), id="another transaction"),
        pytest.param(set_limit(10, transaction_id=None), id="no transaction id"),
        pytest.param(set_limit(10, connector_id=0), id="transaction profile on the post"),
        pytest.param(
            set_limit(10, purpose="ChargePointMaxProfile"), id="post profile on an outlet"
        ),
        pytest.param(
            set_limit(
                10,
                chargingSchedulePeriod=[{"startPeriod": s, "limit": 6} for s in range(25)],
            ),
            id="too many periods",
        ),
    ],
)
def test_profiles_that_are_refused(refused: dict[str, Any]) -> None:
    assert not install(store(), refused)


def test_a_transaction_profile_needs_a_transaction() -> None:
    assert not install(store(), set_limit(10), None)


def test_some_makes_take_a_transaction_profile_without_its_number() -> None:
    assert install(store(tx_profile_needs_transaction_id=False), set_limit(10, transaction_id=None))


def test_the_same_id_or_the_same_level_replaces() -> None:
    profiles = store(set_limit(10, profile_id=1, stack_level=1))
    assert install(profiles, set_limit(11, profile_id=1, stack_level=2))
    assert install(profiles, set_limit(12, profile_id=2, stack_level=2))
    assert [p.profile_id for p in profiles.profiles] == [2]


def test_there_is_room_for_so_many_profiles() -> None:
    profiles = store(max_profiles=2)
    assert install(profiles, set_limit(10, profile_id=1, stack_level=1))
    assert install(profiles, set_limit(10, profile_id=2, stack_level=2))
    assert not install(profiles, set_limit(10, profile_id=3, stack_level=3))
    assert install(profiles, set_limit(12, profile_id=2, stack_level=2))


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({}, []),
        ({"profile_id": 1}, [50, 60]),
        ({"profile_id": 99}, [1, 50, 60]),
        ({"purpose": "TxProfile"}, [50, 60]),
        ({"connector_id": 0}, [1, 50]),
        ({"stack_level": 3}, [1, 60]),
        ({"connector_id": 1, "purpose": "TxDefaultProfile"}, [1, 60]),
    ],
)
def test_clearing(criteria: dict[str, Any], left: list[int]) -> None:
    profiles = store(
        set_limit(10),
        default(8, stack_level=3),
        set_limit(20, connector_id=0, purpose="ChargePointMaxProfile", profile_id=60),
    )
    assert profiles.clear(**criteria) is (len(left) < 3)
    assert [p.profile_id for p in profiles.profiles] == left


def test_a_transaction_profile_dies_with_its_transaction() -> None:
    profiles = store(default(6), set_limit(16))
    profiles.end_transaction(1)
    assert profiles.connector_limit_a(1, T0, RUNNING)[0] == 6.0


@pytest.mark.parametrize(
    "change",
    [
        {"chargingProfilePurpose": "Whim"},
        {"chargingProfileKind": "Whim"},
        {"stackLevel": "high"},
        {"validTo": "tomorrow"},
        {"chargingSchedule": {"chargingRateUnit": "V", "chargingSchedulePeriod": []}},
        {"chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": []}},
    ],
)
def test_a_malformed_profile_is_an_error(change: dict[str, Any]) -> None:
    content = {**set_limit(10)["csChargingProfiles"], **change}
    with pytest.raises(ValueError):
        ChargingProfile(1, content, T0)


@pytest.mark.parametrize(
    "text", ["2026-06-01T08:00:00Z", "2026-06-01T10:00:00.000+02:00", "2026-06-01T08:00:00"]
)
def test_times_with_and_without_zone(text: str) -> None:
    assert epoch_s(text) == T0


def test_some_makes_never_let_a_limit_lapse() -> None:
    profiles = store(set_limit(16, duration=600), default(6), honours_leases=False)
    assert profiles.connector_limit_a(1, T0 + 100_000, RUNNING) == (16.0, math.inf)


@pytest.mark.parametrize(
    ("refused", "taken", "persona"),
    [
        (set_limit(16, stack_level=0), set_limit(16, stack_level=1), {"min_stack_level": 1}),
        (set_limit(16), set_limit(16, kind="Relative"), {"kinds": ("Relative",)}),
        (set_limit(16), default(16), {"purposes": ("TxDefaultProfile",)}),
        (
            set_limit(
                16, chargingSchedulePeriod=[{"startPeriod": 0, "limit": 16, "numberPhases": 3}]
            ),
            set_limit(16),
            {"refuses_number_phases": True},
        ),
        (
            set_limit(16),
            set_limit(16, transaction_id=None),
            {
                "tx_profile_refuses_transaction_id": True,
                "tx_profile_needs_transaction_id": False,
            },
        ),
    ],
)
def test_some_makes_refuse_most_forms_of_a_limit(
    refused: dict[str, Any], taken: dict[str, Any], persona: dict[str, Any]
) -> None:
    profiles = store(**persona)
    assert not install(profiles, refused)
    assert install(profiles, taken)
