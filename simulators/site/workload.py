"""Who comes, when, in which car, for how long and for how much: drawn from the real tables."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

import msgspec

from simulators.site import tables
from simulators.site.tables import CarModel

DAY_S = 86_400
_QUARTER_S = 900
_USABLE_SHARE = 0.95
"""Share of a battery that a session may fill; nobody arrives quite empty."""
_LEAST_STAY_S = 300
"""The table's shortest stays round to nothing; nobody plugs in for less than this."""
_LOSS = 0.9
"""Share of the energy at the outlet that reaches the battery."""


class Visit(msgspec.Struct, frozen=True):
    """A car that is plugged in from ``arrival_s`` to ``departure_s`` at outlet number ``outlet``.

    ``energy_kwh`` is what it asks for, measured at the outlet; ``driver`` numbers its badge.
    """

    arrival_s: float
    departure_s: float
    outlet: int
    car: CarModel
    energy_kwh: float
    driver: int


class OutletSpec(msgspec.Struct, frozen=True):
    """What a visit must know of an outlet: how many phases it gives and how many amperes."""

    phases: int
    max_a: float


class Wish(msgspec.Struct, frozen=True):
    """A session as drawn, before anyone knows which outlet is free."""

    arrival_s: float
    stay_s: float
    car: CarModel
    energy_kwh: float


def draw_day(rng: random.Random, place: str, count: int, *, start_of_day_s: int = 0) -> list[Wish]:
    """``count`` sessions of a day at a kind of ``place``, by arrival.

    Times are seconds after the simulation's start, which is ``start_of_day_s`` seconds after
    midnight. Arrivals, stays and energies each follow the recorded distribution; the car is one of
    the registered models whose battery can take the energy.
    """
    quarters = list(accumulate(tables.arrivals(place)))
    wishes: list[Wish] = []
    for _ in range(count):
        quarter = min(bisect(quarters, rng.random()), tables.QUARTER_HOURS_PER_DAY - 1)
        time_of_day_s = (quarter + rng.random()) * _QUARTER_S
        stay_s = max(_LEAST_STAY_S, tables.exceeded_by(tables.stays_h(place), rng.random()) * 3600)
        energy_kwh = tables.exceeded_by(tables.energies_kwh(place), rng.random())
        car = draw_car(rng, energy_kwh)
        wishes.append(
            Wish(
                arrival_s=(time_of_day_s - start_of_day_s) % DAY_S,
                stay_s=stay_s,
                car=car,
                energy_kwh=min(energy_kwh, usable_kwh(car)),
            )
        )
    return sorted(wishes, key=lambda wish: wish.arrival_s)


def usable_kwh(car: CarModel) -> float:
    """The most that one session puts into a car, in kWh at the outlet."""
    return car.battery_kwh * _USABLE_SHARE / _LOSS


def draw_car(rng: random.Random, energy_kwh: float = 0.0) -> CarModel:
    """A registered car, by how many there are, among those whose battery takes ``energy_kwh``."""
    models = [car for car in tables.car_models() if usable_kwh(car) >= energy_kwh]
    if not models:
        return max(tables.car_models(), key=lambda car: car.battery_kwh)
    return rng.choices(models, weights=[car.registrations for car in models])[0]


def park(
    rng: random.Random, wishes: Sequence[Wish], outlets: Sequence[OutletSpec]
) -> tuple[list[Visit], int]:
    """Give each wish a free outlet, at random; also how many found none.

    A session asks for no more than its outlet could give it unmanaged during its stay.
    """
    free = list(range(len(outlets)))
    taken: list[tuple[float, int]] = []
    visits: list[Visit] = []
    turned_away = 0
    for wish in wishes:
        free.extend(outlet for until_s, outlet in taken if until_s <= wish.arrival_s)
        taken = [(until_s, outlet) for until_s, outlet in taken if until_s > wish.arrival_s]
        if not free:
            turned_away += 1
            continue
        free.sort()
        number = free.pop(rng.randrange(len(free)))
        departure_s = wish.arrival_s + wish.stay_s
        # A minute goes by between one driver who leaves and the next who comes.
        taken.append((departure_s + 60, number))
        spec = outlets[number]
        kw = min(wish.car.phases, spec.phases) * min(wish.car.max_a, spec.max_a) * 0.230
        visits.append(
            Visit(
                arrival_s=wish.arrival_s,
                departure_s=departure_s,
                outlet=number,
                car=wish.car,
                energy_kwh=min(wish.energy_kwh, kw * wish.stay_s / 3600),
                driver=len(visits),
            )
        )
    return visits, turned_away


def occupy(
    rng: random.Random,
    outlets: Sequence[OutletSpec],
    share: float,
    *,
    energy_kwh: tuple[float, float],
    over_s: float = 0.0,
) -> list[Visit]:
    """Cars at a ``share`` of the outlets from the start to the end, each for a big battery.

    They are the registered cars with a battery big enough for an energy drawn between the two
    bounds of ``energy_kwh``; they arrive within the first ``over_s`` seconds.
    """
    count = round(share * len(outlets))
    visits: list[Visit] = []
    for driver, number in enumerate(sorted(rng.sample(range(len(outlets)), count))):
        asked_kwh = rng.uniform(*energy_kwh)
        car = draw_car(rng)
        if usable_kwh(car) < asked_kwh:
            # Its charger is kept (that is what the phases see), its battery is made to last.
            car = msgspec.structs.replace(car, battery_kwh=asked_kwh)
        visits.append(
            Visit(
                arrival_s=rng.uniform(0.0, over_s),
                departure_s=float("inf"),
                outlet=number,
                car=car,
                energy_kwh=asked_kwh,
                driver=driver,
            )
        )
    return visits


def unmanaged_a(
    visits: Sequence[Visit],
    outlets: Sequence[tuple[OutletSpec, tuple[int, int, int]]],
    *,
    duration_s: float,
    step_s: float = 60.0,
) -> list[tuple[float, float, float]]:
    """What the cars would draw with no manager, per step and site phase (A).

    ``outlets`` pairs each outlet with the site phases of its conductors.
    """
    steps = int(duration_s / step_s)
    drawn = [[0.0, 0.0, 0.0] for _ in range(steps)]
    for visit in visits:
        spec, site_phases = outlets[visit.outlet]
        phases = min(visit.car.phases, spec.phases)
        amperes = min(visit.car.max_a, spec.max_a)
        charging_s = visit.energy_kwh * 1000 * 3600 / (phases * amperes * 230)
        end_s = min(visit.departure_s, visit.arrival_s + charging_s, duration_s)
        for step in range(int(visit.arrival_s / step_s), int(end_s / step_s)):
            for phase in site_phases[:phases]:
                drawn[step][phase] += amperes
    return [(a, b, c) for a, b, c in drawn]
