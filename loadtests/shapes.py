"""How the load goes up and down, by scenario."""

from __future__ import annotations

import gevent
from locust import LoadTestShape

from loadtests import stage
from loadtests.users.station import StationUser

RAMP_S = 60.0
RAMP_HOLD_S = 60.0

STORM_RAMP_S = 25.0
STORM_AT_S = 60.0
STORM_END_S = 120.0

PER_S = 10.0
"""Users that may be started in a second."""


class Ramp(LoadTestShape):
    """From one station to a hundred within a minute, then a minute of all of them."""

    abstract = stage.SCENARIO != "ramp-100"

    def tick(self) -> tuple[int, float] | None:
        """Users that shall live now."""
        now_s = self.get_run_time()
        if now_s > RAMP_S + RAMP_HOLD_S:
            return None
        stations = min(stage.STATIONS, 1 + int(now_s * (stage.STATIONS - 1) / RAMP_S))
        return stations + stage.MANAGERS, PER_S


class StormShape(LoadTestShape):
    """A hundred stations, all cut at once; then a minute to see that everything goes on."""

    abstract = stage.SCENARIO != "storm-100"

    def tick(self) -> tuple[int, float] | None:
        """Users that shall live now; at its time, the cut."""
        now_s = self.get_run_time()
        if now_s > STORM_END_S:
            return None
        if now_s >= STORM_AT_S and not stage.storm.cut.is_set():
            cut = list(StationUser.stations)
            stage.storm.begin(len(cut))
            gevent.joinall([gevent.spawn(station.cut) for station in cut])
        stations = min(stage.STATIONS, 1 + int(now_s * (stage.STATIONS - 1) / STORM_RAMP_S))
        return stations + stage.MANAGERS, PER_S
