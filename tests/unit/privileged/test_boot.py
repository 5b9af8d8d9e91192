from __future__ import annotations

import json

import pytest

from app.privileged.boot import apply
from app.privileged.network import DROP_IN
from app.privileged.settings import FILE
from tests.support.bench import Bench

NTP = "/run/systemd/timesyncd.conf.d/50-site.conf"


def test_a_new_box_needs_nothing(bench: Bench) -> None:
    apply(bench.machine)
    assert bench.calls == []
    assert not bench.exists("/run")


def test_settings_take_their_place(bench: Bench) -> None:
    stored = {
        "network": {"dhcp": False, "addresses": ["10.0.0.5/24"], "gateway": "10.0.0.1"},
        "zone": "Europe/Paris",
        "servers": ["ntp.example.org"],
    }
    bench.file(FILE, json.dumps(stored))
    apply(bench.machine)
    assert "Address=10.0.0.5/24\nGateway=10.0.0.1\n" in bench.read(DROP_IN)
    assert bench.read(NTP) == "[Time]\nNTP=ntp.example.org\n"
    assert bench.machine.path("/etc/localtime").readlink().name == "Paris"
    assert bench.calls == []  # networkd and timesyncd start after it


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": {"dhcp": False}},
        {"network": {"dhcp": True, "dns": ["1.2.3.4\nGateway=6.6.6.6"]}},
        {"zone": "../../../etc/shadow"},
        {"servers": ["a\nb"]},
        {"keys": [{"line": "rubbish", "source": "console"}]},
    ],
)
def test_what_cannot_be_used_is_left_out_and_the_rest_is_not(
    bench: Bench, wrong: dict[str, object]
) -> None:
    good = {"network": {"dhcp": True, "dns": ["10.0.0.1"]}, "servers": ["ntp.example.org"]}
    bench.file(FILE, json.dumps({**good, **wrong}))
    apply(bench.machine)
    assert bench.exists(DROP_IN) == ("network" not in wrong)
    assert bench.exists(NTP) == (not {"servers", "zone"} & set(wrong))
    assert bench.machine.path("/etc/localtime").readlink().name == "UTC"


def test_a_damaged_file_starts_with_the_defaults(bench: Bench) -> None:
    bench.file(FILE, "{damaged")
    apply(bench.machine)
    assert not bench.exists(DROP_IN)
    assert bench.exists(FILE + ".damaged")


def test_a_read_only_etc_stops_no_boot(bench: Bench) -> None:
    bench.file(FILE, '{"zone": "Europe/Paris", "network": {"dhcp": true}}')
    bench.machine.path("/etc/localtime").unlink()
    bench.machine.path("/etc/localtime").mkdir()
    bench.file("/etc/localtime/inside")
    apply(bench.machine)
    assert bench.exists(DROP_IN)
