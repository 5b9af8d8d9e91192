"""One action on many stations: in order, at a pace, told one by one, and over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.remote import BulkJob, JobState, KeyTemplate, OutcomeState
from app.domain.units import PhaseCurrents
from app.services.bulk import BulkAction
from app.services.bulk_actions import RESTARTS_APART_S
from app.services.station_commands import Reply
from tests.support.lab import Lab, persona, virtual

HUNDRED = [f"S{n:03d}" for n in range(100)]


async def many(tmp_path: Path, names: list[str], **options: Any) -> Lab:
    lab = Lab(tmp_path, {name: persona() for name in names}, **options)
    await lab.start()
    return lab


async def ended(lab: Lab, job_id: int, most_s: int = 900) -> BulkJob:
    bulk = lab.manager.remote.bulk
    for _ in range(most_s):
        job = await bulk.get(job_id)
        if job.state is not JobState.RUNNING:
            return job
        await lab.run(1)
    raise AssertionError("the job does not end")


def states(job: BulkJob) -> dict[str, OutcomeState]:
    return {one.station_id: one.state for one in job.outcomes}


@virtual
async def test_a_hundred_restarts_are_paced_and_told_one_by_one(tmp_path: Path) -> None:
    lab = await many(tmp_path, HUNDRED, limit_a=1_000, meter=False)
    refusing, silent, away = "S010", "S020", "S030"
    lab.instead[refusing, "Reset"] = {"status": "Rejected"}
    lab.instead[silent, "Reset"] = None
    lab.cut(away)
    await lab.run(2)
    job = await lab.manager.remote.bulk.start("restart", {"kind": "soft"}, HUNDRED, "admin")
    most_away = 0
    while (await lab.manager.remote.bulk.get(job.job_id)).state is JobState.RUNNING:
        await lab.run(1)
        offline = sum(not station.online for station in lab.manager.registry)
        most_away = max(most_away, offline)
    # A restart takes about 25 s: no more are away together than were begun in that time.
    assert most_away <= 25 / RESTARTS_APART_S + 3
    job = await lab.manager.remote.bulk.get(job.job_id)
    assert job.count(OutcomeState.DONE) == 97
    told = {one.station_id: one for one in job.outcomes if one.state is not OutcomeState.DONE}
    assert (told[refusing].state, told[refusing].answer) == (OutcomeState.REFUSED, "Rejected")
    assert told[silent].state is OutcomeState.UNREACHABLE
    assert told[silent].error_key == "station-no-answer"
    assert (told[away].state, told[away].error_key) == (
        OutcomeState.UNREACHABLE,
        "station-offline",
    )
    order = [name for name, action, _ in lab.heard if action == "Reset"]
    assert order == [name for name in HUNDRED if name != away]
    # The failures alone are tried again.
    del lab.instead[refusing, "Reset"]
    lab.mend(away)
    await lab.run(60)
    await lab.manager.remote.bulk.retry(job.job_id, "admin")
    job = await ended(lab, job.job_id)
    assert job.failures == (silent,)
    assert {one.station_id: one.attempts for one in job.outcomes if one.attempts > 1} == {
        refusing: 2,
        silent: 2,
        away: 2,
    }
    order = [name for name, action, _ in lab.heard if action == "Reset"]
    assert order[99:] == [refusing, silent, away]
    assert {"bulk-restart", "bulk-retry"} <= {
        one.action for one in await lab.store.audit.recent(400)
    }
    await lab.stop()


@virtual
async def test_a_restart_of_the_manager_interrupts_a_job_and_tells_so(tmp_path: Path) -> None:
    names = HUNDRED[:20]
    lab = await many(tmp_path, names, meter=False)
    lab.instead[names[2], "Reset"] = None
    job = await lab.manager.remote.bulk.start("restart", {"kind": "hard"}, names, "admin")
    await lab.until(lambda: bool(lab.calls(names[4], "Reset")), 60)
    lab.kill_manager()
    await lab.start_manager()
    bulk = lab.manager.remote.bulk
    found = await bulk.get(job.job_id)
    assert found.state is JobState.INTERRUPTED
    assert states(found)[names[0]] is OutcomeState.DONE
    assert states(found)[names[2]] is OutcomeState.INTERRUPTED
    assert states(found)[names[-1]] is OutcomeState.INTERRUPTED
    await lab.run(60)
    # Nobody begins again by himself.
    assert lab.calls(names[-1], "Reset") == []
    assert [one.job_id for one in await bulk.recent()] == [job.job_id]
    del lab.instead[names[2], "Reset"]
    await bulk.retry(job.job_id, "admin")
    found = await ended(lab, job.job_id)
    assert found.failures == ()
    assert len(lab.calls(names[0], "Reset")) == 1
    await lab.stop()


@virtual
async def test_a_cancelled_job_leaves_the_others_alone(tmp_path: Path) -> None:
    names = HUNDRED[:10]
    lab = await many(tmp_path, names, meter=False)
    bulk = lab.manager.remote.bulk
    job = await bulk.start("restart", {"kind": "soft"}, names, "admin")
    with pytest.raises(InvalidInputError, match="bulk-running"):
        await bulk.retry(job.job_id, "admin")
    await lab.until(lambda: bool(lab.calls(names[2], "Reset")), 60)
    await bulk.cancel(job.job_id, "admin")
    job = await ended(lab, job.job_id, 30)
    assert job.state is JobState.CANCELLED
    assert list(states(job).values()).count(OutcomeState.DONE) == 3
    assert job.count(OutcomeState.CANCELLED) == 7
    assert lab.calls(names[5], "Reset") == []
    with pytest.raises(InvalidInputError, match="bulk-over"):
        await bulk.cancel(job.job_id, "admin")
    await lab.stop()


@virtual
async def test_what_makes_no_job(tmp_path: Path) -> None:
    lab = await many(tmp_path, ["A", "B"])
    bulk = lab.manager.remote.bulk
    for kind, params, who, error in (
        ("nonsense", {}, ["A"], NotFoundError),
        ("restart", {}, [], InvalidInputError),
        ("restart", {}, ["Z"], NotFoundError),
        ("trigger", {"message": "Coffee"}, ["A"], InvalidInputError),
        ("template", {"template": "1"}, ["A"], NotFoundError),
        ("template", {"template": "x"}, ["A"], NotFoundError),
        ("copy-keys", {"from": "Z", "keys": "LightIntensity"}, ["A"], InvalidInputError),
        ("copy-keys", {"from": "B", "keys": ""}, ["A"], InvalidInputError),
        ("settings", {}, ["A"], InvalidInputError),
        ("settings", {"from": "Z", "fields": "max"}, ["A"], NotFoundError),
    ):
        with pytest.raises(error):
            await bulk.start(kind, params, who, "admin")
    for number in (99, 0):
        with pytest.raises(NotFoundError):
            await bulk.get(number)
    jobs = [await bulk.start("restart", {}, ["A", "B"], "admin") for _ in range(3)]
    with pytest.raises(InvalidInputError, match="bulk-busy"):
        await bulk.start("restart", {}, ["A"], "admin")
    for job in jobs:
        assert (await ended(lab, job.job_id)).failures == ()
    with pytest.raises(InvalidInputError, match="bulk-nobody"):
        await bulk.retry(jobs[0].job_id, "admin")
    assert await lab.store.jobs.prune(lab.clock.utc_now()) == 3
    assert await bulk.recent() == []
    await lab.stop()


@pytest.mark.parametrize(
    ("kind", "params", "action", "answer"),
    [
        ("availability", {"to": "out"}, "ChangeAvailability", "Accepted"),
        ("availability", {"to": "in"}, "ChangeAvailability", "Accepted"),
        ("unlock", {}, "UnlockConnector", "Unlocked"),
        ("trigger", {"message": "StatusNotification"}, "TriggerMessage", "Accepted"),
        ("clear-cache", {}, "ClearCache", "Accepted"),
        ("clear-profiles", {}, "ClearChargingProfile", "Accepted"),
        ("read-configuration", {}, "GetConfiguration", None),
    ],
)
@virtual
async def test_every_action_reaches_every_station(
    tmp_path: Path, kind: str, params: dict[str, str], action: str, answer: str | None
) -> None:
    lab = await many(tmp_path, ["A", "B", "C"])
    await lab.run(60)  # what stations are told on their return is over
    before = len(lab.heard)
    job = await lab.manager.remote.bulk.start(kind, params, ["C", "A"], "admin")
    job = await ended(lab, job.job_id)
    assert job.failures == ()
    for outcome in job.outcomes:
        assert outcome.action == action
        assert answer is None or outcome.answer == answer
    asked = [name for name, what, _ in lab.heard[before:] if what == action]
    assert set(asked) == {"A", "C"}
    assert asked[0] == "C"
    await lab.stop()


@virtual
async def test_settings_are_copied_from_one_station_to_many(tmp_path: Path) -> None:
    lab = await many(tmp_path, ["A", "B", "C"])
    remote = lab.manager.remote
    for key, value in (("LightIntensity", "10"), ("ResetRetries", "7")):
        await remote.settings.change("A", key, value, "admin")
    job = await remote.bulk.start(
        "copy-keys", {"from": "A", "keys": "LightIntensity"}, ["B", "C"], "admin"
    )
    assert (await ended(lab, job.job_id)).failures == ()
    for name in ("B", "C"):
        values = lab.stations[name]._core.keys.values
        assert (values["LightIntensity"], values["ResetRetries"]) == ("10", "3")
    template = await remote.settings.save_template(
        KeyTemplate(0, "Retries", {"ResetRetries": "5", "Unheard": "1"}),
        "admin",
    )
    job = await remote.bulk.start(
        "template", {"template": str(template.template_id)}, ["B", "C"], "admin"
    )
    job = await ended(lab, job.job_id)
    assert [one.answer for one in job.outcomes] == ["Unheard: NotSupported"] * 2
    await lab.stop()


@virtual
async def test_the_managers_own_settings_are_set_for_many(tmp_path: Path) -> None:
    lab = await many(tmp_path, ["A", "B", "C"])
    remote, configuration = lab.manager.remote, lab.manager.configuration
    typed = {"max": "16000", "weight": "2000", "priority": "0", "free": "off", "phases": "1"}
    job = await remote.bulk.start("settings", typed, ["A"], "admin")
    assert (await ended(lab, job.job_id)).failures == ()
    source, other, _ = configuration.current.stations
    assert (source.max_ma, source.weight, source.priority) == (16_000, 2_000, 0)
    assert not source.free_charging
    assert source.connectors[0].phases == 1
    job = await remote.bulk.start(
        "settings", {"from": "A", "fields": "max priority phases"}, ["B", "C"], "admin"
    )
    assert (await ended(lab, job.job_id)).failures == ()
    for station in configuration.current.stations[1:]:
        assert (station.max_ma, station.priority, station.weight) == (16_000, 0, other.weight)
        assert station.connectors[0].phases == 1
        assert station.free_charging
    await lab.stop()


@virtual
async def test_what_does_not_fit_is_refused_for_its_station_alone(tmp_path: Path) -> None:
    names = [f"S{n}" for n in range(4)]
    lab = await many(tmp_path, names, limit_a=50)
    assert lab.manager.configuration.current.circuits[0].limit == PhaseCurrents.uniform(50_000)
    job = await lab.manager.remote.bulk.start("settings", {"fallback": "16000"}, names, "admin")
    job = await ended(lab, job.job_id)
    done = [one.station_id for one in job.outcomes if one.state is OutcomeState.DONE]
    refused = [one for one in job.outcomes if one.state is OutcomeState.REFUSED]
    assert done == names[:2]
    assert {one.error_key for one in refused} == {"fallback-does-not-fit"}
    await lab.stop()


class Breaks(BulkAction):
    """An action of somebody else's, with a fault in it."""

    key = "breaks"

    async def run(self, station_id: str, _params: Any, _actor: str) -> Reply:
        if station_id == "A":
            raise ZeroDivisionError
        return Reply("", "well")


@virtual
async def test_an_action_with_a_fault_harms_no_other_station(tmp_path: Path) -> None:
    lab = await many(tmp_path, ["A", "B"])
    bulk = lab.manager.remote.bulk
    bulk.register(Breaks())
    with pytest.raises(ValueError, match="breaks"):
        bulk.register(Breaks())
    assert bulk.kinds[-1] == "breaks"
    job = await bulk.start("breaks", {}, ["A", "B", "A"], "admin")
    job = await ended(lab, job.job_id)
    assert states(job) == {"A": OutcomeState.REFUSED, "B": OutcomeState.DONE}
    assert job.outcomes[0].error_key == "bulk-failed"
    await lab.stop()
