"""What the parts of one simulated station share: its clock, meter, keys, profiles and outlets."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from simulators.station.caller import Caller
from simulators.station.charging_profiles import ProfileStore, RunningTransaction
from simulators.station.config import Counters, StationConfig, TransactionRecord
from simulators.station.connector import Connector, Reservation
from simulators.station.keys import ConfigurationKeys
from simulators.station.metering import MeterPrinter
from simulators.station.offers import Claim, share
from simulators.station.persona import BelowMinimum, Persona
from simulators.station.timers import Errands, Timers

MAX_JOURNAL = 1000
"""Lines of the journal that are kept."""

MIN_PILOT_A = 6.0
"""Least current that a pilot can offer (IEC 61851-1)."""


class Core:
    """State of one station, and what follows from it: offers and statuses."""

    def __init__(
        self,
        config: StationConfig,
        persona: Persona,
        utc_now: Callable[[], datetime],
        rng: random.Random,
        on_dead_link: Callable[[], None],
    ) -> None:
        self.config = config
        self.persona = persona
        self.rng = rng
        self.faults = persona.faults_of(config.faults)
        self.firmware = persona.firmware
        self.loop = asyncio.get_running_loop()
        self._utc_now = utc_now
        self.counters = Counters()
        self.records: list[TransactionRecord] = []
        self.keys = ConfigurationKeys(config, persona)
        self.profiles = ProfileStore(persona, config.voltage_v)
        self.meter = MeterPrinter(persona, config.voltage_v, config.timezone)
        self.connectors = [
            Connector(c, persona, config.voltage_v, float(rng.randrange(5_000_000)))
            for c in config.connectors
        ]
        self.caller = Caller(
            loop=self.loop,
            persona=persona,
            rng=rng,
            counters=self.counters,
            retry_s=self._retry_s,
            on_dead_link=on_dead_link,
        )
        self.timers = Timers(self.loop)
        self.errands = Errands(self.loop)
        self.journal: deque[str] = deque(maxlen=MAX_JOURNAL)
        """What happened to it, for its logs."""
        self.reserved_for_all: Reservation | None = None
        """A reservation of connector 0: one outlet is kept, whichever."""
        self.powered = True
        self.registered = False
        """The central system accepted the boot and the link still stands."""
        self._offer_timer: asyncio.TimerHandle | None = None
        self._station_phases = max(c.phases for c in config.connectors)
        self._told_fault = False
        self.told_station = ""
        """The status of connector 0 that the central system was last told."""
        self._spike_until_s = -math.inf

    def _retry_s(self) -> tuple[int, int]:
        return (
            self.keys.integer("TransactionMessageAttempts"),
            self.keys.integer("TransactionMessageRetryInterval"),
        )

    # ------------------------------------------------------------------ time

    def true_utc(self) -> datetime:
        """The time as it is."""
        return self._utc_now()

    def clock(self) -> datetime:
        """The time as the station believes."""
        now = self._utc_now()
        if self.faults.clock_skew_s:
            now += timedelta(seconds=self.faults.clock_skew_s)
        return now

    def timestamp(self) -> str:
        """The station's time, as it writes it."""
        return self.meter.timestamp(self.clock())

    def note(self, text: str) -> None:
        """Write a line into the journal."""
        self.journal.append(f"{self.timestamp()} {text}")

    def security_event(self, kind: str, detail: str | None = None) -> None:
        """Tell the central system now or later, where the make does (extension, message 4.14)."""
        self.note(f"security: {kind} {detail or ''}".rstrip())
        if kind not in self.persona.security_events:
            return
        payload: dict[str, str] = {"type": kind, "timestamp": self.timestamp()}
        if detail is not None:
            payload["techInfo"] = detail[:255]
        self.caller.enqueue("SecurityEventNotification", payload, None)

    def connector(self, connector_id: int) -> Connector | None:
        """The outlet with that number."""
        for connector in self.connectors:
            if connector.connector_id == connector_id:
                return connector
        return None

    def of_transaction(self, transaction_id: int) -> Connector | None:
        """The outlet where that transaction runs."""
        for connector in self.connectors:
            if connector.record and connector.record.transaction_id == transaction_id:
                return connector
        return None

    # ------------------------------------------------------------------ offers

    def running(self, connector: Connector) -> RunningTransaction | None:
        """What the profiles need to know of the outlet's transaction."""
        if connector.record is None:
            return None
        return RunningTransaction(
            connector.record.transaction_id,
            connector.started_s,
            connector.active_phases,
            connector.config.phases,
        )

    def limit_a(self, connector: Connector, now_s: float) -> tuple[float, float]:
        """Amperes that wiring, faults and profiles leave to an outlet alone, and until when."""
        limit_a, until_s = connector.config.max_a, math.inf
        running = self.running(connector)
        if running is not None and not self.unbridled:
            profile_a, until_s = self.profiles.connector_limit_a(
                connector.connector_id, now_s, running
            )
            if profile_a is not None:
                phases, profile_a = self._on_phases_in_use(connector, profile_a)
                connector.use_phases(phases)
                limit_a = min(limit_a, profile_a * (1.0 + self.faults.overshoot_share))
        for clamp_a in (self.persona.clamp_a, self.faults.clamps_at_a):
            if clamp_a is not None:
                limit_a = min(limit_a, clamp_a)
        if 0.0 < limit_a < MIN_PILOT_A and not connector.config.socket:
            match self.persona.below_minimum:
                case BelowMinimum.PAUSE:
                    limit_a = 0.0
                case BelowMinimum.CLAMP:
                    limit_a = MIN_PILOT_A
                case BelowMinimum.FOLLOW:
                    pass
        return limit_a, until_s

    @property
    def unbridled(self) -> bool:
        """Whether it offers all it has, for a moment or always, whatever its profiles say."""
        return self.faults.ignores_profiles or self.loop.time() < self._spike_until_s

    def accepted_a(self, connector: Connector) -> float:
        """The limit of each phase in use by the profiles it accepted, faults or not."""
        now_s = self.clock().timestamp()
        limit_a = connector.config.max_a
        running = self.running(connector)
        if running is not None:
            profile_a, _ = self.profiles.connector_limit_a(connector.connector_id, now_s, running)
            if profile_a is not None:
                _, profile_a = self._on_phases_in_use(connector, profile_a)
                limit_a = min(limit_a, profile_a)
        station_a, _ = self.profiles.station_limit_a(now_s, self._station_phases)
        return limit_a if station_a is None else min(limit_a, station_a)

    def spike(self) -> None:
        """A profile was taken: some makes offer their full current for a moment."""
        if self.persona.spike_s:
            self._spike_until_s = self.loop.time() + self.persona.spike_s
            self.refresh_offers()
            self.loop.call_later(self.persona.spike_s + 0.001, self.refresh_offers)

    def _on_phases_in_use(self, connector: Connector, profile_a: float) -> tuple[int, float]:
        """How many phases a limit of so many amperes on each wired one leaves, and what on each."""
        wired = connector.config.phases
        if self.persona.switches_phases and profile_a < MIN_PILOT_A <= profile_a * wired:
            return 1, profile_a * wired
        return wired, profile_a

    def refresh_offers(self) -> None:
        """Give each outlet what it may have now, and come back when a profile changes."""
        if self._offer_timer is not None:
            self._offer_timer.cancel()
            self._offer_timer = None
        now_s = self.clock().timestamp()
        until_s = math.inf
        claims: list[Claim] = []
        for connector in self.connectors:
            idle = connector.record is None or connector.exhausted
            if idle or not self.powered or connector.fault:
                connector.offered_a = 0.0
                continue
            limit_a, change_s = self.limit_a(connector, now_s)
            until_s = min(until_s, change_s)
            claims.append(Claim(connector, limit_a))
        if claims:
            until_s = min(until_s, self._share(claims, now_s))
        if until_s < math.inf:
            # A timer a day ahead at most: a clock that is set meanwhile must not strand it.
            wait_s = min(max(until_s - now_s, 0.0) + 0.001, 86_400.0)
            self._offer_timer = self.loop.call_later(wait_s, self.refresh_offers)
        self.tell_statuses()

    def _share(self, claims: list[Claim], now_s: float) -> float:
        total_a = math.inf if self.config.feed_limit_a is None else self.config.feed_limit_a
        until_s = math.inf
        if not self.unbridled:
            station_a, until_s = self.profiles.station_limit_a(now_s, self._station_phases)
            if station_a is not None:
                total_a = min(total_a, station_a)
        share(claims, total_a, self.persona)
        return until_s

    # ------------------------------------------------------------------ statuses

    def tell_statuses(self) -> None:
        """Send a StatusNotification for each outlet whose status is not the one last told."""
        for connector in self.connectors:
            status = connector.status()
            if status != connector.notified:
                self.tell_status(connector, status)
        if self.persona.reports_station_status and self.registered:
            status = self.station_status()
            if status != self.told_station:
                self.told_station = status
                self.notify(0, status)
        if self.persona.fault_on_station:
            fault = any(connector.fault for connector in self.connectors)
            if fault != self._told_fault and self.registered:
                self._told_fault = fault
                self.notify(0, "Faulted" if fault else "Available")

    def station_status(self) -> str:
        """The status of connector 0, which stands for the whole post."""
        if any(connector.fault for connector in self.connectors):
            return "Faulted"
        usable = any(connector.available for connector in self.connectors)
        return "Available" if usable else "Unavailable"

    def tell_status(self, connector: Connector, status: str) -> None:
        """Send the status now; while offline it is kept for later, or queued if the make does so."""
        if self.registered:
            connector.notified = status
            self.notify(connector.connector_id, status)
        elif self.persona.replays_statuses and connector.notified and self.powered:
            connector.notified = status
            payload = self._status(connector.connector_id, status)
            self.caller.enqueue("StatusNotification", payload, None)

    def notify(self, connector_id: int, status: str) -> None:
        """Send one StatusNotification, whatever the truth is."""
        self.caller.call("StatusNotification", self._status(connector_id, status))

    def _status(self, connector_id: int, status: str) -> dict[str, str | int]:
        persona = self.persona
        payload: dict[str, str | int] = {
            "connectorId": connector_id,
            "errorCode": persona.fault_code if status == "Faulted" else "NoError",
            "status": status,
        }
        if persona.status_info is not None:
            payload["info"] = persona.status_info
        if persona.vendor_id is not None:
            payload["vendorId"] = persona.vendor_id
        if persona.status_timestamp:
            payload["timestamp"] = self.timestamp()
        return payload

    def stop_timers(self) -> None:
        """Forget what was to happen later."""
        if self._offer_timer is not None:
            self._offer_timer.cancel()
            self._offer_timer = None
