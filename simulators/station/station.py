"""A simulated charging station: OCPP 1.6J over any link, outlets with cars, and its faults.

``SimStation`` is driven from outside: the site calls ``step`` once a second, drivers ``plug``,
``swipe`` and ``unplug``. Everything else follows from timers of the running event loop, real or
virtual. It never imports the manager.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import ssl
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from simulators.station.calls import CallRefusedError
from simulators.station.commands import Commands
from simulators.station.config import Counters, Faults, StationConfig, TransactionRecord
from simulators.station.connector import Connector
from simulators.station.core import Core
from simulators.station.ev import Car
from simulators.station.files import Files, NetworkFiles
from simulators.station.link import ImpairedLink, Link, LinkFactory, Network
from simulators.station.persona import Persona
from simulators.station.registration import Registration
from simulators.station.sessions import Sessions
from simulators.station.vault import Vault

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
"""Bounds of the wait between two attempts to connect; it doubles, with jitter."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class SimStation:
    """One post. Make it, and call ``start``, within a running event loop."""

    def __init__(
        self,
        config: StationConfig,
        persona: Persona,
        link_factory: LinkFactory,
        utc_now: Callable[[], datetime],
        rng: random.Random,
        *,
        vault: Vault | None = None,
        files: Files | None = None,
    ) -> None:
        """``vault`` is the one that ``link_factory`` shows; ``files`` the network otherwise."""
        self.config = config
        self.persona = persona
        self._link_factory = link_factory
        self._core = Core(config, persona, utc_now, rng, self._on_dead_link)
        self._sessions = Sessions(self._core)
        self.vault = vault or Vault()
        """Its key and certificates."""
        self._loop = self._core.loop
        self._rng = rng
        self.network = Network(rng)
        """The cable to the central system."""
        self._serial = "".join(rng.choices("0123456789", k=persona.serial_digits))
        self._commands = Commands(
            self._core,
            self._sessions,
            self,
            self.vault,
            files or NetworkFiles(functools.partial(self.vault.tls, persona)),
            self._serial,
        )
        self._link: Link | None = None
        self._half_open: deque[Link] = deque(maxlen=20)
        self._closing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._registration = Registration(
            self._core,
            self._serial,
            on_registered=self._registered,
            on_booted=self._commands.firmware.booted,
            hang_up=self.drop_socket,
        )
        self._failures = 0
        self._timers = self._core.timers
        self._apply_faults()

    # ------------------------------------------------------------------ what others read

    @property
    def station_id(self) -> str:
        """Its identity in the URL."""
        return self.config.station_id

    @property
    def connectors(self) -> list[Connector]:
        """Its outlets, in the order of the configuration."""
        return self._core.connectors

    def connector(self, connector_id: int) -> Connector:
        """The outlet with that number; ``KeyError`` when there is none."""
        connector = self._core.connector(connector_id)
        if connector is None:
            raise KeyError(connector_id)
        return connector

    @property
    def counters(self) -> Counters:
        """What was sent and received."""
        return self._core.counters

    @property
    def transactions_started(self) -> int:
        """Transactions begun, acknowledged or not."""
        return self._core.counters.transactions_started

    @property
    def transactions_stopped(self) -> int:
        """Transactions ended, acknowledged or not."""
        return self._core.counters.transactions_stopped

    @property
    def records(self) -> list[TransactionRecord]:
        """The truth of every transaction, oldest first."""
        return self._core.records

    @property
    def faults(self) -> Faults:
        """What is wrong with it now."""
        return self._core.faults

    @property
    def connected(self) -> bool:
        """Whether it believes to have a link and its boot was accepted."""
        return self._core.registered

    @property
    def powered(self) -> bool:
        """Whether it is up; false during a power cut and a restart."""
        return self._core.powered

    def accepted_a(self, connector_id: int) -> float:
        """The limit of that outlet, by the profiles it accepted (A on each phase in use)."""
        return self._core.accepted_a(self.connector(connector_id))

    @property
    def queued(self) -> int:
        """Transaction messages that wait for delivery."""
        return len(self._core.caller.transactions)

    # ------------------------------------------------------------------ life

    def start(self, delay_s: float = 0.0) -> None:
        """Begin to connect after ``delay_s``."""
        if self._task is None:
            self._task = self._loop.create_task(self._live(delay_s))

    async def stop(self) -> None:
        """Close the link and end every task and timer of the station."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._link is not None:
            self._half_open.append(self._link)
            self._link_lost()
        self._sessions.pause_timers()
        self._core.stop_timers()
        self._timers.clear()
        await self._core.errands.stop()
        for link in self._half_open:
            await link.close()
        self._half_open.clear()

    def step(self, dt_s: float) -> None:
        """Advance the cars by ``dt_s`` seconds."""
        changed = False
        for connector in self._core.connectors:
            if connector.car is not None and connector.step(dt_s):
                changed = True
        if changed:
            self._core.refresh_offers()

    # ------------------------------------------------------------------ drivers

    def plug(self, connector_id: int, car: Car, id_tag: str | None = None) -> None:
        """Plug a car in; with ``id_tag`` its driver holds a badge to the reader at once."""
        self._sessions.plug(self.connector(connector_id), car, id_tag)

    def unplug(self, connector_id: int) -> Car | None:
        """Take the car away; it ends its transaction."""
        return self._sessions.unplug(self.connector(connector_id))

    def swipe(self, id_tag: str, connector_id: int | None = None) -> bool:
        """Hold a badge to the reader: ends the tag's transaction, else starts one."""
        outlet = None if connector_id is None else self.connector(connector_id)
        return self._sessions.swipe(id_tag, outlet)

    # ------------------------------------------------------------------ what it says by itself

    def data_transfer(self, vendor_id: str, message_id: str | None = None, data: str = "") -> None:
        """Send DataTransfer; the answer is of no consequence."""
        payload = {"vendorId": vendor_id, "data": data}
        if message_id is not None:
            payload["messageId"] = message_id
        if self._core.registered:
            self._core.caller.call("DataTransfer", payload)

    def request_certificate(self) -> None:
        """Ask for a client certificate (SignCertificate)."""
        if self._core.registered:
            self._commands.security.request_certificate()

    def security_event(self, kind: str, detail: str | None = None) -> None:
        """Tell of an event of its security, where its make does."""
        self._core.security_event(kind, detail)

    # ------------------------------------------------------------------ trouble

    def set_faults(self, **changes: Any) -> None:
        """Change fields of ``Faults`` at once, for example ``set_faults(ignores_profiles=True)``."""
        self._core.faults = msgspec.structs.replace(self._core.faults, **changes)
        self._apply_faults()
        self._core.refresh_offers()

    def _apply_faults(self) -> None:
        faults = self._core.faults
        self._core.caller.faults = faults
        self.network.loss = faults.loss
        self.network.delay_s = faults.delay_s
        for connector in self._core.connectors:
            connector.freeze(frozen=faults.frozen_meter)
        self._timers.every("phantom", faults.phantom_status_s, self._phantom_status)
        self._timers.every("reboot", faults.reboot_loop_s, self._reboot_again)
        self._timers.every("drop", faults.drops_socket_s, self.drop_socket)
        self._timers.every("half-open", faults.half_opens_s, self.half_open)

    def _phantom_status(self) -> None:
        connector = self._rng.choice(self._core.connectors)
        if self._core.registered:
            status = self._rng.choice(("Available", "Preparing", "Charging", "Finishing"))
            self._core.notify(connector.connector_id, status)

    def _reboot_again(self) -> None:
        if self._core.powered:
            self.reboot("Reboot")

    def fail(self, connector_id: int) -> None:
        """The outlet reports a fault and offers nothing."""
        self.connector(connector_id).fault = True
        self._core.refresh_offers()

    def repair(self, connector_id: int) -> None:
        """The fault is gone."""
        self.connector(connector_id).fault = False
        self._core.refresh_offers()

    def drop_socket(self) -> None:
        """Close the link; the station connects again by itself."""
        self._leave(silently=False)

    def half_open(self) -> None:
        """Lose the link without the central system noticing, and connect anew."""
        self._leave(silently=True)

    def go_offline(self, for_s: float) -> None:
        """No frame passes either way for ``for_s`` seconds; charging goes on by the profiles."""
        self.network.up = False
        self._timers.after("offline", for_s, self._network_back)

    def _network_back(self) -> None:
        self.network.up = True

    def power_cut(self, for_s: float = 20.0) -> None:
        """The mains fail; the station boots ``for_s`` seconds later."""
        self._go_down(for_s, "PowerLoss")

    def reboot(self, reason: str) -> None:
        """Stop transactions for ``reason``, go down, and boot some seconds later."""
        if reason == "SoftReset":
            for connector in self._core.connectors:
                self._sessions.stop(connector, reason)
            # A soft reset lets the stops be delivered first; the hard one keeps them for later.
            self._timers.after("reset", 2.0, lambda: self._go_down(self.persona.reboot_s, reason))
        else:
            self._go_down(self.persona.reboot_s, reason)

    def _go_down(self, for_s: float, reason: str) -> None:
        core = self._core
        if not core.powered:
            return
        # The link goes first: what it has to say of this must wait until it is up again.
        self._leave(silently=reason == "PowerLoss")
        core.note(f"down: {reason}")
        core.powered = False
        self._commands.firmware.going_down()
        core.errands.give_up()
        core.keys.rebooted()
        self._may_connect.clear()
        self._registration.needs_boot = True
        resumes = (reason == "PowerLoss" and self.persona.resumes_after_power_loss) or (
            reason == "Reboot" and self.persona.resumes_after_reboot
        )
        for connector in core.connectors:
            if not resumes:
                self._sessions.stop(connector, reason)
            connector.cut()
        self._sessions.pause_timers()
        if not self.persona.keeps_profiles_over_reboot:
            core.profiles.clear()
        self._timers.after("power", for_s, self._come_up)

    def _come_up(self) -> None:
        core = self._core
        core.powered = True
        core.security_event("StartupOfTheDevice")
        for connector in core.connectors:
            connector.notified = ""
            self._sessions.arm(connector)
        self._sessions.arm_clock()
        self._may_connect.set()
        core.refresh_offers()
        self._sessions.start_waiting_cars()

    # ------------------------------------------------------------------ link

    async def _live(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._sessions.arm_clock()
        while True:
            await self._may_connect.wait()
            try:
                link = await self._connect()
                await self._converse(link)
                self._link_lost()
                if link not in self._half_open:
                    await link.close()
            except OSError as error:
                self._not_connected(error)
            self._failures += 1
            await asyncio.sleep(self._backoff_s())

    async def _connect(self) -> Link:
        if not self.network.up:
            raise ConnectionError("the cable is cut")
        return ImpairedLink(await self._link_factory(), self.network)

    def _not_connected(self, error: OSError) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            self._core.security_event("InvalidCentralSystemCertificate", error.verify_message)
        self._commands.security.refused()

    def _backoff_s(self) -> float:
        wait_s = min(FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 10), LAST_RETRY_S)
        return wait_s * self._rng.uniform(0.5, 1.5)

    async def _converse(self, link: Link) -> None:
        if not self._core.powered:
            return
        self._link = link
        self._core.counters.connections += 1
        self._core.caller.link_up(link.post)
        self._registration.link_up()
        while True:
            text = await link.receive()
            if text is None or link is not self._link:
                return
            self._on_text(text, link)

    def _link_lost(self) -> None:
        if self._link is None:
            return
        self._link = None
        self._registration.link_lost()
        self._core.caller.link_down()

    def _leave(self, *, silently: bool) -> None:
        """End the conversation; its task wakes up, and connects again when it may."""
        link = self._link
        if link is None:
            return
        if silently:
            self._half_open.append(link)
            link.abandon()
        else:
            closing = self._loop.create_task(link.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._link_lost()

    def _on_dead_link(self) -> None:
        """Two calls in a row were not answered: the station takes the link for dead."""
        self._leave(silently=True)

    # ------------------------------------------------------------------ registration

    def _registered(self) -> None:
        self._failures = 0
        self._commands.security.connected()

    def send_boot(self) -> None:
        """Send BootNotification."""
        self._registration.send_boot()

    def arm_heartbeat(self) -> None:
        """Follow HeartbeatInterval from now on."""
        self._registration.arm_heartbeat()

    def send_heartbeat(self) -> None:
        """Send Heartbeat."""
        self._registration.send_heartbeat()

    # ------------------------------------------------------------------ frames

    def _on_text(self, text: str, link: Link) -> None:
        self._core.counters.frames_received += 1
        try:
            frame = _decode(text)
        except msgspec.DecodeError:
            return
        match frame:
            case [3, str(message_id), dict(payload)]:
                self._core.caller.answered(message_id, payload)
            case [3 | 4, str(message_id), *_]:
                self._core.caller.refused(message_id)
            case [2, str(message_id), str(action), payload]:
                if self._commands.ignores(action):
                    return
                delay_s = self._commands.delay_s(action)
                if delay_s:
                    self._loop.call_later(delay_s, self._serve, message_id, action, payload, link)
                else:
                    self._serve(message_id, action, payload, link)
            case _:
                return  # no id to answer to

    def _serve(self, message_id: str, action: str, payload: Any, link: Link) -> None:
        reply: list[Any]
        try:
            reply = [3, message_id, self._commands.answer(action, payload)]
        except CallRefusedError as refusal:
            reply = [4, message_id, refusal.code, refusal.description, {}]
        self._core.counters.frames_sent += 1
        link.post(_encode(reply).decode())
        self._commands.after_answer()
