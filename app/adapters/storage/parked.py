"""Parked stops as people settle them, and the energy that no session accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.adapters.storage import parked_rows
from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.adapters.storage.transactions import attach_stop, unsure_transactions
from app.domain.parked import ParkedStop
from app.domain.station import ConnectorKey
from app.domain.transaction import Transaction
from app.services.journal_ports import EnergyGap

LEAST_GAP_WH = 100
"""Less is the station's own consumption, and rounding."""

_NEIGHBOURS = """
    SELECT connector_id, transaction_id, started_us, meter_start_wh,
        lag(transaction_id) OVER before, lag(stopped_us) OVER before,
        lag(meter_stop_wh) OVER before, lag(estimated_stop) OVER before
    FROM charge_transaction WHERE station_id = ? AND started_us >= ?
    WINDOW before AS (PARTITION BY connector_id ORDER BY started_us, transaction_id)
    ORDER BY started_us DESC, transaction_id DESC"""


class SqliteParkedStopRepository:
    """Implements ``ParkedStopRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def waiting(self, limit: int = 500) -> Sequence[ParkedStop]:
        """Those that wait, newest first."""
        return await self._engine.read(lambda database: parked_rows.all_waiting(database, limit))

    async def count(self) -> int:
        """How many wait."""

        def read(database: Database) -> int:
            query = "SELECT count(*) FROM parked_stop WHERE settled IS NULL"
            return int(database.raw.execute(query).fetchone()[0])

        return await self._engine.read(read)

    async def get(self, key: int) -> ParkedStop | None:
        """The one with this number, if it still waits."""
        return await self._engine.read(lambda database: parked_rows.waiting_stop(database, key))

    async def attach(self, key: int, transaction_id: int) -> Transaction | None:
        """Ends the transaction by this stop; ``None`` when either is not to be had any more."""

        def write(database: Database) -> Transaction | None:
            stop = parked_rows.waiting_stop(database, key)
            ended = None if stop is None else attach_stop(database, stop, transaction_id)
            if ended is not None:
                parked_rows.settle(database, key, parked_rows.ATTACHED, transaction_id)
            return ended

        return await self._engine.write(write)

    async def dismiss(self, key: int) -> bool:
        """Takes it off the list; false when it does not wait."""
        return await self._engine.write(
            lambda database: parked_rows.settle(database, key, parked_rows.DISMISSED, None)
        )

    async def candidates(self, key: int, limit: int = 20) -> Sequence[Transaction]:
        """Transactions of its station that are open or whose end is not sure, newest first."""

        def read(database: Database) -> list[Transaction]:
            stop = parked_rows.waiting_stop(database, key)
            return [] if stop is None else unsure_transactions(database, stop.station_id, limit)

        return await self._engine.read(read)

    async def gaps(self, station_id: str, since_utc: datetime) -> Sequence[EnergyGap]:
        """Energy between sessions, newest first; none where registers begin anew each time."""

        def read(database: Database) -> list[EnergyGap]:
            rows = database.raw.execute(_NEIGHBOURS, (station_id, to_us(since_utc))).fetchall()
            anew = {row[0] for row in rows} - {row[0] for row in rows if row[3] != 0}
            gaps = []
            for connector_id, number, started_us, start_wh, before, until_us, stop_wh, sure in rows:
                if stop_wh is None or connector_id in anew or start_wh - stop_wh < LEAST_GAP_WH:
                    continue
                gaps.append(
                    EnergyGap(
                        key=ConnectorKey(station_id, connector_id),
                        energy_wh=start_wh - stop_wh,
                        since_utc=from_us(until_us),
                        until_utc=from_us(started_us),
                        after_id=before,
                        before_id=number,
                        is_estimated=bool(sure),
                    )
                )
            return gaps

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Forgets settled ones that are older; returns how many."""

        def write(database: Database) -> int:
            query = "DELETE FROM parked_stop WHERE settled IS NOT NULL AND received_us < ?"
            return int(database.raw.execute(query, (to_us(before_utc),)).rowcount)

        return await self._engine.write(write)
