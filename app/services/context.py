"""Everything the pages may use, in one object."""

from __future__ import annotations

from dataclasses import dataclass

from app.config import Settings
from app.services.access import AccessService
from app.services.adoption import AdoptionService
from app.services.badges import BadgeService
from app.services.circuits import CircuitService
from app.services.detective import Detective
from app.services.evidence import EvidenceService
from app.services.external_limits import ExternalLimits
from app.services.frames import FrameService
from app.services.health import HealthService
from app.services.history import LimitHistory
from app.services.lan_scan import LanScan
from app.services.live import LiveFeed
from app.services.parked import ParkedStops
from app.services.ports import Clock
from app.services.preview import PreviewService
from app.services.quirks import QuirkBook
from app.services.remote import RemoteManagement
from app.services.repairs import RepairLog
from app.services.rule_book import RuleBook
from app.services.rules import Rules
from app.services.safety import SafetyCase
from app.services.sessions import SessionService
from app.services.sheets import SheetFacts
from app.services.site_tokens import SiteTokens
from app.services.station_files import StationFiles
from app.services.station_keys import StationKeys
from app.services.station_security import StationSecurityService
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
    rules: Rules
    rule_book: RuleBook
    external: ExternalLimits
    tokens: SiteTokens
    preview: PreviewService
    history: LimitHistory
    evidence: EvidenceService
    safety: SafetyCase
    security: StationSecurityService
    station_keys: StationKeys
    quirks: QuirkBook
    repairs: RepairLog
    parked: ParkedStops
    adoption: AdoptionService
    scan: LanScan
    sheets: SheetFacts
    frames: FrameService
    remote: RemoteManagement
    files: StationFiles
