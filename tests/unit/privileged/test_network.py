from __future__ import annotations

import os
import stat
import threading

import pytest

from app.domain.errors import InvalidInputError
from app.domain.host import NetworkSettings
from app.privileged.boot import apply
from app.privileged.machine import HostError
from app.privileged.network import DROP_IN, UNCONFIRMED, Network, checked, drop_in
from app.privileged.settings import FILE, Settings, SettingsStore
from tests.support.bench import Bench

FIXED = NetworkSettings(
    dhcp=False,
    addresses=("10.0.0.5/24", "172.16.0.9/16"),
    gateway="10.0.0.1",
    dns=("10.0.0.1", "2001:DB8::53"),
)
TEXT = """\
[Network]
DHCP=no
Address=10.0.0.5/24
Address=172.16.0.9/16
Gateway=10.0.0.1
DNS=10.0.0.1
DNS=2001:db8::53
"""


@pytest.fixture
def store(bench: Bench) -> SettingsStore:
    return SettingsStore(bench.machine)


def test_the_drop_in() -> None:
    assert drop_in(checked(FIXED)) == TEXT
    assert drop_in(NetworkSettings()) == "[Network]\nDHCP=yes\n"


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("network-address-invalid", {"addresses": ("10.0.0.5",)}),
        ("network-address-invalid", {"addresses": ("10.0.0.5/33",)}),
        ("network-address-invalid", {"addresses": ("10.0.0.5/31",)}),
        ("network-address-invalid", {"addresses": ("10.0.0.5/0",)}),
        ("network-address-invalid", {"addresses": ("10.0.0.0/24",)}),
        ("network-address-invalid", {"addresses": ("10.0.0.255/24",)}),
        ("network-address-invalid", {"addresses": ("127.0.0.1/8",)}),
        ("network-address-invalid", {"addresses": ("224.0.0.5/24",)}),
        ("network-address-invalid", {"addresses": ("169.254.1.1/16",)}),
        ("network-address-invalid", {"addresses": ("0.0.0.5/24",)}),
        ("network-address-invalid", {"addresses": ("255.255.255.255/24",)}),
        ("network-address-invalid", {"addresses": ("fd00::1/64",)}),
        ("network-address-invalid", {"addresses": ("10.0.0.5/24\nDHCP=yes",)}),
        ("network-address-invalid", {"addresses": ("",)}),
        ("network-address-twice", {"addresses": ("10.0.0.5/24", "10.0.0.5/16")}),
        ("network-overlap", {"addresses": ("10.0.0.5/24", "10.0.0.6/24")}),
        ("network-service-address", {"addresses": ("192.168.123.9/24",)}),
        ("network-service-address", {"addresses": ("192.168.1.9/16",)}),
        ("network-no-address", {"dhcp": False}),
        ("network-gateway-invalid", {"addresses": ("10.0.0.5/24",), "gateway": "ten"}),
        ("network-gateway-invalid", {"addresses": ("10.0.0.5/24",), "gateway": "10.0.0.5"}),
        ("network-gateway-invalid", {"addresses": ("10.0.0.5/24",), "gateway": "127.0.0.1"}),
        ("network-gateway-outside", {"addresses": ("10.0.0.5/24",), "gateway": "10.0.1.1"}),
        ("network-gateway-outside", {"addresses": ("10.0.0.5/24",), "gateway": "10.0.0.255"}),
        ("network-gateway-dhcp", {"gateway": "10.0.0.1"}),
        ("network-dns-invalid", {"dns": ("dns.example.org",)}),
        ("network-dns-invalid", {"dns": ("224.0.0.251",)}),
        ("network-dns-invalid", {"dns": ("fe80::1%lan1\nDNS=1.2.3.4",)}),
        ("network-dns-invalid", {"dns": ("127.0.0.1",)}),
        ("network-dns-twice", {"dns": ("10.0.0.1", "10.0.0.1")}),
    ],
)
def test_absurd_settings_are_refused(bench: Bench, key: str, settings: dict[str, object]) -> None:
    network = Network(bench.machine, SettingsStore(bench.machine))
    with pytest.raises(InvalidInputError) as refused:
        network.set(NetworkSettings(**settings))  # type: ignore[arg-type]
    assert refused.value.key == key
    assert refused.value.field in settings or refused.value.field == "addresses"
    assert bench.calls == []
    assert not bench.exists(DROP_IN)
    assert not network.waiting


