from __future__ import annotations

import hashlib
import hmac
import random
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.adapters import backup_archive
from app.adapters.backup_archive import HEADER_BYTES, Cost, FileVault
from app.services.backups import SUFFIX, BackupError, Host, Manifest, Part
from tests.support.tmpfs import needs_root, small_disk

CHEAP = Cost(log2_n=1, r=1, p=1)
CHUNK = 64
SEALED = CHUNK + 16
PHRASE = "un café à l’été"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def vault() -> FileVault:
    return FileVault(CHEAP, CHUNK)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / f"bornier-box-1{SUFFIX}"


def manifest_of(parts: dict[str, bytes], product: str = "bornier") -> Manifest:
    return Manifest(
        product,
        "0.1.0",
        ("0001_initial",),
        NOON,
        Host("box", "id"),
        tuple(
            Part(name, len(content), hashlib.sha256(content).hexdigest())
            for name, content in parts.items()
        ),
    )


def noise(size: int) -> bytes:
    """What does not compress, so that sizes are known."""
    return random.Random(size).randbytes(size)


def written(vault: FileVault, path: Path, parts: dict[str, bytes]) -> Manifest:
    folder = path.parent.parent / "parts"
    for name, content in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    manifest = manifest_of(parts)
    vault.write(path, PHRASE, manifest, folder)
    return manifest


def accept(manifest: Manifest) -> None:
    pass


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(BackupError) as refused:
        call()
    return refused.value.key


@pytest.mark.parametrize("size", [0, 1, *range(CHUNK - 20, CHUNK + 20), 3 * CHUNK, 700_000])
def test_what_goes_in_comes_out(tmp_path: Path, path: Path, size: int) -> None:
    vault = FileVault(CHEAP, CHUNK if size < 1000 else 4096)
    parts = {"ui.key": noise(size), "further/deep.json": b"{}", "zeros": bytes(size)}
    manifest = written(vault, path, parts)
    assert vault.verify(path, PHRASE) == manifest
    assert vault.inspect(path, PHRASE) == manifest
    out = tmp_path / "restored"
    assert vault.extract(path, PHRASE, accept, out) == manifest
    assert {
        str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()
    } == parts
    assert (out / "ui.key").stat().st_mode & 0o777 == 0o600


