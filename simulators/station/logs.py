"""Logs of a station, delivered where the central system wants them.

GetDiagnostics of OCPP 1.6 (clause 5.7, statuses of 4.4) and GetLog of the security extension
(statuses of 4.13) differ by their words alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from simulators.station.calls import CallRefusedError, Handlers, Payload, fields
from simulators.station.charging_profiles import epoch_s
from simulators.station.core import Core
from simulators.station.files import Files, TransferError, address_of

ERRAND = "upload"
MOST_RETRIES = 100


@dataclass(frozen=True, slots=True)
class _Order:
    """One upload: ``request_id`` is that of GetLog, ``None`` for GetDiagnostics."""

    location: str
    name: str
    content: bytes
    attempts: int
    pause_s: float
    request_id: int | None = None


class Logs:
    """Makes the logs of one station and uploads them, one at a time."""

    def __init__(self, core: Core, files: Files) -> None:
        self._core = core
        self._files = files
        self._failed = 0
        self._diagnostics_status = "Idle"
        self._log_status: tuple[str, int | None] = ("Idle", None)

    def handlers(self) -> Handlers:
        """What it answers."""
        return {
            "GetDiagnostics": (
                self._get_diagnostics,
                fields("location retries retryInterval startTime stopTime"),
            ),
            "GetLog": (self._get_log, fields("log logType requestId retries retryInterval")),
        }

    # ------------------------------------------------------------------ commands

    def _get_diagnostics(self, payload: Payload) -> Payload:
        location = str(payload["location"])
        since, until = payload.get("startTime"), payload.get("stopTime")
        if not self._core.persona.has_diagnostics:
            return {}  # nothing to upload: the answer names no file
        name = self._name("diagnostics")
        content = self._content("Diagnostics", since, until)
        retries, pause_s = _retries(payload)
        order = _Order(location, name, content, retries, pause_s)
        self._core.errands.start(ERRAND, self._upload(order))
        return {"fileName": name}

    def _get_log(self, payload: Payload) -> Payload:
        log, kind, request_id = payload["log"], payload["logType"], int(payload["requestId"])
        if kind not in ("DiagnosticsLog", "SecurityLog"):
            raise ValueError(kind)
        if not self._core.persona.security_extension:
            raise CallRefusedError("NotImplemented", "GetLog")
        location = str(log["remoteLocation"])
        since, until = log.get("oldestTimestamp"), log.get("latestTimestamp")
        if not self._core.persona.has_diagnostics:
            return {"status": "Rejected"}
        name = self._name("security" if kind == "SecurityLog" else "diagnostics")
        content = self._content(kind, since, until)
        retries, pause_s = _retries(payload)
        order = _Order(location, name, content, retries, pause_s, request_id)
        replaced = self._core.errands.start(ERRAND, self._upload(order))
        return {"status": "AcceptedCanceled" if replaced else "Accepted", "filename": name}

    def trigger(self) -> None:
        """Send DiagnosticsStatusNotification with what was last told."""
        self._send("DiagnosticsStatusNotification", {"status": self._diagnostics_status})

    def trigger_log(self) -> None:
        """Send LogStatusNotification with what was last told."""
        status, request_id = self._log_status
        payload: Payload = {"status": status}
        if request_id is not None and status != "Idle":
            payload["requestId"] = request_id
        self._send("LogStatusNotification", payload)

    # ------------------------------------------------------------------ content

    def _name(self, kind: str) -> str:
        core = self._core
        digits = "".join(c for c in core.clock().isoformat(timespec="seconds")[:19] if c.isalnum())
        identity = "".join(c if c.isalnum() else "-" for c in core.config.station_id)
        return f"{kind}-{identity}-{digits}.txt"

    def _content(self, kind: str, since: str | None, until: str | None) -> bytes:
        """The journal between two times, after what the station is."""
        core = self._core
        security = kind == "SecurityLog"
        for bound in (since, until):
            if bound is not None:
                epoch_s(bound)
        lines = [
            f"{kind} of {core.config.station_id}",
            f"{core.persona.vendor} {core.persona.model}, firmware {core.firmware}",
            f"from {since or 'the beginning'} to {until or 'now'}",
            *(line for line in core.journal if not security or " security: " in line),
        ]
        if not security:
            lines += [f"{key} = {value}" for key, value in core.keys.readable().items()]
        return ("\n".join(lines) + "\n").encode()

    # ------------------------------------------------------------------ upload

    async def _upload(self, order: _Order) -> None:
        core = self._core
        self._tell(order, "Uploading")
        url = order.location
        if core.persona.appends_file_name:
            url = address_of(url, order.name)
        for attempt in range(order.attempts):
            if attempt:
                await asyncio.sleep(order.pause_s)
            try:
                if self._failed < core.faults.failing_uploads:
                    self._failed += 1
                    raise TransferError("a fault")
                await self._files.put(url, order.name, order.content, core.persona.upload_method)
            except TransferError as error:
                core.note(f"upload of {order.name} failed: {error}")
            else:
                core.note(f"{order.name} uploaded")
                self._tell(order, "Uploaded")
                return
        self._tell(order, "UploadFailed" if order.request_id is None else "UploadFailure")

    def _tell(self, order: _Order, status: str) -> None:
        if order.request_id is None:
            self._diagnostics_status = status
            self.trigger()
            if status != "Uploading":
                self._diagnostics_status = "Idle"
        else:
            self._log_status = (status, order.request_id)
            self.trigger_log()
            if status != "Uploading":
                self._log_status = ("Idle", None)

    def _send(self, action: str, payload: Payload) -> None:
        if self._core.registered:
            self._core.caller.call(action, payload)


def _retries(payload: Payload) -> tuple[int, float]:
    """Attempts in all, and the pause between them in seconds."""
    retries = int(payload.get("retries", 0))
    return 1 + min(max(retries, 0), MOST_RETRIES), float(payload.get("retryInterval", 10))