def test_settings_are_tried_then_confirmed(bench: Bench, store: SettingsStore) -> None:
    network = Network(bench.machine, store)
    before = os.umask(0o077)  # as the helper's unit has it
    try:
        state = network.set(FIXED)
    finally:
        os.umask(before)
    assert state.settings == checked(FIXED)
    assert state.revert_in_s is not None
    assert 0 < state.revert_in_s <= 60
    assert state.addresses_now == ("192.168.123.1/24",)
    assert bench.read(DROP_IN) == TEXT
    assert stat.S_IMODE(bench.machine.path(DROP_IN).stat().st_mode) == 0o644
    for folder in bench.machine.path(DROP_IN).parents[:3]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert bench.calls[:2] == ["networkctl reload", "networkctl reconfigure lan1"]
    # A restart now would take them back: nothing is kept yet.
    assert not bench.exists(FILE)
    state = network.confirm()
    assert state.revert_in_s is None
    assert store.load().network == checked(FIXED)
    assert not bench.exists(UNCONFIRMED)
    with pytest.raises(HostError, match="network-nothing-to-confirm"):
        network.confirm()


def test_what_nobody_confirms_is_taken_back(bench: Bench, store: SettingsStore) -> None:
    store.save(Settings(network=NetworkSettings(dns=("10.9.9.9",)), zone="UTC"))
    apply(bench.machine)
    before = bench.read(DROP_IN)
    network = Network(bench.machine, store, confirm_within_s=0.2)
    network.set(FIXED)
    assert bench.read(DROP_IN) == TEXT
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()
    assert not network.waiting
    assert bench.read(DROP_IN) == before
    assert network.read().settings.dns == ("10.9.9.9",)
    assert [call for call in bench.calls if "reconfigure" in call] == [
        "networkctl reconfigure lan1"
    ] * 2
    with pytest.raises(HostError, match="network-nothing-to-confirm"):
        network.confirm()


def test_other_settings_start_the_minute_anew(bench: Bench, store: SettingsStore) -> None:
    network = Network(bench.machine, store)
    network.set(FIXED)
    network.set(NetworkSettings(dns=("10.0.0.2",)))
    assert network.read().settings.dns == ("10.0.0.2",)
    network.revert()
    network.revert()
    assert not bench.exists(DROP_IN)
    assert network.read().settings == NetworkSettings()


def test_settings_that_the_system_refuses_are_taken_back(
    bench: Bench, store: SettingsStore
) -> None:
    bench.failing("networkctl")
    network = Network(bench.machine, store)
    with pytest.raises(HostError, match="host-program-failed"):
        network.set(FIXED)
    assert not network.waiting
    assert not bench.exists(DROP_IN)
    # The marker stays, so that the next helper tries once more.
    assert bench.exists(UNCONFIRMED)


def test_a_helper_that_died_is_followed_by_one_that_takes_back(
    bench: Bench, store: SettingsStore
) -> None:
    dead = Network(bench.machine, store)
    dead.set(FIXED)
    bench.forget_calls()
    Network(bench.machine, store).recover()
    assert not bench.exists(DROP_IN)
    assert not bench.exists(UNCONFIRMED)
    assert bench.calls == ["networkctl reload", "networkctl reconfigure lan1"]
    Network(bench.machine, store).recover()
    assert len(bench.calls) == 2
    dead.revert()


def test_a_confirmation_that_cannot_be_kept_leaves_the_trial_running(
    bench: Bench, store: SettingsStore
) -> None:
    network = Network(bench.machine, store)
    network.set(FIXED)
    bench.machine.path(FILE).mkdir(parents=True)
    with pytest.raises(HostError, match="host-not-written"):
        network.confirm()
    assert network.waiting
    network.revert()


@pytest.mark.parametrize("answer", ["exit 1", "echo nonsense", "echo '[3]'"])
def test_unknown_addresses_are_no_error(bench: Bench, store: SettingsStore, answer: str) -> None:
    bench.program("ip", answer + "\n")
    assert Network(bench.machine, store).read().addresses_now == ()
