"""How a station makes itself known on a new link, and keeps in touch (OCPP 1.6, clauses 4.2, 4.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.station.core import Core

BOOT_RETRY_S = 20.0
"""Wait before the boot is sent again when it was not answered."""


class Registration:
    """From the first word on a link to the heartbeat.

    ``on_registered`` is called when the central system took the station in, ``on_booted`` once
    everything that waited was sent after an accepted boot, ``hang_up`` by makes that do not wait.
    """

    def __init__(
        self,
        core: Core,
        serial: str,
        *,
        on_registered: Callable[[], None],
        on_booted: Callable[[], None],
        hang_up: Callable[[], None],
    ) -> None:
        self._core = core
        self._serial = serial
        self._on_registered = on_registered
        self._on_booted = on_booted
        self._hang_up = hang_up
        self._linked = False
        self._early_drop = False
        self.needs_boot = True
        self.boot_unanswered = False
        """A boot is on its way."""

    # ------------------------------------------------------------------ link

    def link_up(self) -> None:
        """There is a new link: greet, at once or after the silence that some makes keep."""
        self._linked = True
        silence_s = self._core.persona.silent_after_early_drop_s
        if self._early_drop and silence_s:
            self._core.timers.after("boot", silence_s, self._greet)
        else:
            self._greet()
        self._early_drop = False

    def link_lost(self) -> None:
        """The link is gone; the station goes on knowing what it was told."""
        self._linked = False
        self._early_drop = self.boot_unanswered
        self.boot_unanswered = False
        self._core.registered = False
        self._core.timers.cancel("heartbeat")
        self._core.timers.cancel("boot")

    # ------------------------------------------------------------------ boot

    def _greet(self) -> None:
        persona = self._core.persona
        if self.needs_boot or persona.boot_on_reconnect:
            self.send_boot()
        else:
            self._register(statuses=persona.statuses_on_reconnect)

    def send_boot(self) -> None:
        """Send BootNotification."""
        core, persona = self._core, self._core.persona
        payload: dict[str, Any] = {
            "chargePointVendor": persona.vendor,
            "chargePointModel": persona.model,
            "chargeBoxSerialNumber": self._serial,
            "firmwareVersion": core.firmware,
        }
        if persona.charge_point_serial:
            payload["chargePointSerialNumber"] = self._serial
        if persona.meter_type is not None:
            payload["meterType"] = persona.meter_type
        core.timers.cancel("boot")
        self.boot_unanswered = True
        core.counters.boots += 1
        core.caller.call("BootNotification", payload, self._booted)

    def _booted(self, answer: dict[str, Any] | None) -> None:
        if not self._linked:
            return
        core, persona = self._core, self._core.persona
        self.boot_unanswered = False
        interval_s = 0 if answer is None else answer.get("interval")
        if not isinstance(interval_s, int) or interval_s < 0:
            interval_s = 0
        if answer is not None and answer.get("status") == "Accepted":
            if interval_s and not persona.ignores_boot_interval:
                core.keys.values["HeartbeatInterval"] = str(interval_s)
            self.needs_boot = False
            self._register(statuses=True)
            self._on_booted()
        elif answer is not None and persona.reconnects_when_pending:
            self._hang_up()
        else:
            # Pending or Rejected (clause 4.2): after the interval, of our choice when it is 0.
            core.timers.after("boot", interval_s or BOOT_RETRY_S, self.send_boot)

    def _register(self, *, statuses: bool) -> None:
        core = self._core
        core.registered = True
        self._on_registered()
        self.arm_heartbeat()
        if statuses:
            for connector in core.connectors:
                connector.notified = ""
            core.told_station = ""
        core.tell_statuses()
        core.caller.release()

    # ------------------------------------------------------------------ heartbeat

    def arm_heartbeat(self) -> None:
        """Follow HeartbeatInterval from now on."""
        interval_s = self._core.keys.integer("HeartbeatInterval")
        self._core.timers.every("heartbeat", float(interval_s), self.send_heartbeat)

    def send_heartbeat(self) -> None:
        """Send Heartbeat."""
        if self._core.registered:
            self._core.caller.call("Heartbeat", {})
