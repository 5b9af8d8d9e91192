from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from app.config import VERSION
from app.domain.host import UpdateRecord
from app.privileged.machine import HostError
from app.privileged.slots import (
    RECORD,
    RecordStore,
    SlotDesk,
    grub_environment,
    other_slot,
    rauc_error,
    system_conf,
)
from tests.support.bench import Bench

INSTALLED = UpdateRecord(
    state="installed", slot="B", version="0.2.0", installed_utc=datetime(2026, 11, 25, tzinfo=UTC)
)


def test_the_slots_are_read(bench: Bench) -> None:
    bench.slots("B", good="AB", other_version="0.2.0")
    RecordStore(bench.machine).save(INSTALLED)
    slots = SlotDesk(bench.machine).read()
    assert (slots.compatible, slots.version, slots.running, slots.next) == (
        "bornier-amd64",
        VERSION,
        "B",
        "B",
    )
    assert [(slot.name, slot.running, slot.good, slot.version) for slot in slots.slots] == [
        ("A", False, True, None),
        ("B", True, True, VERSION),
    ]
    assert slots.outcome == INSTALLED
    assert other_slot(slots).name == "A"


def test_a_slot_without_a_status_and_no_slot_to_start(bench: Bench) -> None:
    told = {
        "compatible": "x",
        "booted": "A",
        "boot_primary": None,
        "slots": [
            {"rootfs.0": {"state": "booted", "bootname": "A", "boot_status": "bad"}},
            {"data.0": {"state": "active", "bootname": None}},
        ],
    }
    (bench.programs / "status.json").write_text(json.dumps(told))
    slots = SlotDesk(bench.machine).read()
    assert slots.next is None
    assert len(slots.slots) == 1
    with pytest.raises(HostError, match="update-unavailable"):
        other_slot(slots)


def test_a_machine_without_rauc(bench: Bench) -> None:
    (bench.programs / "status.json").write_text("nothing")
    with pytest.raises(HostError, match="update-unavailable"):
        SlotDesk(bench.machine).read()
    bench.program("rauc", "echo 'Error creating proxy: refused' >&2; exit 1\n")
    with pytest.raises(HostError, match=r"update-unavailable.*proxy"):
        SlotDesk(bench.machine).read()


def test_going_back(bench: Bench) -> None:
    bench.slots("B", good="AB", ORDER="B A", B_OK="1")
    SlotDesk(bench.machine).activate_other()
    assert bench.grub["ORDER"] == "A B"
    bench.slots("A", good="A")
    with pytest.raises(HostError, match="update-other-slot-bad"):
        SlotDesk(bench.machine).activate_other()
    assert bench.grub["ORDER"] == "A B"


@pytest.mark.parametrize("content", ["", "{", '{"state": "installed"}', '{"state": 1}', "\x00\x00"])
def test_a_damaged_record_is_none(bench: Bench, content: str) -> None:
    path = bench.file(RECORD, content)
    store = RecordStore(bench.machine)
    assert store.load() is None
    assert not path.exists()
    assert path.with_name("update.json.damaged").read_text() == content


def test_a_record_that_cannot_be_read_or_written(bench: Bench) -> None:
    bench.machine.path(RECORD).mkdir(parents=True)
    store = RecordStore(bench.machine)
    assert store.load() is None
    with pytest.raises(HostError, match="host-not-written"):
        store.save(INSTALLED)
    store.close(INSTALLED, "confirmed")  # told to the journal alone


def test_grubs_environment(bench: Bench) -> None:
    assert grub_environment(bench.machine)["ORDER"] == "A B"
    (bench.programs / "grubenv").unlink()
    bench.failing("grub-editenv")
    assert grub_environment(bench.machine) == {}
    bench.file("/etc/rauc/system.conf", "[system]\ncompatible=x\n")
    assert grub_environment(bench.machine) == {}
    for content in ("", "[other]\n", "nonsense", "[system]\nkey\n"):
        bench.file("/etc/rauc/system.conf", content)
        assert system_conf(bench.machine) == {}
        assert grub_environment(bench.machine) == {}


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (
            "signature verification failed: Verify error: self-signed certificate",
            "update-signature",
        ),
        ("Invalid bundle format: Signature size (49) exceeds bundle size", "update-not-a-bundle"),
        ("Bundle format 'plain' not allowed", "update-not-a-bundle"),
        (
            "Compatible mismatch: Expected 'bornier-amd64' but bundle manifest has 'x'",
            "update-other-hardware",
        ),
        (
            "Version mismatch: Expected at least '0.1.0' but bundle manifest has '0.0.1'",
            "update-too-old",
        ),
        ("already processing a different method", "update-busy"),
        ("rauc busy: cannot run mark", "update-busy"),
        ("Failed updating slot rootfs.1: Input/output error", "update-not-written"),
        ("Failed mounting bundle: failed to mount: Input/output error", "update-not-written"),
        ("Error creating proxy: Could not connect: Connection refused", "update-unavailable"),
        ("something else", "update-failed"),
    ],
)
def test_what_rauc_says_is_understood(said: str, key: str) -> None:
    error = rauc_error(said)
    assert (error.key, error.params["cause"]) == (key, said)
