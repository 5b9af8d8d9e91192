"""Transactions from StartTransaction to StopTransaction, and what was measured in between.

A start or a stop is on disk before it is acknowledged; a repeat is answered as the first time; a
stop nobody knows is acknowledged and parked, for a station would repeat it for ever (OCPP 1.6
clauses 4.8 and 4.10).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from app.domain.badge import AuthorizationStatus
from app.domain.station import ConnectorKey
from app.domain.transaction import Sample, Transaction
from app.energy.planner import Planner
from app.ocpp16.actions.station_calls import (
    MeterValues,
    StartTransaction,
    StartTransactionConfirmation,
    StopTransaction,
    StopTransactionConfirmation,
)
from app.ocpp16.actions.types import UNREADABLE_TIME
from app.ocpp16.samples import TRUE_SCALES, Scales, read_samples
from app.services.authorization import Authorization
from app.services.ports import (
    Clock,
    NewTransaction,
    SampleRepository,
    TracePoint,
    TransactionRepository,
    TransactionStop,
)
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.repairs import RepairLog
from app.services.transaction_book import KEPT, TransactionBook
from app.services.unit_judge import UnitJudge

log = logging.getLogger(__name__)


class SessionService:
    """Records transactions and measurements, and keeps the registry's picture of them."""

    def __init__(
        self,
        registry: Registry,
        authorization: Authorization,
        planner: Planner,
        transactions: TransactionRepository,
        samples: SampleRepository,
        clock: Clock,
        units: UnitJudge,
        repairs: RepairLog,
    ) -> None:
        self._registry = registry
        self._authorization = authorization
        self._planner = planner
        self._transactions = transactions
        self._samples = samples
        self._clock = clock
        self._units = units
        self._repairs = repairs
        self._book = TransactionBook()
        self.on_replayed: list[Callable[[StationLive, ConnectorLive, Sample], None]] = []
        """Told of each measurement of the past: it shows what happened while nobody watched."""

    async def load(self) -> None:
        """Takes the open transactions over after a start of the manager."""
        now_s = self._clock.monotonic_s()
        for transaction in reversed(await self._transactions.recent(limit=KEPT)):
            self._book.note(transaction)
        for transaction in await self._transactions.open_transactions():
            self._book.note(transaction)
            live = self._registry.connector(transaction.key)
            if live is not None:
                allowed = self._authorization.known_status(transaction.id_tag, live.key)
                live.begin(
                    transaction,
                    authorized=allowed is AuthorizationStatus.ACCEPTED,
                    now_s=now_s,
                )

    async def start(
        self, station: StationLive | None, station_id: str, request: StartTransaction
    ) -> StartTransactionConfirmation:
        """Clause 5.12 of the Core profile: identifies the transaction, whatever the token."""
        now_utc = self._clock.utc_now()
        connector_id = self._outlet_of(station, station_id, request)
        info = await self._authorization.answer(
            request.id_tag, station, station_id, starting=ConnectorKey(station_id, connector_id)
        )
        meter_scale = 1.0 if station is None else station.quirks.meter_scale
        transaction, is_new = await self._transactions.start(
            NewTransaction(
                station_id=station_id,
                connector_id=connector_id,
                id_tag=request.id_tag,
                started_utc=_readable(request.timestamp, now_utc),
                received_utc=now_utc,
                meter_start_wh=round(request.meter_start * meter_scale),
                time_known=request.timestamp != UNREADABLE_TIME,
            )
        )
        self._book.note(transaction)
        live = None if station is None else station.connectors.get(connector_id)
        if live is not None and transaction.is_open and (is_new or live.transaction is None):
            await self._begin(live, transaction, info.status)
        if station is not None:
            self._note_time(station, request.timestamp)
        return StartTransactionConfirmation(
            id_tag_info=info, transaction_id=transaction.transaction_id
        )

    def _outlet_of(
        self, station: StationLive | None, station_id: str, request: StartTransaction
    ) -> int:
        """The outlet meant: a number that a station with one outlet does not have means that one."""
        number = request.connector_id
        if station is None or number in station.connectors or len(station.connectors) != 1:
            return number
        self._repairs.note(station_id, _as_text(request), ("connector-unknown",))
        (only,) = station.connectors
        return only

    async def _begin(
        self, live: ConnectorLive, transaction: Transaction, status: AuthorizationStatus
    ) -> None:
        before = live.transaction
        if before is not None and before.transaction_id != transaction.transaction_id:
            closed = await self._transactions.get(before.transaction_id)
            if closed is not None:
                self._book.note(closed)
        live.end()
        live.begin(
            transaction,
            authorized=status is AuthorizationStatus.ACCEPTED,
            now_s=self._clock.monotonic_s(),
        )

    async def stop(
        self, station: StationLive | None, station_id: str, request: StopTransaction
    ) -> StopTransactionConfirmation:
        """Clause 5.14 of the Core profile: always acknowledged."""
        now_utc = self._clock.utc_now()
        meter_wh = request.meter_stop
        if station is not None:
            self._note_time(station, request.timestamp)
            live = self._running(station, request.transaction_id)
            meter_wh = await self._units.stop_register(station, live, meter_wh)
        stop = TransactionStop(
            transaction_id=request.transaction_id,
            stopped_utc=_readable(request.timestamp, now_utc),
            received_utc=now_utc,
            meter_stop_wh=meter_wh,
            reason=None if request.reason is None else request.reason.value,
            id_tag=request.id_tag,
            time_known=request.timestamp != UNREADABLE_TIME,
        )
        transaction = await self._transactions.take_stop(station_id, stop)
        if transaction is None:
            log.warning("%s: stop of unknown transaction %d", station_id, request.transaction_id)
        else:
            self.ended(transaction)
            self._keep_data(station, transaction, request)
        if request.id_tag is None:
            return StopTransactionConfirmation()
        info = await self._authorization.answer(request.id_tag, station, station_id)
        return StopTransactionConfirmation(id_tag_info=info)

    def ended(self, transaction: Transaction) -> None:
        """A transaction has ended, as it is recorded now."""
        self._book.note(transaction)
        live = self._registry.connector(transaction.key)
        if live is None or live.transaction is None or transaction.is_open:
            return
        if live.transaction.transaction_id == transaction.transaction_id:
            live.end()

    @staticmethod
    def _running(station: StationLive, transaction_id: int) -> ConnectorLive | None:
        for live in station.connectors.values():
            if live.transaction is not None and live.transaction.transaction_id == transaction_id:
                return live
        return None

    def _keep_data(
        self, station: StationLive | None, transaction: Transaction, request: StopTransaction
    ) -> None:
        """What a station kept of a transaction until its end (transactionData, clause 5.14)."""
        scales = _scales(station)
        for sample in read_samples(request.transaction_data or (), 0.0, scales=scales):
            if sample.at_utc != UNREADABLE_TIME:
                self._samples.add(transaction.key, transaction.transaction_id, sample, None)

    async def meter_values(self, station: StationLive, request: MeterValues) -> None:
        """Keeps the measurements; the newest live one becomes the connector's present."""
        known = self._book.key(request.transaction_id)
        if known is not None and known.station_id != station.station.station_id:
            known = None
        live = station.connectors.get(request.connector_id)
        if live is None and known is not None:
            live = station.connectors.get(known.connector_id)
        if live is None:
            return
        number = None if live.transaction is None else live.transaction.transaction_id
        other = known == live.key and request.transaction_id != number
        repaired: dict[str, None] = {}
        samples = read_samples(
            request.meter_value,
            self._clock.monotonic_s(),
            # Intervals of another transaction are no part of this one's register.
            None if other else live.register,
            scales=_scales(station),
            repaired=repaired,
        )
        if repaired:
            self._repairs.note(station.station.station_id, _as_text(request), tuple(repaired))
        present = self._keep(station, live, samples, request.transaction_id if other else number)
        if present is None:
            return
        if not other:
            self._book.is_present(live.key)
            found = self._units.watch(live, present)
            if found is not None:
                await self._units.learn(station, live, present, found)
        elif request.transaction_id is not None and self._book.goes_on(request.transaction_id):
            await self._resume(live, request.transaction_id)

    async def _resume(self, live: ConnectorLive, transaction_id: int) -> None:
        """The station still runs a transaction whose end was only concluded: it is open again."""
        resumed = await self._transactions.resume(
            live.key.station_id, transaction_id, self._clock.utc_now()
        )
        if resumed is None:
            return
        log.warning("%s: transaction %d goes on", live.key.station_id, transaction_id)
        self._book.note(resumed)
        status = self._authorization.known_status(resumed.id_tag, live.key)
        await self._begin(live, resumed, status)

    def _keep(
        self,
        station: StationLive,
        live: ConnectorLive,
        samples: Iterable[Sample],
        transaction_id: int | None,
    ) -> Sample | None:
        """Queues ``samples`` for the disk; the newest of the present, ``None`` without one."""
        now_s, now_utc = self._clock.monotonic_s(), self._clock.utc_now()
        limit_ma = self._planner.ceilings.limit_in_force(live.key, now_s)
        present = None
        for read in samples:
            sample, ahead_s = read, 0.0
            if read.at_utc == UNREADABLE_TIME:
                sample = msgspec.structs.replace(read, at_utc=now_utc)
            else:
                ahead_s = station.dated(read.at_utc, now_utc, now_s)
            self._samples.add(live.key, transaction_id, sample, limit_ma)
            if not station.is_history(sample, ahead_s):
                self._take(station, live, sample, ahead_s)
                present = sample
            else:
                for observer in self.on_replayed:
                    observer(station, live, sample)
        return present

    def _note_time(self, station: StationLive, at_utc: datetime) -> None:
        if at_utc != UNREADABLE_TIME:
            station.dated(at_utc, self._clock.utc_now(), self._clock.monotonic_s())

    @staticmethod
    def _take(station: StationLive, live: ConnectorLive, sample: Sample, ahead_s: float) -> None:
        """A measurement of the present, or of the moment ago at which it was really made."""
        delay_s = station.timing.delay_s(sample.at_utc, sample.received_s)
        if delay_s == 0.0:
            station.clock_skew_s = ahead_s
            station.skew_measured = True
        else:
            sample = msgspec.structs.replace(sample, received_s=sample.received_s - delay_s)
        if live.sample is None or sample.received_s >= live.sample.received_s:
            live.measured(sample, whole=station.quirks.whole_amperes)

    async def recent(
        self, station_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> Sequence[Transaction]:
        """Newest first."""
        return await self._transactions.recent(station_id=station_id, limit=limit, offset=offset)

    async def count(self) -> int:
        """How many transactions are recorded."""
        return await self._transactions.count()

    async def get(self, transaction_id: int) -> Transaction | None:
        """The transaction with this number, if any."""
        return await self._transactions.get(transaction_id)

    async def measured(self, transaction: Transaction) -> Sequence[TracePoint]:
        """What was measured during a transaction, oldest first, as far as it is still kept."""
        return await self._samples.trace(
            transaction.key, transaction.started_utc, transaction.stopped_utc
        )

    async def trace(self, key: ConnectorKey, hours: float) -> Sequence[TracePoint]:
        """Measurements of the last ``hours``, oldest first."""
        return await self._samples.trace(key, self._clock.utc_now() - timedelta(hours=hours))

    def clock_skew_s(self, station_id: str) -> float | None:
        """The station's clock less the manager's; ``None`` before it has dated anything."""
        station = self._registry.station(station_id)
        return None if station is None else station.clock.skew_s(self._clock.monotonic_s())

    def badge_label(self, id_tag: str) -> str:
        """Who holds the token."""
        return self._authorization.label(id_tag)


def _readable(instant: datetime, now_utc: datetime) -> datetime:
    return now_utc if instant == UNREADABLE_TIME else instant


def _scales(station: StationLive | None) -> Scales:
    if station is None:
        return TRUE_SCALES
    quirks = station.quirks
    if quirks.energy_scale == 1.0 and quirks.power_scale == 1.0:
        return TRUE_SCALES
    return Scales(quirks.energy_scale, quirks.power_scale)


def _as_text(request: StartTransaction | MeterValues) -> str:
    """The message again, for those that were well-formed and still not as they should be."""
    payload = msgspec.json.encode(request).decode()
    return f'[2,"","{request.action}",{payload}]'
