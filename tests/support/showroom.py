"""A manager whose pages show a made-up site: every state at once, values that move.

The services, the database and the pages are the real ones; only the picture of the site is drawn
here instead of by the control loop. `python -m tests.support.showroom --port 9443` serves it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from app.adapters.clock import SystemClock
from app.adapters.file_vault import DiskVault
from app.adapters.frame_recorder import FrameRecorder
from app.adapters.frame_search import FrameSearch
from app.adapters.local_address import RoutedAddresses
from app.adapters.meter_catalogue import load_catalogue, meter_models
from app.adapters.modbus_meter import ModbusMeter, probe_meter
from app.adapters.passwords import Argon2Hasher
from app.adapters.quirk_register import load_quirks
from app.adapters.station_authority import SiteAuthority
from app.adapters.station_vault import StationVault
from app.adapters.storage.store import open_store
from app.adapters.tls_ports import web_tls_context
from app.adapters.web_server import WebListener
from app.config import Settings
from app.domain.badge import Badge
from app.domain.evidence import EventKind, EvidenceEvent, EvidenceMonth, LimitRecord
from app.domain.limits import Reason, ReasonCode
from app.domain.meter import MeterConfig, MeterPlacement
from app.domain.remote import (
    BulkJob,
    JobState,
    KeyReading,
    KeyTemplate,
    Outage,
    Outcome,
    OutcomeState,
    Reading,
    Reservation,
    SetupRecord,
    SetupStep,
    StationEvent,
    StepRecord,
    StepState,
)
from app.domain.remote import EventKind as RemoteEvent
from app.domain.station import (
    ChargingStation,
    ConnectorKey,
    ConnectorStatus,
    PendingStation,
    StationIdentity,
)
from app.domain.station_security import (
    SecurityEvent,
    SecurityProfile,
    Setback,
    StationCertificate,
)
from app.domain.transaction import Sample
from app.domain.units import PHASES, PhaseCurrents
from app.services.circuits import MeterTest
from app.services.file_drop import Ports
from app.services.file_ports import FileAdapters
from app.services.live import (
    Alarm,
    CircuitView,
    ConnectorView,
    DisplayState,
    MeterView,
    Severity,
    SiteView,
)
from app.services.manager import Adapters, Manager
from app.services.meters import OnReading, RunningMeter
from app.services.ports import NewTransaction, SiteConfiguration, TransactionStop
from app.services.security_ports import Approach, Trust
from app.web.app import create_app
from tests.support import newcomers
from tests.support.frames import a_charge
from tests.support.showroom_files import furnish_files

PASSWORD = "une borne bien gardée"
HOLDERS = (
    "Claire Martin", "Karim Benali", "Sophie Leroy", "Paul Garnier", "Inès Moreau", "Luc Petit",
    "Julie Fabre", "Thomas Roux", "Nadia Haddad", "Hugo Blanc", "Emma Perrin", "Marc Olivier",
    "Léa Chevalier", "Yann Le Goff", "Alice Renaud", "Denis Colin", "Flotte 01", "Flotte 02",
)  # fmt: skip

_STATES = (
    [DisplayState.CHARGING] * 52
    + [DisplayState.AVAILABLE] * 24
    + [DisplayState.WAITING_FOR_POWER] * 5
    + [DisplayState.FINISHED] * 5
    + [DisplayState.SUSPENDED_BY_CAR] * 5
    + [DisplayState.PLUGGED] * 3
    + [DisplayState.OFFLINE, DisplayState.OFFLINE, DisplayState.FAULTED]
    + [DisplayState.RESERVED, DisplayState.UNAVAILABLE]
)

_STATUS = {
    DisplayState.AVAILABLE: ConnectorStatus.AVAILABLE,
    DisplayState.PLUGGED: ConnectorStatus.PREPARING,
    DisplayState.CHARGING: ConnectorStatus.CHARGING,
    DisplayState.WAITING_FOR_POWER: ConnectorStatus.SUSPENDED_EVSE,
    DisplayState.SUSPENDED_BY_CAR: ConnectorStatus.SUSPENDED_EV,
    DisplayState.FINISHED: ConnectorStatus.FINISHING,
    DisplayState.RESERVED: ConnectorStatus.RESERVED,
    DisplayState.UNAVAILABLE: ConnectorStatus.UNAVAILABLE,
    DisplayState.FAULTED: ConnectorStatus.FAULTED,
    DisplayState.OFFLINE: ConnectorStatus.CHARGING,
}


def site_document(stations: int = 100, connectors: int = 1) -> dict[str, Any]:
    """A car park of five circuits."""
    circuits = [
        ("supply", "Arrivée générale", None, 400, 4, 160),
        ("p1", "Parking −1", "supply", 200, 0, None),
        ("aa", "Allée A", "p1", 125, 0, None),
        ("ab", "Allée B", "p1", 100, 0, None),
        ("p2", "Parking −2", "supply", 160, 0, None),
        ("pv", "Parvis visiteurs", "supply", 63, 0, None),
    ]
    feeders = ["aa"] * 40 + ["ab"] * 30 + ["p2"] * 24 + ["pv"] * 6
    letters = {"aa": "A", "ab": "B", "p2": "C", "pv": "V"}
    places = {"aa": "−1, place", "ab": "−1, place", "p2": "−2, place", "pv": "parvis, place"}
    return {
        "schema": "bornier-site/1",
        "name": "Les Terrasses du Parc",
        "timezone": "Europe/Paris",
        "circuits": [
            {
                "id": circuit_id,
                "name": name,
                "parent": parent,
                "limit_a": [limit] * 3,
                "margin_a": margin,
                "worst_background_a": None if worst is None else [worst] * 3,
            }
            for circuit_id, name, parent, limit, margin, worst in circuits
        ],
        "meters": [
            {
                "id": "nemo",
                "model": "IME Nemo D4-Le",
                "host": "127.0.0.1",
                "port": 9,
                "circuit": "supply",
            }
        ],
        "stations": [
            {
                "id": f"{letters[feeders[n % 100]]}-{n + 1:03d}",
                "name": f"{letters[feeders[n % 100]]}-{n + 1:03d}",
                "place": f"{places[feeders[n % 100]]} {n + 1}",
                "circuit": feeders[n % 100],
                "connectors": [{"id": number + 1} for number in range(connectors)],
            }
            for n in range(stations)
        ],
        "badges": [
            {"id_tag": f"04A1B2{n:02X}", "holder": holder, "active": n != 4}
            for n, holder in enumerate(HOLDERS)
        ],
        "rules": _RULES,
    }


_RULES: dict[str, Any] = {
    "schedules": [
        {
            "circuit": "supply",
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "from": "07:00",
            "to": "20:00",
            "limit_a": 320,
        },
        {"circuit": "supply", "from": "18:00", "to": "02:00", "power_kw": 150, "scope": "charging"},
    ],
    "priorities": [{"priority": 0, "badges": ["04A1B210", "04A1B211"], "to": "12:00"}],
    "tariff": [{"charge": "minimum", "from": "17:00", "to": "21:00", "spares_first": True}],
    "without_news": [{"circuit": "supply", "limit_a": 200}],
}


_SETTINGS = {
    "AuthorizeRemoteTxRequests": "false",
    "BlinkRepeat": "3",
    "ChargeProfileMaxStackLevel": "100",
    "ChargingScheduleAllowedChargingRateUnit": "Current",
    "ConnectionTimeOut": "60",
    "GetConfigurationMaxKeys": "20",
    "HeartbeatInterval": "300",
    "LocalAuthListEnabled": "true",
    "MeterValueSampleInterval": "10",
    "MeterValuesSampledData": "Current.Import,Power.Active.Import,Energy.Active.Import.Register",
    "NumberOfConnectors": "1",
    "SecurityProfile": "1",
    "lgd.DayNightContact": "off",
    "lgd.MaxCurrent": "32",
}


class Painter:
    """Draws pictures of the site; the same seed draws the same ones."""

    def __init__(self, configuration: SiteConfiguration, seed: int = 7) -> None:
        self.configuration = configuration
        self._random = random.Random(seed)
        self._cycle = 0
        self.alarms = True
        states = list(_STATES)
        self._random.shuffle(states)
        self.connectors = [
            self._first(station, connector.connector_id, states[n % len(states)])
            for n, (station, connector) in enumerate(
                (station, connector)
                for station in configuration.stations
                for connector in station.connectors
            )
        ]
        self._building = [88_000.0, 71_000.0, 96_000.0]

    def _first(
        self, station: ChargingStation, connector_id: int, state: DisplayState
    ) -> ConnectorView:
        now = datetime.now(UTC)
        pick = self._random
        phases = pick.choice(([0, 1, 2], [0, 1, 2], [pick.randrange(3)]))
        limit = pick.choice((8_000, 10_000, 13_000, 16_000))
        reason = Reason(ReasonCode.CIRCUIT, station.circuit_id, pick.randrange(3))
        measured: PhaseCurrents | None = PhaseCurrents.on(phases, limit - pick.randrange(900))
        if len(phases) == 1 and pick.random() < 0.4:
            reason, limit = Reason(ReasonCode.CONNECTOR), 32_000
            measured = PhaseCurrents.on(phases, 31_400)
        elif pick.random() < 0.2:
            reason = Reason(ReasonCode.DEMAND)
        since: datetime | None = now - timedelta(minutes=pick.randrange(10, 400))
        energy: int | None = pick.randrange(900, 42_000)
        badge = pick.choice(HOLDERS)
        if state is DisplayState.WAITING_FOR_POWER:
            limit, measured = 0, PhaseCurrents()
            reason = Reason(ReasonCode.WAITING, station.circuit_id, reason.phase or 0)
        elif state in (DisplayState.SUSPENDED_BY_CAR, DisplayState.FINISHED):
            limit, measured, reason = 6_000, PhaseCurrents(), Reason(ReasonCode.DEMAND)
        elif state not in (DisplayState.CHARGING, DisplayState.OFFLINE):
            limit, measured, reason = 0, None, Reason(ReasonCode.NO_CAR)
            since, energy, badge = None, None, ""
        offline = state is DisplayState.OFFLINE
        if offline:
            reason, measured = Reason(ReasonCode.OFFLINE), None
        circuit = next(
            item for item in self.configuration.circuits if item.circuit_id == station.circuit_id
        )
        several = len(station.connectors) > 1
        return ConnectorView(
            key=ConnectorKey(station.station_id, connector_id),
            station_name=f"{station.name} · {connector_id}" if several else station.name,
            place=station.place,
            circuit_id=station.circuit_id,
            circuit_name=circuit.name,
            state=state,
            status=_STATUS[state],
            error_code="GroundFailure" if state is DisplayState.FAULTED else "",
            online=not offline,
            offline_since_utc=now - timedelta(minutes=47) if offline else None,
            limit_ma=limit,
            max_ma=32_000,
            reason=reason,
            measured=measured,
            measured_age_s=None if measured is None else 3.0,
            power_w=None if measured is None else measured.total() * 230 // 1000,
            energy_wh=energy,
            transaction_id=None if since is None else abs(hash(station.station_id)) % 9000,
            session_since_utc=since,
            badge_label=badge,
            controllable=True,
            obeys=True,
        )

    def move(self, share: float = 0.3) -> None:
        """Lets ``share`` of the connectors, and the building, change a little."""
        for index, view in enumerate(self.connectors):
            if view.state is not DisplayState.CHARGING or self._random.random() > share:
                continue
            assert view.measured is not None
            limit = view.limit_ma or 0
            measured = PhaseCurrents.of(
                max(5_800, min(limit, current + self._random.randrange(-400, 420)))
                if current
                else 0
                for current in view.measured
            )
            self.connectors[index] = msgspec.structs.replace(
                view,
                measured=measured,
                power_w=measured.total() * 230 // 1000,
                energy_wh=(view.energy_wh or 0) + 20,
            )
        self._building = [
            max(40_000.0, min(150_000.0, value + self._random.gauss(0, 900)))
            for value in self._building
        ]

    def picture(self) -> SiteView:
        """The site as it is now."""
        self._cycle += 1
        now = datetime.now(UTC)
        return SiteView(
            cycle=self._cycle,
            at_utc=now,
            name=self.configuration.name,
            timezone=self.configuration.timezone,
            circuits=self._circuits(),
            connectors=tuple(self.connectors),
            meters=(
                MeterView(
                    meter_id="nemo",
                    model="IME Nemo D4-Le",
                    circuit_id="supply",
                    placement=MeterPlacement.SUPPLY,
                    currents=self._circuits()[0].total,
                    age_s=0.6,
                    stale=False,
                    error_key=None,
                ),
            ),
            alarms=self._alarms(now),
            pending_stations=3,
            cycle_ms=3.4,
        )

    def _alarms(self, now: datetime) -> tuple[Alarm, ...]:
        if not self.alarms:
            return ()
        return (
            Alarm(
                "STN-001",
                Severity.WARNING,
                {"subject": "stations", "count": 2, "first": "A-017"},
                now.replace(microsecond=0) - timedelta(minutes=47),
            ),
            Alarm(
                "STN-002",
                Severity.WARNING,
                {"subject": "B-052", "code": "GroundFailure"},
                now.replace(microsecond=0) - timedelta(hours=3),
            ),
        )

    def _circuits(self) -> tuple[CircuitView, ...]:
        views = []
        configured = {circuit.circuit_id: circuit for circuit in self.configuration.circuits}
        members = {key: {key} for key in configured}
        for circuit in self.configuration.circuits:
            above = circuit.parent_id
            while above is not None:
                members[above].add(circuit.circuit_id)
                above = configured[above].parent_id
        for circuit in self.configuration.circuits:
            below = [
                view for view in self.connectors if view.circuit_id in members[circuit.circuit_id]
            ]
            charging = PhaseCurrents.of(
                sum(view.measured[phase] for view in below if view.measured) for phase in PHASES
            )
            room = 1.0
            for phase in PHASES:
                room = min(room, circuit.limit[phase] * 0.97 / max(1, charging[phase]))
            if circuit.parent_id is not None:
                charging = PhaseCurrents.of(round(value * room) for value in charging)
            is_root = circuit.parent_id is None
            building = (
                PhaseCurrents.of(round(value) for value in self._building)
                if is_root
                else PhaseCurrents()
            )
            if is_root:
                charging = PhaseCurrents.of(
                    min(
                        value,
                        circuit.limit[phase] - (31_000, 5_000, 64_000)[phase] - building[phase],
                    )
                    for phase, value in enumerate(charging)
                )
            depth = 0 if is_root else 2 if circuit.parent_id == "p1" else 1
            views.append(
                CircuitView(
                    circuit_id=circuit.circuit_id,
                    name=circuit.name,
                    parent_id=circuit.parent_id,
                    depth=depth,
                    limit=circuit.limit,
                    total=charging + building,
                    charging=charging,
                    building=building,
                    ceilings=charging + PhaseCurrents.uniform(9_000),
                    metered=is_root,
                    placement=MeterPlacement.SUPPLY if is_root else None,
                    age_s=0.6 if is_root else None,
                    stale=False,
                    binding_phases=(1,) if circuit.circuit_id in ("aa", "supply") else (),
                )
            )
        return tuple(views)


class Showroom:
    """The real manager and pages, over a database in ``folder``, its control loop stopped."""

    def __init__(self, folder: Path, document: dict[str, Any] | None = None) -> None:
        self._clock = SystemClock()
        self._hasher = Argon2Hasher()
        catalogue = load_catalogue()

        def meter(config: MeterConfig, on_reading: OnReading) -> RunningMeter:
            return ModbusMeter(config, catalogue, self._clock, on_reading)

        async def test(config: MeterConfig) -> MeterTest:
            return await probe_meter(config, catalogue, self._clock)

        self._settings = Settings(data_dir=folder, ntp_port=123)
        self._document = document or site_document()
        folder.mkdir(parents=True, exist_ok=True)
        store = open_store(self._settings.database)
        self.authority = SiteAuthority(folder)
        self.store = store
        self.recorder = FrameRecorder(
            self._settings.frame_file, self._clock, most_bytes=2**24, keep_days=14
        )
        self._frames = FrameSearch(self.recorder)
        self.manager = Manager(
            self._settings,
            Adapters(
                clock=self._clock,
                store=store,
                hasher=self._hasher,
                meter_factory=meter,
                meter_models=meter_models(catalogue),
                meter_tester=test,
                random=random.Random(1).random,
                trust=Trust(StationVault(folder), self.authority),
                quirks=load_quirks(),
                scanner=newcomers.StageNetwork(),
                frames=self._frames,
                files=FileAdapters(DiskVault(self._settings.files), RoutedAddresses()),
            ),
        )
        self.services = self.manager.services
        self.secret = ""
        self.explained = 0
        """Number of the session whose limits are on record."""

    async def open(self) -> None:
        """Provisions the site, stops the control loop, sets the password, shows a picture."""
        await self.manager.start(json.dumps(self._document).encode())
        await self.manager._tasks.stop()
        await self.manager.meters.stop()
        self.secret = await self.services.access.bootstrap() or ""
        self.painter = Painter(self.manager.configuration.current)
        self.show()

    async def set_password(self) -> None:
        """Replaces the first-login secret."""
        signed_in = await self.services.access.sign_in("admin", self.secret, "127.0.0.1")
        await self.services.access.change_password(
            signed_in.session, signed_in.user, self.secret, PASSWORD
        )

    async def furnish(self) -> None:
        """Sessions, measurements, identities, unknown callers and unknown tokens."""
        now = self._clock.utc_now()
        pick = random.Random(3)
        stations = self.manager.configuration.current.stations
        for n in range(120):
            started = now - timedelta(minutes=40 + 35 * n + pick.randrange(30))
            transaction, _ = await self.store.transactions.start(
                NewTransaction(
                    stations[pick.randrange(len(stations))].station_id,
                    1,
                    f"04A1B2{pick.randrange(len(HOLDERS)):02X}",
                    started,
                    started,
                    1_000,
                )
            )
            if n < 3:
                continue
            await self.store.transactions.stop(
                TransactionStop(
                    transaction.transaction_id,
                    started + timedelta(minutes=pick.randrange(25, 300)),
                    now,
                    1_000 + pick.randrange(2_000, 38_000),
                    pick.choice(("EVDisconnected", "Local", "Remote")),
                )
            )
        for station in self.manager.registry:
            station.identity = StationIdentity("Legrand", "Green'up Premium", "21G0456", "4.2.1")
        first = self.painter.connectors[0].key
        for station_id in (first.station_id, "NEW-1", first.station_id):
            a_charge(self.recorder, station_id, lambda: None)
        for n in range(360):
            at = now - timedelta(seconds=10 * (360 - n))
            step = 16_000 if n < 120 else 10_000 if n < 250 else 13_000
            currents = (step - 300, step - 450, step - 380)
            self.store.samples.add(
                first, None, Sample(at, 0.0, current_ma=currents, power_w=step * 690 // 1000), step
            )
        await self._remember(first, now)
        await self._protect(first.station_id, now)
        await self._order(first, now)
        drop = self.services.files.drop
        ids = [station.station_id for station in stations]
        await furnish_files(self.store.files, drop.vault, ids, now)
        await self.services.files.load()
        await drop.serve_at(Ports(http=8080, https=8081), None)
        for n in range(3):
            await self.store.pending.save(
                PendingStation(
                    f"NEW-{n + 1}",
                    StationIdentity("Legrand", "Green'up One", f"23F77{n}", "5.0.3"),
                    f"192.168.1.{40 + n}",
                    (now - timedelta(minutes=9)).isoformat(),
                    (now - timedelta(seconds=20)).isoformat(),
                    (1,),
                )
            )
        await newcomers.furnish(self.store, now)
        await self.manager._inbox.load()
        await self._misspell(stations[0].station_id, now)
        await self.manager.adoption.load()
        await self.services.badges.authorize("04DEADBEEF", stations[3].station_id)
        await self.services.badges.edit(
            f"04A1B2{3:02X}",
            Badge(f"04A1B2{3:02X}", "Paul Garnier", expires_utc=now + timedelta(days=90)),
            "showroom",
        )

    async def _protect(self, station_id: str, now: datetime) -> None:
        """A station that is being brought to TLS, its past, and somebody who tries keys."""
        await asyncio.to_thread(self.authority.ensure, now)
        security = self.services.security
        keys = security.keys
        await keys.type_key(station_id, "montee-en-charge", "admin")

        async def knock(password: str, address: str = "192.168.1.61") -> None:
            header = b"Basic " + base64.b64encode(f"{station_id}:{password}".encode())
            await security.gate.admit(Approach(station_id, address, False, header))

        await knock("montee-en-charge")
        await keys.require(station_id, SecurityProfile.KEY, "admin")
        await keys.new_key(station_id, "admin")
        await keys.change(
            station_id,
            lambda record: msgspec.structs.replace(
                record,
                wanted=SecurityProfile.TLS_KEY,
                profile_sent=True,
                setback=Setback.BY_HAND,
                setback_detail="NotSupported",
            ),
        )
        for n in range(3):
            await knock(f"devinette-{n}", "192.168.1.199")
        certificate = StationCertificate(
            "ab" * 32, station_id, "5f0c3a91d2e4b87766", now, now + timedelta(days=400), True, now
        )
        older = msgspec.structs.replace(
            certificate,
            fingerprint="cd" * 32,
            serial="1a2b3c4d5e6f708192",
            issued_utc=now - timedelta(days=600),
            revoked_utc=now,
        )
        for each in (older, certificate):
            await security.book.add(each)
        events = ("StartupOfTheDevice", "TamperDetectionActivated", "SettingSystemTime")
        for n, kind in enumerate(events):
            at = now - timedelta(hours=30 - 14 * n)
            event = SecurityEvent(station_id, at, at, kind, "cover" if n == 1 else "")
            await self.store.security.add_event(event, 500)

    async def _misspell(self, station_id: str, now: datetime) -> None:
        """Repaired messages, a quirk, a clock that is off, and stops without their session."""
        frame = '[2,"1{}","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"2026-06-12T14:23:44.277+02:00","sampledValue":[{{"value":"1.64","mesurand":"Current.Import","unit":"A"}}]}}]}}]'
        for n in range(31):
            self.services.repairs.note(station_id, frame.format(n), ("mesurand",))
        self.services.repairs.note(station_id, '[2,"7","StatusNotification",{}]', ("error-code",))
        self.services.repairs.note(station_id, '[2,"8","Authorize",{}]', ("time-zone", "text-cut"))
        await self.services.quirks.set(station_id, "session_meter", False, "showroom")
        live = self.manager.registry.station(station_id)
        assert live is not None
        live.clock.note(now + timedelta(minutes=61), now, self._clock.monotonic_s())
        for n in range(3):
            at = now - timedelta(days=n, minutes=7)
            lost = TransactionStop(-1, at, at, 8_000_000 + 900 * n, "Local", f"04A1B2{n:02X}")
            await self.store.transactions.take_stop(station_id, lost)

    async def _order(self, first: ConnectorKey, now: datetime) -> None:
        """Settings read, a template, a job, orders and a history."""
        stations = self.manager.configuration.current.stations
        for ago, light in ((3, "50"), (0, "80")):
            for station in stations[: 40 if ago == 0 else 1]:
                keys = [
                    KeyReading(
                        name, value, name in ("NumberOfConnectors", "GetConfigurationMaxKeys")
                    )
                    for name, value in {**_SETTINGS, "LightIntensity": light}.items()
                ]
                keys.append(KeyReading("AuthorizationKey", None, secret=True))
                await self.store.station_records.save_reading(
                    Reading(station.station_id, now - timedelta(days=ago), "4.2.1", tuple(keys))
                )
        await self.store.station_records.save_template(
            KeyTemplate(0, "Éclairage de nuit", {"LightIntensity": "20", "BlinkRepeat": "2"})
        )
        steps = {step: StepRecord(StepState.DONE, now) for step in SetupStep}
        steps[SetupStep.READING] = StepRecord(StepState.REFUSED, now, "NotImplemented")
        del steps[SetupStep.LOCAL_LIST]
        await self.store.station_records.save_setup(SetupRecord(first.station_id, "4.2.1", steps))
        await self.store.station_records.add_events(
            [
                StationEvent(now - timedelta(minutes=ago), first.station_id, kind, number, detail)
                for ago, kind, number, detail in (
                    (9_000, RemoteEvent.CONNECTED, 0, "192.168.1.21"),
                    (9_000, RemoteEvent.BOOTED, 0, "4.2.1"),
                    (8_999, RemoteEvent.SET_UP, 0, "reading"),
                    (700, RemoteEvent.FAULT, 1, "GroundFailure"),
                    (640, RemoteEvent.FAULT_OVER, 1, "GroundFailure"),
                    (90, RemoteEvent.COMMAND, 0, "admin · reset-soft · Accepted"),
                    (88, RemoteEvent.LOST, 0, ""),
                )
            ]
        )
        outcomes = [Outcome(station.station_id) for station in stations]
        for n in range(len(outcomes)):
            state, answer, key = OutcomeState.DONE, "Accepted", ""
            if n % 13 == 3:
                state, answer, key = OutcomeState.REFUSED, "Rejected", "station-refused"
            elif n % 17 == 2:
                state, answer, key = OutcomeState.UNREACHABLE, "", "station-offline"
            outcomes[n] = Outcome(
                stations[n].station_id,
                state,
                "Reset",
                answer,
                key,
                {"station": stations[n].station_id, "answer": answer},
                1,
            )
        await self.store.jobs.create(
            BulkJob(
                0,
                "restart",
                {"kind": "soft"},
                "admin",
                now - timedelta(hours=2),
                tuple(outcomes),
                JobState.DONE,
                now - timedelta(hours=2) + timedelta(minutes=5),
            )
        )
        await self.store.orders.save_outage(
            Outage(0, first.station_id, 1, now + timedelta(hours=9), None, "admin")
        )
        await self.store.orders.save_reservation(
            Reservation(
                0, first.station_id, 1, f"04A1B2{0:02X}", now, now + timedelta(hours=2), "admin"
            )
        )
        await self.manager.remote.load()

    async def _remember(self, first: ConnectorKey, now: datetime) -> None:
        """A session explained from its beginning to now, and a year of evidence."""
        started = now - timedelta(hours=1)
        session, _ = await self.store.transactions.start(
            NewTransaction(first.station_id, 1, f"04A1B2{1:02X}", started, started, 1_000)
        )
        self.explained = session.transaction_id
        circuit = self.manager.configuration.current.stations[0].circuit_id
        limits = (
            (0, 6_000, Reason(ReasonCode.HOLDING)),
            (60, 16_000, Reason(ReasonCode.CIRCUIT, circuit, 1)),
            (1_200, 10_000, Reason(ReasonCode.CIRCUIT, circuit, 1)),
            (2_000, 0, Reason(ReasonCode.WAITING, circuit, 2)),
            (2_400, 10_000, Reason(ReasonCode.METER_LOST, "supply", 0)),
            (2_500, 13_000, Reason(ReasonCode.DEMAND)),
            (3_300, 32_000, Reason(ReasonCode.CONNECTOR)),
        )
        await self.store.history.add(
            [
                LimitRecord(self.explained, started + timedelta(seconds=at), limit_ma, reason)
                for at, limit_ma, reason in limits
            ]
        )
        pick = random.Random(11)
        events, months = [], []
        for ago in range(12):
            day = (now.replace(day=15) - timedelta(days=30 * ago)).replace(day=3)
            count = pick.randrange(0, 6)
            for n in range(count):
                began = day + timedelta(hours=17 * n, seconds=pick.randrange(3_000))
                lasted_s = pick.uniform(1, 9)
                events.append(
                    EvidenceEvent(
                        EventKind.OVERLOAD,
                        "supply",
                        "supply",
                        began,
                        began + timedelta(seconds=lasted_s),
                        pick.randrange(3),
                        400_000,
                        pick.randrange(402_000, 431_000),
                        max(0.0, lasted_s - 4),
                        pick.uniform(0.08, 0.4),
                    )
                )
            months.append(
                EvidenceMonth(
                    f"{day:%Y-%m}",
                    day.replace(day=1),
                    observed_s=29.5 * 86_400,
                    overloads=count,
                    severe=count // 2,
                    longest_s=pick.uniform(2, 9) if count else 0.0,
                    meter_lost_s=pick.choice((0.0, 41.0)),
                    disobeying=pick.choice((0, 0, 1)),
                    guard_refusals=pick.randrange(4),
                )
            )
        lost = now - timedelta(days=2, hours=3)
        events += [
            EvidenceEvent(
                EventKind.METER_LOST, "supply", "supply", lost, lost + timedelta(seconds=41)
            ),
            EvidenceEvent(
                EventKind.DISOBEYING,
                str(first),
                circuit,
                lost - timedelta(hours=5),
                peak_ma=14_200,
            ),
        ]
        await self.store.evidence.record(events, months)

    def show(self) -> None:
        """Publishes a new picture."""
        self.manager.live.publish(self.painter.picture())

    async def close(self) -> None:
        """Ends everything."""
        await self.manager.stop()
        self._frames.close()
        await self.recorder.close()
        self._hasher.close()

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        """The pages over HTTPS; the port."""
        tls = web_tls_context(self._settings.data_dir, ["127.0.0.1"], self._clock.utc_now())
        listener = WebListener(create_app(self.services), "127.0.0.1", port, tls)
        await listener.start()
        try:
            yield listener.port
        finally:
            await listener.stop()


async def serve(port: int, stations: int, connectors: int, *, still: bool) -> None:
    """Serves until standard input ends; a line ``freeze`` stops the values, ``go`` resumes."""
    with tempfile.TemporaryDirectory() as folder:
        room = Showroom(Path(folder), site_document(stations, connectors))
        await room.open()
        await room.set_password()
        await room.furnish()
        async with room.serving(port) as actual:
            sys.stdout.write(f"https://127.0.0.1:{actual}/\n")
            sys.stdout.flush()
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )
            moving = not still
            waiting = asyncio.create_task(reader.readline())  # noqa: TID251 - one reader
            while True:
                done, _ = await asyncio.wait({waiting}, timeout=1.0)
                if done:
                    order = waiting.result().decode().strip()
                    if not order:
                        break
                    moving = order == "go"
                    waiting = asyncio.create_task(reader.readline())  # noqa: TID251
                if moving:
                    room.painter.move()
                    room.show()
        await room.close()


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--connectors", type=int, default=1)
    parser.add_argument("--still", action="store_true")
    arguments = parser.parse_args(argv)
    asyncio.run(
        serve(arguments.port, arguments.stations, arguments.connectors, still=arguments.still)
    )


if __name__ == "__main__":
    main()
