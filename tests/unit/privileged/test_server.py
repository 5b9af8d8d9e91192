from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.host import AnyRequest, ServersSet
from app.privileged import server as server_module
from app.privileged.clock import Clock
from app.privileged.desk import Desk, giver
from app.privileged.network import DROP_IN, Network
from app.privileged.server import (
    MOST_CONNECTIONS,
    MOST_LINE_BYTES,
    described,
    own_listener,
    passed_listener,
)
from app.privileged.settings import SettingsStore
from tests.support.bench import Bench
from tests.support.helper import Running, running


@pytest.fixture
def helper(bench: Bench) -> Iterator[Running]:
    with running(bench) as made:
        yield made


def key_of(answers: list[dict[str, Any]]) -> str:
    return str(answers[-1]["error"]["key"])


def test_requests_are_answered_in_order(helper: Running) -> None:
    network, time = helper.say({"do": "network-read"}, {"do": "time-read"})
    assert network["result"]["settings"]["dhcp"] is True
    assert time["result"]["zone"] == "UTC"


def test_every_request_has_an_answer(bench: Bench) -> None:
    wanted = {kind.__struct_config__.tag for kind in AnyRequest.__args__}
    assert {kind.__struct_config__.tag for kind in Desk(bench.machine)._answers} == wanted


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"do": "run", "command": "id"}',
        '{"do": "power-off", "force": true}',
        '{"do": "network-read", "do": "run"}',
        '{"do": "network-set"}',
        '{"do": "network-set", "dhcp": "yes"}',
        '{"do": "network-set", "dhcp": true, "vlan": 3}',
        '{"do": "clock-set", "utc": "2026-11-25T10:00:00"}',
        '{"do": "ssh-enable", "keys": "ssh-ed25519"}',
        json.dumps({"do": "servers-set", "servers": ["a"] * 17}),
        json.dumps({"do": "zone-set", "zone": "x" * 256}),
        json.dumps({"do": "ssh-enable", "keys": ["x" * 4097]}),
        b"\xff\xfe\n",
    ],
)
def test_whatever_is_not_on_the_list_is_refused(
    bench: Bench, helper: Running, line: str | bytes
) -> None:
    answers = helper.say(line)
    assert key_of(answers) == "host-request-invalid"
    assert bench.calls == []


def test_a_line_without_an_end_is_refused(helper: Running) -> None:
    assert key_of(helper.say(b'{"do": "network-read"')) == "host-request-invalid"
    with helper.connect() as link, link.makefile("rb") as lines:
        link.sendall(b"x" * MOST_LINE_BYTES)
        assert b"host-request-invalid" in lines.readline()
        assert lines.readline() == b""


def test_whoever_stays_silent_is_hung_up_on(bench: Bench) -> None:
    with running(bench, line_timeout_s=0.2) as helper, helper.connect() as link:
        link.sendall(b'{"do"')
        assert link.recv(100) == b""


def test_nobody_else_may_ask(bench: Bench) -> None:
    with running(bench, uids={os.getuid() + 1}) as helper:
        with helper.connect() as link, link.makefile("rb") as lines:
            assert b"host-forbidden" in lines.readline()
            assert lines.readline() == b""


def test_connections_are_bounded_and_freed(helper: Running) -> None:
    held = [helper.connect() for _ in range(MOST_CONNECTIONS)]
    for link in held:  # each is served once it has been answered
        link.sendall(b'{"do": "time-read"}\n')
        assert b"result" in link.recv(4096)
    with helper.connect() as link, link.makefile("rb") as lines:
        assert b"host-crowded" in lines.readline()
    for link in held:
        link.shutdown(socket.SHUT_WR)
        assert link.recv(4096) == b""
        link.close()
    while True:  # a thread frees its place just after it has hung up
        with helper.connect() as link, link.makefile("rwb") as stream:
            try:
                stream.write(b'{"do": "time-read"}\n')
                stream.flush()
                answer = stream.readline()
            except OSError:
                continue
            if b"host-crowded" not in answer:
                break
    assert b"result" in answer


def test_one_change_at_a_time(bench: Bench, helper: Running) -> None:
    os.mkfifo(bench.programs / "gate")
    bench.program("systemctl", 'cat "$here/gate" >/dev/null\n')
    with helper.connect() as first, first.makefile("rb") as lines:
        first.sendall(b'{"do": "reboot"}\n')
        # Opening the gate to write waits until the program reads: the change is under way.
        with (bench.programs / "gate").open("w"):
            assert key_of(helper.say({"do": "power-off"})) == "host-busy"
            assert "result" in helper.say({"do": "time-read"})[0]
        assert b"result" in lines.readline()
    assert bench.calls == ["systemctl --no-block reboot"]


