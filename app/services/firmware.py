"""Firmware files: uploaded by people, kept until they delete them, given to stations by campaigns."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station_files import FirmwareFile, safe_name
from app.services.audit import AuditTrail
from app.services.file_ports import Area, FileVault, Receiving, RecordRepository
from app.services.ports import Clock
from app.services.shelf import Shelf

FILE_MOST: Final = 500_000_000
TEXT_MOST: Final = 60
SIGNATURE_MOST: Final = 800
CERTIFICATE_MOST: Final = 5500


class FirmwareUpload:
    """A firmware that is coming in; ended by ``finish`` or ``give_up``."""

    def __init__(self, files: FirmwareFiles, file_id: str, name: str, receiving: Receiving) -> None:
        self.file_id = file_id
        self.name = name
        self._files = files
        self._receiving = receiving

    async def write(self, data: bytes) -> None:
        """Takes more. Raises ``StorageError`` when it is too much or the disk is full."""
        await self._receiving.write(data)

    async def finish(self, about: FirmwareAbout, actor: str) -> FirmwareFile:
        """Keeps it. Raises ``InvalidInputError`` for an empty file."""
        if not self._receiving.size:
            await self._receiving.drop()
            raise InvalidInputError("firmware-empty", field="file")
        return await self._files.keep(self, self._receiving, about, actor)

    async def give_up(self) -> None:
        """Deletes what has come."""
        await self._receiving.drop()


class FirmwareAbout:
    """What a person says of a firmware. Raises ``InvalidInputError`` for what cannot be."""

    def __init__(
        self,
        *,
        vendor: str = "",
        model: str = "",
        version: str = "",
        note: str = "",
        signature: str = "",
        certificate: str = "",
    ) -> None:
        self.vendor = _text("vendor", vendor, TEXT_MOST)
        self.model = _text("model", model, TEXT_MOST)
        self.version = _text("version", version, TEXT_MOST)
        self.note = _text("note", note, 200)
        self.signature = "".join(_text("signature", signature, SIGNATURE_MOST).split())
        self.certificate = _text("certificate", certificate, CERTIFICATE_MOST)
        if bool(self.signature) != bool(self.certificate):
            missing = "certificate" if self.signature else "signature"
            raise InvalidInputError("firmware-signature-half", field=missing)
        if self.certificate and not self.certificate.startswith("-----BEGIN CERTIFICATE-----"):
            raise InvalidInputError("firmware-certificate-pem", field="certificate")


class FirmwareFiles:
    """The files, by identifier."""

    def __init__(
        self, records: RecordRepository, vault: FileVault, audit: AuditTrail, clock: Clock
    ) -> None:
        self.in_use: Callable[[str], bool] = lambda _file_id: False
        """Whether a campaign that has not ended gives this file."""
        self._vault = vault
        self._audit = audit
        self._clock = clock
        self._files = Shelf(records, "firmware-file", FirmwareFile)

    async def load(self) -> None:
        """Reads them, and deletes what interrupted uploads have left; called once at start."""
        await self._files.load()
        await self._vault.tidy(Area.FIRMWARE, [file.file_id for file in self._files])

    def list(self) -> list[FirmwareFile]:
        """Newest first."""
        return sorted(self._files, key=lambda file: file.added_utc, reverse=True)

    def find(self, file_id: str) -> FirmwareFile | None:
        """The file, or ``None``."""
        return self._files.get(file_id)

    def get(self, file_id: str) -> FirmwareFile:
        """The file; ``NotFoundError`` otherwise."""
        found = self._files.get(file_id)
        if found is None:
            raise NotFoundError("firmware-unknown")
        return found

    async def begin(self, name: str) -> FirmwareUpload:
        """Begins an upload. Raises ``StorageError`` when there is no room."""
        file_id = secrets.token_hex(12)
        receiving = await self._vault.receive(Area.FIRMWARE, file_id, FILE_MOST)
        return FirmwareUpload(self, file_id, safe_name(name), receiving)

    async def keep(
        self, upload: FirmwareUpload, receiving: Receiving, about: FirmwareAbout, actor: str
    ) -> FirmwareFile:
        """Makes an upload a firmware; the same content twice is refused (``InvalidInputError``)."""
        received = await receiving.keep()
        same = next((one for one in self._files if one.sha256 == received.sha256), None)
        if same is not None:
            await self._vault.remove(Area.FIRMWARE, [upload.file_id])
            raise InvalidInputError("firmware-twice", field="file", name=same.name)
        file = FirmwareFile(
            file_id=upload.file_id,
            name=upload.name,
            size=received.size,
            sha256=received.sha256,
            vendor=about.vendor,
            model=about.model,
            version=about.version,
            added_utc=self._clock.utc_now(),
            added_by=actor,
            note=about.note,
            signature=about.signature,
            certificate=about.certificate,
        )
        await self._files.put((file.file_id, file))
        await self._audit.record(actor, "firmware-added", file.name, f"sha256 {file.sha256}")
        return file

    async def remove(self, file_id: str, actor: str) -> None:
        """Deletes a file; refused while a campaign gives it."""
        file = self.get(file_id)
        if self.in_use(file_id):
            raise InvalidInputError("firmware-in-use", name=file.name)
        await self._files.drop([file_id])
        await self._vault.remove(Area.FIRMWARE, [file_id])
        await self._audit.record(actor, "firmware-removed", file.name, f"sha256 {file.sha256}")


def _text(field: str, value: str, most: int) -> str:
    trimmed = value.strip()
    if len(trimmed) > most:
        raise InvalidInputError("text-too-long", field=field, most=most)
    return trimmed
