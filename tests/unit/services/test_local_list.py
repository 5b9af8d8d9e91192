"""The stations' own lists: full, different, refused, and after crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.badge import Badge
from app.domain.local_list import HeldList, OfflineBadges
from app.services.local_list import TROUBLE_PAUSE_S
from tests.support.scripted import ScriptedStation
from tests.unit.services.files_bench import ADMIN, FilesBench, eventually, files_bench


class ListStation:
    """What a station that keeps a list does with it (clause 5.15)."""

    def __init__(self, **settings: str) -> None:
        self.version = 0
        self.entries: dict[str, dict[str, Any]] = {}
        self.settings = settings
        self.answer = "Accepted"

    def answers(self) -> dict[str, Any]:
        keys = [
            {"key": key, "readonly": False, "value": value} for key, value in self.settings.items()
        ]
        return {
            "GetConfiguration": {"configurationKey": keys},
            "GetLocalListVersion": lambda _payload: {"listVersion": self.version},
            "SendLocalList": self.take,
            "ClearCache": {"status": "Accepted"},
        }

    def take(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.answer != "Accepted":
            return {"status": self.answer}
        if payload["updateType"] == "Full":
            self.entries = {}
        elif payload["listVersion"] <= self.version:
            return {"status": "VersionMismatch"}
        for entry in payload.get("localAuthorizationList", []):
            if "idTagInfo" in entry:
                self.entries[entry["idTag"]] = entry["idTagInfo"]
            else:
                self.entries.pop(entry["idTag"], None)
        self.version = payload["listVersion"]
        return {"status": "Accepted"}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[FilesBench]:
    async with files_bench(tmp_path, "A-1", "A-2") as running:
        yield running


async def joined(bench: FilesBench, kept: ListStation, name: str = "A-1") -> ScriptedStation:
    """A station that keeps ``kept``, once it was looked at."""
    station = await bench.connect(name, **kept.answers())
    await bench.files.local_lists.sweep()
    return station


async def add(bench: FilesBench, *tags: str, **values: Any) -> None:
    for tag in tags:
        await bench.site.manager.badges.create(Badge(tag, **values), ADMIN)


def held(bench: FilesBench, name: str = "A-1") -> HeldList:
    found = bench.files.local_lists.held(name)
    assert found is not None
    return found


def kinds(station: ScriptedStation) -> list[str]:
    return [payload["updateType"] for payload in station.sent("SendLocalList")]


async def test_a_new_station_gets_the_whole_list(bench: FilesBench) -> None:
    kept = ListStation()
    expires = datetime(2027, 1, 1, tzinfo=UTC)
    await add(bench, "BBBB", expires_utc=expires)
    await add(bench, "CCCC", active=False)
    station = await joined(bench, kept)
    assert kept.entries == {
        "AAAA": {"status": "Accepted"},
        "BBBB": {"status": "Accepted", "expiryDate": "2027-01-01T00:00:00Z"},
    }
    assert kinds(station) == ["Full"]
    assert (held(bench).version, held(bench).entries, held(bench).trouble) == (1, 2, None)
    assert bench.files.local_lists.is_current("A-1")
    await bench.files.local_lists.sweep()
    assert kinds(station) == ["Full"]


async def test_changes_go_out_as_differences(bench: FilesBench) -> None:
    kept = ListStation()
    await add(bench, *(f"B{n}" for n in range(9)))
    station = await joined(bench, kept)
    await add(bench, "NEW")
    await bench.site.manager.badges.remove("B3", ADMIN)
    await bench.files.local_lists.sweep()
    assert kinds(station) == ["Full", "Differential"]
    assert station.sent("SendLocalList")[-1]["localAuthorizationList"] == [
        {"idTag": "B3"},
        {"idTag": "NEW", "idTagInfo": {"status": "Accepted"}},
    ]
    assert set(kept.entries) == {"AAAA", "NEW", *(f"B{n}" for n in range(9) if n != 3)}
    assert held(bench).version == kept.version == 2


async def test_the_station_s_bounds_are_kept(bench: FilesBench) -> None:
    kept = ListStation(LocalAuthListMaxLength="5", SendLocalListMaxLength="2")
    await add(bench, *(f"B{n}" for n in range(9)))
    station = await joined(bench, kept)
    assert kinds(station) == ["Full", "Differential", "Differential"]
    assert all(len(each["localAuthorizationList"]) <= 2 for each in station.sent("SendLocalList"))
    assert len(kept.entries) == 5
    assert (held(bench).entries, held(bench).left_out, held(bench).version) == (5, 5, 3)
    await bench.site.manager.badges.remove("B8", ADMIN)
    await bench.files.local_lists.sweep()
    assert held(bench).left_out == 4


async def test_a_list_of_somebody_else_is_replaced(bench: FilesBench) -> None:
    kept = ListStation()
    kept.version, kept.entries = 40, {"EVIL": {"status": "Accepted"}}
    await joined(bench, kept)
    assert set(kept.entries) == {"AAAA"}
    assert kept.version == held(bench).version == 41


async def test_a_list_lost_in_a_reboot_is_sent_again(bench: FilesBench) -> None:
    kept = ListStation()
    station = await joined(bench, kept)
    await station.hang_up()
    kept.version, kept.entries = 0, {}
    station = await joined(bench, kept)
    assert kinds(station) == ["Full"]
    assert set(kept.entries) == {"AAAA"}


async def test_a_list_that_was_kept_is_not_sent_again(bench: FilesBench) -> None:
    kept = ListStation()
    station = await joined(bench, kept)
    await station.hang_up()
    station = await joined(bench, kept)
    assert kinds(station) == []


async def test_a_version_mismatch_is_answered_with_the_whole(bench: FilesBench) -> None:
    kept = ListStation()
    await add(bench, *(f"B{n}" for n in range(9)))
    station = await joined(bench, kept)
    kept.version = 90  # behind our back
    await add(bench, "NEW")
    await bench.files.local_lists.sweep()
    assert kinds(station) == ["Full", "Differential", "Full"]
    assert "NEW" in kept.entries
    assert held(bench).version == kept.version == 91


async def test_a_refused_list_is_told_and_tried_again_later(bench: FilesBench) -> None:
    kept = ListStation()
    kept.answer = "Failed"
    station = await joined(bench, kept)
    trouble = held(bench).trouble
    assert trouble is not None
    assert (trouble.key, trouble.detail) == ("list-failed", "Failed")
    kept.answer = "Accepted"
    await bench.files.local_lists.sweep()
    assert kinds(station) == ["Full"]
    bench.site.clock.advance(TROUBLE_PAUSE_S)
    await bench.files.local_lists.sweep()
    assert set(kept.entries) == {"AAAA"}
    assert held(bench).trouble is None


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        ({"GetLocalListVersion": "NotImplemented"}, "NotImplemented"),
        ({"GetLocalListVersion": {"listVersion": -1}}, ""),
        ({"SendLocalList": {"status": "NotSupported"}}, "NotSupported"),
        ({"SendLocalList": "NotSupported"}, "NotSupported"),
    ],
)
async def test_a_station_without_a_list_is_left_alone(
    bench: FilesBench, answers: dict[str, Any], detail: str
) -> None:
    station = await bench.connect("A-1", **{**ListStation().answers(), **answers})
    await bench.files.local_lists.sweep()
    trouble = held(bench).trouble
    assert trouble is not None
    assert trouble.key == "list-none"
    assert trouble.detail.startswith(detail)
    assert not held(bench).supported
    sent = len(station.calls)
    await add(bench, "NEW")
    await bench.files.local_lists.sweep()
    assert len(station.calls) == sent


async def test_a_station_that_does_not_claim_the_profile_is_not_asked(bench: FilesBench) -> None:
    station = await joined(bench, ListStation(SupportedFeatureProfiles="Core,SmartCharging"))
    assert station.sent("GetLocalListVersion") == []
    assert not held(bench).supported


async def test_a_list_call_that_fails_otherwise_is_tried_again(bench: FilesBench) -> None:
    kept = ListStation()
    station = await bench.connect("A-1", **{**kept.answers(), "SendLocalList": "InternalError"})
    await bench.files.local_lists.sweep()
    trouble = held(bench).trouble
    assert trouble is not None
    assert trouble.key == "list-failed"
    assert held(bench).supported
    station.answers["SendLocalList"] = kept.take
    bench.site.clock.advance(TROUBLE_PAUSE_S)
    await bench.files.local_lists.sweep()
    assert set(kept.entries) == {"AAAA"}


async def test_a_station_that_goes_away_gets_its_list_when_it_is_back(bench: FilesBench) -> None:
    kept = ListStation()
    answers = kept.answers()
    station = await bench.connect("A-1", **{**answers, "SendLocalList": lambda _payload: None})
    lists = bench.files.local_lists

    async def hang_up_in_the_middle() -> None:
        while not station.sent("SendLocalList"):
            await bench.site.cycle()
        await station.hang_up()

    async with asyncio.TaskGroup() as group:
        group.create_task(lists.sweep())
        group.create_task(hang_up_in_the_middle())
    assert held(bench).digest == ""
    bench.site.clock.advance(60)
    await joined(bench, kept)
    assert set(kept.entries) == {"AAAA"}


async def test_a_crash_in_the_middle_leaves_nobody_sure(tmp_path: Path) -> None:
    async with files_bench(tmp_path, "A-1") as bench:
        kept = ListStation()
        await add(bench, *(f"B{n}" for n in range(9)))
        await joined(bench, kept)
        version = kept.version
        await bench.restart()
        station = await joined(bench, kept)
        assert kinds(station) == []  # on record, and the station agrees
        # A message that went out and was never answered: the record says so.
        unsure = HeldList("A-1", version=version, digest="", entries=10)
        await bench.files.local_lists._held.put(("A-1", unsure))
        await bench.restart()
        station = await joined(bench, kept)
        assert kinds(station) == ["Full"]


# ---------------------------------------------------------------- policy


async def test_settings_follow_the_policy_where_they_differ(bench: FilesBench) -> None:
    kept = ListStation(
        LocalAuthListEnabled="false",
        AuthorizationCacheEnabled="True",
        LocalPreAuthorize="true",
        AllowOfflineTxForUnknownId="false",
    )
    station = await joined(bench, kept)
    changed = {each["key"]: each["value"] for each in station.sent("ChangeConfiguration")}
    assert changed["LocalAuthListEnabled"] == "true"
    assert changed["LocalPreAuthorize"] == "false"
    assert "AuthorizationCacheEnabled" not in changed
    assert "AllowOfflineTxForUnknownId" not in changed
    assert "LocalAuthorizeOffline" not in changed  # a setting that it does not have


async def test_without_offline_badges_lists_are_emptied(bench: FilesBench) -> None:
    kept = ListStation(LocalAuthListEnabled="true", AllowOfflineTxForUnknownId="true")
    station = await joined(bench, kept)
    station.calls.clear()
    await bench.files.local_lists.decide(OfflineBadges(allowed=False, unknown=True), ADMIN)
    await bench.files.local_lists.sweep()
    assert kept.entries == {}
    changed = {each["key"]: each["value"] for each in station.sent("ChangeConfiguration")}
    assert changed["LocalAuthListEnabled"] == "false"
    assert changed["AllowOfflineTxForUnknownId"] == "false"


async def test_unknown_ones_allowed_the_barred_are_listed(bench: FilesBench) -> None:
    kept = ListStation()
    await add(bench, "CCCC", active=False)
    await bench.files.local_lists.decide(OfflineBadges(unknown=True), ADMIN)
    await joined(bench, kept)
    assert kept.entries["CCCC"] == {"status": "Blocked"}


async def test_the_policy_outlives_a_restart(tmp_path: Path) -> None:
    async with files_bench(tmp_path, "A-1") as bench:
        await bench.files.local_lists.decide(OfflineBadges(allowed=False), ADMIN)
        await bench.restart()
        assert not bench.files.local_lists.policy.allowed


# ---------------------------------------------------------------- blocked at once


async def test_a_blocked_badge_leaves_lists_and_caches(bench: FilesBench) -> None:
    kept, other = ListStation(), ListStation(AuthorizationCacheEnabled="false")
    await add(bench, *(f"B{n}" for n in range(9)))
    first = await joined(bench, kept)
    second = await joined(bench, other, "A-2")
    await bench.site.manager.badges.block("B1", True, ADMIN)
    await bench.files.local_lists.sweep()
    assert "B1" not in kept.entries
    assert "B1" not in other.entries
    assert len(first.sent("ClearCache")) == 1
    assert second.sent("ClearCache") == []  # it has no cache to clear
    await bench.files.local_lists.sweep()
    assert len(first.sent("ClearCache")) == 1


async def test_a_cache_is_cleared_when_the_station_is_back(tmp_path: Path) -> None:
    async with files_bench(tmp_path, "A-1") as bench:
        await add(bench, "B1")
        await bench.site.manager.badges.block("B1", True, ADMIN)
        await bench.files.local_lists.sweep()
        await bench.restart()
        station = await bench.connect(
            "A-1", **{**ListStation().answers(), "ClearCache": "NotSupported"}
        )
        await bench.files.local_lists.sweep()
        assert len(station.sent("ClearCache")) == 1
        await bench.files.local_lists.sweep()
        assert len(station.sent("ClearCache")) == 1


async def test_being_seen_is_no_change(bench: FilesBench) -> None:
    told: list[bool] = []
    bench.site.manager.badges.on_change.append(told.append)
    badges = bench.site.manager.badges
    await badges.authorize("AAAA", "A-1")
    await badges.authorize("STRANGER", "A-1")
    assert told == []
    await badges.block("AAAA", True, ADMIN)
    await badges.block("AAAA", False, ADMIN)
    assert told == [True, False]


async def test_a_list_is_sent_anew_on_request(bench: FilesBench) -> None:
    kept = ListStation()
    station = await joined(bench, kept)
    await bench.files.local_lists.resend("A-1", ADMIN)
    await bench.files.local_lists.resend("A-2", ADMIN)
    await bench.files.local_lists.sweep()
    assert kinds(station) == ["Full", "Full"]


async def test_what_was_removed_is_forgotten(bench: FilesBench) -> None:
    await joined(bench, ListStation())
    await bench.site.manager.configuration.remove_station("A-1", ADMIN)
    await bench.files.local_lists.sweep()
    assert bench.files.local_lists.held("A-1") is None
    assert not bench.files.local_lists.is_current("A-1")


async def test_it_runs_by_itself(bench: FilesBench) -> None:
    kept = ListStation()
    await bench.connect("A-1", **kept.answers())
    # The first change wakes it, a blocked badge does not wait for the others.
    await add(bench, "B1")
    await bench.site.manager.badges.block("B1", True, ADMIN)
    await eventually(lambda: set(kept.entries) == {"AAAA"})


@pytest.mark.parametrize("generations", [1, 2])
async def test_a_station_that_says_nothing_of_use_is_asked_ever_more_rarely(
    bench: FilesBench, generations: int
) -> None:
    for generation in range(generations):  # a new connection may be another firmware
        kept = ListStation()
        answers = kept.answers() | {"GetLocalListVersion": {"status": "Accepted"}}
        station = await bench.connect("A-1", **answers)
        for _ in range(4 * 120):  # four hours
            await bench.files.local_lists.sweep()
            bench.site.clock.advance(30)
        # After 0.5, 1, 2, 4, 8, 16, 32 min, and once an hour.
        assert 9 <= len(station.sent("GetLocalListVersion")) <= 12
        if generation + 1 < generations:
            await station.hang_up()
    station.answers["GetLocalListVersion"] = {"listVersion": 0}
    await add(bench, "NEW")  # a change is worth a question
    await bench.files.local_lists.sweep()
    assert set(kept.entries) == {"AAAA", "NEW"}
    bench.site.clock.advance(30)
    await add(bench, "NEWER")
    await bench.files.local_lists.sweep()
    assert set(kept.entries) == {"AAAA", "NEW", "NEWER"}
