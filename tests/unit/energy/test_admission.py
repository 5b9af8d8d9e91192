"""Who is served first when not everybody can be."""

from __future__ import annotations

from app.domain.rules import SharingPolicy
from app.energy.admission import Admission, Candidate
from app.energy.settings import EnergySettings
from tests.support.energy_site import key

SETTINGS = EnergySettings(rotation_s=100.0, min_on_s=50.0, min_off_s=30.0)


def candidate(
    name: str,
    *,
    held: int = 0,
    arrived: float = 0.0,
    priority: int = 0,
    transaction: int = 1,
    yields: bool = False,
) -> Candidate:
    return Candidate(key(name), transaction, priority, arrived, held * 1000, 6_000, yields)


def names(
    admission: Admission,
    candidates: list[Candidate],
    now_s: float,
    policy: SharingPolicy = SharingPolicy.WEIGHTED,
) -> str:
    return "".join(one.key.station_id for one in admission.order(candidates, policy, now_s))


def test_first_come_first_served() -> None:
    admission = Admission(SETTINGS)
    candidates = [candidate("B", arrived=2), candidate("A", arrived=3), candidate("C", arrived=1)]
    assert names(admission, candidates, 10.0) == "CBA"


def test_first_come_means_that_nobody_makes_room() -> None:
    admission = Admission(SETTINGS)
    candidates = [candidate("B", held=6, arrived=2), candidate("A", arrived=1)]
    for now_s in (10.0, 1_000.0):
        assert names(admission, candidates, now_s, SharingPolicy.FIRST_COME) == "AB"
    candidates = [candidate("B", held=6, arrived=1), candidate("A", arrived=2)]
    assert names(admission, candidates, 2_000.0, SharingPolicy.FIRST_COME) == "BA"
    assert names(admission, candidates, 2_000.0) == "AB"


def test_names_decide_between_equals() -> None:
    assert names(Admission(SETTINGS), [candidate("B"), candidate("A")], 10.0) == "AB"


def test_a_running_session_goes_before_one_that_waits() -> None:
    admission = Admission(SETTINGS)
    assert names(admission, [candidate("A"), candidate("B", held=6, arrived=5)], 10.0) == "BA"


def test_after_its_turn_a_session_makes_room() -> None:
    admission = Admission(SETTINGS)
    candidates = [candidate("A"), candidate("B", held=6), candidate("C", held=6)]
    names(admission, [candidates[0], candidates[1]], 0.0)
    names(admission, candidates, 20.0)
    assert names(admission, candidates, 99.0) == "BCA"
    assert names(admission, candidates, 100.0) == "CAB"
    # Both have had their turn: the one served longest goes last.
    assert names(admission, candidates, 130.0) == "ACB"


def test_a_paused_session_rests() -> None:
    admission = Admission(SETTINGS)
    names(admission, [candidate("A", held=6), candidate("B")], 0.0)
    paused = [candidate("A"), candidate("B")]
    assert names(admission, paused, 10.0) == "B"
    assert names(admission, paused, 39.0) == "B"
    assert names(admission, paused, 40.0) == "BA"
    # Served again meanwhile: rests no more.
    names(admission, [candidate("A", held=6)], 41.0)
    names(admission, [candidate("A")], 42.0)
    assert names(admission, [candidate("A", held=6)], 43.0) == "A"


def test_another_car_does_not_inherit_the_pause() -> None:
    admission = Admission(SETTINGS)
    names(admission, [candidate("A", held=6)], 0.0)
    assert names(admission, [candidate("A")], 10.0) == ""
    assert names(admission, [candidate("A", transaction=2)], 11.0) == "A"


def test_who_left_is_forgotten() -> None:
    admission = Admission(SETTINGS)
    names(admission, [candidate("A", held=6)], 0.0)
    names(admission, [candidate("A")], 1.0)
    names(admission, [], 2.0)
    assert names(admission, [candidate("A")], 3.0) == "A"


def test_classes_come_first_and_sleepers_last() -> None:
    admission = Admission(SETTINGS)
    candidates = [
        candidate("A", yields=True, held=6),
        candidate("B", priority=1, held=6),
        candidate("C"),
    ]
    assert names(admission, candidates, 10.0) == "CBA"
