"""Transactions: the protocol's record from StartTransaction to StopTransaction."""

from __future__ import annotations

from datetime import datetime

import msgspec

from app.domain.station import ConnectorKey


class Transaction(msgspec.Struct, frozen=True):
    """One transaction, open while ``stopped_utc`` is ``None``.

    ``started_utc`` and ``stopped_utc`` are the station's own times; ``received_utc`` is when the
    manager heard of the start. Meter values are in Wh and may be session-relative.
    ``estimated_stop`` marks a stop the manager had to write itself, ``assigned_stop`` one that a
    station told without saying of which transaction.
    """

    transaction_id: int
    station_id: str
    connector_id: int
    id_tag: str
    started_utc: datetime
    received_utc: datetime
    meter_start_wh: int
    stopped_utc: datetime | None = None
    meter_stop_wh: int | None = None
    stop_reason: str | None = None
    estimated_stop: bool = False
    assigned_stop: bool = False

    @property
    def key(self) -> ConnectorKey:
        """The connector it runs on."""
        return ConnectorKey(self.station_id, self.connector_id)

    @property
    def is_open(self) -> bool:
        """Whether no stop is known."""
        return self.stopped_utc is None

    @property
    def is_sure(self) -> bool:
        """Whether its end is known from the station itself."""
        return not (self.is_open or self.estimated_stop or self.assigned_stop)

    @property
    def energy_wh(self) -> int | None:
        """Energy delivered, once stopped."""
        if self.meter_stop_wh is None:
            return None
        return max(0, self.meter_stop_wh - self.meter_start_wh)


class Sample(msgspec.Struct, frozen=True):
    """What a connector measured at one instant, already repaired and in SI units.

    ``current_ma`` holds per-conductor currents of the connector (first, second, third conductor),
    ``None`` where the station did not say; ``current_total_ma`` is a current reported without a
    phase (the same on each conductor in use). Power is W (positive = into the car), energy the
    register in Wh.
    """

    at_utc: datetime
    received_s: float
    current_ma: tuple[int | None, int | None, int | None] = (None, None, None)
    current_unphased_ma: int | None = None
    power_w: int | None = None
    energy_wh: int | None = None
    offered_ma: int | None = None
    soc_percent: int | None = None
