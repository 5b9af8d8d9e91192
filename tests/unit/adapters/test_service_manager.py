"""Notifications to systemd, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.service_manager import ServiceManager


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def _environment(listening: socket.socket, **further: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listening.getsockname(), **further}


def test_says_ready_then_stopping(notified: socket.socket) -> None:
    manager = ServiceManager(_environment(notified))
    manager.ready()
    manager.stopping()
    assert [notified.recv(64), notified.recv(64)] == [b"READY=1", b"STOPPING=1"]


def test_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"bornier-notify-{os.getpid()}"
        listening.bind("\0" + name)
        listening.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": "@" + name}).ready()
        assert listening.recv(64) == b"READY=1"


async def test_alone_it_does_nothing_and_waits_for_nothing() -> None:
    manager = ServiceManager({})
    manager.ready()
    await manager.keep_alive(lambda: True)
    assert manager.watchdog_s is None


async def test_a_sign_of_life_only_while_the_cycle_lives(
    notified: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ServiceManager(_environment(notified, WATCHDOG_USEC="3000"))
    assert manager.watchdog_s == pytest.approx(0.003)
    stands_still = asyncio.Event()
    answers = iter([True, True, False])

    def alive() -> bool:
        answer = next(answers, False)
        if not answer:
            stands_still.set()
        return answer

    task = asyncio.get_running_loop().create_task(manager.keep_alive(alive))
    await stands_still.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert [notified.recv(64), notified.recv(64)] == [b"WATCHDOG=1", b"WATCHDOG=1"]
    with pytest.raises(BlockingIOError):
        notified.recv(64)
    assert "stands still" in caplog.text


@pytest.mark.parametrize(
    "further",
    [{"WATCHDOG_USEC": "3000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}],
    ids=["another process", "no number"],
)
def test_a_watchdog_that_is_not_ours(notified: socket.socket, further: dict[str, str]) -> None:
    assert ServiceManager(_environment(notified, **further)).watchdog_s is None


def test_a_socket_that_is_gone_is_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
    assert "cannot be told READY=1" in caplog.text
