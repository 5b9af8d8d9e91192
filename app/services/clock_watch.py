"""Jumps of clocks: a lease ends by the station's clock, which follows the manager's.

When the manager's wall clock is set, the stations follow at their next heartbeat, and every lease
in force moves with them: longer than agreed when the clock goes back. So after a step nothing that
was granted is taken to end by itself, and every limit is sent again, with a lease by the new time.
"""

from __future__ import annotations

import logging

from app.energy.planner import Planner
from app.services.limits import LimitSender
from app.services.ports import Clock
from app.services.registry import Registry

log = logging.getLogger(__name__)

STEP_S = 2.0
"""A wall clock that leaves the monotonic one by more in one cycle was set; slewing is far slower."""


class ClockWatch:
    """Compares the two clocks once a cycle, and each station's clock with ours."""

    def __init__(
        self, registry: Registry, planner: Planner, sender: LimitSender, clock: Clock, lease_s: int
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._sender = sender
        self._clock = clock
        self._lease_s = lease_s
        self._offset_s = self._present_offset_s()
        self._leasable: dict[str, bool] = {}
        self.steps = 0

    def watch(self) -> None:
        """Looks once; a step is answered on the spot."""
        offset_s = self._present_offset_s()
        step_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(step_s) > STEP_S:
            self._stepped(step_s)
        for station in self._registry:
            if not station.online:
                continue
            leasable = self._sender.can_lease(station, self._lease_s)
            before = self._leasable.get(station.station.station_id, leasable)
            self._leasable[station.station.station_id] = leasable
            if leasable and not before:
                # Its limits went out without an end while its clock was off.
                self._sender.reissue(station, self._lease_s)

    def _stepped(self, step_s: float) -> None:
        log.warning("the clock was set by %+.1f s: every limit is sent again", step_s)
        self.steps += 1
        self._planner.ceilings.distrust_leases()
        for station in self._registry:
            # Its clock is still the old one: compared with ours it has moved the other way.
            station.clock_skew_s -= step_s
            if station.online:
                self._sender.reissue(station, self._lease_s)

    def _present_offset_s(self) -> float:
        return self._clock.utc_now().timestamp() - self._clock.monotonic_s()
