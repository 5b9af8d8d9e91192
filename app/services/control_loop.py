"""The control cycle: once a second, from what is known now to what each car may draw.

readings, stations, rules -> SiteState -> plan -> guard -> SetChargingProfile
                                        -> SiteView -> browsers
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from app.domain.meter import MeterReading
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
from app.services.rules import Rules, Ruling
from app.services.snapshot import snapshot

log = logging.getLogger(__name__)

PERIOD_S = 1.0

EARLY_S = 0.01


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
        rules: Rules,
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
        self._rules = rules
        self._ruling = Ruling()
        self._clock = clock
        self._lease_s = lease_s
        self._hurry = asyncio.Event()
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
        """Cycles until cancelled, once a second and when something is urgent.

        A late cycle is not made up for; an urgent one does not move the rhythm of the others.
        """
        next_s = self._clock.monotonic_s()
        while True:
            self._hurry.clear()
            self.cycle()
            now_s = self._clock.monotonic_s()
            # A wait may end a hair before its time: that is the cycle which was due, not one more.
            if now_s > next_s - EARLY_S:
                next_s = max(next_s + PERIOD_S, now_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next_s - now_s):
                    await self._hurry.wait()

    def notice(self, circuit_id: str, reading: MeterReading) -> None:
        """A circuit's meter has answered: a load too high does not wait for the next second."""
        if self._planner.is_urgent(circuit_id, reading):
            self._hurry.set()

    def cycle(self) -> None:
        """One cycle: plan, send, show."""
        began = time.perf_counter()
        state = self._state()
        plan = self._plan(state)
        self._sender.send(plan.changes, self._lease_s)
        self.cycles += 1
        self.last_cycle_s = self._clock.monotonic_s()
        self._tell(state, plan)
        spent_ms = (time.perf_counter() - began) * 1000
        self._live.publish(self._painter.paint(self._configuration.current, plan, spent_ms))

    def _tell(self, state: SiteState, plan: Plan) -> None:
        for observer in self._observers:
            try:
                observer(state, plan)
            except Exception:  # whoever watches must never disturb control
                self.failures += 1
                log.exception("an observer of the control cycle failed")

    def _state(self) -> SiteState:
        now_s = self._clock.monotonic_s()
        try:
            self._ruling = self._rules.ruling(self._clock.utc_now(), now_s)
        except Exception:  # the rules of a moment ago are better than no cycle
            self.failures += 1
            log.exception("the rules of sharing failed")
        state = snapshot(self._registry, self._meters.readings(), self._ruling, now_s)
        try:
            return self._detective.screen(state)
        except Exception:  # whoever doubts the meters must never disturb control
            self.failures += 1
            log.exception("the watch over the meters failed")
            return state

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
