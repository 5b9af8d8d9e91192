"""A form with one file, streamed to where it belongs while it comes in."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect

from app.domain.errors import AccessDeniedError, InvalidInputError
from app.services.firmware import FirmwareFiles, FirmwareUpload
from app.services.multipart import (
    Event,
    Field,
    FileBegin,
    FileData,
    MultipartError,
    MultipartReader,
    boundary_of,
)
from app.web.forms import Form
from app.web.http import Visit

PIECE = 256 * 1024
IDLE_S = 90.0


class FirmwareForm:
    """The fields as they come, and the upload: ``None`` while no file was chosen.

    The form's token stands before the file: without the right one nothing is received.
    """

    def __init__(self, visit: Visit, files: FirmwareFiles) -> None:
        self.upload: FirmwareUpload | None = None
        self._visit = visit
        self._files = files
        self._fields: dict[str, str] = {}
        self._waiting = bytearray()

    @property
    def form(self) -> Form:
        """The fields that have come."""
        return Form({name: value for name, value in self._fields.items() if name != "csrf"})

    async def receive(self) -> None:
        """Takes all of it; the upload is then to be finished or given up.

        Raises ``AccessDeniedError``, ``StorageError``, and ``InvalidInputError`` for what cannot be
        read; nothing is left of the file then.
        """
        try:
            await self._receive()
        except (MultipartError, ClientDisconnect, TimeoutError) as error:
            await self._give_up()
            raise InvalidInputError("upload-unreadable", field="file") from error
        except BaseException:
            await self._give_up()
            raise

    async def _receive(self) -> None:
        headers = self._visit.request.headers
        reader = MultipartReader(boundary_of(headers.get("content-type", "")))
        async for piece in self._pieces():
            for event in reader.feed(piece):
                await self._take(event)
        if not reader.ended:
            raise MultipartError("it ends early")
        self._check_token()
        await self._flush()

    async def _take(self, event: Event) -> None:
        if isinstance(event, Field):
            self._fields[event.name] = event.value
        elif isinstance(event, FileBegin):
            self._check_token()
            if event.file_name and self.upload is None:
                self.upload = await self._files.begin(event.file_name)
        elif isinstance(event, FileData):
            self._waiting += event.data
            if len(self._waiting) >= PIECE:
                await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if waiting and self.upload is not None:
            await self.upload.write(waiting)

    async def _give_up(self) -> None:
        upload, self.upload = self.upload, None
        if upload is not None:
            await upload.give_up()

    async def _pieces(self) -> AsyncIterator[bytes]:
        stream = self._visit.request.stream()
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    piece = await anext(stream)
            except StopAsyncIteration:
                return
            if piece:
                yield piece

    def _check_token(self) -> None:
        session = self._visit.session
        assert session is not None
        token = self._fields.get("csrf", "")
        if not hmac.compare_digest(token.encode(), session.csrf_token.encode()):
            raise AccessDeniedError("form-expired")
