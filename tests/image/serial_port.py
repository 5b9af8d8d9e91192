"""A serial port of the guest, as a UNIX socket of QEMU: always drained, and writable."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Final, Self

_CONNECT_S: Final = 20.0
_PIECE: Final = 512
"""A UART without flow control: long lines go in pieces."""


class SerialPort:
    """Reads all that the guest writes, in a thread: a full buffer would stop the guest."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._received = bytearray()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._drain, daemon=True).start()

    @classmethod
    def connect(cls, path: Path) -> Self:
        """To QEMU's socket, as soon as it is there. Raises ``OSError`` when it never is."""
        deadline_s = time.monotonic() + _CONNECT_S
        while True:
            peer = socket.socket(socket.AF_UNIX)
            try:
                peer.connect(str(path))
            except OSError:
                peer.close()
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)
            else:
                return cls(peer)

    @property
    def text(self) -> str:
        """All that was received."""
        with self._changed:
            return self._received.decode(errors="replace")

    @property
    def closed(self) -> bool:
        """The other side has gone; nothing more will come."""
        return self._closed

    def mark(self) -> int:
        """A position for ``since``."""
        with self._changed:
            return len(self._received)

    def since(self, mark: int) -> str:
        """What was received after ``mark()`` answered so."""
        with self._changed:
            return self._received[mark:].decode(errors="replace")

    def wait_change(self, within_s: float) -> None:
        """Until something more is received, or the time is over."""
        with self._changed:
            if not self._closed:
                self._changed.wait(within_s)

    def write(self, text: str) -> None:
        """Types ``text``; nothing happens when the other side has gone."""
        data = text.encode()
        with contextlib.suppress(OSError):
            for start in range(0, len(data), _PIECE):
                self._peer.sendall(data[start : start + _PIECE])

    def close(self) -> None:
        """Ends the thread."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while received := self._peer.recv(65536):
                with self._changed:
                    self._received += received
                    self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._peer.close()
