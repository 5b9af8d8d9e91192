from __future__ import annotations

import base64
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.domain.errors import InvalidInputError
from app.privileged.boot import apply
from app.privileged.machine import HostError
from app.privileged.settings import FILE, Settings, SettingsStore, StoredKey
from app.privileged.ssh import FROM_DISK, HOST_KEY, Ssh, parse_key
from tests.support.bench import Bench

ROOT_KEYS = "/run/bornier-host/authorized_keys"
SUPPORT_KEYS = "/run/bornier-host/authorized_keys.support"
OPENED = "nft add element inet bornier opened { 22 }"
CLOSED = "nft destroy element inet bornier opened { 22 }"

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)


def openssh(key: object) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined, no-any-return]


def ed() -> str:
    return openssh(ed25519.Ed25519PrivateKey.generate())


def packed(*fields: bytes) -> str:
    return base64.b64encode(
        b"".join(struct.pack(">I", len(field)) + field for field in fields)
    ).decode()


POINT = b"\x04" + b"\x01" * 64
SK_ED = "sk-ssh-ed25519@openssh.com"
SK_EC = "sk-ecdsa-sha2-nistp256@openssh.com"


@pytest.fixture(scope="module")
def rsa_3072() -> str:
    return openssh(rsa.generate_private_key(65537, 3072))


@pytest.fixture
def ssh(bench: Bench) -> Ssh:
    if shutil.which("ssh-keygen") is None:
        bench.program(
            "ssh-keygen", f'for f; do :; done; echo private >"$f"; echo "{ed()}" >"$f.pub"\n'
        )
    return Ssh(bench.machine, SettingsStore(bench.machine))


def test_good_keys_are_taken(rsa_3072: str) -> None:
    good = [
        ed() + " claire@office 2",
        rsa_3072,
        *(openssh(ec.generate_private_key(c)) for c in (ec.SECP256R1(), ec.SECP384R1())),
        openssh(ec.generate_private_key(ec.SECP521R1())),
        f"{SK_ED} {packed(SK_ED.encode(), b'k' * 32, b'ssh:')} token",
        f"{SK_EC} {packed(SK_EC.encode(), b'nistp256', POINT, b'ssh:')}",
    ]
    for line in good:
        assert parse_key(f"  {line} ").line == line


@needs_ssh_keygen
def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, rsa_3072: str) -> None:
    for line in (ed(), rsa_3072):
        (tmp_path / "key.pub").write_text(line)
        told = subprocess.run(
            ["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True
        )
        assert told.stdout.split()[1] == parse_key(line).fingerprint


def test_bad_keys_are_refused(rsa_3072: str) -> None:
    kind, blob = ed().split()
    nistp256 = "ecdsa-sha2-nistp256"
    wide = base64.b64decode(rsa_3072.split()[1])
    bad = {
        "": "ssh-key-invalid",
        kind: "ssh-key-invalid",
        f"{kind} {blob[:-8]}": "ssh-key-invalid",
        f"{kind} {blob[:-1]}!": "ssh-key-invalid",
        f"{kind} ====": "ssh-key-invalid",
        f"{kind} AAA=": "ssh-key-invalid",
        f"ssh-rsa {blob}": "ssh-key-invalid",
        f"{kind} {packed(kind.encode(), b'k' * 31)}": "ssh-key-invalid",
        f"{kind} {packed(kind.encode(), b'k' * 32, b'more')}": "ssh-key-invalid",
        f"{kind} {blob}\ncommand=x ssh-ed25519 {blob}": "ssh-key-invalid",
        f'command="/bin/sh" {kind} {blob}': "ssh-key-kind",
        f"no-pty {kind} {blob}": "ssh-key-kind",
        "-----BEGIN OPENSSH PRIVATE KEY-----": "ssh-key-kind",
        openssh(rsa.generate_private_key(65537, 2048)): "ssh-key-short",
        f"ssh-dss {packed(b'ssh-dss', b'p', b'q', b'g', b'y')}": "ssh-key-kind",
        f"{nistp256} {packed(nistp256.encode(), b'nistp384', POINT)}": "ssh-key-invalid",
        f"{nistp256} {packed(nistp256.encode(), b'nistp256', POINT[:-1])}": "ssh-key-invalid",
        f"{nistp256} {packed(nistp256.encode(), b'nistp256', b'')}": "ssh-key-invalid",
        f"{SK_ED} {packed(SK_ED.encode(), b'k', b'ssh:')}": "ssh-key-invalid",
        f"ssh-rsa {packed(b'ssh-rsa', b'', b'')}": "ssh-key-short",
        f"ssh-rsa {packed(b'ssh-rsa', bytes([1]), wide[-385:])}": "ssh-key-invalid",
        f"ssh-rsa {packed(b'ssh-rsa', bytes([3]), b'x' * 3000)}": "ssh-key-invalid",
    }
    for line, key in bad.items():
        with pytest.raises(InvalidInputError) as refused:
            parse_key(line)
        assert refused.value.key == key, line


def test_root_opens_it_and_closes_it(bench: Bench, ssh: Ssh) -> None:
    assert not ssh.read().enabled
    line = ed() + " claire"
    state = ssh.enable((line,), "console")
    assert state.enabled
    assert state.host_key is not None
    assert state.host_key.startswith("SHA256:")
    assert [(key.account, key.source, key.comment) for key in state.keys] == [
        ("root", "console", "claire")
    ]
    assert bench.read(ROOT_KEYS) == line + "\n"
    assert stat.S_IMODE(bench.machine.path(ROOT_KEYS).stat().st_mode) == 0o644
    assert not bench.exists(SUPPORT_KEYS)
    assert bench.calls[-2:] == [OPENED, "systemctl restart ssh.service"]
    bench.forget_calls()
    state = ssh.disable()
    assert not state.enabled
    assert state.keys == ()
    assert state.host_key is not None
    assert not bench.exists(ROOT_KEYS)
    assert bench.calls == ["systemctl stop ssh.service", CLOSED]
    assert SettingsStore(bench.machine).load().keys == ()


def test_a_key_gives_no_more_than_its_giver_had(bench: Bench, ssh: Ssh) -> None:
    by_root, by_manager = ed(), ed()
    ssh.enable((by_root,), "console")
    state = ssh.enable((by_manager,), "manager")
    assert bench.read(ROOT_KEYS) == by_root + "\n"
    assert bench.read(SUPPORT_KEYS) == by_manager + "\n"
    assert [key.account for key in state.keys] == ["root", "bornier-support"]
    another = ed()
    ssh.enable((another,), "manager")
    assert bench.read(SUPPORT_KEYS) == another + "\n"
    assert bench.read(ROOT_KEYS) == by_root + "\n"


def test_no_key_or_one_bad_key_changes_nothing(bench: Bench, ssh: Ssh) -> None:
    with pytest.raises(InvalidInputError, match="ssh-no-key"):
        ssh.enable((), "console")
    with pytest.raises(InvalidInputError, match="ssh-key-kind"):
        ssh.enable((ed(), "no-pty " + ed()), "console")
    assert bench.calls == []
    assert not bench.exists(FILE)


@needs_ssh_keygen
def test_the_host_key_is_made_once(bench: Bench, ssh: Ssh) -> None:
    first = ssh.enable((ed(),), "console").host_key
    path = bench.machine.path(HOST_KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True)
    assert told.stdout.split()[1] == first
    ssh.disable()
    assert ssh.enable((ed(),), "console").host_key == first
    # A power cut in the middle of the first making leaves parts: they are made anew.
    path.write_bytes(b"")
    (path.parent / "new").write_text("half")
    assert ssh.enable((ed(),), "console").host_key not in {first, None}
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, f"{path.name}.pub"}


