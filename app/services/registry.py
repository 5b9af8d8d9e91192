"""What is known of every adopted station right now, in memory.

The registry is the only mutable picture of the site; the control cycle and the pages read frozen
copies of it. Nothing here awaits.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.domain.capability import FallbackForm, ProfileForm
from app.domain.station import (
    ChargingStation,
    Connector,
    ConnectorKey,
    ConnectorStatus,
    StationIdentity,
)
from app.domain.transaction import Sample, Transaction
from app.energy.mean_power import MeanPower
from app.energy.site_state import ConnectorSample, shows_fractions
from app.ocpp16.configuration import StationConfiguration
from app.ocpp16.quirk import NO_QUIRKS
from app.ocpp16.samples import IntervalRegister
from app.services.ports import StationLink
from app.services.sample_timing import SampleTiming
from app.services.station_clock import StationClock

REPLAY_WINDOW_S = 60.0
"""How long after a (re)connection old measurements are taken for a replay."""

REPLAY_AGE_S = 60.0
"""Measurements older than this, in that window, are history and not the present."""

STEADY_S = 5.0
"""Old measurements that come in as far apart as they were made, by this much at least, are the
present of a clock that was set back: a replay comes in at once."""

STEADY_WITHIN_S = 3.0


class StationCapability:
    """What is in use with one station; defaults hold until set-up, and when a step of it fails.

    ``follows`` is false for a station that is known to follow no limit at all.
    """

    __slots__ = ("fallback", "follows", "form", "form_proven", "sample_interval_s", "settings")

    def __init__(self) -> None:
        self.fallback: FallbackForm | None = None
        self.form = ProfileForm()
        self.form_proven = False
        """Whether this station has accepted a limit in this form."""
        self.settings = StationConfiguration()
        self.follows = True
        self.sample_interval_s: float | None = None


class ConnectorLive:
    """One outlet's present state."""

    __slots__ = (
        "_energy_sample",
        "_fractions",
        "_mean_power",
        "_mean_power_w",
        "arrived_s",
        "authorized",
        "connector",
        "error_code",
        "key",
        "may_hold_limit",
        "obeys",
        "register",
        "sample",
        "standing_ma",
        "status",
        "transaction",
    )

    def __init__(self, key: ConnectorKey, connector: Connector) -> None:
        self.key = key
        self.connector = connector
        self.status = ConnectorStatus.UNKNOWN
        self.error_code = ""
        self.transaction: Transaction | None = None
        self.authorized = False
        self.arrived_s = 0.0
        self.sample: Sample | None = None
        self._energy_sample: ConnectorSample | None = None
        self.obeys = True
        self.may_hold_limit = True
        """Whether the station may hold a live limit of a transaction that is over."""
        self.standing_ma: int | None = None
        """The greatest live limit sent in a form that outlives its transaction, until cleared."""
        self.register = IntervalRegister()
        self._mean_power = MeanPower()
        self._mean_power_w: int | None = None
        self._fractions = False

    def rewire(self, connector: Connector) -> None:
        """Takes a new configuration over; the newest measurement is read by it as well."""
        self.connector = connector
        self._energy_sample = None

    def begin(self, transaction: Transaction, *, authorized: bool, now_s: float) -> None:
        """A transaction runs from now on."""
        self.transaction = transaction
        self.authorized = authorized
        self.arrived_s = now_s
        self.register.restart(float(transaction.meter_start_wh))
        self._mean_power.restart()

    def end(self) -> None:
        """No transaction runs any more; measurements of the past one say nothing of the next."""
        self.transaction = None
        self.authorized = False
        self.sample = None
        self._energy_sample = None
        self.obeys = True

    def measured(self, sample: Sample, *, whole: bool = False) -> None:
        """A live measurement; ``whole`` of a station that is known to cut its amperes down."""
        self.sample = sample
        self._fractions = not whole and (self._fractions or shows_fractions(sample))
        self._mean_power_w = self._mean_power.add(sample)
        self._energy_sample = None

    def energy_sample(self) -> ConnectorSample | None:
        """The newest measurement as the planner reads it.

        Worked out when it is asked for: once a cycle, not with each message of a backlog.
        """
        sample, connector = self.sample, self.connector
        if self._energy_sample is None and sample is not None:
            seen = ConnectorSample.of(
                sample, connector.phases, self._mean_power_w, exact=self._fractions
            )
            if seen is not None and connector.line_to_line:
                seen = seen.between_lines()
            self._energy_sample = seen
        return self._energy_sample

    @property
    def session_energy_wh(self) -> int | None:
        """Energy into the car so far, from the register of the newest sample."""
        if self.transaction is None:
            return None
        if self.sample is None or self.sample.energy_wh is None:
            return None
        return max(0, self.sample.energy_wh - self.transaction.meter_start_wh)


