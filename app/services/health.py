"""Is the manager well? A list of checks, each answered from memory."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.config import VERSION
from app.services.ports import Clock


class Check(msgspec.Struct, frozen=True):
    """One question and its answer."""

    name: str
    ok: bool
    detail: str = ""


class HealthReport(msgspec.Struct, frozen=True):
    """``ready`` when every check that readiness needs is well."""

    ready: bool
    checks: tuple[Check, ...]
    version: str
    uptime_s: float


Probe = Callable[[], Check]


class HealthService:
    """Asks every probe when asked itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._probes: list[tuple[Probe, bool]] = []

    def add(self, probe: Probe, *, needed: bool) -> None:
        """Registers a probe; ``needed`` ones decide on readiness."""
        self._probes.append((probe, needed))

    def report(self) -> HealthReport:
        """The present answers."""
        answers = [(probe(), needed) for probe, needed in self._probes]
        return HealthReport(
            ready=all(check.ok for check, needed in answers if needed),
            checks=tuple(check for check, _ in answers),
            version=VERSION,
            uptime_s=round(self._clock.monotonic_s() - self._started_s, 1),
        )