def test_what_was_begun_goes_on_when_the_asker_is_gone(bench: Bench, helper: Running) -> None:
    bench.file("/var/lib/bornier/good.raucb", "bundle")
    os.mkfifo(bench.programs / "gate")
    bench.program(
        "rauc",
        f'case "$1" in status) cat "{bench.programs}/status.json" ;;\n'
        'info) echo \'{"compatible": "bornier-amd64", "version": "0.2.0"}\' ;;\n'
        'install) cat "$here/gate" >/dev/null; seq -f "%g%% step" 0 100; touch "$here/done" ;; esac\n',
    )
    with helper.connect() as link:
        link.sendall(b'{"do": "update-install", "path": "/var/lib/bornier/good.raucb"}\n')
        gate = (bench.programs / "gate").open("w")
    gate.close()
    while "host-busy" in json.dumps(helper.say({"do": "servers-set", "servers": []})):
        pass
    assert (bench.programs / "done").exists()


def test_an_installation_tells_its_progress(bench: Bench, helper: Running) -> None:
    bench.file("/var/lib/bornier/good.raucb", "bundle")
    (bench.programs / "info.json").write_text('{"compatible": "bornier-amd64", "version": "0.2.0"}')
    (bench.programs / "install.out").write_text(" 10% one\n100% Installing done.\n")
    (bench.programs / "install.status").write_text("0")
    *progress, last = helper.say({"do": "update-install", "path": "/var/lib/bornier/good.raucb"})
    assert [answer["progress"] for answer in progress] == [
        {"percent": 10, "step": "one"},
        {"percent": 100, "step": "Installing done."},
    ]
    assert last["result"]["outcome"]["state"] == "installed"


def test_refusals_and_trouble_are_answers(bench: Bench, helper: Running) -> None:
    (refused,) = helper.say({"do": "network-set", "dhcp": False})
    assert refused["error"] == {"key": "network-no-address", "params": {}, "field": "addresses"}
    bench.failing("systemctl")
    assert key_of(helper.say({"do": "power-off"})) == "host-program-failed"
    bench.file("/run/systemd/network")  # a file where a directory has to be
    assert key_of(helper.say({"do": "network-set", "dhcp": True})) == "host-failed"


def test_a_mistake_of_ours_is_an_answer_too(bench: Bench) -> None:
    def mistake(_instant_s: float) -> None:
        raise ZeroDivisionError

    desk = Desk(bench.machine, clock=Clock(bench.machine, SettingsStore(bench.machine), mistake))
    with running(bench, desk=desk) as helper:
        answers = helper.say({"do": "clock-set", "utc": "2030-01-01T00:00:00Z"})
        assert answers[0]["error"]["params"] == {"cause": "unexpected"}
        assert "result" in helper.say({"do": "time-read"})[0]


def test_changes_are_noted_without_what_is_secret(
    bench: Bench, helper: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        helper.say({"do": "zone-set", "zone": "Europe/Paris"}, {"do": "time-read"})
        helper.say({"do": "ssh-enable", "keys": ["ssh-rsa AAAAkeykey"]})
    noted = [record.getMessage() for record in caplog.records]
    assert f"uid {os.getuid()}: zone-set zone='Europe/Paris'" in noted
    assert f"uid {os.getuid()}: ssh-enable keys='1 keys'" in noted
    assert not any("AAAAkeykey" in line or "time-read" in line for line in noted)
    assert described(ServersSet(servers=("a\nb",))) == "servers-set servers=('a\\nb',)"


def test_unconfirmed_settings_outlive_the_connection_and_end_with_the_helper(
    bench: Bench, helper: Running
) -> None:
    helper.say({"do": "network-set", "dhcp": True, "dns": ["10.0.0.1"]})
    assert helper.say({"do": "network-read"})[0]["result"]["revert_in_s"] > 0
    assert bench.exists(DROP_IN)
    helper.end()
    assert not bench.exists(DROP_IN)


def test_the_helper_ends_when_nobody_asks(bench: Bench) -> None:
    with running(bench, idle_s=0.2) as helper:
        helper.thread.join(20)
        assert not helper.thread.is_alive()


def test_it_does_not_end_while_something_waits(bench: Bench) -> None:
    store = SettingsStore(bench.machine)
    network = Network(bench.machine, store, confirm_within_s=1.0)
    with running(bench, desk=Desk(bench.machine, network=network), idle_s=0.05) as helper:
        helper.say({"do": "network-set", "dhcp": True, "dns": ["10.0.0.1"]})
        helper.thread.join(20)
        # It took the settings back first: nobody else would have.
        assert not helper.thread.is_alive()
        assert not bench.exists(DROP_IN)
        assert not network.waiting


def test_who_speaks() -> None:
    assert (giver(0), giver(998)) == ("console", "manager")


def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("left by somebody")
    with own_listener(path):
        assert path.stat().st_mode & 0o177 == 0


def test_a_socket_passed_by_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = str(os.getpid())
    assert passed_listener({}) is None
    assert passed_listener({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None
    assert passed_listener({"LISTEN_PID": pid, "LISTEN_FDS": "2"}) is None
    with own_listener(tmp_path / "socket") as listener:
        monkeypatch.setattr(server_module, "_FIRST_PASSED_FD", os.dup(listener.fileno()))
        passed = passed_listener({"LISTEN_PID": pid, "LISTEN_FDS": "1"})
        assert passed is not None
        with passed:
            assert passed.getsockname() == str(tmp_path / "socket")
            assert not os.get_inheritable(passed.fileno())


def test_the_kernel_tells_who_asks() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert server_module._peer_uid(one) == os.getuid()