def test_a_boot_opens_it_again(bench: Bench, ssh: Ssh) -> None:
    line = ed()
    ssh.enable((line,), "console")
    bench.machine.path(ROOT_KEYS).unlink()
    bench.forget_calls()
    apply(bench.machine)
    assert bench.read(ROOT_KEYS) == line + "\n"
    # systemd starts the service itself, once the keys are there.
    assert bench.calls == [OPENED]


def test_keys_on_the_disk_open_it(bench: Bench, ssh: Ssh) -> None:
    line = ed()
    bench.file(FROM_DISK, f"\ufeff# from the office\r\n\r\n{line} installer\r\nno-pty {ed()}\r\n")
    apply(bench.machine)
    assert bench.read(ROOT_KEYS) == f"{line} installer\n"
    (key,) = ssh.read().keys
    assert (key.source, key.account) == ("disk", "root")
    # They are not kept: without them there it stays closed.
    assert not bench.exists(FILE)
    ssh.disable()
    assert not bench.exists(ROOT_KEYS)


def test_without_keys_a_boot_opens_nothing(bench: Bench, ssh: Ssh) -> None:
    bench.file(FROM_DISK, "\n# nothing\n")
    apply(bench.machine)
    assert bench.calls == []
    assert not bench.exists(HOST_KEY)


def test_stored_keys_that_cannot_be_used_are_left_out(bench: Bench, ssh: Ssh) -> None:
    good = ed()
    SettingsStore(bench.machine).save(
        Settings(
            keys=(
                StoredKey("no-pty " + ed(), "console"),
                StoredKey(ed(), "stranger"),
                StoredKey(good, "manager"),
            )
        )
    )
    apply(bench.machine)
    assert bench.read(SUPPORT_KEYS) == good + "\n"
    assert not bench.exists(ROOT_KEYS)
    bench.machine.path(FROM_DISK).mkdir(parents=True)
    assert len(ssh.read().keys) == 1


@pytest.mark.parametrize("program", ["nft", "systemctl"])
def test_what_could_not_be_opened_stays_closed(bench: Bench, ssh: Ssh, program: str) -> None:
    bench.failing(program)
    with pytest.raises(HostError, match="host-program-failed"):
        ssh.enable((ed(),), "console")
    assert not ssh.read().enabled
    assert SettingsStore(bench.machine).load().keys == ()
    bench.program(program)
    line = ed()
    ssh.enable((line,), "console")
    bench.failing(program)
    with pytest.raises(HostError, match="host-program-failed"):
        ssh.enable((ed(),), "console")
    assert bench.read(ROOT_KEYS) == line + "\n"


def test_closing_goes_as_far_as_it_can(bench: Bench, ssh: Ssh) -> None:
    ssh.enable((ed(),), "console")
    bench.failing("systemctl")
    bench.forget_calls()
    with pytest.raises(HostError, match="ssh-not-closed"):
        ssh.disable()
    assert bench.calls == ["systemctl stop ssh.service", CLOSED]
    assert not bench.exists(ROOT_KEYS)
