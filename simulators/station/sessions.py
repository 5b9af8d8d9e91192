"""Who may charge, and the transactions that follow, from badge to StopTransaction."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from simulators.station.access import Tokens
from simulators.station.config import TransactionRecord
from simulators.station.connector import Connector
from simulators.station.core import Core
from simulators.station.ev import Car

SAMPLE_KEY = "MeterValueSampleInterval"
CLOCK_KEY = "ClockAlignedDataInterval"


class Sessions:
    """The authorisations and transactions of one station."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.tokens = Tokens(core)
        self._presented: tuple[str, float] | None = None
        self._clock_timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ driver

    def plug(self, connector: Connector, car: Car, id_tag: str | None) -> None:
        """A car is plugged in; its driver may hold a badge to the reader at once."""
        core = self._core
        if connector.car is not None:
            raise ValueError(f"a car is in outlet {connector.connector_id} already")
        connector.plug(car)
        core.tell_statuses()
        if connector.remote_tag is not None:
            self._start_if_there(connector, connector.remote_tag)
        elif core.config.free_mode:
            self._start_if_there(connector, core.config.free_id_tag)
        elif id_tag is not None:
            self.swipe(id_tag, connector)
        elif self._presented is not None and core.loop.time() < self._presented[1]:
            presented, self._presented = self._presented, None
            self._start_if_there(connector, presented[0])

    def unplug(self, connector: Connector) -> Car | None:
        """The car leaves; by default its transaction ends and its cable is free."""
        record = connector.record
        if record is not None and self._core.keys.boolean("StopTransactionOnEVSideDisconnect"):
            self.stop(connector, "EVDisconnected")
            if not self._core.keys.boolean("UnlockConnectorOnEVSideDisconnect"):
                connector.cable_of = record.id_tag
        car = connector.unplug()
        self._core.refresh_offers()
        return car

    def swipe(self, id_tag: str, connector: Connector | None = None) -> bool:
        """A badge is held to the reader; false when there is none, or no power."""
        core = self._core
        if not core.persona.reader or not core.powered:
            return False
        outlets = core.connectors if connector is None else [connector]
        for outlet in outlets:
            if outlet.record is not None and outlet.record.id_tag.lower() == id_tag.lower():
                self.stop(outlet, "Local", id_tag)
                return True
        for outlet in outlets:
            if outlet.car is not None and self._worth_asking(outlet, id_tag):
                self.tokens.authorize(id_tag, partial(self._start_if_there, outlet, id_tag))
                return True
        for outlet in outlets:
            if outlet.cable_of is not None and outlet.cable_of.lower() == id_tag.lower():
                self.release_cable(outlet)
                return True
            if outlet.record is not None and self.tokens.parent(outlet.record.id_tag):
                self.tokens.authorize(id_tag, partial(self._stop_for_group, outlet, id_tag))
                return True
        if connector is None:
            self.tokens.authorize(id_tag, partial(self._remember, id_tag))
        return True

    def _worth_asking(self, connector: Connector, id_tag: str) -> bool:
        """Free to start, or reserved for a group that the tag may turn out to belong to."""
        if self.free_to_start(connector, id_tag):
            return True
        reservation = connector.reserved_for
        return (
            reservation is not None
            and reservation.parent_tag is not None
            and self._usable(connector)
            and self.tokens.parent(id_tag) is None
        )

    def _stop_for_group(self, connector: Connector, id_tag: str) -> None:
        record = connector.record
        if record is not None and self.tokens.may_stop(id_tag, record.id_tag):
            self.stop(connector, "Local", id_tag)

    def release_cable(self, connector: Connector) -> None:
        """The lock opens; a cable that was left in the outlet is gone."""
        if connector.cable_of is not None:
            connector.cable_of = None
            self._core.tell_statuses()

    def free_to_start(self, connector: Connector, id_tag: str) -> bool:
        """Whether that driver could begin a transaction at the outlet now."""
        reservation = connector.reserved_for
        parent = self.tokens.parent(id_tag)
        return (
            (reservation is None or reservation.admits(id_tag, parent))
            and self._usable(connector)
            and not self._last_one_kept(connector, id_tag, parent)
        )

    def _usable(self, connector: Connector) -> bool:
        return (
            connector.record is None
            and connector.available
            and not connector.fault
            and self._core.powered
        )

    def _last_one_kept(self, connector: Connector, id_tag: str, parent: str | None) -> bool:
        """Whether the outlet is the last free one, and the post is reserved for somebody else."""
        kept = self._core.reserved_for_all
        if kept is None or kept.admits(id_tag, parent):
            return False
        return not any(
            other is not connector and other.car is None and self._usable(other)
            for other in self._core.connectors
        )

    def start_waiting_cars(self) -> None:
        """After a restart: a post in free mode begins again with the cars that are there."""
        if self._core.config.free_mode:
            for connector in self._core.connectors:
                self._start_if_there(connector, self._core.config.free_id_tag)

    def _start_if_there(self, connector: Connector, id_tag: str) -> None:
        if connector.car is not None and self.free_to_start(connector, id_tag):
            self.start(connector, id_tag)

    def _remember(self, id_tag: str) -> None:
        wait_s = self._core.keys.integer("ConnectionTimeOut")
        self._presented = (id_tag, self._core.loop.time() + wait_s)

    # ------------------------------------------------------------------ transaction

    def start(self, connector: Connector, id_tag: str) -> None:
        """Start a transaction at once; the central system is told now or when it can be."""
        core = self._core
        now = core.clock()
        record = TransactionRecord(
            connector_id=connector.connector_id,
            id_tag=id_tag,
            start_utc=core.true_utc(),
            meter_start_wh=0,
        )
        connector.begin(record, now.timestamp())
        record.meter_start_wh = int(connector.reported_wh())
        core.records.append(record)
        core.counters.transactions_started += 1
        payload: dict[str, Any] = {
            "connectorId": connector.connector_id,
            "idTag": id_tag,
            "meterStart": record.meter_start_wh,
            "timestamp": core.meter.timestamp(now),
        }
        kept = core.reserved_for_all
        if connector.reserved_for is not None:
            payload["reservationId"] = connector.reserved_for.number
            connector.reserved_for = None
        elif kept is not None and kept.admits(id_tag, self.tokens.parent(id_tag)):
            payload["reservationId"] = kept.number
            core.reserved_for_all = None
        elif core.persona.zero_reservation_id:
            payload["reservationId"] = 0
        core.caller.enqueue(
            "StartTransaction", payload, record, partial(self._started, connector, record)
        )
        self.arm(connector)
        core.refresh_offers()

    def _started(
        self, connector: Connector, record: TransactionRecord, answer: dict[str, Any] | None
    ) -> None:
        core = self._core
        if answer is None or not isinstance(answer.get("transactionId"), int):
            return
        record.transaction_id = answer["transactionId"]
        record.acknowledged_start = True
        core.counters.starts_acknowledged += 1
        accepted = self.tokens.learn(record.id_tag, answer) == "Accepted"
        if accepted or connector.record is not record:
            return
        if core.keys.boolean("StopTransactionOnInvalidId"):
            self.stop(connector, "DeAuthorized")
        else:
            # The transaction goes on without energy, but for what the key grants (clause 9.1.14).
            most_wh = core.keys.integer("MaxEnergyOnInvalidId")
            connector.energy_cap_wh = record.energy_wh + most_wh
            core.refresh_offers()

    def stop(self, connector: Connector, reason: str, id_tag: str | None = None) -> None:
        """End the outlet's transaction; a car that is still there stays connected."""
        core = self._core
        record = connector.record
        if record is None:
            return
        now = core.clock()
        payload: dict[str, Any] = {
            "transactionId": 0,
            "timestamp": core.meter.timestamp(now),
            "reason": reason,
        }
        if id_tag is not None:
            payload["idTag"] = id_tag
        if core.persona.stop_data:
            end = self._meter_value(connector, core.persona.measurands, core.persona.end_context)
            payload["transactionData"] = [end]
        record.stop_utc = core.true_utc()
        record.meter_stop_wh = payload["meterStop"] = int(connector.reported_wh())
        record.stop_reason = reason
        core.counters.transactions_stopped += 1
        core.profiles.end_transaction(connector.connector_id)
        connector.end()
        if connector.inoperative_later:
            connector.inoperative_later = False
            connector.available = False
        if not core.faults.never_sends_stop:
            core.caller.enqueue("StopTransaction", payload, record, partial(self._stopped, record))
        core.refresh_offers()

    def _stopped(self, record: TransactionRecord, answer: dict[str, Any] | None) -> None:
        if answer is not None:
            record.acknowledged_stop = True
            self._core.counters.stops_acknowledged += 1

    # ------------------------------------------------------------------ meter values

    def arm(self, connector: Connector) -> None:
        """(Re)start the periodic meter values of the outlet's transaction."""
        connector.stop_timers()
        if connector.record is None:
            return
        self._arm_one(connector, SAMPLE_KEY, self._core.loop.time())
        if self._core.persona.clock_is_period:
            self._arm_one(connector, CLOCK_KEY, self._core.loop.time())

    def _arm_one(self, connector: Connector, key: str, from_s: float) -> None:
        interval_s = self._core.keys.integer(key)
        if interval_s:
            due_s = from_s + interval_s
            connector.timers[key] = self._core.loop.call_at(
                due_s, self._sample, connector, key, due_s
            )

    def _sample(self, connector: Connector, key: str, due_s: float) -> None:
        self._arm_one(connector, key, due_s)
        sampled = key == SAMPLE_KEY
        measurands = self._core.keys.measurands(
            "MeterValuesSampledData" if sampled else "MeterValuesAlignedData"
        )
        context = "Sample.Periodic" if sampled else "Sample.Clock"
        self.send_meter_values(connector, measurands, context)

    def arm_clock(self) -> None:
        """(Re)start the meter values that follow the station's clock, transaction or not."""
        core = self._core
        if self._clock_timer is not None:
            self._clock_timer.cancel()
            self._clock_timer = None
        interval_s = core.keys.integer(CLOCK_KEY)
        if interval_s and not core.persona.clock_is_period and core.powered:
            wait_s = interval_s - core.clock().timestamp() % interval_s
            self._clock_timer = core.loop.call_later(wait_s, self._sample_all)

    def _sample_all(self) -> None:
        measurands = self._core.keys.measurands("MeterValuesAlignedData")
        for connector in self._core.connectors:
            self.send_meter_values(connector, measurands, "Sample.Clock")
        self.arm_clock()

    def send_meter_values(
        self, connector: Connector, measurands: tuple[str, ...], context: str
    ) -> None:
        """Send one MeterValues; within a transaction it is kept until it can be delivered."""
        core = self._core
        if not measurands:
            return
        payload = {
            "connectorId": connector.connector_id,
            "meterValue": [self._meter_value(connector, measurands, context)],
        }
        if connector.record is None:
            if core.registered:
                core.caller.call("MeterValues", payload)
        elif core.registered or core.persona.queues_meter_values:
            core.caller.enqueue("MeterValues", payload, connector.record)

    def _meter_value(
        self, connector: Connector, measurands: tuple[str, ...], context: str
    ) -> dict[str, Any]:
        core = self._core
        return {
            "timestamp": core.timestamp(),
            "sampledValue": core.meter.sampled_values(connector, measurands, context),
        }

    def pause_timers(self) -> None:
        """The power is gone: nothing is measured any more."""
        for connector in self._core.connectors:
            connector.stop_timers()
        if self._clock_timer is not None:
            self._clock_timer.cancel()
            self._clock_timer = None
