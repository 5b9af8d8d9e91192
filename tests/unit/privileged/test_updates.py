from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.domain.host import Progress
from app.privileged.machine import HostError, Machine
from app.privileged.slots import RECORD, RecordStore, SlotDesk
from app.privileged.updates import Updates, version_order
from tests.support.bench import Bench
from tests.unit.privileged.test_slots import INSTALLED

ROOT, MANAGER = 0, 901
GOOD = {"compatible": "bornier-amd64", "version": "0.2.0", "description": "Winter", "images": []}
# RAUC 1.13, word for word.
WELL = """installing
  0% Installing
 10% Determining slot states done.
 20% Checking bundle done.
 65% Copying image to rootfs.1
100% Installing done.
Installing `/proc/1/fd/2` succeeded
"""
STRANGER = """installing
  0% Installing
 20% Verifying signature failed.
100% Installing failed.
LastError: signature verification failed: Verify error: self-signed certificate
Installing `/proc/1/fd/2` failed
"""


class Asked:
    """Installs on a bench and keeps the progress."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.updates = Updates(bench.machine, SlotDesk(bench.machine))
        self.seen: list[Progress] = []

    def rauc(self, said: str, status: int) -> None:
        (self.bench.programs / "install.out").write_text(said)
        (self.bench.programs / "install.status").write_text(str(status))

    def install(self, path: str = "/data/good.raucb", uid: int = ROOT) -> None:
        self.updates.install(path, uid, self.seen.append)


@pytest.fixture
def asked(bench: Bench) -> Asked:
    bench.file("/data/good.raucb", "bundle")
    (bench.programs / "info.json").write_text(json.dumps(GOOD))
    made = Asked(bench)
    made.rauc(WELL, 0)
    return made


def test_a_bundle_is_installed(bench: Bench, asked: Asked) -> None:
    asked.install()
    assert [progress.percent for progress in asked.seen] == [0, 10, 20, 65, 100]
    assert asked.seen[3].step == "Copying image to rootfs.1"
    record = RecordStore(bench.machine).load()
    assert record is not None
    assert (record.state, record.slot, record.version) == ("installed", "B", "0.2.0")
    (install,) = (call for call in bench.calls if call.startswith("rauc install"))
    # RAUC gets the file that was looked at, not its name.
    assert install.startswith(f"rauc install /proc/{os.getpid()}/fd/")


def test_the_slot_is_on_trial_before_anything_is_written(bench: Bench, asked: Asked) -> None:
    record = bench.machine.path(RECORD)
    bench.program(
        "rauc",
        f'case "$1" in status) cat "{bench.programs}/status.json" ;;'
        f' info) cat "{bench.programs}/info.json" ;;'
        f' install) cp "{record}" "{bench.programs}/meanwhile" ;; esac\n',
    )
    asked.install()
    assert json.loads((bench.programs / "meanwhile").read_text())["state"] == "installing"


def test_a_refusal_of_rauc_is_named_and_recorded(bench: Bench, asked: Asked) -> None:
    asked.rauc(STRANGER, 1)
    with pytest.raises(HostError) as refused:
        asked.install()
    assert refused.value.key == "update-signature"
    record = RecordStore(bench.machine).load()
    assert record is not None
    assert (record.state, record.reason) == ("failed", "update-signature")
    asked.rauc("no idea\n", 1)
    with pytest.raises(HostError, match=r"update-failed.*no idea"):
        asked.install()


def test_rauc_that_does_not_end_is_ended(bench: Bench, asked: Asked) -> None:
    updates = Updates(bench.machine, SlotDesk(bench.machine), install_timeout_s=0.3)
    bench.program(
        "rauc",
        f'case "$1" in status) cat "{bench.programs}/status.json" ;;'
        f' info) cat "{bench.programs}/info.json" ;; install) exec sleep 60 ;; esac\n',
    )
    with pytest.raises(HostError, match="host-program-slow"):
        updates.install("/data/good.raucb", ROOT, asked.seen.append)


def test_a_version_that_has_not_proved_itself_takes_no_update(bench: Bench, asked: Asked) -> None:
    bench.slots("A", good="")  # GRUB counts this start still
    with pytest.raises(HostError, match="update-not-proven"):
        asked.install()
    bench.slots("B", good="AB")
    RecordStore(bench.machine).save(INSTALLED)
    with pytest.raises(HostError, match="update-not-proven"):
        asked.install()
    assert RecordStore(bench.machine).load() == INSTALLED
    bench.slots("A", good="AB")  # installed in B, not started yet: another one may replace it
    asked.install()


def test_what_is_not_for_this_box_is_refused_before_rauc_installs(
    bench: Bench, asked: Asked
) -> None:
    for change, key in (
        ({"compatible": "other"}, "update-other-hardware"),
        ({"version": "0.0.9"}, "update-too-old"),
        ({"version": None}, "update-too-old"),
        ({"images": 3}, "update-not-a-bundle"),
    ):
        (bench.programs / "info.json").write_text(json.dumps({**GOOD, **change}))
        with pytest.raises(HostError) as refused:
            asked.install()
        assert refused.value.key == key
    assert not any(call.startswith("rauc install") for call in bench.calls)
    assert not bench.exists(RECORD)
    bench.file("/etc/rauc/system.conf", "[system]\ncompatible=bornier-amd64\n")
    (bench.programs / "info.json").write_text(json.dumps({**GOOD, "version": "0.0.1"}))
    assert asked.updates.inspect("/data/good.raucb", ROOT).version == "0.0.1"


def test_no_installation_without_a_record(bench: Bench, asked: Asked) -> None:
    bench.machine.path(RECORD).mkdir(parents=True)
    with pytest.raises(HostError, match="host-not-written"):
        asked.install()
    assert not any(call.startswith("rauc install") for call in bench.calls)


def test_only_a_regular_file_without_a_link_on_the_way(bench: Bench, asked: Asked) -> None:
    data = bench.machine.path("/data")
    (data / "link.raucb").symlink_to(data / "good.raucb")
    (data / "folder").symlink_to(data)
    os.mkfifo(data / "pipe.raucb")
    for path in (
        "/data/absent.raucb",
        "/data/link.raucb",
        "/data/folder/good.raucb",
        "/data/pipe.raucb",
        "/data",
        "/",
        "",
        "data/good.raucb",
        "/data/../data/good.raucb",
        "/data/good.raucb\0",
        "/data/good.raucb/more",
    ):
        with pytest.raises(HostError) as refused:
            asked.updates.inspect(path, ROOT)
        assert refused.value.key == "update-file-missing", path
    assert bench.calls == []


def test_the_manager_may_name_its_own_files_only(bench: Bench, asked: Asked) -> None:
    own = bench.file("/var/lib/bornier/updates/new.raucb", "bundle")
    roots = bench.file("/var/lib/bornier/updates/not-mine.raucb", "bundle")
    uid = own.stat().st_uid
    manager = uid or MANAGER
    if uid == 0:
        os.chown(own, MANAGER, MANAGER)
    info = asked.updates.inspect("/var/lib/bornier/updates/new.raucb", manager)
    assert (info.version, info.description, info.size) == ("0.2.0", "Winter", len("bundle"))
    refused = ["/data/good.raucb", "/etc/rauc/system.conf"]
    if uid == 0:
        refused.append("/" + roots.relative_to(bench.root).as_posix())
    for path in refused:
        with pytest.raises(HostError, match="update-file-missing"):
            asked.updates.inspect(path, manager)


def test_versions_are_ordered() -> None:
    ordered = ["", "x1", "0.0.9", "0.1-a.1", "0.1.0-a.2", "0.1.0-a.b", "0.1", "0.1.1", "0.10", "1"]
    keys = [version_order(version) for version in ordered]
    assert keys == sorted(keys)
    assert version_order("0.1") == version_order("0.1.0") == version_order("0.1.0+build")
    assert version_order("0.1.0-a.1") < version_order("0.1.0-a.2") < version_order("0.1.0")


# ---------------------------------------------------------------- RAUC itself

needs_rauc = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("rauc", "openssl", "mksquashfs")),
    reason="rauc, openssl or mksquashfs is not installed",
)


def ran(*argv: str | Path, cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of bundles, by a signer of ours and by a stranger, with ``ca.crt``."""
    made = tmp_path_factory.mktemp("bundles")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "stranger"):
        ran(
            *("openssl", "req", "-x509", *curve, "-subj", f"/CN={name}", "-days", "30"),
            *("-keyout", f"{name}.key", "-out", f"{name}.crt"),
            cwd=made,
        )
    ran(
        *("openssl", "req", *curve, "-subj", "/CN=signer"),
        *("-keyout", "signer.key", "-out", "signer.csr"),
        cwd=made,
    )
    (made / "extensions").write_text("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n")
    ran(
        *("openssl", "x509", "-req", "-in", "signer.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-days", "30", "-extfile", "extensions", "-out", "signer.crt"),
        cwd=made,
    )
    for name, compatible, version, signer, ca in (
        ("good", "bornier-amd64", "0.2.0", "signer", "ca"),
        ("other", "oven", "0.2.0", "signer", "ca"),
        ("old", "bornier-amd64", "0.0.1", "signer", "ca"),
        ("alien", "bornier-amd64", "0.2.0", "stranger", "stranger"),
    ):
        content = made / name
        content.mkdir()
        (content / "rootfs.img").write_bytes(os.urandom(100_000))
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={compatible}\nversion={version}\n"
            "[bundle]\nformat=verity\n[image.rootfs]\nfilename=rootfs.img\n"
        )
        ran(
            *("rauc", "bundle", f"--cert={signer}.crt", f"--key={signer}.key"),
            *(f"--keyring={ca}.crt", name, f"{name}.raucb"),
            cwd=made,
        )
    whole = (made / "good.raucb").read_bytes()
    (made / "cut.raucb").write_bytes(whole[: len(whole) // 2])
    (made / "text.raucb").write_text("not a bundle")
    (made / "empty.raucb").write_bytes(b"")
    return made


@needs_rauc
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("good", None),
        ("alien", "update-signature"),
        ("other", "update-other-hardware"),
        ("old", "update-too-old"),
        ("cut", "update-not-a-bundle"),
        ("text", "update-not-a-bundle"),
        ("empty", "update-not-a-bundle"),
    ],
)
def test_real_bundles(bench: Bench, signed: Path, name: str, key: str | None) -> None:
    real = shutil.which("rauc")
    # The box's RAUC finds its keyring by /etc/rauc/system.conf; this machine's is told.
    bench.program("rauc", f'exec "{real}" --keyring="{signed}/ca.crt" "$@"\n')
    shutil.copy(signed / f"{name}.raucb", bench.file("/data/it.raucb"))
    machine: Machine = bench.machine
    updates = Updates(machine, SlotDesk(machine))
    if key is None:
        info = updates.inspect("/data/it.raucb", ROOT)
        assert (info.version, info.compatible) == ("0.2.0", "bornier-amd64")
        return
    with pytest.raises(HostError) as refused:
        updates.inspect("/data/it.raucb", ROOT)
    assert refused.value.key == key
