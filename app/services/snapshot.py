"""The frozen input of one control cycle, copied from the registry and the meters."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.limits import LimitSource
from app.domain.meter import MeterReading
from app.energy.site_state import ConnectorState, SiteState
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.rules import Ruling

DEFAULT_SAMPLE_INTERVAL_S = 30.0
"""Assumed of a station that refused to be told an interval (stations.md: 30 s seen)."""


def snapshot(
    registry: Registry,
    readings: Mapping[str, MeterReading | None],
    ruling: Ruling,
    now_s: float,
) -> SiteState:
    """Everything the planner may know at ``now_s`` (monotonic)."""
    return SiteState(
        now_s=now_s,
        readings=dict(readings),
        connectors=tuple(
            _connector(station, live, ruling)
            for station in registry
            for live in station.connectors.values()
        ),
        caps=ruling.caps,
        policy=ruling.policy,
    )


def _connector(station: StationLive, live: ConnectorLive, ruling: Ruling) -> ConnectorState:
    transaction = live.transaction
    id_tag = None if transaction is None else transaction.id_tag
    rule = ruling.session(station.station, live.connector, id_tag)
    refused = transaction is not None and not live.authorized
    interval_s = station.capability.sample_interval_s
    return ConnectorState(
        key=live.key,
        online=station.online and station.set_up,
        status=live.status,
        transaction_id=None if transaction is None else transaction.transaction_id,
        arrived_s=live.arrived_s,
        cap_ma=0 if refused else rule.cap_ma,
        cap_source=LimitSource.INSTALLATION if refused else rule.cap_source,
        weight=rule.standing.weight,
        priority=rule.standing.priority,
        controllable=station.capability.follows,
        sample=live.energy_sample(),
        sample_interval_s=DEFAULT_SAMPLE_INTERVAL_S if interval_s is None else interval_s,
    )
