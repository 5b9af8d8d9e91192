"""A load test passes when every bound was kept, and only then."""

from __future__ import annotations

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loadtests.judgement import faults, summary
from loadtests.run import THRESHOLDS, lost_transactions, main, site

FAST = {"requests": 10, "failures": 0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}
BOUNDS = {
    "failures": 0,
    "users": 103,
    "transactions_lost": 0,
    "transactions_least": 2,
    "live_events_least": 5,
    "storm_stations": 100,
    "storm_settled_s": 15.0,
    "times": [{"match": "OCPP .*", "p95_ms": 10, "p99_ms": 20}],
}


def report(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "users": 103,
        "most_users": 103,
        "total": FAST,
        "requests": {"OCPP Heartbeat": FAST, "GET /": FAST | {"p99_ms": 9000.0}},
        "storm": {"cut": 100, "settled": 100, "settled_s": 3.0},
        "truth": {
            "started": {"1": "L-001", "2": "L-002"}, "stopped": [1], "unsure": 0,
            "commands": {"SetChargingProfile": 4}, "live_events": 9, "delivered_kwh": 1.5,
        },
    }  # fmt: skip
    return made | changes


def test_a_run_within_all_bounds_passes() -> None:
    assert faults(report(), 0, BOUNDS) == []
    told = summary(report(), 0, [])
    assert told["passed"] is True
    assert {key: told[key] for key in ("users", "requests", "failures", "p99_ms")} == {
        "users": 103, "requests": 10, "failures": 0, "p99_ms": 3.0,
    }  # fmt: skip
    assert told["storm_settled_s"] == 3.0
    quiet = report(storm={"cut": 0, "settled": 0, "settled_s": 0.0})
    assert "storm_settled_s" not in summary(quiet, 0, ["x"])


@pytest.mark.parametrize(
    ("changes", "lost", "fault"),
    [
        ({"total": FAST | {"failures": 1}}, 0, "failures: 1, at most 0"),
        ({}, 1, "transactions_lost: 1, at most 0"),
        ({"most_users": 90}, 0, "users: 90, at least 103"),
        (
            {"storm": {"cut": 100, "settled": 99, "settled_s": 3.0}},
            0,
            "storm_stations: 99, at least 100",
        ),
        (
            {"storm": {"cut": 100, "settled": 100, "settled_s": 16.0}},
            0,
            "storm_settled_s: 16, at most 15",
        ),
        ({"requests": {"GET /": FAST}}, 0, "OCPP .*: nothing measured"),
        (
            {"requests": {"OCPP Authorize": FAST | {"p99_ms": 21.0}}},
            0,
            "OCPP Authorize: p99_ms 21, at most 20",
        ),
    ],
)
def test_each_bound_counts(changes: dict[str, Any], lost: int, fault: str) -> None:
    assert faults(report(**changes), lost, BOUNDS) == [fault]


def test_too_little_of_a_test_is_a_fault() -> None:
    truth = {"started": {}, "stopped": [], "unsure": 0, "commands": {}, "live_events": 0}
    found = faults(report(truth=truth), 0, BOUNDS)
    assert found == ["transactions_least: 0, at least 2", "live_events_least: 0, at least 5"]


def test_the_thresholds_are_bounds_that_are_known() -> None:
    for name, bounds in tomllib.loads(THRESHOLDS.read_text()).items():
        assert bounds.keys() <= BOUNDS.keys(), name
        assert bounds["failures"] == 0
        assert bounds["transactions_lost"] == 0
        assert all(
            rule.keys() <= {"match", "p50_ms", "p95_ms", "p99_ms"} for rule in bounds["times"]
        )


def test_the_journal_is_held_against_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TABLE charge_transaction (transaction_id INTEGER, station_id TEXT, stopped_us INTEGER)"
        )
        database.executemany(
            "INSERT INTO charge_transaction VALUES (?, ?, ?)",
            [(1, "L-001", 5), (2, "L-002", None), (3, "L-003", None)],
        )
        database.commit()

    def lost(started: dict[str, str], stopped: list[int], unsure: int) -> int:
        return lost_transactions(path, {"started": started, "stopped": stopped, "unsure": unsure})

    three = {"1": "L-001", "2": "L-002", "3": "L-003"}
    assert lost(three, [1], 0) == 0
    assert lost(three, [1, 2], 0) == 1  # ended, and open on record
    assert lost(three | {"4": "L-004"}, [1], 0) == 1  # acknowledged, and not on record
    assert lost(three | {"1": "L-009"}, [1], 0) == 1  # somebody else's
    assert lost({"1": "L-001", "2": "L-002"}, [1], 1) == 0  # its answer may have been lost
    assert lost({"1": "L-001", "2": "L-002"}, [1], 0) == 1  # twice


def test_the_site_has_as_many_stations_as_the_users_think() -> None:
    made = site()
    assert [each["id"] for each in made["stations"]][:2] == ["L-001", "L-002"]
    assert len(made["stations"]) == 100


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calm-1"]) == 2
    assert "ramp-100, storm-100" in capsys.readouterr().out
