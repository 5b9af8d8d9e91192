"""The frozen input of one control cycle, copied from the registry and the meters."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.meter import MeterReading
from app.energy.site_state import ConnectorState, SiteState
from app.services.registry import ConnectorLive, Registry, StationLive

DEFAULT_SAMPLE_INTERVAL_S = 30.0
"""Assumed of a station that refused to be told an interval (stations.md: 30 s seen)."""


def snapshot(
    registry: Registry, readings: Mapping[str, MeterReading | None], now_s: float
) -> SiteState:
    """Everything the planner may know at ``now_s`` (monotonic)."""
    return SiteState(
        now_s=now_s,
        readings=dict(readings),
        connectors=tuple(
            _connector(station, live)
            for station in registry
            for live in station.connectors.values()
        ),
    )


def _connector(station: StationLive, live: ConnectorLive) -> ConnectorState:
    transaction = live.transaction
    interval_s = station.capability.sample_interval_s
    return ConnectorState(
        key=live.key,
        online=station.online and station.set_up,
        status=live.status,
        transaction_id=None if transaction is None else transaction.transaction_id,
        arrived_s=live.arrived_s,
        cap_ma=None if live.authorized or transaction is None else 0,
        weight=station.station.weight,
        priority=station.station.priority,
        controllable=station.capability.follows,
        sample=live.energy_sample(),
        sample_interval_s=DEFAULT_SAMPLE_INTERVAL_S if interval_s is None else interval_s,
    )
