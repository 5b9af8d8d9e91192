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
    IdTagInfo,
    MeterValues,
    StartTransaction,
    StartTransactionConfirmation,
    StopTransaction,
    StopTransactionConfirmation,
)
from app.ocpp16.actions.types import UNREADABLE_TIME
from app.ocpp16.samples import read_samples
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
    ) -> None:
        self._registry = registry
        self._authorization = authorization
        self._planner = planner
        self._transactions = transactions
        self._samples = samples
        self._clock = clock
        self.on_replayed: list[Callable[[StationLive, ConnectorLive, Sample], None]] = []
        """Told of each measurement of the past: it shows what happened while nobody watched."""

    async def load(self) -> None:
        """Takes the open transactions over after a start of the manager."""
        now_s = self._clock.monotonic_s()
        for transaction in await self._transactions.open_transactions():
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
        status = await self._authorization.decide(request.id_tag, station, station_id)
        transaction, is_new = await self._transactions.start(
            NewTransaction(
                station_id=station_id,
                connector_id=request.connector_id,
                id_tag=request.id_tag,
                started_utc=_readable(request.timestamp, now_utc),
                received_utc=now_utc,
                meter_start_wh=request.meter_start,
            )
        )
        live = None if station is None else station.connectors.get(request.connector_id)
        if live is not None and transaction.is_open and (is_new or live.transaction is None):
            now_s = self._clock.monotonic_s()
            live.end()
            live.begin(transaction, authorized=status is AuthorizationStatus.ACCEPTED, now_s=now_s)
        return StartTransactionConfirmation(
            id_tag_info=IdTagInfo(status=status), transaction_id=transaction.transaction_id
        )

    async def stop(
        self, station: StationLive | None, station_id: str, request: StopTransaction
    ) -> StopTransactionConfirmation:
        """Clause 5.14 of the Core profile: always acknowledged."""
        now_utc = self._clock.utc_now()
        stop = TransactionStop(
            transaction_id=request.transaction_id,
            stopped_utc=_readable(request.timestamp, now_utc),
            received_utc=now_utc,
            meter_stop_wh=request.meter_stop,
            reason=None if request.reason is None else request.reason.value,
            id_tag=request.id_tag,
        )
        transaction = await self._transactions.stop(stop)
        if transaction is None or transaction.station_id != station_id:
            log.warning("%s: stop of unknown transaction %d", station_id, request.transaction_id)
            await self._transactions.park_stop(station_id, stop)
        elif station is not None:
            self._ended(station, transaction)
        if request.id_tag is None:
            return StopTransactionConfirmation()
        status = await self._authorization.decide(request.id_tag, station, station_id)
        return StopTransactionConfirmation(id_tag_info=IdTagInfo(status=status))

    def meter_values(self, station: StationLive, request: MeterValues) -> None:
        """Keeps the measurements; the newest live one becomes the connector's present."""
        live = station.connectors.get(request.connector_id)
        if live is None:
            return
        now_s = self._clock.monotonic_s()
        self._keep(station, live, read_samples(request.meter_value, now_s, live.register))

    def _keep(self, station: StationLive, live: ConnectorLive, samples: Iterable[Sample]) -> None:
        """Queues ``samples`` for the disk and takes the live ones as the present."""
        transaction = live.transaction
        transaction_id = None if transaction is None else transaction.transaction_id
        limit_ma = self._planner.ceilings.limit_in_force(live.key, self._clock.monotonic_s())
        now_utc = self._clock.utc_now()
        for read in samples:
            sample = read
            if read.at_utc == UNREADABLE_TIME:
                sample = msgspec.structs.replace(read, at_utc=now_utc)
            self._samples.add(live.key, transaction_id, sample, limit_ma)
            if not station.is_history(sample, now_utc):
                self._take(station, live, sample, now_utc)
            else:
                for observer in self.on_replayed:
                    observer(station, live, sample)

    @staticmethod
    def _take(station: StationLive, live: ConnectorLive, sample: Sample, now_utc: datetime) -> None:
        """A measurement of the present, or of the moment ago at which it was really made."""
        delay_s = station.timing.delay_s(sample.at_utc, sample.received_s)
        if delay_s == 0.0:
            station.clock_skew_s = (sample.at_utc - now_utc).total_seconds()
        else:
            sample = msgspec.structs.replace(sample, received_s=sample.received_s - delay_s)
        if live.sample is None or sample.received_s >= live.sample.received_s:
            live.measured(sample)

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

    def badge_label(self, id_tag: str) -> str:
        """Who holds the token."""
        return self._authorization.label(id_tag)

    def _ended(self, station: StationLive, transaction: Transaction) -> None:
        live = station.connectors.get(transaction.connector_id)
        if live is None or live.transaction is None:
            return
        if live.transaction.transaction_id == transaction.transaction_id:
            live.end()


def _readable(instant: datetime, now_utc: datetime) -> datetime:
    return now_utc if instant == UNREADABLE_TIME else instant
