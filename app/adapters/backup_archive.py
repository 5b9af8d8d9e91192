"""Backup files: compressed, encrypted with a passphrase, authenticated to the last byte.

Format 1. Integers are big-endian.

======  =====  =====================================================================
offset  bytes  field
======  =====  =====================================================================
0       8      ``BORNIER`` and 0x1A
8       1      format: 1
9       1      key derivation: 1, scrypt (RFC 7914)
10      1      cipher: 1, AES-256-GCM
11      3      scrypt's log2 N, r and p
14      4      C, bytes of plain text per chunk
18      16     salt
34      32     HMAC-SHA-256 of bytes 0 to 33
66      32     SHA-256 of bytes 0 to 65: tells damage from a wrong passphrase
98             chunks, to the end of the file
======  =====  =====================================================================

scrypt makes 64 bytes of the passphrase (NFC, UTF-8): the cipher's key, then the HMAC's. Each chunk
is C encrypted bytes (the last one 1 to C) and its 16-byte tag. Its nonce is its number on 11 bytes
and one byte that is 1 for the last chunk, else 0; its associated data are bytes 34 to 65. So no
chunk can be changed, moved, left out or taken from another file, and no end can be cut off.

The chunks carry one zlib stream: the manifest's length (4 bytes), the manifest (JSON,
``app.services.backups.Manifest``), then the parts, one behind the other, in its order.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.adapters.durable import sync_folder
from app.services.backups import SUFFIX, BackupError, Manifest, Source

_MAGIC = b"BORNIER\x1a"
_FIELDS = struct.Struct(">8sBBBBBBI16s")
_DIGEST = 32
HEADER_BYTES = _FIELDS.size + 2 * _DIGEST
_TAG = 16
_LENGTH = struct.Struct(">I")

_FORMAT, _SCRYPT, _AES_256_GCM = 1, 1, 1
_PIECE = 256 * 1024
_MANIFEST_MOST = 1024 * 1024
_KDF_MEMORY_MOST = 512 * 1024 * 1024
_KDF_LANES_MOST = 16
_CHUNK_MOST = 16 * 1024 * 1024
_COMPRESSION = 6
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PARTIAL = ".partial"


class Cost(msgspec.Struct, frozen=True):
    """What one guess of the passphrase costs (OWASP's advice by default: 64 MiB, twice)."""

    log2_n: int = 16
    r: int = 8
    p: int = 2

    @property
    def bearable(self) -> bool:
        """Whether a box can compute it: a file must not choose to fill the memory."""
        return (
            1 <= self.log2_n <= 24
            and self.r >= 1
            and 1 <= self.p <= _KDF_LANES_MOST
            and 128 * self.r << self.log2_n <= _KDF_MEMORY_MOST
        )


class FileVault:
    """Implements ``BackupVault`` on directories: the data disk, a USB stick, a mounted share."""

    def __init__(self, cost: Cost | None = None, chunk_bytes: int = _PIECE) -> None:
        self._cost = cost or Cost()
        self._chunk_bytes = chunk_bytes

    def write(self, path: Path, passphrase: str, manifest: Manifest, folder: Path) -> None:
        """See ``BackupVault``: a temporary name, fsync, read back, then the name."""
        draft = path.with_name(f".{path.name}{_PARTIAL}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                raise BackupError("backup-exists", path=path)
            _remove_drafts(path)
            descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    self._write(file, passphrase, manifest, folder)
                    file.flush()
                    os.fsync(file.fileno())
                    # What is read back shall come from the medium.
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                self.verify(draft, passphrase)
                draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)
        except OSError as error:
            raise disk_error(error, path.parent) from error

    def _write(self, file: BinaryIO, passphrase: str, manifest: Manifest, folder: Path) -> None:
        cost = self._cost
        fields = _FIELDS.pack(
            _MAGIC,
            _FORMAT,
            _SCRYPT,
            _AES_256_GCM,
            cost.log2_n,
            cost.r,
            cost.p,
            self._chunk_bytes,
            salt := secrets.token_bytes(16),
        )
        cipher_key, header_key = _keys(passphrase, salt, cost)
        mac = hmac.digest(header_key, fields, "sha256")
        file.write(fields + mac + hashlib.sha256(fields + mac).digest())
        sealer = _Sealer(file, cipher_key, mac, self._chunk_bytes)
        squeeze = zlib.compressobj(_COMPRESSION)
        described = msgspec.json.encode(manifest)
        sealer.write(squeeze.compress(_LENGTH.pack(len(described)) + described))
        for part in manifest.parts:
            with (folder / part.name).open("rb") as source:
                while piece := source.read(_PIECE):
                    sealer.write(squeeze.compress(piece))
        sealer.write(squeeze.flush())
        sealer.finish()

    def inspect(self, path: Path | Source, passphrase: str) -> Manifest:
        """See ``BackupVault``."""
        with _opened(path) as file:
            sealed = _Sealed(file, passphrase)
            sealed.check_end()
            return _Plain(sealed.chunks()).manifest()

    def verify(self, path: Path | Source, passphrase: str) -> Manifest:
        """See ``BackupVault``."""
        with _opened(path) as file:
            plain = _Plain(_Sealed(file, passphrase).chunks())
            manifest = plain.manifest()
            for part in manifest.parts:
                digest = hashlib.sha256()
                for piece in plain.take(part.size):
                    digest.update(piece)
                _check_digest(digest.hexdigest(), part.sha256)
            plain.finish()
            return manifest

    def extract(
        self,
        path: Path | Source,
        passphrase: str,
        accept: Callable[[Manifest], None],
        folder: Path,
    ) -> Manifest:
        """See ``BackupVault``."""
        with _opened(path) as file:
            plain = _Plain(_Sealed(file, passphrase).chunks())
            manifest = plain.manifest()
            accept(manifest)
            for part in manifest.parts:
                _write_part(folder / part.name, plain.take(part.size), part.sha256)
            plain.finish()
            return manifest

    def list(self, folder: Path) -> Sequence[Path]:
        """See ``BackupVault``. A missing directory holds none."""
        return sorted(path for path in folder.glob(f"[!.]*{SUFFIX}") if path.is_file())

    def remove(self, path: Path) -> None:
        """See ``BackupVault``."""
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise disk_error(error, path.parent) from error


# ---------------------------------------------------------------- writing


class _Sealer:
    """Cuts what is written into chunks and encrypts each."""

    def __init__(self, file: BinaryIO, key: bytes, mac: bytes, chunk_bytes: int) -> None:
        self._file = file
        self._cipher = AESGCM(key)
        self._mac = mac
        self._size = chunk_bytes
        self._waiting = bytearray()
        self._number = 0

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) > self._size:  # what may be the last chunk waits for ``finish``
            self._seal(bytes(self._waiting[: self._size]), last=False)
            del self._waiting[: self._size]

    def finish(self) -> None:
        self._seal(bytes(self._waiting), last=True)

    def _seal(self, plain: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last), plain, self._mac))
        self._number += 1


