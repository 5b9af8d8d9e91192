"""What a station is told to update its firmware, and what its reports of it mean."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from app.domain.campaign import Stage, StationUpdate, Why
from app.domain.errors import StationRefusedError, StationUnreachableError, StorageError
from app.domain.station_files import FirmwareFile
from app.ocpp16.actions.file_calls import FirmwareStatus, UpdateFirmware
from app.ocpp16.actions.security_calls import (
    Firmware,
    SignedFirmwareStatus,
    SignedUpdateFirmware,
    UpdateFirmwareStatus,
)
from app.ocpp16.session import Priority
from app.services.file_drop import Fetch, FileDrop
from app.services.ports import Clock, StationLink
from app.services.registry import StationLive
from app.services.transfer_habits import TransferHabits

PURPOSE: Final = "firmware"
TELL_TIMEOUT_S: Final = 30.0
ORDER_LASTS: Final = timedelta(hours=6)

STAGES: Final = {
    FirmwareStatus.DOWNLOADING: Stage.DOWNLOADING,
    FirmwareStatus.DOWNLOADED: Stage.DOWNLOADED,
    FirmwareStatus.INSTALLING: Stage.INSTALLING,
    FirmwareStatus.INSTALLED: Stage.INSTALLED,
}
"""FirmwareStatus of chapter 7, the failures apart."""

SIGNED_STAGES: Final = {
    SignedFirmwareStatus.DOWNLOADING: Stage.DOWNLOADING,
    SignedFirmwareStatus.DOWNLOADED: Stage.DOWNLOADED,
    SignedFirmwareStatus.SIGNATURE_VERIFIED: Stage.DOWNLOADED,
    SignedFirmwareStatus.INSTALL_SCHEDULED: Stage.DOWNLOADED,
    SignedFirmwareStatus.INSTALLING: Stage.INSTALLING,
    SignedFirmwareStatus.INSTALLED: Stage.INSTALLED,
    SignedFirmwareStatus.INSTALL_REBOOTING: Stage.INSTALLED,
}
"""The same of the security extension."""

SIGNED_FAILURES: Final = {
    SignedFirmwareStatus.INSTALLATION_FAILED: Why.INSTALLATION,
    SignedFirmwareStatus.INSTALL_VERIFICATION_FAILED: Why.INSTALLATION,
    SignedFirmwareStatus.INVALID_SIGNATURE: Why.SIGNATURE,
}

_FEATURE_MISSING = ("NotImplemented", "NotSupported")


class FirmwareOrders:
    """Opens an order at the drop, and tells the station of it."""

    def __init__(self, drop: FileDrop, habits: TransferHabits, clock: Clock) -> None:
        self._drop = drop
        self._habits = habits
        self._clock = clock

    async def open(
        self, update: StationUpdate, file: FirmwareFile, station: StationLive
    ) -> tuple[StationUpdate, str]:
        """An order by the next scheme: the update with it, and the URL to tell.

        Raises ``StorageError`` when no scheme is left or the order cannot be kept.
        """
        scheme = self._habits.next(station, PURPOSE, update.tried)
        if scheme is None:
            raise StorageError("files-unavailable")
        opened = await self._drop.open(
            update.station_id,
            _link(station).address,
            scheme,
            Fetch(file.file_id, file.name),
            purpose=PURPOSE,
            subject=subject_of(update),
            lasts=ORDER_LASTS,
        )
        ordered = msgspec.structs.replace(
            update,
            tried=(*update.tried, scheme),
            order_id=opened.order.order_id,
            request_id=_request_id(update),
        )
        return ordered, opened.url

    async def send(
        self, update: StationUpdate, file: FirmwareFile, station: StationLive, url: str
    ) -> None:
        """Tells the station: with the maker's signature where it knows signatures.

        Raises ``StationUnreachableError`` and ``StationRefusedError``.
        """
        link = _link(station)
        if file.signed and await self._send_signed(update, file, link, url):
            return
        order = UpdateFirmware(
            location=url,
            retrieve_date=self._clock.utc_now(),
            retries=2,
            retry_interval=60,
        )
        await link.call(order, priority=Priority.CONTROL, timeout_s=TELL_TIMEOUT_S)

    async def _send_signed(
        self, update: StationUpdate, file: FirmwareFile, link: StationLink, url: str
    ) -> bool:
        """Whether the station knows signed firmware; raises when it does and refuses."""
        request = SignedUpdateFirmware(
            request_id=update.request_id,
            firmware=Firmware(
                location=url,
                retrieve_date_time=self._clock.utc_now(),
                signing_certificate=file.certificate,
                signature=file.signature,
            ),
            retries=2,
            retry_interval=60,
        )
        try:
            answer = await link.call(request, priority=Priority.CONTROL, timeout_s=TELL_TIMEOUT_S)
        except StationRefusedError as refusal:
            if str(refusal.params.get("answer", "")).startswith(_FEATURE_MISSING):
                return False
            raise
        if answer.status not in (
            UpdateFirmwareStatus.ACCEPTED,
            UpdateFirmwareStatus.ACCEPTED_CANCELED,
        ):
            raise StationRefusedError(
                "station-refused", station=update.station_id, answer=answer.status.value
            )
        return True


def subject_of(update: StationUpdate) -> str:
    """Under which name an update is kept and ordered."""
    return f"{update.campaign_id} {update.station_id}"


def is_ready(station: StationLive, idle_only: bool) -> bool:
    """Whether a station can be told now."""
    if not station.online or not station.set_up:
        return False
    return not idle_only or all(live.transaction is None for live in station.connectors.values())


def _link(station: StationLive) -> StationLink:
    if station.link is None:
        raise StationUnreachableError("station-offline", station=station.station.station_id)
    return station.link


def _request_id(update: StationUpdate) -> int:
    """Differs for each station and each attempt, and fits into 31 bits."""
    return (update.campaign_id * 100_000 + update.position * 10 + len(update.tried)) % (2**31)
