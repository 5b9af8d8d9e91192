"""A charging station: boots, charges cars that come and go, obeys, is cut off and comes back."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import random
import socket
import ssl
import struct
import time
from datetime import UTC, datetime
from typing import Any

import gevent
import websocket
from gevent.event import AsyncResult, Event
from gevent.lock import RLock
from locust import User, task

from loadtests import stage
from loadtests.users.charger import PHASES, VOLTS, Charger, Payload

ANSWER_S = 30.0
METER_S = 5.0
"""Between two reports of a charging car; sooner than the manager asks for, to make a load of it."""

HEARTBEAT_S = 15.0
SESSION_S = (20.0, 50.0)
PAUSE_S = (2.0, 8.0)
RECONNECTS = 0.15
"""Share of sessions after which the station connects anew, as after a restart of its modem."""

LOST_POWER = 0.25
"""Share of stations that a storm leaves without power for a moment, and not just without network."""

CARS_A = (16.0, 16.0, 32.0)


class LinkLostError(Exception):
    """The connection ended while an answer was waited for."""


def now() -> str:
    """As OCPP writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class StationUser(User):
    """One station over a WebSocket of its own. ``weight`` is everybody who is no manager."""

    _numbers = itertools.count(1)
    stations: list[StationUser] = []  # noqa: RUF012 - the living ones, of this process

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        number = next(StationUser._numbers)
        self.station_id = stage.station_id((number - 1) % stage.STATIONS + 1)
        self.random = random.Random(number)
        self.charger = Charger(self.random.choice(CARS_A))
        self.key = stage.KEYS.get(self.station_id)
        self._ids = itertools.count(1)
        self._link: websocket.WebSocket | None = None
        self._answers: dict[str, AsyncResult] = {}
        self._lost = Event()
        """Set while there is no connection."""
        self._turn = RLock()  # one CALL at a time (OCPP-J 1.6, clause 4.1.1)
        self._queued: list[tuple[str, Payload]] = []
        """Transaction messages that have not been answered: they outlive the connection."""
        self._stormed = False

    # ------------------------------------------------------------------ life

    def on_start(self) -> None:
        """Comes to life at a moment of its own."""
        gevent.sleep(self.random.uniform(0, 1))
        StationUser.stations.append(self)
        self._come_back(boot=True)
        gevent.spawn(self._beat)

    def on_stop(self) -> None:
        """Leaves in good order."""
        if self in StationUser.stations:
            StationUser.stations.remove(self)
        stage.truth.unsure += sum(1 for action, _ in self._queued if action == "StartTransaction")
        link, self._link = self._link, None
        if link is not None:
            link.close(timeout=1)

    @task
    def live(self) -> None:
        """A car comes, charges and leaves."""
        try:
            self._wait(self.random.uniform(*PAUSE_S))
            self._status("Preparing")
            answer = self.call("Authorize", {"idTag": stage.ID_TAG})
            self._expect(answer["idTagInfo"]["status"] == "Accepted", "Authorize", answer)
            self._start()
            self._status("Charging")
            self._charge(self.random.uniform(*SESSION_S))
            self._stop("EVDisconnected")
            self._status("Finishing")
            self._status("Available")
            if self.random.random() < RECONNECTS:
                self._hang_up()
                self._come_back(boot=False)
        except LinkLostError:
            self._after_a_cut()

    def _after_a_cut(self) -> None:
        """Back at once, with whatever was not delivered."""
        stormed = stage.storm.cut.is_set() and not self._stormed
        without_power = stormed and self.random.random() < LOST_POWER
        while True:
            try:
                self._come_back(boot=without_power)
                if without_power and self.charger.transaction_id is not None:
                    self._stop("PowerLoss")
                    self._status("Available")
                elif self.charger.transaction_id is not None:
                    self._report()
                break
            except LinkLostError:
                gevent.sleep(0.5)
        if stormed:
            self._stormed = True
            took_s = stage.storm.settled()
            self._told("STORM", "settled", took_s * 1000)
        try:
            if self.charger.transaction_id is not None:
                self._charge(self.random.uniform(*SESSION_S))
                self._stop("EVDisconnected")
                self._status("Available")
        except LinkLostError:
            gevent.sleep(0.5)

    def _start(self) -> None:
        self.charger.meter()
        payload = {
            "connectorId": 1,
            "idTag": stage.ID_TAG,
            "meterStart": int(self.charger.energy_wh),
            "timestamp": now(),
        }
        self._deliver("StartTransaction", payload)

    def _stop(self, reason: str) -> None:
        number = self.charger.transaction_id
        if number is None:
            return
        before_wh = self.charger.energy_wh
        self.charger.end_transaction()
        stage.truth.delivered_wh += self.charger.energy_wh - before_wh
        payload = {
            "transactionId": number,
            "idTag": stage.ID_TAG,
            "meterStop": int(self.charger.energy_wh),
            "timestamp": now(),
            "reason": reason,
        }
        self._deliver("StopTransaction", payload)

    def _deliver(self, action: str, payload: Payload) -> None:
        self._queued.append((action, payload))
        self._empty_queue()

    def _empty_queue(self) -> None:
        """Sends what waits, in order; each goes once it has been answered."""
        while self._queued:
            action, payload = self._queued[0]
            answer = self.call(action, payload)
            self._queued.pop(0)
            if action == "StartTransaction":
                self._expect(answer["idTagInfo"]["status"] == "Accepted", action, answer)
                self.charger.transaction_id = answer["transactionId"]
                stage.truth.started[answer["transactionId"]] = self.station_id
            else:
                stage.truth.stopped.add(payload["transactionId"])

    def _charge(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self._wait(METER_S * self.random.uniform(0.8, 1.2))
            self._report()

    def _wait(self, duration_s: float) -> None:
        """Lets time pass; a connection that ends is noticed at once."""
        if self._lost.wait(duration_s):
            raise LinkLostError

    def _report(self) -> None:
        """MeterValues of a three-phase car: currents, power, register."""
        before_wh = self.charger.energy_wh
        energy_wh = self.charger.meter()
        stage.truth.delivered_wh += energy_wh - before_wh
        drawn_a = self.charger.draw_a
        samples = [
            _sample(f"{drawn_a:.1f}", "Current.Import", "A", f"L{phase}")
            for phase in range(1, PHASES + 1)
        ]
        samples.append(_sample(f"{drawn_a * VOLTS * PHASES:.0f}", "Power.Active.Import", "W"))
        samples.append(_sample(f"{energy_wh:.0f}", "Energy.Active.Import.Register", "Wh"))
        payload: Payload = {
            "connectorId": 1,
            "meterValue": [{"timestamp": now(), "sampledValue": samples}],
        }
        if self.charger.transaction_id is not None:
            payload["transactionId"] = self.charger.transaction_id
        self.call("MeterValues", payload)

    def _status(self, status: str, connector_id: int = 1) -> None:
        payload = {
            "connectorId": connector_id,
            "errorCode": "NoError",
            "status": status,
            "timestamp": now(),
        }
        self.call("StatusNotification", payload)

    def _beat(self) -> None:
        """Heartbeats, as long as the station lives."""
        while self in StationUser.stations:
            gevent.sleep(HEARTBEAT_S * self.random.uniform(0.8, 1.2))
            if self._link is not None:
                with contextlib.suppress(LinkLostError):  # whoever lives the life sees to it
                    self.call("Heartbeat", {})

    # ------------------------------------------------------------------ connection

    def _come_back(self, *, boot: bool) -> None:
        """Connects, says what state the station is in, and delivers what waits."""
        self._connect()
        if boot:
            answer = self.call(
                "BootNotification",
                {
                    "chargePointVendor": "Bornier",
                    "chargePointModel": "Load test",
                    "chargePointSerialNumber": self.station_id,
                    "firmwareVersion": "1.0",
                },
            )
            self._expect(answer["status"] == "Accepted", "BootNotification", answer)
        self._status("Available", 0)
        self._status("Available" if self.charger.transaction_id is None else "Charging")
        self._empty_queue()

    def _connect(self) -> None:
        began_s = time.perf_counter()
        headers = []
        if self.key is not None:
            account = base64.b64encode(f"{self.station_id}:{self.key}".encode()).decode()
            headers.append(f"Authorization: Basic {account}")
        try:
            link = websocket.create_connection(
                f"{stage.OCPP_URL}/{self.station_id}",
                timeout=ANSWER_S,
                subprotocols=["ocpp1.6"],
                header=headers,
                sslopt={"cert_reqs": ssl.CERT_NONE, "check_hostname": False},
                enable_multithread=True,
            )
        except (OSError, websocket.WebSocketException) as error:
            self._told("WS", "connect", (time.perf_counter() - began_s) * 1000, error)
            raise LinkLostError from error
        self._told("WS", "connect", (time.perf_counter() - began_s) * 1000)
        link.settimeout(None)
        self._link = link
        self._lost.clear()
        gevent.spawn(self._listen, link)

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close(timeout=2)

    def cut(self) -> None:
        """The cable is pulled: no closing handshake, nothing."""
        link, self._link = self._link, None
        if link is not None:
            linger = struct.pack("ii", 1, 0)  # a reset, as a peer without power leaves it
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            link.shutdown()
        self._lose_answers()

    def _lose_answers(self) -> None:
        self._lost.set()
        waiting, self._answers = self._answers, {}
        for answer in waiting.values():
            answer.set_exception(LinkLostError())

    def _listen(self, link: websocket.WebSocket) -> None:
        """Takes in everything that comes over one connection."""
        try:
            while True:
                text = link.recv()
                if not text:
                    break
                frame = json.loads(text)
                if frame[0] == 2:
                    self._serve(link, frame[1], frame[2], frame[3])
                else:
                    waiting = self._answers.pop(frame[1], None)
                    if waiting is not None:
                        waiting.set(frame)
        except (OSError, websocket.WebSocketException):
            pass  # cut by the storm, or hung up by ourselves; anything else fails its calls
        if self._link is link:
            self._link = None
            self._lose_answers()

    def _serve(
        self, link: websocket.WebSocket, message_id: str, action: str, payload: Payload
    ) -> None:
        """Answers a call of the manager at once."""
        answer = self.charger.answer(action, payload)
        if answer is None:
            frame: list[Any] = [4, message_id, "NotImplemented", action, {}]
        else:
            frame = [3, message_id, answer]
            stage.truth.commands[action] = stage.truth.commands.get(action, 0) + 1
        link.send(json.dumps(frame))
        if action == "TriggerMessage":
            gevent.spawn(self._triggered, payload)

    def _triggered(self, payload: Payload) -> None:
        try:
            match payload["requestedMessage"]:
                case "StatusNotification":
                    charging = self.charger.transaction_id is not None
                    self._status("Charging" if charging else "Available")
                case "MeterValues":
                    self._report()
                case "Heartbeat":
                    self.call("Heartbeat", {})
        except LinkLostError:
            pass  # asked for just before the cut

    # ------------------------------------------------------------------ messages

    def call(self, action: str, payload: Payload) -> Payload:
        """Sends a CALL and returns its answer's payload; the time goes into the statistics.

        Raises ``LinkLostError`` when the connection ends first.
        """
        with self._turn:
            link = self._link
            if link is None:
                raise LinkLostError
            message_id = f"{self.station_id}-{next(self._ids)}"
            waiting = self._answers[message_id] = AsyncResult()
            began_s = time.perf_counter()
            try:
                link.send(json.dumps([2, message_id, action, payload]))
                frame = waiting.get(timeout=ANSWER_S)
            except gevent.Timeout as error:
                self._told("OCPP", action, ANSWER_S * 1000, TimeoutError("no answer"))
                self._hang_up()
                raise LinkLostError from error
            except (LinkLostError, OSError, websocket.WebSocketException) as error:
                if not stage.storm.cut.is_set():
                    took_ms = (time.perf_counter() - began_s) * 1000
                    self._told("OCPP", action, took_ms, ConnectionError("connection lost"))
                raise LinkLostError from error
            finally:
                self._answers.pop(message_id, None)
            took_ms = (time.perf_counter() - began_s) * 1000
            refused = RuntimeError(f"{frame[2]} {frame[3]}") if frame[0] == 4 else None
            self._told("OCPP", action, took_ms, refused, len(json.dumps(frame)))
            if refused is not None:
                raise LinkLostError from refused
            answer: Payload = frame[2]
            return answer

    def _expect(self, kept: bool, action: str, answer: Payload) -> None:
        if not kept:
            self._told("OCPP", f"{action}: answer", 0.0, ValueError(json.dumps(answer)[:200]))

    def _told(
        self,
        kind: str,
        name: str,
        took_ms: float,
        failure: Exception | None = None,
        length: int = 0,
    ) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=took_ms,
            response_length=length,
            exception=failure,
            context={},
        )


def _sample(value: str, measurand: str, unit: str, phase: str | None = None) -> Payload:
    sample = {"value": value, "context": "Sample.Periodic", "measurand": measurand, "unit": unit}
    return sample if phase is None else sample | {"phase": phase}
