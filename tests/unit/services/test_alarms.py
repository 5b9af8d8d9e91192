"""Alarms that no cycle of a site raises by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from app.services.alarms import AlarmBoard
from app.services.live import Severity
from app.services.ports import SetAside
from tests.support.clock import HandClock
from tests.support.scripted import MemoryManager

WEEK_S = 7 * 86_400.0


def left_behind(clock: HandClock) -> SetAside:
    now = clock.utc_now()
    return SetAside("bornier.sqlite3.of-later-version-x", now, now - timedelta(minutes=7))


def test_data_that_a_failed_update_left_behind_are_told_for_a_week() -> None:
    clock = HandClock()
    board = AlarmBoard(clock, left_behind(clock))
    (alarm,) = board.update((), (), ())
    assert (alarm.key, alarm.severity) == ("DAT-001", Severity.WARNING)
    assert alarm.params == {"subject": "bornier.sqlite3.of-later-version-x", "lost_s": 420}
    clock.advance(WEEK_S)
    assert board.update((), (), ()) == ()


async def test_they_are_no_reason_not_to_be_ready(tmp_path: Path) -> None:
    running = MemoryManager(tmp_path)
    running.store.set_aside = left_behind(running.clock)
    await running.start()
    await running.cycle()
    report = running.manager.health.report()
    assert report.ready
    (check,) = (each for each in report.checks if each.name == "data")
    assert not check.ok
    assert "of-later-version-x" in check.detail
    running.clock.advance(WEEK_S)
    (check,) = (each for each in running.manager.health.report().checks if each.name == "data")
    assert check.ok
    await running.stop()
