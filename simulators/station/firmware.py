"""Updates of a station's firmware: fetched, verified where signed, installed, told after the boot.

UpdateFirmware of OCPP 1.6 (clause 5.19, statuses of 4.5) and SignedUpdateFirmware of the security
extension (statuses of 4.16). A file may begin with a line ``FIRMWARE 3.5.0``; else its version is
what looks like one in its address.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass

from simulators.station.calls import CallRefusedError, Handlers, Lifecycle, Payload, fields
from simulators.station.certificates import read_certificates, signature_holds
from simulators.station.charging_profiles import epoch_s
from simulators.station.config import FirmwareTrouble
from simulators.station.core import Core
from simulators.station.files import Files, TransferError
from simulators.station.vault import Vault

ERRAND = "firmware"
MOST_RETRIES = 100
IDLE_CHECK_S = 5.0
"""Period in which it looks whether the last car has ended its transaction."""

_HEADER = re.compile(rb"\AFIRMWARE ([\w.+/-]{1,50})\r?\n")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True, slots=True)
class _Order:
    """One update; ``request_id``, ``signer`` and ``signature`` are those of a signed one."""

    location: str
    retrieve_s: float
    attempts: int
    pause_s: float
    request_id: int | None = None
    install_s: float | None = None
    signer: str = ""
    signature: str = ""


class Firmware:
    """The firmware of one station, and its update."""

    def __init__(self, core: Core, lifecycle: Lifecycle, vault: Vault, files: Files) -> None:
        self._core = core
        self._lifecycle = lifecycle
        self._vault = vault
        self._files = files
        self._failed = 0
        self._status = "Idle"
        self._told_of: _Order | None = None
        self._installed: tuple[_Order, str] | None = None
        """What the next boot brings, with its version."""

    def handlers(self) -> Handlers:
        """What it answers."""
        return {
            "UpdateFirmware": (self._update, fields("location retries retrieveDate retryInterval")),
            "SignedUpdateFirmware": (
                self._signed_update,
                fields("retries retryInterval requestId firmware"),
            ),
        }

    # ------------------------------------------------------------------ commands

    def _update(self, payload: Payload) -> Payload:
        retries, pause_s = _retries(payload)
        order = _Order(str(payload["location"]), epoch_s(payload["retrieveDate"]), retries, pause_s)
        self._core.errands.start(ERRAND, self._carry_out(order))
        return {}

    def _signed_update(self, payload: Payload) -> Payload:
        core = self._core
        firmware, request_id = payload["firmware"], int(payload["requestId"])
        if not core.persona.security_extension:
            raise CallRefusedError("NotImplemented", "SignedUpdateFirmware")
        retries, pause_s = _retries(payload)
        install = firmware.get("installDateTime")
        order = _Order(
            str(firmware["location"]),
            epoch_s(firmware["retrieveDateTime"]),
            retries,
            pause_s,
            request_id,
            None if install is None else epoch_s(install),
            str(firmware["signingCertificate"]),
            str(firmware["signature"]),
        )
        if core.faults.firmware_trouble is FirmwareTrouble.REVOKED:
            return {"status": "RevokedCertificate"}
        if not self._vault.made_by_maker(order.signer, core.clock()):
            core.security_event("InvalidFirmwareSigningCertificate")
            return {"status": "InvalidCertificate"}
        replaced = core.errands.start(ERRAND, self._carry_out(order))
        return {"status": "AcceptedCanceled" if replaced else "Accepted"}

    def trigger(self) -> None:
        """Send FirmwareStatusNotification with what was last told."""
        self._send("FirmwareStatusNotification", {"status": self._status})

    def trigger_signed(self) -> None:
        """Send SignedFirmwareStatusNotification with what was last told."""
        payload: Payload = {"status": self._status}
        if self._told_of is not None and self._told_of.request_id is not None:
            payload["requestId"] = self._told_of.request_id
        self._send("SignedFirmwareStatusNotification", payload)

    # ------------------------------------------------------------------ the update

    async def _carry_out(self, order: _Order) -> None:
        core = self._core
        signed = order.request_id is not None
        await self._wait_until(order, order.retrieve_s, "DownloadScheduled")
        content = await self._fetch(order)
        if content is None:
            self._end(order, "DownloadFailed")
            return
        if core.faults.firmware_trouble is FirmwareTrouble.CORRUPT:
            content = content[::-1]
        self._tell(order, "Downloaded")
        if signed:
            if not signature_holds(read_certificates(order.signer)[0], order.signature, content):
                core.security_event("InvalidFirmwareSignature")
                self._end(order, "InvalidSignature")
                return
            self._tell(order, "SignatureVerified")
        if order.install_s is not None:
            await self._wait_until(order, order.install_s, "InstallScheduled")
        while any(connector.record for connector in core.connectors):  # noqa: ASYNC110 - no event
            await asyncio.sleep(IDLE_CHECK_S)
        self._tell(order, "Installing")
        await asyncio.sleep(core.persona.install_s)
        if core.faults.firmware_trouble is FirmwareTrouble.INSTALLATION_FAILS:
            self._end(order, "InstallationFailed")
            return
        if signed:
            self._tell(order, "InstallRebooting")
        self._installed = (order, _version(order.location, content, core.firmware))
        self._lifecycle.reboot("Reboot")

    async def _wait_until(self, order: _Order, moment_s: float, status: str) -> None:
        wait_s = moment_s - self._core.clock().timestamp()
        if wait_s > 0.0:
            if order.request_id is not None:
                self._tell(order, status)
            await asyncio.sleep(wait_s)

    async def _fetch(self, order: _Order) -> bytes | None:
        for attempt in range(order.attempts):
            if attempt:
                await asyncio.sleep(order.pause_s)
            self._tell(order, "Downloading")
            try:
                if self._failed < self._core.faults.failing_downloads:
                    self._failed += 1
                    raise TransferError("a fault")
                return await self._files.get(order.location)
            except TransferError as error:
                self._core.note(f"download failed: {error}")
        return None

    def going_down(self) -> None:
        """The power goes, or the reboot begins: what was installed is what boots next."""
        if self._installed is not None:
            if self._core.faults.firmware_trouble is not FirmwareTrouble.OLD_VERSION:
                self._core.firmware = self._installed[1]
        else:
            self._status, self._told_of = "Idle", None

    def booted(self) -> None:
        """The boot was accepted: tell how an update ended."""
        installed, self._installed = self._installed, None
        if installed is not None:
            order, version = installed
            self._core.security_event("FirmwareUpdated", version)
            self._end(order, "Installed")

    def _end(self, order: _Order, status: str) -> None:
        self._tell(order, status)
        self._status, self._told_of = "Idle", None

    def _tell(self, order: _Order, status: str) -> None:
        core = self._core
        core.note(f"firmware: {status}")
        self._status, self._told_of = status, order
        if core.faults.firmware_trouble is FirmwareTrouble.SILENT:
            return
        if order.request_id is None:
            self.trigger()
        else:
            self.trigger_signed()

    def _send(self, action: str, payload: Payload) -> None:
        if self._core.registered:
            self._core.caller.call(action, payload)


def _retries(payload: Payload) -> tuple[int, float]:
    retries = int(payload.get("retries", 0))
    return 1 + min(max(retries, 0), MOST_RETRIES), float(payload.get("retryInterval", 10))


def _version(location: str, content: bytes, old: str) -> str:
    header = _HEADER.match(content)
    if header is not None:
        return header[1].decode()
    named = _VERSION.findall(location.rsplit("/", 1)[-1])
    if named:
        return str(named[-1])[:50]
    return f"{old[:40]}+{hashlib.sha256(content).hexdigest()[:8]}"
