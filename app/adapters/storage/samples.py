"""Measurements of the connectors: queued without waiting, written in batches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice

from app.adapters.storage.database import DATABASE_ERRORS, Database, storage_error
from app.adapters.storage.engine import Engine, in_transaction
from app.adapters.storage.instants import from_us, to_us
from app.domain.station import ConnectorKey
from app.domain.transaction import Sample
from app.services.ports import TracePoint

WAITING_MOST = 20_000
"""Samples kept while the disk cannot follow; then the oldest are given up and counted."""

_Waiting = tuple[ConnectorKey, tuple[int | None, ...]]
"""Whose it is, and all columns but the first."""

_COLUMNS = 12

ROWS_AT_ONCE = 256
"""Rows of one statement. SQLite's module lets go of the interpreter once a statement, and takes it
from the event loop afterwards: row by row, that would double the price of a message."""

# Two messages may carry parts of the same instant: what the second does not say is kept.
# OR FAIL, for a batch that fails is undone as a whole: SQLite need not keep a journal to undo a
# single statement, which would be half of the price.
_INSERT = """
    INSERT OR FAIL INTO sample (outlet_id, at_us, transaction_id, l1_ma, l2_ma, l3_ma, unphased_ma,
                        limit_ma, power_w, energy_wh, offered_ma, soc_percent)
    VALUES {rows}
    ON CONFLICT (outlet_id, at_us) DO UPDATE SET
        transaction_id = coalesce(excluded.transaction_id, transaction_id),
        l1_ma = coalesce(excluded.l1_ma, l1_ma),
        l2_ma = coalesce(excluded.l2_ma, l2_ma),
        l3_ma = coalesce(excluded.l3_ma, l3_ma),
        unphased_ma = coalesce(excluded.unphased_ma, unphased_ma),
        limit_ma = coalesce(excluded.limit_ma, limit_ma),
        power_w = coalesce(excluded.power_w, power_w),
        energy_wh = coalesce(excluded.energy_wh, energy_wh),
        offered_ma = coalesce(excluded.offered_ma, offered_ma),
        soc_percent = coalesce(excluded.soc_percent, soc_percent)"""


def _insert_of(rows: int) -> str:
    values = f"({', '.join('?' * _COLUMNS)})"
    return _INSERT.format(rows=", ".join([values] * rows))


_INSERT_ONE, _INSERT_MANY = _insert_of(1), _insert_of(ROWS_AT_ONCE)

_TRACE = """
    SELECT at_us, l1_ma, l2_ma, l3_ma, unphased_ma, limit_ma, power_w, energy_wh
    FROM sample JOIN outlet USING (outlet_id)
    WHERE station_id = ? AND connector_id = ? AND at_us BETWEEN ? AND ? ORDER BY at_us"""

_FOR_EVER_US = 2**62

_PHASES = "SELECT phases FROM connector WHERE station_id = ? AND connector_id = ?"


class SampleBuffer:
    """Samples that wait for the next batch; filled by the event loop, emptied by the writer."""

    def __init__(self, waiting_most: int = WAITING_MOST) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._waiting_most = waiting_most
        self._lock = threading.Lock()
        self._outlets: dict[ConnectorKey, int] = {}
        self.dropped = 0
        """Samples given up because the disk could not follow."""
        self.trouble_key: str | None = None
        """Message key of the last batch's failure; ``None`` when it was written."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: _Waiting) -> None:
        """Queues one sample, in the place of the oldest when the queue is full."""
        with self._lock:
            if len(self._waiting) >= self._waiting_most:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(waiting)

    def write_batch(self, database: Database) -> None:
        """Writes all that waits in one transaction; on failure it waits for the next batch."""
        with self._lock:
            batch, self._waiting = self._waiting, deque()
        if not batch:
            return
        try:
            in_transaction(database, lambda inside: self._insert(inside, batch))
        except DATABASE_ERRORS as error:
            self._outlets.clear()  # numbers given in this batch were rolled back with it
            self.trouble_key = storage_error(error).key
            self._put_back(batch)
            raise
        self.trouble_key = None

    def _put_back(self, batch: deque[_Waiting]) -> None:
        with self._lock:
            batch.extend(self._waiting)
            while len(batch) > self._waiting_most:
                batch.popleft()
                self.dropped += 1
            self._waiting = batch

    def _insert(self, database: Database, batch: deque[_Waiting]) -> None:
        rows = iter(batch)
        while chunk := self._parameters(database, islice(rows, ROWS_AT_ONCE)):
            if len(chunk) == ROWS_AT_ONCE * _COLUMNS:
                database.raw.execute(_INSERT_MANY, chunk)
                continue
            for first in range(0, len(chunk), _COLUMNS):
                database.raw.execute(_INSERT_ONE, chunk[first : first + _COLUMNS])

    def _parameters(self, database: Database, rows: Iterable[_Waiting]) -> list[int | None]:
        parameters: list[int | None] = []
        for key, values in rows:
            number = self._outlets.get(key)
            parameters.append(self._outlet(database, key) if number is None else number)
            parameters.extend(values)
        return parameters

    def _outlet(self, database: Database, key: ConnectorKey) -> int:
        database.raw.execute(
            "INSERT OR IGNORE INTO outlet (station_id, connector_id) VALUES (?, ?)", key
        )
        found = database.raw.execute(
            "SELECT outlet_id FROM outlet WHERE station_id = ? AND connector_id = ?", key
        ).fetchone()
        number = self._outlets[key] = int(found[0])
        return number


