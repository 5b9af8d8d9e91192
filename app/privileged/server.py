"""The helper's socket: who may ask, how much, and how long.

One request a line, as JSON; answered by any number of progress lines, then one result or error
line. A thread serves each connection; of the requests that change something one runs at a time, and
a second one is told so instead of waiting.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Set
from pathlib import Path

import msgspec

from app.domain.errors import BornierError
from app.domain.host import READING, Answer, AnyRequest, ErrorAnswer, Progress, Request
from app.privileged.desk import Desk

log = logging.getLogger(__name__)

MOST_LINE_BYTES = 72 * 1024
MOST_CONNECTIONS = 8
LINE_TIMEOUT_S = 10.0
_FIRST_PASSED_FD = 3
_UCRED = struct.Struct("3i")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyRequest)


class Server:
    """Accepts connections on a listening UNIX socket until stopped or idle for long enough."""

    def __init__(
        self,
        listener: socket.socket,
        desk: Desk,
        uids: Set[int],
        *,
        idle_s: float | None = None,
        line_timeout_s: float = LINE_TIMEOUT_S,
    ) -> None:
        self._listener = listener
        self._desk = desk
        self._uids = uids
        self._idle_s = idle_s
        self._line_timeout_s = line_timeout_s
        self._changing = threading.Lock()
        # For each user, so that the manager cannot keep root out.
        self._room = {uid: threading.Semaphore(MOST_CONNECTIONS) for uid in uids}
        self._serving: set[threading.Thread] = set()
        self._wake, self._woken = socket.socketpair()

    def serve(self) -> None:
        """Runs until ``stop``, or until nobody has asked for ``idle_s``."""
        self._desk.network.recover()
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(self._idle_s)}
                if self._woken in ready:
                    break
                if self._listener in ready:
                    self._accept()
                elif not self._busy():
                    break
        self._desk.network.revert()
        for side in (self._wake, self._woken):
            side.close()

    def stop(self) -> None:
        """Ends ``serve``; may be called from a signal handler."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def _busy(self) -> bool:
        self._serving = {thread for thread in self._serving if thread.is_alive()}
        return bool(self._serving) or self._desk.network.waiting

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        uid = _peer_uid(connection)
        if uid not in self._uids:
            log.warning("uid %d may not ask", uid)
            _refuse(connection, "host-forbidden")
        elif not self._room[uid].acquire(blocking=False):
            log.warning("uid %d: too many connections", uid)
            _refuse(connection, "host-crowded")
        else:
            self._busy()
            thread = threading.Thread(target=self._converse, args=(connection, uid), daemon=True)
            self._serving.add(thread)
            thread.start()

    def _converse(self, connection: socket.socket, uid: int) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(self._line_timeout_s)
                while line := lines.readline(MOST_LINE_BYTES):
                    if not line.endswith(b"\n"):
                        _send(connection, _error("host-request-invalid"))
                        return
                    connection.settimeout(None)
                    _send(connection, self._answer(line, uid, lambda p: _report(connection, p)))
                    connection.settimeout(self._line_timeout_s)
        except OSError as error:
            log.info("uid %d: the connection ended: %s", uid, error)
        finally:
            self._room[uid].release()

    def _answer(self, line: bytes, uid: int, progress: Callable[[Progress], None]) -> Answer:
        try:
            request = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("uid %d: not a request: %r", uid, str(error))
            return _error("host-request-invalid")
        if isinstance(request, READING):
            return self._done(request, uid, progress)
        if not self._changing.acquire(blocking=False):
            return _error("host-busy")
        try:
            log.info("uid %d: %s", uid, described(request))
            answer = self._done(request, uid, progress)
        finally:
            self._changing.release()
        if answer.error is None:
            log.info("uid %d: %s: done", uid, request.__struct_config__.tag)
        return answer

    def _done(self, request: Request, uid: int, progress: Callable[[Progress], None]) -> Answer:
        name = request.__struct_config__.tag
        try:
            result = self._desk.serve(request, uid, progress)
        except BornierError as error:
            log.warning("uid %d: %s: refused: %s", uid, name, error)
            return _error(error.key, getattr(error, "field", None), **error.params)
        except OSError as error:
            log.exception("uid %d: %s", uid, name)
            return _error("host-failed", cause=str(error))
        except Exception:  # the top of a task
            log.exception("uid %d: %s", uid, name)
            return _error("host-failed", cause="unexpected")
        return Answer(result=msgspec.Raw(_encoder.encode(result)))


def described(request: Request) -> str:
    """A request, for the journal; keys are counted, not quoted."""
    told: dict[str, object] = msgspec.to_builtins(request)
    if "keys" in told:
        told["keys"] = f"{len(getattr(request, 'keys', ()))} keys"
    return " ".join([str(told.pop("do")), *(f"{name}={value!r}" for name, value in told.items())])


def _error(key: str, field: str | None = None, **params: object) -> Answer:
    told = {
        name: value if isinstance(value, int) else str(value)[:500]
        for name, value in params.items()
    }
    return Answer(error=ErrorAnswer(key=key, params=told, field=field))


def _report(connection: socket.socket, progress: Progress) -> None:
    # Whoever asked may be gone: what was begun goes on to its end.
    with contextlib.suppress(OSError):
        _send(connection, Answer(progress=progress))


def _send(connection: socket.socket, answer: Answer) -> None:
    connection.settimeout(LINE_TIMEOUT_S)
    connection.sendall(_encoder.encode(answer) + b"\n")


def _refuse(connection: socket.socket, key: str) -> None:
    with connection, contextlib.suppress(OSError):
        _send(connection, _error(key))


def _peer_uid(connection: socket.socket) -> int:
    """The user at the other end, as the kernel says (SO_PEERCRED, unix(7))."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(told)
    return int(uid)


def passed_listener(environment: dict[str, str] | os._Environ[str]) -> socket.socket | None:
    """The socket that systemd passes (sd_listen_fds(3)); ``None`` when it passes none."""
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS") != "1":
        return None
    os.set_inheritable(_FIRST_PASSED_FD, False)
    return socket.socket(fileno=_FIRST_PASSED_FD)


def own_listener(path: Path) -> socket.socket:
    """A socket of our own, for a machine without socket activation; only its owner may connect."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(MOST_CONNECTIONS)
    return listener