def test_the_file_is_private_and_nothing_lies_beside_it(vault: FileVault, path: Path) -> None:
    path.parent.mkdir()
    others = [
        path.with_name(f".{name}{SUFFIX}.partial")
        for name in ("bornier-other-1", "bornier-box-2-1", "bornier-box2-1", "mine")
    ]
    for other in others:
        other.write_bytes(b"being written by another box")
    for name in ("bornier-box-0", "bornier-box-1"):
        path.with_name(f".{name}{SUFFIX}.partial").write_bytes(b"left by a power cut")
    written(vault, path, {"a": b"secret text, twice: secret text"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in path.parent.iterdir()} == {
        path.name,
        *(other.name for other in others),
    }
    assert b"secret" not in path.read_bytes()
    assert b"bornier" not in path.read_bytes()


def test_two_backups_of_the_same_data_share_no_byte_of_cipher_text(
    vault: FileVault, tmp_path: Path, path: Path
) -> None:
    again = path.with_name(f"bornier-box-2{SUFFIX}")
    written(vault, path, {"a": noise(500)})
    written(vault, again, {"a": noise(500)})
    one, other = path.read_bytes()[HEADER_BYTES:], again.read_bytes()[HEADER_BYTES:]
    assert not {one[i : i + 8] for i in range(len(one))} & {
        other[i : i + 8] for i in range(len(other))
    }


def test_another_program_can_read_it_by_the_documented_format(vault: FileVault, path: Path) -> None:
    manifest = written(vault, path, {"a": noise(3 * CHUNK), "b": b"text"})
    whole = path.read_bytes()
    assert whole[:11] == b"BORNIER\x1a\x01\x01\x01"
    log2_n, r, p, chunk = struct.unpack_from(">BBBI", whole, 11)
    derived = hashlib.scrypt(PHRASE.encode(), salt=whole[18:34], n=2**log2_n, r=r, p=p, dklen=64)
    mac = whole[34:66]
    assert mac == hmac.digest(derived[32:], whole[:34], "sha256")
    assert whole[66:98] == hashlib.sha256(whole[:66]).digest()
    cipher, body, compressed = AESGCM(derived[:32]), whole[98:], b""
    numbers = range(-(-len(body) // (chunk + 16)))
    for number in numbers:
        sealed = body[number * (chunk + 16) :][: chunk + 16]
        nonce = number.to_bytes(11, "big") + bytes([number == numbers[-1]])
        compressed += cipher.decrypt(nonce, sealed, mac)
    plain = zlib.decompress(compressed)
    length = int.from_bytes(plain[:4], "big")
    assert msgspec.json.decode(plain[4 : 4 + length], type=Manifest) == manifest
    assert plain[4 + length :] == noise(3 * CHUNK) + b"text"


# ---------------------------------------------------------------- damage


def several_chunks(vault: FileVault, path: Path) -> bytes:
    written(vault, path, {"a": noise(4 * CHUNK), "b": b"text"})
    return path.read_bytes()


def assert_refused(vault: FileVault, path: Path, content: bytes, out: Path) -> None:
    path.write_bytes(content)
    key = refusal(lambda: vault.verify(path, PHRASE))
    assert key in ("backup-damaged", "backup-foreign", "backup-format-newer")
    assert refusal(lambda: vault.extract(path, PHRASE, accept, out / key)) == key


def test_truncated_at_every_byte(vault: FileVault, path: Path, tmp_path: Path) -> None:
    whole = several_chunks(vault, path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        expected = "backup-foreign" if length < 8 else "backup-damaged"
        assert refusal(lambda: vault.verify(path, PHRASE)) == expected, length
        assert refusal(lambda: vault.inspect(path, PHRASE)) == expected, length
        out = tmp_path / str(length)
        assert refusal(lambda out=out: vault.extract(path, PHRASE, accept, out)) == expected  # type: ignore[misc]


def test_a_bit_flipped_in_every_byte(vault: FileVault, path: Path, tmp_path: Path) -> None:
    whole = several_chunks(vault, path)
    for offset in range(len(whole)):
        flipped = bytearray(whole)
        flipped[offset] ^= 1 << (offset % 8)
        path.write_bytes(flipped)
        expected = "backup-damaged"
        if offset < 8:
            expected = "backup-foreign"
        elif offset == 8:
            expected = "backup-format-newer"
        assert refusal(lambda: vault.verify(path, PHRASE)) == expected, offset


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda chunks: [*chunks, b"x"], id="a byte behind the end"),
        pytest.param(lambda chunks: [*chunks, chunks[-1]], id="the end twice"),
        pytest.param(lambda chunks: [chunks[0], *chunks], id="the beginning twice"),
        pytest.param(lambda chunks: [*chunks[:1], *chunks[2:]], id="one left out"),
        pytest.param(lambda chunks: [chunks[0], chunks[2], chunks[1], *chunks[3:]], id="swapped"),
        pytest.param(lambda chunks: chunks[1:], id="the first left out"),
        pytest.param(lambda chunks: [], id="none left"),
    ],
)
def test_chunks_keep_their_order_and_their_end(
    vault: FileVault,
    path: Path,
    tmp_path: Path,
    change: Callable[[list[bytes]], list[bytes]],
) -> None:
    whole = several_chunks(vault, path)
    body = whole[HEADER_BYTES:]
    chunks = [body[start : start + SEALED] for start in range(0, len(body), SEALED)]
    assert len(chunks) > 4
    assert_refused(vault, path, whole[:HEADER_BYTES] + b"".join(change(chunks)), tmp_path)


def test_a_chunk_of_another_backup_is_not_taken(
    vault: FileVault, path: Path, tmp_path: Path
) -> None:
    whole = several_chunks(vault, path)
    other = path.with_name(f"bornier-box-2{SUFFIX}")
    foreign = several_chunks(vault, other)
    cut = HEADER_BYTES + SEALED
    assert_refused(vault, path, whole[:cut] + foreign[cut:], tmp_path)
    assert_refused(vault, path, foreign[:HEADER_BYTES] + whole[HEADER_BYTES:], tmp_path)


def test_a_wrong_passphrase_is_told_from_damage(vault: FileVault, path: Path) -> None:
    several_chunks(vault, path)
    for phrase in ("", "UN CAFÉ À L’ÉTÉ", PHRASE + " "):
        for read in (vault.verify, vault.inspect):
            assert refusal(lambda p=phrase, r=read: r(path, p)) == "backup-passphrase-wrong"  # type: ignore[misc]


def test_a_passphrase_is_the_same_from_every_keyboard(vault: FileVault, path: Path) -> None:
    several_chunks(vault, path)
    decomposed = PHRASE.replace("é", "e\u0301").replace("à", "a\u0300")
    assert decomposed != PHRASE
    vault.verify(path, decomposed)


@pytest.mark.parametrize(
    "content", [b"", b"BORN", b"PK\x03\x04" + bytes(500), b"\x1f\x8b" + bytes(500)]
)
def test_another_file_is_foreign(vault: FileVault, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert refusal(lambda: vault.verify(path, PHRASE)) == "backup-foreign"


# ---------------------------------------------------------------- forged by who knows the phrase


def forged(
    path: Path,
    plain: bytes,
    *,
    cost: Cost = CHEAP,
    kinds: tuple[int, int, int] = (1, 1, 1),
    chunk: int = CHUNK,
) -> None:
    """A file whose encryption is right, whatever it carries."""
    salt = bytes(16)
    fields = struct.pack(
        ">8sBBBBBBI16s", b"BORNIER\x1a", *kinds, cost.log2_n, cost.r, cost.p, chunk, salt
    )
    key, header_key = bytes(32), bytes(32)
    if cost.bearable:
        key, header_key = backup_archive._keys(PHRASE, salt, cost)
    mac = hmac.digest(header_key, fields, "sha256")
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(fields + mac + hashlib.sha256(fields + mac).digest())
        sealer = backup_archive._Sealer(file, key, mac, max(1, chunk))
        sealer.write(plain)
        sealer.finish()


def stream(described: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(described)) + described + body


@pytest.mark.parametrize(
    "cost",
    [
        Cost(0, 8, 1),
        Cost(25, 8, 1),
        Cost(20, 8, 1),
        Cost(16, 0, 1),
        Cost(16, 8, 0),
        Cost(16, 8, 200),
    ],
)
def test_a_file_cannot_choose_to_fill_the_memory(vault: FileVault, path: Path, cost: Cost) -> None:
    forged(path, b"", cost=cost)
    assert refusal(lambda: vault.verify(path, PHRASE)) == "backup-foreign"


@pytest.mark.parametrize("kinds", [(1, 2, 1), (1, 1, 2)])
def test_unknown_cryptography_is_refused(
    vault: FileVault, path: Path, kinds: tuple[int, int, int]
) -> None:
    forged(path, b"", kinds=kinds)
    assert refusal(lambda: vault.verify(path, PHRASE)) == "backup-foreign"


@pytest.mark.parametrize("chunk", [0, 2**31])
def test_an_absurd_chunk_is_refused(vault: FileVault, path: Path, chunk: int) -> None:
    forged(path, b"", chunk=chunk)
    assert refusal(lambda: vault.verify(path, PHRASE)) == "backup-foreign"


def test_a_later_format_says_so(vault: FileVault, path: Path) -> None:
    forged(path, b"", kinds=(2, 1, 1))
    with pytest.raises(BackupError) as refused:
        vault.verify(path, PHRASE)
    assert refused.value.key == "backup-format-newer"
    assert refused.value.params == {"format": 2}


GOOD = msgspec.json.encode(manifest_of({"a": b"text"}))


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        pytest.param(b"", "backup-damaged", id="nothing"),
        pytest.param(b"no zlib", "backup-damaged", id="not compressed"),
        pytest.param(zlib.compress(b""), "backup-damaged", id="an empty stream"),
        pytest.param(zlib.compress(b"\xff" * 8), "backup-foreign", id="a manifest of 4 GB"),
        pytest.param(zlib.compress(stream(b"[]")), "backup-foreign", id="no manifest"),
        pytest.param(
            zlib.compress(stream(GOOD.replace(b'"a"', b'"../a"'), b"text")),
            "backup-foreign",
            id="a step upwards",
        ),
        pytest.param(
            zlib.compress(stream(GOOD.replace(b'"a"', b'"/etc/a"'), b"text")),
            "backup-foreign",
            id="an absolute path",
        ),
        pytest.param(
            zlib.compress(stream(GOOD.replace(b'"a"', b'".manager.lock"'), b"text")),
            "backup-foreign",
            id="a hidden file",
        ),
        pytest.param(
            zlib.compress(stream(GOOD.replace(b'"size":4', b'"size":-4'), b"text")),
            "backup-foreign",
            id="a negative size",
        ),
        pytest.param(zlib.compress(stream(GOOD, b"tex")), "backup-damaged", id="short"),
        pytest.param(zlib.compress(stream(GOOD, b"text!")), "backup-damaged", id="long"),
        pytest.param(zlib.compress(stream(GOOD, b"TEXT")), "backup-damaged", id="other content"),
        pytest.param(zlib.compress(stream(GOOD, b"text")) + b"x", "backup-damaged", id="a tail"),
        pytest.param(zlib.compress(stream(GOOD, b"text"))[:-1], "backup-damaged", id="no end"),
        pytest.param(
            zlib.compress(stream(GOOD, b"text")) + bytes(5 * CHUNK), "backup-damaged", id="more"
        ),
    ],
)
def test_a_strange_content_is_refused(
    vault: FileVault, path: Path, tmp_path: Path, plain: bytes, expected: str
) -> None:
    forged(path, plain)
    assert refusal(lambda: vault.verify(path, PHRASE)) == expected
    assert refusal(lambda: vault.extract(path, PHRASE, accept, tmp_path / "x")) == expected
    assert not (tmp_path / "a").exists()


# ---------------------------------------------------------------- the disk


def test_an_existing_file_is_not_overwritten(vault: FileVault, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"precious")
    assert refusal(lambda: written(vault, path, {"a": b""})) == "backup-exists"
    assert path.read_bytes() == b"precious"


def test_a_place_that_is_no_directory(vault: FileVault, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / f"x{SUFFIX}"
    assert refusal(lambda: vault.write(target, PHRASE, manifest_of({}), tmp_path)) == (
        "backup-not-written"
    )
    assert refusal(lambda: vault.remove(target)) == "backup-not-written"
    assert refusal(lambda: vault.verify(target, PHRASE)) == "backup-unreadable"
    assert refusal(lambda: vault.verify(tmp_path, PHRASE)) == "backup-unreadable"
    assert refusal(lambda: vault.verify(tmp_path / "absent", PHRASE)) == "backup-not-found"


def test_a_disk_that_cannot_be_read(vault: FileVault) -> None:
    # Opens, then fails with EIO: the kernel's own picture of a failing disk.
    assert refusal(lambda: vault.verify(Path("/proc/self/mem"), PHRASE)) == "backup-unreadable"


def test_a_part_that_changes_meanwhile_makes_no_backup(
    vault: FileVault, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"TEXT")
    manifest = manifest_of({"a": b"text"})
    assert refusal(lambda: vault.write(path, PHRASE, manifest, tmp_path)) == "backup-damaged"
    assert list(path.parent.iterdir()) == []


@needs_root
def test_a_full_disk_keeps_nothing_of_the_attempt(vault: FileVault, tmp_path: Path) -> None:
    big = {"a": noise(600_000)}
    large = FileVault(CHEAP, 4096)
    good = tmp_path / "out" / f"good{SUFFIX}"
    written(large, good, big)
    with small_disk(tmp_path / "small", 256) as disk:
        target = disk / f"x{SUFFIX}"
        key = refusal(lambda: large.write(target, PHRASE, manifest_of(big), tmp_path / "parts"))
        assert key == "backup-disk-full"
        assert list(disk.iterdir()) == []
        assert refusal(lambda: large.extract(good, PHRASE, accept, disk)) == "backup-disk-full"


def test_a_directory_lists_backups_only(vault: FileVault, tmp_path: Path) -> None:
    for name in (f"b{SUFFIX}", f"a{SUFFIX}", f".c{SUFFIX}", f".d{SUFFIX}.partial", "e.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f"folder{SUFFIX}").mkdir()
    assert vault.list(tmp_path) == [tmp_path / f"a{SUFFIX}", tmp_path / f"b{SUFFIX}"]
    assert vault.list(tmp_path / "absent") == []
    vault.remove(tmp_path / f"a{SUFFIX}")
    assert vault.list(tmp_path) == [tmp_path / f"b{SUFFIX}"]


def test_the_default_cost_is_dear() -> None:
    cost = Cost()
    assert cost.bearable
    assert 128 * cost.r << cost.log2_n >= 64 * 1024 * 1024
