"""``/settings/phases``: what was found out of the wiring, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.domain.station import ConnectorKey
from app.domain.units import Rotation
from app.energy.meter_verdict import Lie, Verdict
from app.energy.phase_detective import PhaseEvidence
from app.energy.steps import Mover, Step
from tests.support.showroom import Showroom
from tests.unit.web.conftest import Visitor

PAGE = "/settings/phases"


def evidence(*rotations: Rotation, steps: int = 4) -> PhaseEvidence:
    step = [0.0 if one in rotations else -4.0 for one in Rotation]
    return PhaseEvidence([[*step, -4.0]] * steps)


@pytest.fixture
def keys(room: Showroom) -> Iterator[list[ConnectorKey]]:
    stations = room.manager.configuration.current.stations
    keys = [ConnectorKey(station.station_id, 1) for station in stations]
    yield keys
    for key in keys:
        room.manager.detective._watch.phases.forget(key)
    room.manager.detective._watch.meters.pardon("supply")


def learn(room: Showroom, key: ConnectorKey, what: PhaseEvidence) -> None:
    room.manager.detective._watch.phases.restore(key, what)


def rotation_of(room: Showroom, key: ConnectorKey) -> Rotation:
    stations = room.manager.configuration.current.stations
    station = next(one for one in stations if one.station_id == key.station_id)
    return station.connectors[0].rotation


async def test_it_is_found_from_the_settings_and_from_a_station(
    owner: Visitor, keys: list[ConnectorKey]
) -> None:
    for path in ("/settings", f"/stations/{keys[0].station_id}"):
        page = await owner.get(path)
        assert PAGE in [link.get("href") for link in page.all("a")]


async def test_every_outlet_is_listed_with_what_is_known(
    owner: Visitor, room: Showroom, keys: list[ConnectorKey]
) -> None:
    configured = rotation_of(room, keys[0])
    learn(room, keys[0], evidence(configured))
    page = await owner.get(PAGE)
    rows = page.one("table").all("tr")[1:]
    assert len(rows) == len(keys)
    assert "confirmé" in rows[0].text
    assert "en observation" in rows[1].text
    assert "rien à lui reprocher" in page.text


async def test_a_proposal_is_accepted(
    owner: Visitor, room: Showroom, keys: list[ConnectorKey]
) -> None:
    key = keys[1]
    wrong = Rotation.TSR if rotation_of(room, key) is not Rotation.TSR else Rotation.STR
    learn(room, key, evidence(wrong))
    page = await owner.get(PAGE)
    assert f"Proposé : {wrong.value}" in page.text
    answer = await owner.submit(PAGE, {"action": "accept"})
    assert answer.status_code == 303
    assert rotation_of(room, key) is wrong
    again = await owner.get(PAGE)
    assert "Proposé" not in again.text


async def test_of_two_rotations_one_is_chosen(
    owner: Visitor, room: Showroom, keys: list[ConnectorKey]
) -> None:
    key = keys[2]
    two = [Rotation.STR, Rotation.SRT]
    learn(room, key, evidence(*two))
    page = await owner.get(PAGE)
    choices = [field.get("value") for field in page.all("input", type="radio")]
    assert sorted(choices) == ["SRT", "STR"]
    refused = await owner.submit(PAGE, {"action": "accept", "rotation": "RTS"})
    assert refused.status_code == 422
    assert "plus proposé" in refused.text
    answer = await owner.submit(PAGE, {"action": "accept", "rotation": "SRT"})
    assert answer.status_code == 303
    assert rotation_of(room, key) is Rotation.SRT


async def test_a_proposal_is_dismissed(
    owner: Visitor, room: Showroom, keys: list[ConnectorKey]
) -> None:
    key = keys[3]
    wrong = Rotation.RTS if rotation_of(room, key) is not Rotation.RTS else Rotation.STR
    learn(room, key, evidence(wrong))
    assert (await owner.submit(PAGE, {"action": "dismiss"})).status_code == 303
    page = await owner.get(PAGE)
    assert "écarté" in page.text
    assert "Proposé" not in page.text


@pytest.mark.parametrize("lie", list(Lie))
async def test_a_lying_meter_stands_at_the_top_until_it_is_mended(
    owner: Visitor, room: Showroom, keys: list[ConnectorKey], lie: Lie
) -> None:
    numbers: dict[str, int | float | str] = {
        "phases": "L1", "order": "L2 L1 L3", "ratio": 0.5,
        "shown_ma": 1_000, "certain_ma": 32_000, "limit_ma": 100_000,
    }  # fmt: skip
    watch = room.manager.detective._watch
    watch.meters.restore(Verdict("supply", lie, 0.999, 0.0, numbers), 0.0)
    page = await owner.get(PAGE)
    assert "99,9" in page.text
    assert "…" not in page.one("main").text
    assert (await owner.submit(PAGE, {"action": "trust"})).status_code == 303
    assert watch.verdicts() == {}
    help_page = await owner.get(f"/help/errors/{lie.value}")
    assert lie.value in help_page.text


async def test_steps_that_showed_rightly_are_counted(
    owner: Visitor, room: Showroom, keys: list[ConnectorKey]
) -> None:
    mover = Mover(keys[0], (10.0, 10.0, 10.0), None, 3)
    step = Step(0.0, "supply", (mover,), (10.0, 10.0, 10.0), (0.5, 0.5, 0.5))
    room.manager.detective._watch.meters.take(step)
    page = await owner.get(PAGE)
    assert "1 changement d’une borne s’est vu" in page.text
