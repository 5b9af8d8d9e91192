"""The privileged helper of a bench, answering in a thread on a real UNIX socket."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.privileged.desk import Desk
from app.privileged.server import Server, own_listener
from tests.support.bench import Bench


class Running:
    """A helper in a thread, on a socket of its own."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server = server
        self.path = path
        self.thread = threading.Thread(target=server.serve, daemon=True)
        self.thread.start()

    def connect(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(20)
        link.connect(str(self.path))
        return link

    def say(self, *lines: bytes | str | dict[str, Any]) -> list[dict[str, Any]]:
        """Sends lines, and reads until the helper has answered each of them or hangs up."""
        with self.connect() as link, link.makefile("rwb") as stream:
            for line in lines:
                text = json.dumps(line) if isinstance(line, dict) else line
                stream.write(text if isinstance(text, bytes) else text.encode())
                if not isinstance(line, bytes):
                    stream.write(b"\n")
            stream.flush()
            link.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in stream]

    def end(self) -> None:
        self.server.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@contextmanager
def running(bench: Bench, **options: Any) -> Iterator[Running]:
    path = bench.programs / "socket"
    uids = options.pop("uids", {os.getuid()})
    desk = options.pop("desk", None) or Desk(bench.machine)
    with own_listener(path) as listener:
        made = Running(Server(listener, desk, uids, **options), path)
        try:
            yield made
        finally:
            if made.thread.is_alive():
                made.end()
