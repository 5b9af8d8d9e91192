"""What a run proved, as JSON with stable keys: the simulators' truth, not the manager's belief.

Only ``transactions_recorded`` and ``energy_error_ratio`` compare that truth with what the manager
stored; whoever can read its store passes them in as ``Recorded``. ``disobeying_found_s`` and
``wrongly_flagged`` compare it with whom the manager flags, where somebody can tell.
"""

from __future__ import annotations

from typing import Any

import msgspec

from simulators.driver import Driver
from simulators.site.oracle import percentile

LISTED_OVERLOADS = 50
YEAR_S = 365 * 86_400


class Recorded(msgspec.Struct, frozen=True):
    """What the manager's store holds at the end.

    ``energy_wh`` gives the stored energy of finished transactions by transactionId.
    """

    transactions: int
    energy_wh: dict[int, int]


def build_report(
    driver: Driver,
    *,
    simulated_s: float,
    recorded: Recorded | None,
    real_s: float = 0.0,
    cpu_s: float = 0.0,
) -> dict[str, Any]:
    """The report of a run that has ended; ``simulated_s`` leaves the end's clearing out.

    ``real_s`` and ``cpu_s`` are what the run took of the wall clock and of the processor.
    """
    plan, fleet, oracle = driver.plan, driver.fleet, driver.site.oracle
    obedience, waiting = driver.obedience, driver.waiting
    durations = [overload.duration_s for overload in oracle.overloads]
    connector_hours = len(plan.outlets) * simulated_s / 3600
    return {
        "scenario": plan.scenario.name,
        "title": plan.scenario.title,
        "seed": plan.seed,
        "stations": len(plan.stations),
        "connectors": len(plan.outlets),
        "simulated_s": simulated_s,
        "real_s": round(real_s, 1),
        "cpu_s": round(cpu_s, 1),
        "overload_events": len(oracle.overloads),
        "overload_s_p95": percentile(durations, 0.95),
        "longest_overload_s": max(durations, default=0.0),
        "breakers_tripped": len(oracle.trips),
        "power_overload_s": max(
            (watch.longest_s for watch in driver.site.power.values()), default=None
        ),
        "capacity_used_ratio": _rounded(driver.capacity.ratio),
        "capacity_used_steady": _rounded(driver.capacity.steady_ratio),
        "capacity_wanted_s": round(driver.capacity.seconds, 1),
        "kwh_asked": round(fleet.arrived_kwh, 1),
        "kwh_delivered": round(fleet.delivered_kwh, 1),
        "cars": len(plan.visits),
        "cars_turned_away": plan.turned_away,
        "profile_messages_per_connector_hour": round(fleet.profile_messages / connector_hours, 2),
        "profile_writes_per_year_worst": round(fleet.most_profile_messages / simulated_s * YEAR_S),
        "disobeying": obedience.disobeying,
        "disobeying_found_s": obedience.found_s,
        "wrongly_flagged": obedience.wrongly_flagged,
        "starved_cars": waiting.starved_cars,
        "longest_wait_s": waiting.longest_s,
        "pauses_per_session": round(fleet.pause_count / max(1, fleet.transaction_count), 2),
        "transactions_expected": fleet.transaction_count,
        "transactions_recorded": None if recorded is None else recorded.transactions,
        "energy_error_ratio": None
        if recorded is None
        else _rounded(_energy_error(driver, recorded)),
        "limits_a": {circuit.id: list(circuit.limit_a) for circuit in driver.site.circuits},
        "unmanaged_peak_a": [round(amperes, 1) for amperes in plan.unmanaged_peak_a()],
        "peak_a": [round(max(column), 1) for column in _supply_columns(driver)],
        "overloads": [
            msgspec.to_builtins(overload) for overload in oracle.overloads[:LISTED_OVERLOADS]
        ],
        "trips": [msgspec.to_builtins(trip) for trip in oracle.trips[:LISTED_OVERLOADS]],
    }


def _supply_columns(driver: Driver) -> list[list[float]]:
    return [
        [moment.building_a[phase] + moment.charging_a[phase] for moment in driver.moments] or [0.0]
        for phase in (0, 1, 2)
    ]


def _energy_error(driver: Driver, recorded: Recorded) -> float | None:
    """Energy stored wrongly over energy delivered, of the transactions that both sides finished."""
    wrong_wh = true_wh = 0.0
    for station in driver.fleet.stations:
        for record in station.records:
            stored_wh = recorded.energy_wh.get(record.transaction_id or 0)
            if record.stop_utc is None or stored_wh is None:
                continue
            wrong_wh += abs(stored_wh - record.energy_wh)
            true_wh += record.energy_wh
    return wrong_wh / true_wh if true_wh else None


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)
