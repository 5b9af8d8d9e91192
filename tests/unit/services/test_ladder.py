"""The ladder as a state machine: what it sees, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from app.services.ladder import (
    BLOCK_PATIENCE_S,
    FORM_PATIENCE_S,
    RELEASE_AGAIN_S,
    ROOM_PATIENCE_S,
    SHORT_PATIENCE_S,
    STOP_PATIENCE_S,
    Ladder,
    Rung,
    Sight,
    Step,
)


class Climb:
    """A ladder seen once a second."""

    def __init__(self, *, blocked: bool = False) -> None:
        self.ladder = Ladder(blocked=blocked)
        self.now_s = 100.0
        self.steps: list[tuple[float, Step]] = []

    def rung(self) -> Rung:
        return self.ladder.rung

    def see(self, seconds: float = 1, **sight: Any) -> list[Step]:
        """The steps told while this is seen for so long."""
        told = []
        for _ in range(round(seconds)):
            self.now_s += 1.0
            step = self.ladder.advance(Sight(self.now_s, **sight))
            if step is not None:
                told.append(step)
        return told


def test_who_does_as_told_stays_on_the_ground() -> None:
    climb = Climb()
    assert climb.see(100, short=True, overloaded=True) == []
    assert climb.rung() is Rung.NONE


@pytest.mark.parametrize("trouble", [{"disobeys": True}, {"refuses": True}])
def test_a_disobeying_car_that_harms_nobody_is_only_budgeted(trouble: dict[str, bool]) -> None:
    climb = Climb()
    assert climb.see(3_600, **trouble) == []
    assert climb.rung() is Rung.BUDGETED
    assert climb.see(1) == []
    assert climb.rung() is Rung.NONE


def test_a_shortage_that_passes_by_itself_changes_nothing() -> None:
    climb = Climb()
    for _ in range(20):
        assert climb.see(SHORT_PATIENCE_S, disobeys=True, short=True) == []
        assert climb.see(1, disobeys=True) == []


def test_short_of_current_it_climbs_to_the_top_and_comes_back_when_there_is_room() -> None:
    climb = Climb()
    short = {"disobeys": True, "short": True}
    assert climb.see(SHORT_PATIENCE_S + 1, **short) == [Step.OTHER_FORM]
    assert climb.see(FORM_PATIENCE_S, **short) == [Step.OTHER_FORM]
    assert climb.see(FORM_PATIENCE_S - 1, **short) == []
    assert climb.see(1, **short) == [Step.STOP]
    assert climb.see(STOP_PATIENCE_S - 1, **short) == []
    assert climb.see(1, **short) == [Step.BLOCK]
    assert climb.see(BLOCK_PATIENCE_S - 1, **short) == []
    assert climb.rung() is Rung.BLOCKED
    assert climb.see(1, **short) == []
    assert climb.rung() is Rung.HELPLESS
    assert climb.see(100, charging=False) == []
    assert climb.rung() is Rung.BLOCKED
    assert climb.see(ROOM_PATIENCE_S, charging=False, room=True) == []
    assert climb.see(1, charging=False, room=True) == [Step.RELEASE]
    climb.ladder.released(climb.now_s)
    assert climb.rung() is Rung.NONE
    assert climb.see(100, charging=False, room=True) == []


def test_a_release_is_repeated_until_it_is_taken_and_not_while_offline() -> None:
    climb = Climb(blocked=True)
    free = {"charging": False, "room": True}
    assert climb.see(ROOM_PATIENCE_S + 30, online=False, **free) == []
    assert climb.see(1, **free) == [Step.RELEASE]
    assert climb.see(RELEASE_AGAIN_S - 1, **free) == []
    assert climb.see(1, **free) == [Step.RELEASE]


def test_a_true_overload_does_not_wait_for_other_forms() -> None:
    climb = Climb()
    worst = {"disobeys": True, "short": True, "overloaded": True}
    assert climb.see(SHORT_PATIENCE_S + 1, **worst) == [Step.STOP]


def test_an_overload_while_another_form_is_tried_ends_the_charge_at_once() -> None:
    climb = Climb()
    assert climb.see(SHORT_PATIENCE_S + 1, refuses=True, short=True) == [Step.OTHER_FORM]
    assert climb.see(1, refuses=True, short=True, overloaded=True) == [Step.STOP]


def test_a_station_that_starts_to_obey_leaves_the_ladder_and_starts_from_its_foot() -> None:
    climb = Climb()
    assert climb.see(SHORT_PATIENCE_S + 1, disobeys=True, short=True) == [Step.OTHER_FORM]
    assert climb.see(1, short=True) == []
    assert climb.rung() is Rung.NONE
    assert climb.see(1, disobeys=True, short=True) == [Step.OTHER_FORM]


def test_the_end_of_the_charge_is_all_that_was_wanted() -> None:
    climb = Climb()
    worst = {"disobeys": True, "short": True, "overloaded": True}
    assert climb.see(SHORT_PATIENCE_S + 1, **worst) == [Step.STOP]
    assert climb.see(600, charging=False) == []
    assert climb.rung() is Rung.NONE


def test_a_driver_who_starts_anew_finds_the_connector_out_of_service() -> None:
    climb = Climb()
    worst = {"disobeys": True, "short": True, "overloaded": True}
    assert climb.see(SHORT_PATIENCE_S + 1, **worst) == [Step.STOP]
    assert climb.see(60, charging=False) == []
    assert climb.see(SHORT_PATIENCE_S + 2, **worst) == [Step.STOP, Step.BLOCK]


def test_an_hour_later_it_is_another_story() -> None:
    climb = Climb()
    worst = {"disobeys": True, "short": True, "overloaded": True}
    assert climb.see(SHORT_PATIENCE_S + 1, **worst) == [Step.STOP]
    assert climb.see(3_700, charging=False) == []
    assert climb.see(STOP_PATIENCE_S, **worst) == [Step.STOP]


def test_nothing_is_told_to_who_is_away() -> None:
    climb = Climb()
    assert climb.see(100, disobeys=True, short=True, overloaded=True, online=False) == []
    assert climb.rung() is Rung.BUDGETED
