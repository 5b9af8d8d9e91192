"""Asks the privileged helper of the box, over its UNIX socket.

Each request has a connection of its own. ``ask`` blocks; it raises ``BornierError`` with the helper's
key, or ``host-unavailable`` on a machine that has no helper.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from app.domain.errors import BornierError, InvalidInputError
from app.domain.host import Answer, ErrorAnswer, Progress, Request

SOCKET = Path("/run/bornier-host/socket")
ANSWER_TIMEOUT_S = 90.0
INSTALL_TIMEOUT_S = 2000.0
MOST_ANSWER_BYTES = 1 << 20

T = TypeVar("T", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Answer)


class HostClient:
    """Speaks to the helper that listens on ``path``."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path

    def ask(
        self,
        request: Request,
        answer: type[T],
        *,
        progress: Callable[[Progress], None] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> T:
        """The answer of type ``answer``; ``timeout_s`` bounds each silence of the helper."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as link:
                link.settimeout(timeout_s)
                link.connect(str(self._path))
                # A helper that refuses has answered before it reads.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    link.sendall(_encoder.encode(request) + b"\n")
                with link.makefile("rb") as lines:
                    while line := lines.readline(MOST_ANSWER_BYTES):
                        told = _read(line, answer)
                        if not isinstance(told, Progress):
                            return told
                        if progress is not None:
                            progress(told)
        except OSError as error:
            raise BornierError("host-unavailable", cause=str(error)) from error
        raise BornierError("host-unavailable", cause="the connection ended")


def _read(line: bytes, answer: type[T]) -> T | Progress:
    try:
        told = _decoder.decode(line)
        if told.progress is not None:
            return told.progress
        if told.error is None:
            return msgspec.json.decode(told.result, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BornierError("host-unavailable", cause=str(error)) from error
    raise _refusal(told.error)


def _refusal(error: ErrorAnswer) -> BornierError:
    if error.field is not None:
        return InvalidInputError(error.key, field=error.field, **error.params)
    return BornierError(error.key, **error.params)
