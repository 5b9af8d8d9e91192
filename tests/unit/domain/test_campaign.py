"""The rules of a firmware campaign."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.domain.campaign import (
    Campaign,
    CampaignState,
    Progress,
    Stage,
    StationUpdate,
    Why,
    Window,
    ended,
    given_up,
    moved,
    overdue,
    places,
    progress,
    seen,
    state_of,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def update(stage: Stage = Stage.TOLD, **changes: object) -> StationUpdate:
    base = StationUpdate(1, "A-1", 0, stage, NOW, before="1.0", order_id="o")
    return msgspec.structs.replace(base, **changes)


def campaign(**changes: object) -> Campaign:
    base = Campaign(1, "f", "fw.bin", "2.0", NOW, "admin", pilots=1, at_once=3, most_failures=1)
    return msgspec.structs.replace(base, **changes)


def counted(**numbers: int) -> Progress:
    return Progress(**{"total": 10, **numbers})


def test_every_stage_waits_runs_or_has_ended() -> None:
    for stage in Stage:
        assert (stage is Stage.WAITING) + stage.running + stage.ended == 1
    assert {stage for stage in Stage if stage.failed} == {Stage.FAILED, Stage.TIMED_OUT}


def test_reports_only_lead_forward() -> None:
    forward = moved(update(), Stage.INSTALLING, LATER)
    assert forward is not None
    assert (forward.stage, forward.since_utc) == (Stage.INSTALLING, LATER)
    assert moved(forward, Stage.DOWNLOADING, LATER) is None
    assert moved(forward, Stage.INSTALLING, LATER) is None
    assert moved(update(Stage.WAITING), Stage.DOWNLOADING, LATER) is None
    assert moved(update(Stage.VERIFIED), Stage.DOWNLOADING, LATER) is None
    assert moved(update(), Stage.VERIFIED, LATER) is None


def test_another_firmware_verifies() -> None:
    found = seen(update(Stage.DOWNLOADING), "2.0", 0, LATER)
    assert found is not None
    assert (found.stage, found.after, found.order_id) == (Stage.VERIFIED, "2.0", "")


def test_the_same_firmware_does_not() -> None:
    assert seen(update(Stage.DOWNLOADING), "1.0", 5, LATER) is None
    assert seen(update(Stage.DOWNLOADING), "", 5, LATER) is None
    assert seen(update(Stage.WAITING), "2.0", 5, LATER) is None
    assert seen(update(Stage.FAILED, why=Why.DOWNLOAD), "2.0", 5, LATER) is None


@pytest.mark.parametrize("stage", [Stage.INSTALLING, Stage.INSTALLED])
def test_a_restart_is_seen_by_its_boot(stage: Stage) -> None:
    found = seen(update(stage), "1.0", 1, LATER)
    assert found is not None
    assert found.stage is Stage.REBOOTED


def test_where_nobody_knew_the_firmware_only_a_restart_verifies() -> None:
    assert seen(update(Stage.INSTALLED, before=""), "2.0", 0, LATER) is None
    found = seen(update(Stage.INSTALLED, before=""), "2.0", 1, LATER)
    assert found is not None
    assert found.stage is Stage.VERIFIED


@pytest.mark.parametrize(
    ("stage", "why"), [(Stage.TIMED_OUT, Why.SILENT), (Stage.FAILED, Why.SAME_VERSION)]
)
def test_who_comes_back_late_is_verified_after_all(stage: Stage, why: Why) -> None:
    found = seen(update(stage, why=why), "2.0", 3, LATER)
    assert found is not None
    assert (found.stage, found.why) == (Stage.VERIFIED, Why.NONE)
    assert seen(update(stage, why=why), "1.0", 3, LATER) is None


def test_each_stage_has_its_time() -> None:
    told = update()
    assert not overdue(told, NOW + timedelta(minutes=19))
    assert overdue(told, NOW + timedelta(minutes=20))
    assert not overdue(update(Stage.WAITING), NOW + timedelta(days=9))
    assert not overdue(update(since_utc=None), NOW + timedelta(days=9))


def test_what_an_overdue_update_ends_as() -> None:
    silent = given_up(update(Stage.INSTALLING), "1.0", LATER)
    assert (silent.stage, silent.why, silent.detail) == (
        Stage.TIMED_OUT,
        Why.SILENT,
        "installing",
    )
    same = given_up(update(Stage.REBOOTED), "1.0", LATER)
    assert (same.stage, same.why, same.after) == (Stage.FAILED, Why.SAME_VERSION, "1.0")


def test_a_quote_has_a_bound() -> None:
    assert len(ended(update(), Stage.FAILED, LATER, Why.REFUSED, "x" * 999).detail) == 200


def test_the_count() -> None:
    stages = (*[Stage.WAITING] * 2, Stage.TOLD, Stage.VERIFIED, Stage.FAILED, Stage.CANCELLED)
    found = progress(update(stage) for stage in stages)
    assert found == Progress(6, 2, 1, 1, 1, 1)
    assert found.ended == 3


@pytest.mark.parametrize(
    ("numbers", "free"),
    [
        ({"waiting": 10}, 1),
        ({"waiting": 9, "running": 1}, 0),
        ({"waiting": 9, "verified": 1}, 3),
        ({"waiting": 7, "verified": 1, "running": 2}, 1),
        ({"waiting": 9, "failed": 1}, 3),
        ({"waiting": 8, "failed": 2}, 0),
    ],
)
def test_how_many_may_begin(numbers: dict[str, int], free: int) -> None:
    assert places(campaign(), counted(**numbers)) == free


def test_nobody_begins_in_a_campaign_that_rests() -> None:
    assert places(campaign(state=CampaignState.PAUSED), counted(waiting=10)) == 0


def test_without_pilots_it_begins_at_full_width() -> None:
    assert places(campaign(pilots=0), counted(waiting=10)) == 3


@pytest.mark.parametrize(
    ("numbers", "state"),
    [
        ({"waiting": 5, "running": 1}, CampaignState.RUNNING),
        ({"waiting": 5, "failed": 2}, CampaignState.STOPPED),
        ({"verified": 8, "failed": 2}, CampaignState.DONE),
        ({"running": 1, "failed": 2}, CampaignState.RUNNING),
    ],
)
def test_what_a_campaign_comes_to(numbers: dict[str, int], state: CampaignState) -> None:
    assert state_of(campaign(), counted(**numbers)) is state


def test_a_paused_campaign_stays_so() -> None:
    paused = campaign(state=CampaignState.PAUSED)
    assert state_of(paused, counted(verified=10)) is CampaignState.PAUSED


def test_windows() -> None:
    day = Window(9 * 60, 17 * 60)
    assert [day.holds(minute * 60) for minute in (8, 9, 16, 17)] == [False, True, True, False]
    night = Window(22 * 60, 5 * 60)
    assert [night.holds(hour * 60) for hour in (21, 22, 23, 0, 4, 5)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip
