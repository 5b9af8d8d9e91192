"""SSH: closed until somebody gives a public key, and then open to that key alone.

A key gives no more than its giver had. One given by root at the console, or put on the disk's first
partition by whoever held the disk, signs in as root. One given through the manager signs in as
``bornier-support``, who reads the journal: a manager that was taken over must not make itself root.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import struct
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import InvalidInputError
from app.domain.host import SshKey, SshState
from app.privileged.machine import HostError, Machine, make_public, write_durably
from app.privileged.settings import Settings, SettingsStore, StoredKey, replaced

log = logging.getLogger(__name__)

SERVICE = "ssh.service"
OPENED = ("inet", "bornier", "opened", "{", "22", "}")
HOST_KEY = "/var/lib/bornier-host/ssh/ssh_host_ed25519_key"
FROM_DISK = "/run/bornier-esp/authorized_keys"
FILES = {
    "root": "/run/bornier-host/authorized_keys",
    "bornier-support": "/run/bornier-host/authorized_keys.support",
}
ACCOUNTS = {"console": "root", "disk": "root", "manager": "bornier-support"}
LEAST_RSA_BITS = 3072
MOST_DISK_BYTES = 64 * 1024
_FIELDS = {
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
    "ssh-rsa": 2,
}
_ED25519_BYTES = 32
_POINT_BYTES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was looked into."""

    kind: str
    blob: bytes
    comment: str

    @property
    def line(self) -> str:
        """Its line in ``authorized_keys``, without any option."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()} {self.comment}".rstrip()

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` writes it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"


class Ssh:
    """Opens and closes SSH."""

    def __init__(self, machine: Machine, store: SettingsStore) -> None:
        self._machine = machine
        self._store = store

    def read(self) -> SshState:
        """Whether it is open, and to whom."""
        stored = self._store.load()
        keys = [(key, source) for key, source in all_keys(self._machine, stored)]
        return SshState(
            enabled=any(self._machine.path(file).exists() for file in FILES.values()),
            keys=tuple(
                SshKey(
                    kind=key.kind,
                    fingerprint=key.fingerprint,
                    comment=key.comment,
                    account=ACCOUNTS[source],
                    source=source,
                )
                for key, source in keys
            ),
            host_key=_host_key_fingerprint(self._machine),
        )

    def enable(self, lines: tuple[str, ...], source: str) -> SshState:
        """Opens SSH to these keys, in the place of those that the same source gave before."""
        keys = [parse_key(line) for line in lines]
        if not keys:
            raise InvalidInputError("ssh-no-key", field="keys")
        before = self._store.load()
        others = tuple(key for key in before.keys if key.source != source)
        given = tuple(StoredKey(key.line, source) for key in keys)
        stored = replaced(before, keys=others + given)
        self._store.save(stored)
        try:
            open_ssh(self._machine, stored)
            self._machine.must("systemctl", "restart", SERVICE)
        except (HostError, OSError):
            # Nobody shall believe it closed while a later boot opens it.
            self._store.save(before)
            _write_keys(self._machine, before)
            raise
        return self.read()

    def disable(self) -> SshState:
        """Closes SSH and forgets every key it was given; a session that is open goes on to its end.

        Keys on the disk's first partition open it again at the next start: they are taken away there.
        """
        self._store.save(replaced(self._store.load(), keys=()))
        for file in FILES.values():
            self._machine.path(file).unlink(missing_ok=True)
        # Each of the two closes it: neither may keep the other from being done.
        stopped = self._machine.tries("systemctl", "stop", SERVICE)
        if not self._machine.tries("nft", "destroy", "element", *OPENED) or not stopped:
            raise HostError("ssh-not-closed")
        return self.read()


def open_ssh(machine: Machine, settings: Settings) -> None:
    """Everything that SSH needs, except its service: keys in /run, a host key, an open port."""
    _ensure_host_key(machine)
    _write_keys(machine, settings)
    machine.must("nft", "add", "element", *OPENED)


def _write_keys(machine: Machine, settings: Settings) -> None:
    by_account: dict[str, list[str]] = {account: [] for account in FILES}
    for key, source in all_keys(machine, settings):
        by_account[ACCOUNTS[source]].append(key.line)
    for account, file in FILES.items():
        lines = by_account[account]
        if lines:
            # sshd reads them as the account that signs in, and wants nobody else to write them.
            make_public(machine.path(file).parent)
            write_durably(machine.path(file), ("\n".join(lines) + "\n").encode(), 0o644)
        else:
            machine.path(file).unlink(missing_ok=True)


def all_keys(machine: Machine, settings: Settings) -> list[tuple[PublicKey, str]]:
    """Every usable key with its source; what cannot be used is told to the journal."""
    found: list[tuple[PublicKey, str]] = []
    for stored in settings.keys:
        try:
            if stored.source not in ACCOUNTS:
                raise InvalidInputError("ssh-key-invalid")
            found.append((parse_key(stored.line), stored.source))
        except InvalidInputError as error:
            log.error("a stored SSH key cannot be used: %s", error)
    for line in _disk_lines(machine.path(FROM_DISK)):
        try:
            found.append((parse_key(line), "disk"))
        except InvalidInputError as error:
            log.error("an SSH key on the disk's first partition cannot be used: %s", error)
    return found


def _disk_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_DISK_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.error("%s cannot be read: %s", path, error)
        return []
    # Written on any system: perhaps with a byte order mark and carriage returns.
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def parse_key(line: str) -> PublicKey:
    """Reads ``type base64 comment``; raises ``InvalidInputError`` on options and weak keys.

    RFC 4253 clause 6.6 (RSA), RFC 5656 (ECDSA), RFC 8709 (Ed25519), OpenSSH's PROTOCOL.u2f (sk).
    """
    line = line.strip()
    words = line.split(None, 2)
    if not line.isprintable() or len(words) < 2:
        raise InvalidInputError("ssh-key-invalid", field="keys")
    kind, encoded = words[0], words[1]
    if kind not in _FIELDS:
        raise InvalidInputError("ssh-key-kind", field="keys", kind=kind[:40])
    try:
        blob = base64.b64decode(encoded, validate=True)
        fields = _split(blob)
    except (binascii.Error, ValueError, struct.error) as error:
        raise InvalidInputError("ssh-key-invalid", field="keys") from error
    if fields[0] != kind.encode() or len(fields) != 1 + _FIELDS[kind]:
        raise InvalidInputError("ssh-key-invalid", field="keys")
    _check_numbers(kind, fields[1:])
    return PublicKey(kind, blob, words[2] if len(words) > 2 else "")


def _check_numbers(kind: str, fields: list[bytes]) -> None:
    if kind == "ssh-rsa":
        exponent, modulus = (int.from_bytes(field, "big") for field in fields)
        if modulus.bit_length() < LEAST_RSA_BITS:
            raise InvalidInputError("ssh-key-short", field="keys", least=LEAST_RSA_BITS)
        sound = exponent >= 3 and exponent % 2 == 1 and modulus % 2 == 1 and not fields[1][0] & 0x80
        # Longer ones only cost time: OpenSSH stops at 16384.
        sound = sound and modulus.bit_length() <= 16384
    elif "ecdsa" in kind:
        curve = fields[0].decode(errors="replace")
        point = fields[1]
        sound = kind.removesuffix("@openssh.com").endswith(curve) and (
            len(point) == _POINT_BYTES.get(curve) and point[0] == 4
        )
    else:
        sound = len(fields[0]) == _ED25519_BYTES
    if not sound:
        raise InvalidInputError("ssh-key-invalid", field="keys")


def _split(blob: bytes) -> list[bytes]:
    """The strings of an SSH structure (RFC 4251 clause 5), which must fill it."""
    fields: list[bytes] = []
    at = 0
    while at < len(blob):
        (size,) = struct.unpack_from(">I", blob, at)
        at += 4
        if at + size > len(blob):
            raise ValueError("a field passes the end")
        fields.append(blob[at : at + size])
        at += size
    if not fields:
        raise ValueError("nothing in it")
    return fields


def _ensure_host_key(machine: Machine) -> None:
    path = machine.path(HOST_KEY)
    if path.exists() and path.stat().st_size:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name("new")
    for old in (new, path.with_name("new.pub")):
        old.unlink(missing_ok=True)
    machine.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(new))
    # Under its name only when it is whole: a power cut must not leave half a key.
    public = path.with_name(f"{path.name}.pub")
    write_durably(public, path.with_name("new.pub").read_bytes(), 0o644)
    write_durably(path, new.read_bytes(), 0o600)
    for old in (new, path.with_name("new.pub")):
        old.unlink()


def _host_key_fingerprint(machine: Machine) -> str | None:
    public = machine.path(f"{HOST_KEY}.pub")
    try:
        return parse_key(public.read_text(encoding="ascii")).fingerprint
    except (OSError, ValueError, InvalidInputError):
        return None