class SqliteSampleRepository:
    """Implements ``SampleRepository``."""

    def __init__(self, engine: Engine, buffer: SampleBuffer, on_added: Callable[[], None]) -> None:
        self._engine = engine
        self._buffer = buffer
        self._on_added = on_added

    def add(
        self, key: ConnectorKey, transaction_id: int | None, sample: Sample, limit_ma: int | None
    ) -> None:
        """Queues one sample; it is on disk within the batch period.

        Raises ``ValueError`` for a naive ``at_utc``: in the batch it would harm its neighbours.
        """
        values = (
            to_us(sample.at_utc),
            transaction_id,
            *sample.current_ma,
            sample.current_unphased_ma,
            limit_ma,
            sample.power_w,
            sample.energy_wh,
            sample.offered_ma,
            sample.soc_percent,
        )
        self._buffer.add((key, values))
        self._on_added()

    async def trace(
        self, key: ConnectorKey, since_utc: datetime, until_utc: datetime | None = None
    ) -> Sequence[TracePoint]:
        """Points since then (and not after ``until_utc``), oldest first.

        What waits for its batch is not among them yet.
        """
        since_us = to_us(since_utc)
        until_us = _FOR_EVER_US if until_utc is None else to_us(until_utc)

        def read(database: Database) -> list[TracePoint]:
            wired = database.raw.execute(_PHASES, key).fetchone()
            phases = 3 if wired is None else int(wired[0])
            rows = database.raw.execute(_TRACE, (*key, since_us, until_us))
            return [_trace_point(row, phases) for row in rows]

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older samples, an outlet at a time so that other writes pass in between."""
        before_us = to_us(before_utc)

        def outlets(database: Database) -> list[int]:
            return [row[0] for row in database.raw.execute("SELECT outlet_id FROM outlet")]

        deleted = 0
        for outlet_id in await self._engine.read(outlets):
            deleted += await self._engine.write(_Pruning(outlet_id, before_us))
        return deleted


class _Pruning:
    """Deletes the old samples of one outlet."""

    def __init__(self, outlet_id: int, before_us: int) -> None:
        self._parameters = (outlet_id, before_us)

    def __call__(self, database: Database) -> int:
        cursor = database.raw.execute(
            "DELETE FROM sample WHERE outlet_id = ? AND at_us < ?", self._parameters
        )
        return int(cursor.rowcount)


def _trace_point(row: tuple[int | None, ...], phases: int) -> TracePoint:
    at_us, l1_ma, l2_ma, l3_ma, unphased_ma, limit_ma, power_w, energy_wh = row
    assert at_us is not None
    currents = [l1_ma, l2_ma, l3_ma]
    if unphased_ma is not None and currents == [None, None, None]:
        currents[:phases] = [unphased_ma] * phases
    first, second, third = (0 if current is None else current for current in currents)
    return TracePoint(from_us(at_us), first, second, third, limit_ma, power_w, energy_wh)
