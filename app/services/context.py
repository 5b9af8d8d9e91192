"""Everything the pages may use, in one object."""

from __future__ import annotations

from dataclasses import dataclass

from app.config import Settings
from app.services.access import AccessService
from app.services.badges import BadgeService
from app.services.circuits import CircuitService
from app.services.detective import Detective
from app.services.health import HealthService
from app.services.live import LiveFeed
from app.services.ports import Clock
from app.services.sessions import SessionService
from app.services.stations import StationService


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, wired."""

    clock: Clock
    settings: Settings
    live: LiveFeed
    access: AccessService
    stations: StationService
    badges: BadgeService
    circuits: CircuitService
    detective: Detective
    sessions: SessionService
    health: HealthService
