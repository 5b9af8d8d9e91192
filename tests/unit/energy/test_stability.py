"""Which of the wanted limits are worth a message now."""

from __future__ import annotations

from math import inf

import msgspec

from app.energy.settings import EnergySettings
from app.energy.stability import Room, Stability, Wish
from tests.support.energy_site import key

SETTINGS = EnergySettings()
NOW = 1_000.0


def wish(name: str, held: int | None, target: int, **values: object) -> Wish:
    """Amperes; on slot 0, with everything settled."""
    asked_ma = None if held is None else held * 1000
    made = Wish(
        key=key(name),
        slots=(0,),
        target_ma=target * 1000,
        asked_ma=asked_ma,
        ceiling_ma=32_000 if asked_ma is None else asked_ma,
        least_ma=32_000 if asked_ma is None else asked_ma,
        floor_ma=6_000,
        step_ma=1_000,
        fallback_ma=0,
    )
    return msgspec.structs.replace(made, **values)


def room(
    usable: float = 40, load: float = 0, slack: float = 40, trigger: float | None = None
) -> Room:
    return Room(
        [round(usable * 1000)],
        [round((usable if trigger is None else trigger) * 1000)],
        [round(load * 1000)],
        [round(slack * 1000)],
    )


def decide(
    *wishes: Wish,
    where: Room | None = None,
    now_s: float = NOW,
    stability: Stability | None = None,
) -> dict[str, int]:
    chosen = (stability or Stability(SETTINGS)).decide(wishes, where or room(), now_s)
    return {one.station_id: limit // 1000 for one, limit in chosen.items()}


# ----------------------------------------------------------------- decreases


def test_no_decrease_while_everything_fits() -> None:
    assert decide(wish("A", 16, 10)) == {}


def test_a_decrease_when_it_does_not_fit_any_more() -> None:
    assert decide(wish("A", 16, 10), where=room(load=30)) == {"A": 10}


def test_the_dead_band_forgives_what_the_margin_covers() -> None:
    assert decide(wish("A", 16, 13), where=room(load=27, trigger=43)) == {}
    assert decide(wish("A", 16, 12), where=room(load=28, trigger=43)) == {"A": 12}


def test_only_those_on_the_full_slot_go_down() -> None:
    other = wish("B", 16, 10, slots=(1,))
    rooms = Room([40_000, 40_000], [40_000, 40_000], [30_000, 0], [0, 0])
    assert decide(wish("A", 16, 10), other, where=rooms) == {"A": 10}


def test_a_waiting_car_gets_what_others_have_too_much() -> None:
    assert decide(wish("A", 20, 14), wish("B", 0, 6), where=room(usable=20, slack=0)) == {"A": 14}


def test_small_unfairness_is_mended_only_when_it_lasts() -> None:
    stability = Stability(SETTINGS)
    pair = (wish("A", 11, 10), wish("B", 9, 10))
    where = room(usable=20, slack=0)
    assert decide(*pair, where=where, stability=stability) == {}
    assert decide(*pair, where=where, stability=stability, now_s=NOW + 59) == {}
    assert decide(*pair, where=where, stability=stability, now_s=NOW + 60) == {"A": 10}
    # Interrupted, it starts anew.
    assert decide(wish("B", 10, 10), where=where, stability=stability, now_s=NOW + 61) == {}
    assert decide(*pair, where=where, stability=stability, now_s=NOW + 62) == {}


def test_great_unfairness_is_mended_at_once() -> None:
    pair = (wish("A", 12, 10), wish("B", 8, 10))
    assert decide(*pair, where=room(usable=20, slack=0)) == {"A": 10}


def test_nobody_is_lowered_for_one_who_may_not_rise() -> None:
    pair = (wish("A", 12, 10), wish("B", 8, 10, frozen=True))
    assert decide(*pair, where=room(usable=20, slack=0)) == {}


def test_less_than_an_ampere_is_no_unfairness() -> None:
    pair = (wish("A", 12, 10), wish("B", 8, 8, target_ma=8_900))
    assert decide(*pair, where=room(usable=20, slack=0)) == {}


def test_after_a_failure_a_decrease_waits_a_little() -> None:
    soon = wish("A", 16, 10, retry_soon_s=NOW + 1)
    assert decide(soon, where=room(load=30)) == {}
    assert decide(soon, where=room(load=30), now_s=NOW + 1) == {"A": 10}


def test_an_unanswered_decrease_is_repeated() -> None:
    waiting = wish("A", 6, 6, ceiling_ma=16_000, in_flight=True)
    assert decide(waiting) == {}
    assert decide(msgspec.structs.replace(waiting, overdue=True)) == {"A": 6}


def test_an_unknown_limit_is_set_at_once() -> None:
    assert decide(wish("A", None, 10)) == {"A": 10}
    assert decide(wish("A", None, 10, in_flight=True)) == {}


def test_a_defiant_station_is_switched_off_where_current_is_short() -> None:
    defiant = wish("A", 6, 0, defiant=True, ceiling_ma=16_000)
    assert decide(defiant) == {}
    assert decide(defiant, where=room(load=41)) == {"A": 0}
    assert decide(wish("A", 0, 0, defiant=True), where=room(load=41)) == {}
    for values in ({"in_flight": True}, {"changed_s": NOW - 7}, {"slots": ()}):
        assert decide(msgspec.structs.replace(defiant, **values), where=room(load=41)) == {}


# ----------------------------------------------------------------- increases


def test_an_increase_takes_what_is_certainly_free() -> None:
    assert decide(wish("A", 6, 16), where=room(slack=4)) == {"A": 10}
    assert decide(wish("A", 6, 16), where=room(slack=4.9)) == {"A": 10}
    assert decide(wish("A", 6, 16), where=room(slack=0.9)) == {}
    assert decide(wish("A", 6, 16), where=room(slack=-1)) == {}


def test_a_car_is_admitted_with_a_usable_current_or_not_at_all() -> None:
    assert decide(wish("A", 0, 16), where=room(slack=5.9)) == {}
    assert decide(wish("A", 0, 16), where=room(slack=6)) == {"A": 6}


def test_an_increase_is_made_in_steps() -> None:
    assert decide(wish("A", 0, 32)) == {"A": 10}
    assert decide(wish("A", 10, 32)) == {"A": 20}


def test_the_room_is_shared_out_once_the_poorest_first() -> None:
    wishes = (wish("A", 10, 16), wish("B", 6, 16))
    assert decide(*wishes, where=room(slack=12)) == {"B": 16, "A": 12}
    weighted = (wish("A", 10, 16, weight=4_000), wish("B", 6, 16))
    assert decide(*weighted, where=room(slack=6)) == {"A": 16}


def test_a_ceiling_above_the_limit_is_room_already_taken() -> None:
    risen = wish("A", 6, 16, ceiling_ma=12_000)
    assert decide(risen, where=room(slack=0)) == {"A": 12}


def test_increases_wait_for_their_turn() -> None:
    assert decide(wish("A", 6, 16, changed_s=NOW - 9)) == {}
    assert decide(wish("A", 6, 16, changed_s=NOW - 10)) == {"A": 16}
    assert decide(wish("A", 6, 16, in_flight=True)) == {}
    assert decide(wish("A", 6, 16, retry_at_s=NOW + 1)) == {}
    assert decide(wish("A", 6, 16, frozen=True)) == {}


def test_small_steps_are_worth_no_message_but_the_last_one() -> None:
    fine = wish("A", 6, 16, step_ma=100)
    assert decide(msgspec.structs.replace(fine, target_ma=6_900)) == {"A": 6}
    assert decide(fine, where=room(slack=0.9)) == {}


# ----------------------------------------------------------------- repetitions


def test_a_lease_is_renewed_past_its_half() -> None:
    held = wish("A", 16, 16, lease_until_s=NOW + 301)
    assert decide(held) == {}
    assert decide(held, now_s=NOW + 1) == {"A": 16}
    assert decide(msgspec.structs.replace(held, in_flight=True), now_s=NOW + 1) == {}
    assert decide(msgspec.structs.replace(held, retry_at_s=inf), now_s=NOW + 1) == {}


def test_a_limit_equal_to_the_fallback_needs_no_lease() -> None:
    assert decide(wish("A", 6, 6, lease_until_s=NOW, fallback_ma=6_000)) == {}


def test_a_lost_message_is_repeated_where_it_cannot_hurt() -> None:
    lost_rise = wish("A", 6, 6, ceiling_ma=16_000, uncertain=True)
    assert decide(lost_rise, where=room(slack=-5)) == {"A": 6}
    lost_fall = wish("A", 16, 16, least_ma=6_000, uncertain=True)
    assert decide(lost_fall, where=room(slack=0)) == {"A": 16}
    assert decide(lost_fall, where=room(slack=-1)) == {}
    assert decide(msgspec.structs.replace(lost_fall, frozen=True)) == {}


def test_bursts_are_paced_but_for_decreases() -> None:
    stability = Stability(EnergySettings(changes_per_cycle=2))
    wishes = [
        wish("A", 6, 16, slots=(1,)),
        wish("B", 16, 8),
        wish("C", 16, 16, slots=(1,), lease_until_s=NOW),
        wish("D", 16, 10),
    ]
    rooms = Room([40_000] * 2, [40_000] * 2, [30_000, 0], [40_000] * 2)
    assert list(decide(*wishes, where=rooms, stability=stability)) == ["B", "D"]
    paced = Stability(EnergySettings(changes_per_cycle=3))
    assert list(decide(*wishes, where=rooms, stability=paced)) == ["B", "D", "A"]
    slow = Stability(EnergySettings(changes_per_cycle=1))
    assert list(decide(*wishes, where=rooms, stability=slow)) == ["B", "D"]
