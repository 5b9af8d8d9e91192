"""The control cycle: once a second, from what is known now to what each car may draw.

readings, stations -> SiteState -> plan -> guard -> SetChargingProfile
                                        -> SiteView -> browsers
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from app.energy.plan import Plan
from app.energy.planner import Planner
from app.energy.site_model import SiteModel
from app.energy.site_state import SiteState
from app.services.configuration import ConfigurationService, check
from app.services.detective import Detective
from app.services.limits import LimitSender
from app.services.live import LiveFeed
from app.services.meters import MeterDesk
from app.services.painter import Painter
from app.services.ports import Clock, SiteConfiguration
from app.services.registry import Registry
from app.services.snapshot import snapshot

log = logging.getLogger(__name__)

PERIOD_S = 1.0


class ControlLoop:
    """Runs the cycle. An error in a cycle is logged and leaves every limit as low as it was."""

    def __init__(  # noqa: PLR0913 - wired once, by name
        self,
        *,
        registry: Registry,
        meters: MeterDesk,
        detective: Detective,
        planner: Planner,
        sender: LimitSender,
        painter: Painter,
        live: LiveFeed,
        configuration: ConfigurationService,
        clock: Clock,
        lease_s: int,
    ) -> None:
        self._registry = registry
        self._meters = meters
        self._detective = detective
        self._planner = planner
        self._sender = sender
        self._painter = painter
        self._live = live
        self._configuration = configuration
        self._clock = clock
        self._lease_s = lease_s
        self._observers: list[Callable[[SiteState, Plan], None]] = []
        self.cycles = 0
        self.failures = 0
        self.last_cycle_s: float | None = None

    def on_cycle(self, observer: Callable[[SiteState, Plan], None]) -> None:
        """``observer`` sees what each cycle saw and decided, after the changes were sent.

        It must be quick and must not wait; its errors are logged and touch nothing else.
        """
        self._observers.append(observer)

    async def reconfigure(self, configuration: SiteConfiguration) -> None:
        """Puts a changed configuration into force from the next cycle on."""
        self._planner.replace_model(model_of(configuration))

    async def run(self) -> None:
        """Cycles until cancelled; a late cycle is not made up for."""
        next_s = self._clock.monotonic_s()
        while True:
            self.cycle()
            next_s = max(next_s + PERIOD_S, self._clock.monotonic_s())
            await asyncio.sleep(next_s - self._clock.monotonic_s())

    def cycle(self) -> None:
        """One cycle: plan, send, show."""
        began = time.perf_counter()
        state = self._state()
        plan = self._plan(state)
        self._watch_obedience()
        self._sender.send(plan.changes, self._lease_s)
        self.cycles += 1
        self.last_cycle_s = self._clock.monotonic_s()
        self._tell(state, plan)
        spent_ms = (time.perf_counter() - began) * 1000
        self._live.publish(self._painter.paint(self._configuration.current, plan, spent_ms))

    def _watch_obedience(self) -> None:
        now_s = self._clock.monotonic_s()
        for live in self._registry.connectors():
            live.obeys = not self._planner.ceilings.disobeys(live.key, now_s)

    def _tell(self, state: SiteState, plan: Plan) -> None:
        for observer in self._observers:
            try:
                observer(state, plan)
            except Exception:  # whoever watches must never disturb control
                self.failures += 1
                log.exception("an observer of the control cycle failed")

    def _state(self) -> SiteState:
        now_s = self._clock.monotonic_s()
        return self._detective.screen(snapshot(self._registry, self._meters.readings(), now_s))

    def _plan(self, state: SiteState) -> Plan:
        try:
            return self._planner.plan(state)
        except Exception:  # a fault in planning must never raise anybody's limit
            self.failures += 1
            log.exception("planning failed")
            return self._planner.safe_plan(state)


def model_of(configuration: SiteConfiguration) -> SiteModel:
    """The electrical model of a configuration that was checked before."""
    return check(configuration)
