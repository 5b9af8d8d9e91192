"""The commands of the box as a person types them, told to a real helper."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from string import Formatter
from types import ModuleType

import msgspec
import pytest

from app.adapters import host as client
from app.console_box import TEXTS
from app.privileged import clock, machine, network, server, settings, slots, ssh, updates
from app.privileged.clock import Clock, built_utc
from app.privileged.desk import Desk
from app.privileged.settings import SettingsStore
from app.privileged.slots import RecordStore
from tests.support.bench import Bench, make_bench
from tests.support.helper import Running, running
from tests.unit.privileged.test_slots import INSTALLED
from tests.unit.privileged.test_ssh import ed
from tests.unit.test_maintenance import Typed


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = make_bench(tmp_path)
    # The client resolves a path, the bench's root is not the machine's: bundles lie under both.
    made.file("/var/lib/bornier/good.raucb", "bundle")
    made.program("ssh-keygen", f'for f; do :; done; echo x >"$f"; echo "{ed()}" >"$f.pub"\n')
    return made


@pytest.fixture
def helper(bench: Bench) -> Iterator[Running]:
    desk = Desk(
        bench.machine, clock=Clock(bench.machine, SettingsStore(bench.machine), lambda _s: None)
    )
    with running(bench, desk=desk) as made:
        yield made


class Box(Typed):
    """Types a command that ends with the socket of the helper."""

    socket: Path

    def __call__(self, *words: object) -> int:
        return super().__call__(*words, "--socket", self.socket)


@pytest.fixture
def typed(helper: Running, capsys: pytest.CaptureFixture[str]) -> Box:
    box = Box(capsys)
    box.socket = helper.path
    return box


def ready(bench: Bench, said: str = "", status: int = 0) -> None:
    (bench.programs / "info.json").write_text(
        '{"compatible": "bornier-amd64", "version": "0.2.0", "description": "Winter"}'
    )
    (bench.programs / "install.out").write_text(
        said or "".join(f"{percent:3d}% step {percent}\n" for percent in range(0, 101, 2))
    )
    (bench.programs / "install.status").write_text(str(status))


def test_an_update_from_inspection_to_restart(bench: Bench, typed: Box) -> None:
    ready(bench)
    assert typed("update", "inspect", "/var/lib/bornier/good.raucb") == 0
    assert typed.out == "Bornier 0.2.0 for bornier-amd64, 1 KiB\nWinter\n"
    assert typed("update", "install", "/var/lib/bornier/good.raucb", "--reboot") == 0
    *progress, installed, restarting = typed.out.splitlines()
    assert progress == [f"{percent:3d} %  step {percent}" for percent in range(0, 101, 10)]
    assert installed == "Installed in slot B: version 0.2.0 runs from the next start."
    assert restarting == "The box restarts."
    assert "\r" not in typed.out
    assert bench.calls[-1] == "systemctl --no-block reboot"
    assert typed("update", "install", "/var/lib/bornier/good.raucb") == 0
    assert bench.calls[-1] != "systemctl --no-block reboot"


def test_refused_updates_are_told(bench: Bench, typed: Box) -> None:
    ready(bench, "LastError: signature verification failed: Verify error: x\n", 1)
    assert typed("update", "install", "/var/lib/bornier/good.raucb", "--reboot") == 2
    assert typed.err == (
        "bornier: This bundle is not signed by the maker of this box: it is refused.\n"
    )
    assert not any("reboot" in call for call in bench.calls)
    assert typed("update", "inspect", "/data/absent") == 2
    assert typed.err.startswith("bornier: /data/absent is not a file")
    assert typed("update", "status") == 0
    assert "Update 0.2.0 FAILED in slot B (update-signature); running: 0." in typed.out


def test_the_status(bench: Bench, typed: Box) -> None:
    assert typed("update", "status") == 0
    assert re.fullmatch(
        r"Version 0\.\S+, slot A; next start: slot A\n"
        r"  A  good     0\.\S+\n  B  not good unknown\nNo update yet\n",
        typed.out,
    )
    store = RecordStore(bench.machine)
    for state, reason, told in (
        ("installing", "", "being installed in slot B"),
        ("installed", "", "not proved yet"),
        ("confirmed", "", "Update 0.2.0: proved, in slot B"),
        ("failed", "not-started", "FAILED in slot B (it did not start); running: 0."),
    ):
        store.save(msgspec.structs.replace(INSTALLED, state=state, reason=reason))
        assert typed("update", "status") == 0
        assert told in typed.out
    assert typed("update", "status", "--json") == 0
    told_json = json.loads(typed.out)
    assert told_json["running"] == "A"
    assert told_json["outcome"]["reason"] == "not-started"


def test_going_back(bench: Bench, typed: Box) -> None:
    assert typed("update", "back") == 2
    assert typed.err == "bornier: Slot B holds no version that has proved itself.\n"
    bench.slots("A", good="AB", other_version="0.0.9", B_OK="1")
    assert typed("update", "back") == 0
    assert typed.out == "Slot B (version 0.0.9) runs from the next start.\n"


def test_the_network(bench: Bench, typed: Box) -> None:
    assert typed("box", "network", "show") == 0
    assert typed.out == (
        "DHCP: yes\naddresses: none\ngateway: none\nDNS: none\nnow: 192.168.123.1/24\n"
    )
    fixed = ("--dhcp", "no", "--address", "10.0.0.5/24", "--gateway", "10.0.0.1")
    assert typed("box", "network", "set", *fixed, "--dns", "10.0.0.1", "--dns", "10.0.0.2") == 0
    assert "addresses: 10.0.0.5/24\ngateway: 10.0.0.1\nDNS: 10.0.0.1, 10.0.0.2\n" in typed.out
    assert "NOT CONFIRMED" in typed.out
    assert typed("box", "network", "confirm") == 0
    assert "NOT CONFIRMED" not in typed.out
    assert typed("box", "network", "confirm") == 2
    assert typed("box", "network", "set", "--dhcp", "no") == 2
    assert typed.err == "bornier: Without DHCP an address is needed.\n"
    assert typed("box", "network", "show", "--json") == 0
    assert json.loads(typed.out)["settings"]["gateway"] == "10.0.0.1"


def test_the_time(bench: Bench, typed: Box) -> None:
    assert typed("box", "time", "zone", "Europe/Paris") == 0
    assert "zone Europe/Paris\nsynchronised: no\nNTP servers: those of DHCP" in typed.out
    assert typed("box", "time", "ntp", "ntp.example.org", "10.0.0.1") == 0
    assert "NTP servers: ntp.example.org, 10.0.0.1\n" in typed.out
    assert typed("box", "time", "ntp") == 0
    assert typed("box", "time", "set", (built_utc() + timedelta(days=2)).isoformat()) == 0
    assert bench.calls[-1] == "hwclock --systohc --utc"
    assert typed("box", "time", "set", "2020-01-01T00:00:00") == 2
    assert "The clock may not go before" in typed.err
    assert typed("box", "time", "set", "noon") == 2
    assert typed.err.startswith("bornier: noon is not a date and time")
    assert typed("box", "time", "show") == 0
    assert typed("box", "time", "show", "--json") == 0
    assert json.loads(typed.out)["zone"] == "Europe/Paris"


def test_power(bench: Bench, typed: Box) -> None:
    assert typed("box", "power", "off") == 0
    assert typed("box", "power", "restart") == 0
    assert bench.calls == ["systemctl --no-block poweroff", "systemctl --no-block reboot"]


def test_ssh(bench: Bench, typed: Box, tmp_path: Path) -> None:
    assert typed("box", "ssh", "show") == 0
    assert typed.out == "SSH is closed\n"
    file = tmp_path / "keys"
    file.write_text(f"# mine\n\n{ed()} claire\n")
    assert typed("box", "ssh", "enable", file) == 0
    assert re.match(r"SSH is open; fingerprint of the box: SHA256:\S+\n  \S+  ssh-ed", typed.out)
    assert typed.out.endswith(" claire\n")
    assert typed("box", "ssh", "show", "--json") == 0
    assert json.loads(typed.out)["enabled"] is True
    assert typed("box", "ssh", "disable") == 0
    file.write_text("no-pty " + ed())
    for path, said in ((file, "Keys of type no-pty"), (tmp_path / "no", "cannot be read")):
        assert typed("box", "ssh", "enable", path) == 2
        assert said in typed.err


def test_a_machine_that_is_no_box(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    box = Box(capsys)
    box.socket = tmp_path / "absent"
    assert box("update", "status") == 2
    assert box.err.startswith("bornier: L’assistant du boîtier ne répond pas")


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_the_same(key: str) -> None:
    english, french = (
        {name for _, name, _, _ in Formatter().parse(text) if name} for text in TEXTS[key]
    )
    assert english == french


MODULES: tuple[ModuleType, ...] = (
    *(client, clock, machine, network, server, settings, slots, ssh, updates),
)


def test_every_refusal_has_a_text() -> None:
    used: set[str] = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                pattern = r"(?:host|network|clock|time|ssh|update)-[a-z-]+"
                used |= set(re.findall(rf"^{pattern}$", node.value))
    # Words of that form that are no refusals.
    used -= {"host-name", "ssh-rsa", "network-unconfirmed", "ssh-keygen", "clock-before"}
    assert len(used) > 40
    assert used <= set(TEXTS)
    refusals = {key for key in TEXTS if re.fullmatch(pattern, key)}
    ours = {"clock-invalid", "network-waiting", "ssh-closed", "ssh-file-unreadable", "ssh-key"}
    assert refusals - used == ours | {"ssh-open", "time-of-system"}
