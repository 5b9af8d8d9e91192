"""The health check, against a real HTTPS server and real ports."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.adapters.certificates import LocalCertificate, own_names
from app.domain.host import UpdateRecord
from app.privileged.slots import RECORD, RecordStore
from app.privileged.trial import NOT_WELL, RESTARTING, WELL, Trial, run
from tests.support.bench import Bench
from tests.unit.privileged.test_slots import INSTALLED

REBOOT = "systemctl --no-block reboot"


@dataclass
class Manager:
    """What a manager would answer, and what the trial looks at."""

    trial: Trial
    status: int = 200
    body: bytes = b'{"ready": true, "checks": [], "version": "0"}'
    asked: int = 0
    well_after: int = 0

    def answer(self) -> tuple[int, bytes]:
        self.asked += 1
        if self.asked <= self.well_after:
            return 503, b'{"ready": false}'
        return self.status, self.body


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    LocalCertificate(folder, own_names()).ensure(datetime.now(UTC))
    return folder


@pytest.fixture
def manager(bench: Bench, certificate: Path) -> Iterator[Manager]:
    made = Manager(Trial(within_s=0.0, retry_s=0.01, mark_within_s=0.0))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = made.answer() if self.path == "/health" else (404, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ui.crt", certificate / "ui.key")
    web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    stations = socket.create_server(("127.0.0.1", 0))
    bench.file("/var/lib/bornier/ui.crt", (certificate / "ui.crt").read_text())
    made.trial = replace(
        made.trial, web_port=web.server_port, station_ports=(stations.getsockname()[1],)
    )
    try:
        yield made
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
        stations.close()


def updated(bench: Bench, state: str = "installed", slot: str = "B", **grub: str) -> None:
    """Slot B has just been installed and runs, A was good."""
    environment = {"ORDER": "B A", "B_OK": "1", "B_TRY": "1", **grub}
    bench.slots("B", good="A", **environment)
    RecordStore(bench.machine).save(msgspec.structs.replace(INSTALLED, state=state, slot=slot))
    bench.forget_calls()


def outcome(bench: Bench) -> tuple[str, str]:
    record = RecordStore(bench.machine).load()
    assert record is not None
    return record.state, record.reason


def marks(bench: Bench) -> list[str]:
    return [call for call in bench.calls if "mark-" in call or "reboot" in call]


def test_a_well_box_is_marked_good(bench: Bench, manager: Manager) -> None:
    bench.slots("A", good="", A_TRY="1")
    bench.forget_calls()
    assert run(bench.machine, manager.trial) == WELL
    assert marks(bench) == ["rauc status mark-good booted"]
    assert bench.grub["A_TRY"] == "0"
    assert not bench.exists(RECORD)


def test_an_update_that_is_well_is_confirmed(bench: Bench, manager: Manager) -> None:
    for state in ("installed", "installing"):
        updated(bench, state)
        assert run(bench.machine, manager.trial) == WELL
        assert outcome(bench) == ("confirmed", "")
        assert bench.grub == {"ORDER": "B A", "A_OK": "1", "A_TRY": "0", "B_OK": "1", "B_TRY": "0"}


def test_it_waits_for_the_manager_and_for_rauc(bench: Bench, manager: Manager) -> None:
    updated(bench)
    manager.well_after = 3
    (bench.programs / "busy").write_text("once\nagain\n")
    patient = replace(manager.trial, within_s=60.0, mark_within_s=60.0)
    assert run(bench.machine, patient) == WELL
    assert manager.asked == 4
    assert marks(bench) == ["rauc status mark-good booted"] * 3
    assert outcome(bench) == ("confirmed", "")


def test_rauc_that_stays_busy_restarts_nothing(bench: Bench, manager: Manager) -> None:
    updated(bench)
    (bench.programs / "busy").write_text("once\nagain\n")
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert marks(bench) == ["rauc status mark-good booted"]
    assert outcome(bench) == ("installed", "")


@pytest.mark.parametrize(
    "fault", ["not-ready", "503", "nonsense", "stations", "certificate", "mount", "kept"]
)
def test_an_update_that_is_not_well_goes_back(
    bench: Bench, manager: Manager, tmp_path: Path, fault: str
) -> None:
    trial = manager.trial
    match fault:
        case "not-ready":
            manager.body = b'{"ready": false}'
        case "503":
            manager.status = 503
        case "nonsense":
            manager.body = b"<html>"
        case "stations":
            with socket.create_server(("127.0.0.1", 0)) as closed:
                trial = replace(trial, station_ports=(closed.getsockname()[1],))
        case "certificate":
            other = tmp_path / "other"
            other.mkdir()
            LocalCertificate(other, own_names()).ensure(datetime.now(UTC))
            bench.file("/var/lib/bornier/ui.crt", (other / "ui.crt").read_text())
        case "kept":
            bench.file("/run/bornier/nothing-kept")
        case _:
            bench.machine.path("/data").mkdir()
            trial = replace(trial, writable="/data")
    updated(bench)
    assert run(bench.machine, trial) == RESTARTING
    assert marks(bench) == ["rauc status mark-bad booted", REBOOT]
    assert outcome(bench) == ("failed", "not-healthy")
    assert (bench.grub["B_OK"], bench.grub["A_OK"]) == ("0", "1")
    # GRUB starts the other slot, which is well: the failed one goes to the end of the order.
    bench.slots("A", good="", ORDER="B A", A_TRY="1", B_OK="0")
    bench.forget_calls()
    manager.body, manager.status = b'{"ready": true}', 200
    bench.machine.path("/run/bornier/nothing-kept").unlink(missing_ok=True)
    bench.file("/var/lib/bornier/ui.crt", _certificate_of(manager))
    assert run(bench.machine, manager.trial) == WELL
    assert outcome(bench) == ("failed", "not-healthy")
    assert bench.grub == {"ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "0", "B_TRY": "0"}


def _certificate_of(manager: Manager) -> str:
    return ssl.get_server_certificate(("127.0.0.1", manager.trial.web_port))


def test_the_data_are_mounted(bench: Bench, manager: Manager) -> None:
    mounted = os.path.relpath("/dev/shm", bench.root)
    assert run(bench.machine, replace(manager.trial, writable=mounted)) == WELL


def test_a_proved_box_never_restarts(bench: Bench, manager: Manager) -> None:
    manager.status = 500
    for state in ("confirmed", "failed"):
        updated(bench, state)
        assert run(bench.machine, manager.trial) == NOT_WELL
        assert marks(bench) == []
        assert outcome(bench) == (state, "")


@pytest.mark.parametrize("record", [None, "", "{", '{"state": "installed", "slot": "B"}'])
def test_without_a_sound_record_nothing_is_on_trial(
    bench: Bench, manager: Manager, record: str | None
) -> None:
    manager.status = 500
    updated(bench)
    bench.machine.path(RECORD).unlink()
    if record is not None:
        bench.file(RECORD, record)
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert marks(bench) == []


@pytest.mark.parametrize("grub", [{"A_OK": "0"}, {"A_TRY": "3"}, {"ORDER": "B"}, {"ORDER": ""}])
def test_without_another_slot_it_stays_up(
    bench: Bench, manager: Manager, grub: dict[str, str]
) -> None:
    manager.status = 500
    updated(bench, **grub)
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert marks(bench) == []
    assert outcome(bench) == ("installed", "")


def test_with_grubs_environment_unreadable_it_stays_up(bench: Bench, manager: Manager) -> None:
    manager.status = 500
    updated(bench)
    bench.failing("grub-editenv")
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert marks(bench) == []


def test_a_mark_that_cannot_be_written_restarts_nothing(bench: Bench, manager: Manager) -> None:
    manager.status = 500
    updated(bench)
    (bench.programs / "busy").write_text("once\n")
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert REBOOT not in bench.calls


def test_another_slot_on_trial_is_none_of_ours(bench: Bench, manager: Manager) -> None:
    """A runs although B was installed: GRUB gave B up."""
    manager.status = 500
    updated(bench)
    bench.slots("A", good="", ORDER="B A", A_TRY="1", B_OK="1", B_TRY="3")
    bench.forget_calls()
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert marks(bench) == []
    manager.status = 200
    assert run(bench.machine, manager.trial) == WELL
    assert outcome(bench) == ("failed", "not-started")
    assert bench.grub == {"ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "0", "B_TRY": "0"}


def test_an_installation_cut_short_is_told(bench: Bench, manager: Manager) -> None:
    bench.slots("A", good="", A_TRY="1")
    RecordStore(bench.machine).save(msgspec.structs.replace(INSTALLED, state="installing"))
    assert run(bench.machine, manager.trial) == WELL
    assert outcome(bench) == ("failed", "interrupted")


def test_a_failed_slot_that_cannot_be_marked(bench: Bench, manager: Manager) -> None:
    bench.slots("A", good="", ORDER="B A", A_TRY="1", B_OK="1", B_TRY="3")
    status = bench.programs / "status.json"
    bench.program(
        "rauc", f'case "$*" in *mark-good*) ;; *mark*) exit 1 ;; *) cat "{status}" ;; esac\n'
    )
    assert run(bench.machine, manager.trial) == NOT_WELL


def test_without_rauc_only_health_is_told(bench: Bench, manager: Manager) -> None:
    bench.failing("rauc")
    assert run(bench.machine, manager.trial) == NOT_WELL
    manager.status = 500
    assert run(bench.machine, manager.trial) == NOT_WELL
    assert marks(bench) == []


def test_a_record_that_cannot_be_closed_stops_nothing(bench: Bench, manager: Manager) -> None:
    """A full disk: the slot is well all the same."""
    updated(bench)
    path = bench.machine.path(RECORD)
    (path.parent / f".{path.name}.new").mkdir()
    assert run(bench.machine, manager.trial) == WELL
    record: UpdateRecord | None = RecordStore(bench.machine).load()
    assert record is not None
    assert record.state == "installed"
