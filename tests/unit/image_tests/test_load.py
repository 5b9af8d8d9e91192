"""The stations of the power cuts: what they remember, and what counts as lost."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.image.load import Acknowledged, Load, lost, micros, promises
from tests.support.garage import garage
from tests.support.running import RunningManager

ROW: dict[str, Any] = {
    "transaction_id": 7,
    "station_id": "L-1",
    "connector_id": 1,
    "id_tag": "LOAD",
    "started_us": 1000,
    "meter_start_wh": 5,
    "stopped_us": None,
    "meter_stop_wh": None,
}
STARTED = Acknowledged(7, "L-1", 1000, 5)
STOPPED = Acknowledged(7, "L-1", 1000, 5, 2000, 90)


def test_nothing_is_lost_while_the_journal_holds_what_was_acknowledged() -> None:
    assert lost([STARTED], [ROW]) == []
    assert lost([STOPPED], [{**ROW, "stopped_us": 2000, "meter_stop_wh": 90}]) == []
    assert promises([STARTED, STOPPED]) == 3


def test_a_stop_that_the_station_saw_unanswered_may_be_there_or_not() -> None:
    assert lost([STARTED], [{**ROW, "stopped_us": 2000, "meter_stop_wh": 90}]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"transaction_id": 8},
        {"station_id": "L-2"},
        {"connector_id": 2},
        {"id_tag": "OTHER"},
        {"started_us": 1001},
        {"meter_start_wh": 6},
    ],
)
def test_a_start_that_is_missing_or_altered_is_lost(change: dict[str, Any]) -> None:
    assert len(lost([STARTED], [{**ROW, **change}])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"stopped_us": None, "meter_stop_wh": None},
        {"stopped_us": 2001, "meter_stop_wh": 90},
        {"stopped_us": 2000, "meter_stop_wh": 91},
    ],
)
def test_a_stop_that_is_missing_or_altered_is_lost(change: dict[str, Any]) -> None:
    assert len(lost([STOPPED], [{**ROW, **change}])) == 1


def test_times_are_compared_to_the_microsecond() -> None:
    assert micros("1970-01-01T00:00:01.900Z") == 1_900_000
    assert micros("2026-11-25T13:00:00.001Z") - micros("2026-11-25T13:00:00Z") == 1000


def test_stations_go_on_after_the_manager_was_killed_and_their_promises_are_kept(
    tmp_path: Path,
) -> None:
    names = ["L-1", "L-2"]
    manager = RunningManager(tmp_path, garage(names, limit_a=63, background_a=10, free=True))
    manager.start()
    try:
        with Load([(name, manager.ocpp_url) for name in names], seed=1) as load:
            assert load.wait_promises(4, 60)
            manager.kill()
            before = promises(load.promised())
            manager.start()
            assert load.wait_promises(before + 6, 60)
            assert all(post.promised for post in load.posts)
    finally:
        manager.stop()
    with contextlib.closing(sqlite3.connect(manager.database)) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM charge_transaction")]
    assert lost(load.promised(), rows) == []
