"""The settings inside stations, and the set-up that begins with them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import InvalidInputError, NotFoundError, StationRefusedError
from app.domain.remote import EventKind, KeyTemplate, SetupStep, StepState
from app.domain.station import ConnectorKey
from app.services.station_commands import Reply
from app.services.station_settings import compared, parse_values
from tests.support.lab import Lab, persona, virtual

A1 = ConnectorKey("A", 1)


async def one(tmp_path: Path, **changes: Any) -> Lab:
    lab = Lab(tmp_path, {"A": persona(**changes)})
    await lab.start()
    return lab


def steps(lab: Lab, name: str = "A") -> dict[SetupStep, StepState]:
    return {step: record.state for step, record in lab.manager.remote.set_up_of(name).steps.items()}


# ------------------------------------------------------------------ reading


@virtual
async def test_settings_are_read_kept_and_compared(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    settings = lab.manager.remote.settings
    at_set_up = settings.latest("A")
    assert at_set_up is not None
    assert not at_set_up.portions
    lab.stations["A"]._core.keys.values["LightIntensity"] = "80"
    reading = await settings.read("A", "admin")
    assert reading.values()["LightIntensity"] == "80"
    assert reading.firmware == lab.manager.services.stations.identity("A").firmware
    newest, before, *_ = await settings.readings("A")
    assert newest == reading
    # What the manager has set itself meanwhile differs as well.
    assert ("LightIntensity", "50", "80") in compared(before.values(), newest.values())
    for _ in range(6):
        await lab.run(1)
        await settings.read("A", "admin")
    assert len(await settings.readings("A")) == 5
    last = settings.latest("A")
    assert last is not None
    lab.kill_manager()
    await lab.start_manager()
    kept = lab.manager.remote.settings.latest("A")
    assert kept is not None
    assert kept.values() == last.values()
    await lab.stop()


@virtual
async def test_a_station_that_refuses_the_empty_list_is_asked_in_portions(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()})
    await lab.start_manager()
    answer = lab.stations["A"]._core.keys.answer

    def stubborn(payload: dict[str, Any]) -> dict[str, Any] | str:
        return answer(payload["key"]) if payload.get("key") else "FormationViolation"

    lab.instead["A", "GetConfiguration"] = stubborn
    lab.stations["A"].start()
    await lab.run(10)
    reading = lab.manager.remote.settings.latest("A")
    assert reading is not None
    assert reading.portions
    told = dict(lab.stations["A"]._core.keys.values)
    del told["AuthorizationKey"]
    assert reading.values() == told
    assert all(len(one["key"]) <= 10 for one in lab.calls("A", "GetConfiguration")[1:])
    assert not any("AuthorizationKey" in str(one) for one in lab.calls("A", "GetConfiguration"))
    assert steps(lab)[SetupStep.READING] is StepState.DONE
    await lab.stop()


@virtual
async def test_a_cut_list_is_completed(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()})
    await lab.start_manager()
    answer = lab.stations["A"]._core.keys.answer

    def cut(payload: dict[str, Any]) -> dict[str, Any]:
        whole = answer(payload.get("key", ()))
        if "key" not in payload:
            keys = sorted(
                whole["configurationKey"], key=lambda one: one["key"] != "GetConfigurationMaxKeys"
            )
            whole["configurationKey"] = keys[:20]
        return whole

    lab.instead["A", "GetConfiguration"] = cut
    lab.stations["A"].start()
    await lab.run(10)
    reading = lab.manager.remote.settings.latest("A")
    assert reading is not None
    assert reading.portions
    assert len(reading.keys) == len(
        lab.stations["A"]._core.keys.values.keys() - {"AuthorizationKey"}
    )
    await lab.stop()


@virtual
async def test_secrets_are_neither_shown_nor_kept(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()})
    await lab.start_manager()
    values = lab.stations["A"]._core.keys.values
    kinds = lab.stations["A"]._core.keys._kinds
    for key in ("AuthorizationKey", "WifiPassword"):
        values[key], kinds[key] = "hunter2hunter2", kinds["ConnectorPhaseRotation"]
    lab.stations["A"].start()
    await lab.run(10)
    reading = lab.manager.remote.settings.latest("A")
    assert reading is not None
    hidden = {one.key: (one.value, one.secret) for one in reading.keys if one.secret}
    assert hidden == {"AuthorizationKey": (None, True), "WifiPassword": (None, True)}
    await lab.manager.remote.settings.change("A", "WifiPassword", "correct-horse", "admin")
    assert values["WifiPassword"] == "correct-horse"
    with pytest.raises(InvalidInputError, match="key-of-security"):
        await lab.manager.remote.settings.change("A", "authorizationKey", "x", "admin")
    await lab.run(5)
    await lab.stop()
    with sqlite3.connect(tmp_path / "bornier.sqlite3") as database:
        dump = "\n".join(database.iterdump())
    assert "hunter2" not in dump
    assert "correct-horse" not in dump


# ------------------------------------------------------------------ changing


@virtual
async def test_changes_are_answered_and_read_back(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    settings = lab.manager.remote.settings
    assert (await settings.change("A", "ConnectionTimeOut", "90", "admin")).answer == "Accepted"
    kept = settings.latest("A")
    assert kept is not None
    assert kept.values()["ConnectionTimeOut"] == "90"
    for key, value, answer in (
        ("NumberOfConnectors", "3", "Rejected"),
        ("NoSuchKey", "1", "NotSupported"),
    ):
        with pytest.raises(StationRefusedError) as refused:
            await settings.change("A", key, value, "admin")
        assert refused.value.params["answer"] == answer
    lab.instead["A", "ChangeConfiguration"] = {"status": "RebootRequired"}
    reply = await settings.change("A", "LightIntensity", "20", "admin")
    assert reply.answer == "RebootRequired"
    await lab.stop()


@virtual
async def test_a_template_changes_what_differs_and_tells_what_was_refused(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    settings = lab.manager.remote.settings
    before = len(lab.calls("A", "ChangeConfiguration"))
    template = await settings.save_template(
        KeyTemplate(0, "Night", {"LightIntensity": "10", "connectiontimeout": "60"}), "admin"
    )
    assert [one.key for one in settings.differences("A", template.values)] == ["LightIntensity"]
    assert await settings.apply("A", template.values, "admin") == Reply(
        "ChangeConfiguration", "Accepted"
    )
    changed = [
        change
        for change in lab.calls("A", "ChangeConfiguration")[before:]
        if change["key"] in ("LightIntensity", "ConnectionTimeOut", "connectiontimeout")
    ]
    assert changed == [{"key": "LightIntensity", "value": "10"}]
    assert settings.differences("A", template.values) == ()
    wrong = {"LightIntensity": "30", "ResetRetries": "many", "Unheard": "1"}
    with pytest.raises(StationRefusedError) as refused:
        await settings.apply("A", wrong, "admin")
    assert refused.value.params["answer"] == "ResetRetries: Rejected · Unheard: NotSupported"
    assert lab.stations["A"]._core.keys.values["LightIntensity"] == "30"
    await lab.stop()


@virtual
async def test_templates_are_checked_and_kept(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    settings = lab.manager.remote.settings
    for template, key in (
        (KeyTemplate(0, " ", {"A": "1"}), "required"),
        (KeyTemplate(0, "Empty", {}), "template-keys"),
        (KeyTemplate(0, "Secret", {"AuthorizationKey": "x"}), "template-secret"),
        (KeyTemplate(0, "Long", {"A": "x" * 501}), "template-line"),
    ):
        with pytest.raises(InvalidInputError, match=key):
            await settings.save_template(template, "admin")
    with pytest.raises(NotFoundError):
        await settings.save_template(KeyTemplate(7, "None", {"A": "1"}), "admin")
    made = await settings.save_template(KeyTemplate(0, "Night", {"A": "1"}), "admin")
    await settings.save_template(KeyTemplate(made.template_id, "Day", {"A": "2"}), "admin")
    lab.kill_manager()
    await lab.start_manager()
    settings = lab.manager.remote.settings
    assert settings.templates() == (KeyTemplate(made.template_id, "Day", {"A": "2"}),)
    await settings.remove_template(made.template_id, "admin")
    assert await lab.store.station_records.templates() == []
    await lab.stop()


def test_typed_settings_are_read_line_by_line() -> None:
    assert parse_values("# night\nA = 1\n\nB=x=y\n C =") == {"A": "1", "B": "x=y", "C": ""}
    with pytest.raises(InvalidInputError, match="template-line"):
        parse_values("A = 1\nnonsense")


# ------------------------------------------------------------------ set-up


@virtual
async def test_every_step_of_a_set_up_is_on_record(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    assert steps(lab) == dict.fromkeys(lab.manager.commissioning.steps, StepState.DONE)
    lab.kill_manager()
    await lab.start_manager()
    record = lab.manager.remote.set_up_of("A")
    assert record.firmware == lab.stations["A"]._core.persona.firmware
    assert record.steps[SetupStep.FALLBACK].state is StepState.DONE
    assert lab.manager.remote.set_up_of("Z").steps == {}
    await lab.stop()


@pytest.mark.parametrize("answer", [None, "NotImplemented", "InternalError"])
@virtual
async def test_a_station_deaf_to_settings_and_triggers_ends_up_usable(
    tmp_path: Path, answer: str | None
) -> None:
    """It charges under a limit all the same; what failed is told."""
    lab = Lab(tmp_path, {"A": persona(statuses_on_reconnect=False)}, limit_a=60)
    for action in ("GetConfiguration", "TriggerMessage", "ChangeConfiguration"):
        lab.instead["A", action] = answer
    await lab.start()
    await lab.until(lambda: lab.manager.remote.set_up_of("A").steps != {}, 400)
    failed = StepState.NO_ANSWER if answer is None else StepState.REFUSED
    assert steps(lab)[SetupStep.READING] is failed
    assert steps(lab)[SetupStep.SAMPLING] is failed
    assert steps(lab)[SetupStep.FALLBACK] is StepState.DONE
    lab.plug("A", max_a=32)
    lab.building_a = 40.0
    await lab.run(120)
    assert 6 <= lab.draw_a("A") <= 20
    assert "reading" in next(
        one.detail
        for one in await lab.manager.remote.log.recent("A")
        if one.kind is EventKind.SET_UP
    )
    await lab.stop()


@virtual
async def test_steps_without_answer_are_tried_again_less_and_less_often(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()})
    lab.instead["A", "GetConfiguration"] = None
    await lab.start()
    await lab.run(60)
    fallbacks = len(lab.calls("A", "SetChargingProfile"))
    await lab.run(7_200)
    asked = len(lab.calls("A", "GetConfiguration"))
    assert asked == 4  # at first, then after 2 min, 10 min and an hour
    assert len(lab.calls("A", "SetChargingProfile")) == fallbacks  # what is done stays done
    del lab.instead["A", "GetConfiguration"]
    lab.cut("A")
    await lab.run(5)
    lab.mend("A")
    await lab.until(lambda: steps(lab)[SetupStep.READING] is StepState.DONE, 120)
    assert len(lab.calls("A", "SetChargingProfile")) == fallbacks
    await lab.stop()


@virtual
async def test_the_fallback_is_insisted_on(tmp_path: Path) -> None:
    """A station silent about it is asked again and again, at a pace; what is done stays done."""
    lab = Lab(tmp_path, {"A": persona()})
    lab.instead["A", "SetChargingProfile"] = None
    await lab.start()
    await lab.run(300)
    assert steps(lab)[SetupStep.FALLBACK] is StepState.NO_ANSWER
    assert 5 <= len(lab.calls("A", "SetChargingProfile")) <= 8
    assert len(lab.calls("A", "GetConfiguration")) == 1
    told = [one.kind for one in await lab.manager.remote.log.recent("A")]
    assert told.count(EventKind.BOOTED) == 1
    del lab.instead["A", "SetChargingProfile"]
    await lab.until(lambda: steps(lab)[SetupStep.FALLBACK] is StepState.DONE, 60)
    await lab.run(5)
    assert steps(lab) == dict.fromkeys(lab.manager.commissioning.steps, StepState.DONE)
    await lab.stop()


@virtual
async def test_a_set_up_cut_short_goes_on_where_it_was(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona(sample_interval_s=60)})
    lab.instead["A", "ChangeConfiguration"] = None
    await lab.start()
    await lab.until(lambda: bool(lab.calls("A", "ChangeConfiguration")), 60)
    lab.cut("A")
    await lab.run(5)
    del lab.instead["A", "ChangeConfiguration"]
    boots = lab.stations["A"].counters.boots
    before = {one: len(lab.calls("A", one)) for one in ("GetConfiguration", "SetChargingProfile")}
    lab.mend("A")
    await lab.until(lambda: steps(lab).get(SetupStep.SAMPLING) is StepState.DONE, 200)
    assert lab.stations["A"].counters.boots == boots
    assert {one: len(lab.calls("A", one)) for one in before} == before
    # After a boot everything is asked anew.
    lab.stations["A"].reboot("PowerLoss")
    await lab.run(60)
    assert len(lab.calls("A", "GetConfiguration")) == before["GetConfiguration"] + 1
    await lab.stop()


@virtual
async def test_a_station_that_never_introduced_itself_is_asked_to(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()})
    lab.stations["A"].start()
    await lab.start_manager()
    await lab.run(10)
    lab.kill_manager()
    with sqlite3.connect(tmp_path / "bornier.sqlite3") as database:
        database.execute("DELETE FROM station_identity")
    await lab.start_manager()
    await lab.until(lambda: bool(lab.calls("A", "TriggerMessage")), 200)
    assert lab.calls("A", "TriggerMessage")[0] == {"requestedMessage": "BootNotification"}
    await lab.until(lambda: steps(lab).get(SetupStep.IDENTITY) is StepState.DONE, 60)
    assert lab.manager.services.stations.identity("A").vendor != ""
    await lab.stop()


@virtual
async def test_a_person_has_it_set_up_again(tmp_path: Path) -> None:
    lab = await one(tmp_path)
    before = len(lab.calls("A", "GetConfiguration"))
    writes = len(lab.calls("A", "SetChargingProfile"))
    await lab.manager.remote.set_up_again("A", "admin")
    await asyncio.sleep(0)
    with pytest.raises(InvalidInputError, match="set-up-running"):
        await lab.manager.remote.set_up_again("A", "admin")
    await lab.run(10)
    assert len(lab.calls("A", "GetConfiguration")) == before + 1
    assert len(lab.calls("A", "SetChargingProfile")) == writes
    assert "set-up-again" in {one.action for one in await lab.store.audit.recent(10)}
    await lab.stop()


@virtual
async def test_changes_that_come_together_are_written_once(tmp_path: Path) -> None:
    """A hundred changes of configuration in a row must not wear the stations' memory."""
    names = {f"S{n}": persona() for n in range(5)}
    lab = Lab(tmp_path, names)
    await lab.start()
    before = {name: len(lab.calls(name, "SetChargingProfile")) for name in names}
    job = await lab.manager.remote.bulk.start(
        "settings", {"fallback": "6000"}, list(names), "admin"
    )
    await lab.run(20)
    assert (await lab.manager.remote.bulk.get(job.job_id)).failures == ()
    for name in names:
        assert len(lab.calls(name, "SetChargingProfile")) == before[name] + 1, name
        last = json.dumps(lab.calls(name, "SetChargingProfile")[-1])
        assert '"limit": 6' in last
    await lab.stop()