class StationLive:
    """One station's present state."""

    def __init__(self, station: ChargingStation) -> None:
        self.station = station
        self.identity = StationIdentity()
        self.capability = StationCapability()
        self.link: StationLink | None = None
        self.connected_s: float | None = None
        self.offline_since_utc: datetime | None = None
        self.timing = SampleTiming()
        self.clock_skew_s = 0.0
        """Station's clock less the manager's, by the newest live measurement."""
        self.skew_measured = False
        """Whether a live measurement has told the skew: they say it best."""
        self._newest_utc: datetime | None = None
        self._old: Sample | None = None
        self.status = ConnectorStatus.UNKNOWN
        self.error_code = ""
        self.set_up = False
        self.setup_link: StationLink | None = None
        """The link over which the station is being set up, while it is."""
        self.booted = False
        """Whether it has booted since its fallback was last known to be in place."""
        self.boots = 0
        """How often it has booted since the manager's start."""
        self.profile_writes = 0
        """Profiles that it wrote for us since the manager's start (its memory wears)."""
        self.quirks = NO_QUIRKS
        self.clock = StationClock()
        self.connectors: dict[int, ConnectorLive] = {}
        self.reconfigure(station)

    def reconfigure(self, station: ChargingStation) -> None:
        """Takes a new configuration over; connectors that remain keep their state."""
        self.station = station
        self.connectors = {
            connector.connector_id: self._kept(connector) for connector in station.connectors
        }

    def _kept(self, connector: Connector) -> ConnectorLive:
        live = self.connectors.get(connector.connector_id)
        if live is None:
            key = ConnectorKey(self.station.station_id, connector.connector_id)
            return ConnectorLive(key, connector)
        live.rewire(connector)
        return live

    @property
    def online(self) -> bool:
        """Whether a link is up."""
        return self.link is not None

    def dated(self, at_utc: datetime, now_utc: datetime, now_s: float) -> float:
        """The station has written a time; by how much it is ahead of now (s).

        Before it measures, this is all that tells its clock.
        """
        ahead_s = self.clock.note(at_utc, now_utc, now_s)
        if not self.skew_measured:
            self.clock_skew_s = self.clock.skew_s(now_s) or 0.0
        return ahead_s

    def attach(self, link: StationLink, now_s: float) -> None:
        """The station has connected."""
        self.link = link
        self.connected_s = now_s
        self.offline_since_utc = None

    def detach(self, now_utc: datetime) -> None:
        """The station's link is gone."""
        self.link = None
        self.connected_s = None
        self.offline_since_utc = now_utc

    def is_history(self, sample: Sample, ahead_s: float) -> bool:
        """Whether a measurement, so far ahead of now, is a replay of the past instead."""
        if self._is_old(sample, ahead_s) and not self._is_steady(sample):
            return True
        self._newest_utc, self._old = sample.at_utc, None
        return False

    def _is_old(self, sample: Sample, ahead_s: float) -> bool:
        newest = self._newest_utc
        if newest is not None and (newest - sample.at_utc).total_seconds() > REPLAY_AGE_S:
            return True
        if self.connected_s is None or sample.received_s - self.connected_s > REPLAY_WINDOW_S:
            return False
        return -ahead_s > REPLAY_AGE_S

    def _is_steady(self, sample: Sample) -> bool:
        """Whether it came as long after the last old one as it was measured after it."""
        before = self._old
        if before is None:
            self._old = sample
            return False
        apart_s = sample.received_s - before.received_s
        if apart_s < STEADY_S:
            return False
        self._old = sample
        measured_s = (sample.at_utc - before.at_utc).total_seconds()
        return abs(measured_s - apart_s) <= STEADY_WITHIN_S


class Registry:
    """All adopted stations, by identity."""

    def __init__(self) -> None:
        self._stations: dict[str, StationLive] = {}

    def configure(self, stations: tuple[ChargingStation, ...]) -> list[StationLive]:
        """Takes the configured stations over; returns those that are configured no more."""
        wanted = {station.station_id: station for station in stations}
        gone = [live for identity, live in self._stations.items() if identity not in wanted]
        kept: dict[str, StationLive] = {}
        for identity, station in wanted.items():
            live = self._stations.get(identity)
            if live is None:
                live = StationLive(station)
            else:
                live.reconfigure(station)
            kept[identity] = live
        self._stations = kept
        return gone

    def __iter__(self) -> Iterator[StationLive]:
        return iter(self._stations.values())

    def station(self, station_id: str) -> StationLive | None:
        """The adopted station, or ``None``."""
        return self._stations.get(station_id)

    def connector(self, key: ConnectorKey) -> ConnectorLive | None:
        """The outlet, or ``None``."""
        station = self._stations.get(key.station_id)
        return None if station is None else station.connectors.get(key.connector_id)

    def connectors(self) -> Iterator[ConnectorLive]:
        """Every outlet, in the order of configuration."""
        for station in self._stations.values():
            yield from station.connectors.values()
