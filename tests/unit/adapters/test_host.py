from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.adapters.host import HostClient
from app.domain import host
from app.domain.errors import BornierError, InvalidInputError
from tests.support.bench import Bench, make_bench
from tests.support.helper import running


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def test_requests_are_answered_with_their_type(bench: Bench) -> None:
    with running(bench) as helper:
        client = HostClient(helper.path)
        state = client.ask(host.ZoneSet(zone="Europe/Paris"), host.TimeState)
        assert isinstance(state, host.TimeState)
        assert state.zone == "Europe/Paris"
        slots = client.ask(host.SlotsRead(), host.Slots)
        assert isinstance(slots, host.Slots)
        assert slots.outcome is None
        assert client.ask(host.Reboot(), host.Done) == host.Done()
    assert bench.calls[-1] == "systemctl --no-block reboot"


def test_refusals_are_raised(bench: Bench) -> None:
    with running(bench) as helper:
        client = HostClient(helper.path)
        with pytest.raises(InvalidInputError) as invalid:
            client.ask(host.ZoneSet(zone="Mars"), host.TimeState)
        assert (invalid.value.key, invalid.value.field) == ("time-zone-unknown", "zone")
        assert invalid.value.params == {"zone": "Mars"}
        with pytest.raises(BornierError) as refused:
            client.ask(host.NetworkConfirm(), host.NetworkState)
        assert refused.value.key == "network-nothing-to-confirm"


def test_an_account_that_may_not_ask_is_told_so(bench: Bench) -> None:
    with running(bench, uids={os.getuid() + 1}) as helper:
        with pytest.raises(BornierError, match="host-forbidden"):
            HostClient(helper.path).ask(host.TimeRead(), host.TimeState)


def test_progress_is_passed_on(bench: Bench) -> None:
    bench.file("/var/lib/bornier/good.raucb", "bundle")
    (bench.programs / "info.json").write_text('{"compatible": "bornier-amd64", "version": "0.2.0"}')
    (bench.programs / "install.out").write_text(" 10% one\n100% two\n")
    (bench.programs / "install.status").write_text("0")
    seen: list[host.Progress] = []
    request = host.UpdateInstall(path="/var/lib/bornier/good.raucb")
    with running(bench) as helper:
        client = HostClient(helper.path)
        client.ask(request, host.Slots, progress=seen.append)
        client.ask(request, host.Slots)
    assert [(progress.percent, progress.step) for progress in seen] == [(10, "one"), (100, "two")]


def test_a_machine_without_a_helper(tmp_path: Path) -> None:
    with pytest.raises(BornierError, match="host-unavailable"):
        HostClient(tmp_path / "absent").ask(host.TimeRead(), host.TimeState)


@contextmanager
def answering(path: Path, answer: bytes | None) -> Iterator[None]:
    """Something that is no helper: says ``answer`` and hangs up, or stays silent."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                if answer is None:
                    done.wait(20)
                else:
                    link.recv(4096)
                    link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\n", b"\xff\n", b'{"result": {"utc": 3}}\n', b"{}\n", None]
)
def test_strange_answers_are_an_error(tmp_path: Path, answer: bytes | None) -> None:
    path = tmp_path / "socket"
    with answering(path, answer):
        with pytest.raises(BornierError, match="host-unavailable"):
            HostClient(path).ask(host.TimeRead(), host.TimeState, timeout_s=1.0)