def _remove_drafts(path: Path) -> None:
    """What a power cut left of earlier attempts of this machine (its name is in the file's)."""
    for draft in path.parent.glob(f".*{SUFFIX}{_PARTIAL}"):
        name = draft.name.removeprefix(".").removesuffix(_PARTIAL)
        if name == path.name or (_origin(name) and _origin(name) == _origin(path.name)):
            draft.unlink(missing_ok=True)


def _origin(name: str) -> str:
    """What stands before the date in the name of a backup."""
    return name.removesuffix(SUFFIX).rpartition("-")[0]


def _write_part(path: Path, pieces: Iterator[bytes], sha256: str) -> None:
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_error(error, path.parent) from error
    _check_digest(digest.hexdigest(), sha256)


def disk_error(error: OSError, folder: Path) -> BackupError:
    """Our word for what the disk that holds ``folder`` refused."""
    if error.errno in _FULL:
        return BackupError("backup-disk-full", path=folder)
    return BackupError("backup-not-written", path=folder, cause=str(error))


# ---------------------------------------------------------------- reading


class _Sealed:
    """An opened backup whose header has been checked with the passphrase."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        header = file.read(HEADER_BYTES)
        if header[: len(_MAGIC)] != _MAGIC:
            raise BackupError("backup-foreign")
        if len(header) < HEADER_BYTES:
            raise BackupError("backup-damaged")
        _, *kinds, log2_n, r, p, self._size, salt = _FIELDS.unpack_from(header)
        if kinds[0] != _FORMAT:
            raise BackupError("backup-format-newer", format=kinds[0])
        fields, mac = header[: _FIELDS.size], header[_FIELDS.size : -_DIGEST]
        if hashlib.sha256(fields + mac).digest() != header[-_DIGEST:]:
            raise BackupError("backup-damaged")
        cost = Cost(log2_n, r, p)
        known = kinds == [_FORMAT, _SCRYPT, _AES_256_GCM]
        if not known or not cost.bearable or not 0 < self._size <= _CHUNK_MOST:
            raise BackupError("backup-foreign")
        cipher_key, header_key = _keys(passphrase, salt, cost)
        if not hmac.compare_digest(hmac.digest(header_key, fields, "sha256"), mac):
            raise BackupError("backup-passphrase-wrong")
        self._file = file
        self._cipher = AESGCM(cipher_key)
        self._mac = mac

    def chunks(self) -> Iterator[bytes]:
        """The plain text; raises at the first byte that is not as it was written."""
        self._file.seek(HEADER_BYTES)
        sealed = self._file.read(self._size + _TAG)
        number = 0
        while True:
            following = self._file.read(self._size + _TAG)
            yield self._unseal(number, sealed, last=not following)
            if not following:
                return
            sealed = following
            number += 1

    def check_end(self) -> None:
        """Only the true last chunk opens as the last one, at its own number."""
        length = self._file.seek(0, os.SEEK_END) - HEADER_BYTES
        number = max(0, length - 1) // (self._size + _TAG)
        self._file.seek(HEADER_BYTES + number * (self._size + _TAG))
        self._unseal(number, self._file.read(), last=True)

    def _unseal(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(number, last), sealed, self._mac)
        except InvalidTag:
            raise BackupError("backup-damaged") from None


class _Plain:
    """The zlib stream inside the chunks, read in bounded pieces."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._inflate = zlib.decompressobj()
        self._waiting = b""

    def manifest(self) -> Manifest:
        """What comes first."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _MANIFEST_MOST:
            raise BackupError("backup-foreign")
        try:
            return msgspec.json.decode(self._exactly(length), type=Manifest)
        except msgspec.DecodeError:
            raise BackupError("backup-foreign") from None

    def take(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes."""
        while size > 0:
            piece = self._read(min(size, _PIECE))
            if not piece:
                raise BackupError("backup-damaged")
            size -= len(piece)
            yield piece

    def finish(self) -> None:
        """The stream and the file end here, both."""
        if self._read(1) or self._inflate.unused_data or next(self._chunks, None) is not None:
            raise BackupError("backup-damaged")

    def _exactly(self, size: int) -> bytes:
        return b"".join(self.take(size))

    def _read(self, most: int) -> bytes:
        """Some bytes, at most ``most`` (> 0); none at the end of the stream."""
        while True:
            try:
                piece = self._inflate.decompress(self._waiting, most)
            except zlib.error:
                raise BackupError("backup-damaged") from None
            self._waiting = self._inflate.unconsumed_tail
            if piece or self._inflate.eof:
                return piece
            following = next(self._chunks, None)
            if following is None:
                raise BackupError("backup-damaged")
            self._waiting = following


@contextlib.contextmanager
def _opened(path: Path | Source) -> Iterator[BinaryIO]:
    if not isinstance(path, Path):
        with path.opened() as elsewhere:
            yield elsewhere
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise BackupError("backup-not-found", path=path) from None
    except OSError as error:
        raise BackupError("backup-unreadable", path=path, cause=str(error)) from error
    with file:
        try:
            yield file
        except OSError as error:  # a stick pulled out, a failing disk
            raise BackupError("backup-unreadable", path=path, cause=str(error)) from error


def _keys(passphrase: str, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
    secret = unicodedata.normalize("NFC", passphrase).encode()
    derived = Scrypt(salt, 64, 1 << cost.log2_n, cost.r, cost.p).derive(secret)
    return derived[:32], derived[32:]


def _nonce(number: int, last: bool) -> bytes:
    # Every file has keys of its own (its salt), so a number never meets the same key twice.
    return number.to_bytes(11, "big") + bytes([last])


def _check_digest(found: str, expected: str) -> None:
    if found != expected:
        raise BackupError("backup-damaged")
