"""Finds the stations that call energy or power by the wrong unit, and corrects them from then on."""

from __future__ import annotations

import logging

import msgspec

from app.domain.station import ConnectorKey
from app.domain.transaction import Sample
from app.ocpp16.plausibility import THOUSAND, UnitWatch
from app.ocpp16.samples import Scales
from app.services.ports import TransactionRepository
from app.services.quirks import QuirkBook
from app.services.registry import ConnectorLive, StationLive

log = logging.getLogger(__name__)

SESSION_MOST_KWH = 200
"""No session brings more: a register that is further from its start counts in another unit."""


class UnitJudge:
    """Told of every live measurement of a transaction."""

    def __init__(self, quirks: QuirkBook, transactions: TransactionRepository) -> None:
        self._quirks = quirks
        self._transactions = transactions
        self._watches: dict[ConnectorKey, tuple[int, UnitWatch]] = {}

    def watch(self, live: ConnectorLive, sample: Sample) -> Scales | None:
        """Looks at one measurement; the factors that make it right, once it is sure of them."""
        transaction = live.transaction
        if transaction is None:
            return None
        number = transaction.transaction_id
        watched = self._watches.get(live.key)
        if watched is None or watched[0] != number:
            watch = UnitWatch() if watched is None else watched[1]
            watch.restart()
            watched = self._watches[live.key] = (number, watch)
        found = watched[1].add(sample, live.connector.phases)
        return None if found is None or found == (1.0, 1.0) else found

    async def learn(
        self, station: StationLive, live: ConnectorLive, sample: Sample, found: Scales
    ) -> None:
        """Reads what the station measures with these factors from now on."""
        # With the factors learnt, everything that was watched means something else.
        self._watches.clear()
        before = station.quirks
        news = {
            "energy_scale": _tidy(before.energy_scale * found.energy),
            "power_scale": _tidy(before.power_scale * found.power),
        }
        log.warning(
            "%s: measures in another unit than it says: %s", station.station.station_id, news
        )
        await self._quirks.learn(station, **news)
        transaction = live.transaction
        if found.energy != THOUSAND or transaction is None or sample.energy_wh is None:
            return
        # Where the session's first register was in the same unit, it is corrected with the others.
        since_start = sample.energy_wh - transaction.meter_start_wh
        if transaction.meter_start_wh and 0 <= since_start <= SESSION_MOST_KWH:
            await self.learn_meter(station, found.energy)

    async def learn_meter(self, station: StationLive, factor: float) -> None:
        """The registers of starts and stops are in another unit too: open ones are corrected."""
        await self._quirks.learn(station, meter_scale=_tidy(station.quirks.meter_scale * factor))
        await self._transactions.rescale_open(station.station.station_id, factor)
        for live in station.connectors.values():
            if live.transaction is not None:
                start_wh = round(live.transaction.meter_start_wh * factor)
                live.transaction = msgspec.structs.replace(
                    live.transaction, meter_start_wh=start_wh
                )

    async def stop_register(
        self, station: StationLive, live: ConnectorLive | None, meter_stop: int
    ) -> int:
        """The register of a stop in Wh, by what was measured last where the units differ."""
        scale, energy_scale = station.quirks.meter_scale, station.quirks.energy_scale
        if scale == 1.0 and energy_scale != 1.0 and live is not None and live.sample is not None:
            last_wh = live.sample.energy_wh
            if (
                last_wh
                and abs(meter_stop * energy_scale - last_wh) < abs(meter_stop - last_wh) / 10
            ):
                await self.learn_meter(station, energy_scale)
                scale = energy_scale
        return round(meter_stop * scale)


def _tidy(scale: float) -> float:
    """Without the dust of divisions: a thousand times a thousandth is 1."""
    return round(scale, 6)
