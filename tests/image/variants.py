"""Other versions of the system, made of the root that the image was built from.

An overlay on the build's root in a mount namespace of its own: the build tree is never touched.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.errors import ImageTestError

TOO_OLD: Final = "0.0.1"

_HERE: Final = Path(__file__).parent
_RECIPE: Final = _HERE.parents[1] / "image" / "recipe"
_MAKE_S: Final = 900.0

_ASSEMBLE: Final = r"""
set -euo pipefail
mount -t tmpfs -o size=512m tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay -o "lowerdir=$BASE,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$WORK/root"
cd "$WORK/root"
eval "$CHANGE"
mksquashfs "$WORK/root" "$MADE" -comp gzip -Xcompression-level 1 -noappend -no-progress -quiet \
    -no-exports -no-xattrs
"""

_VERSION: Final = r"""
sed -i '/^IMAGE_VERSION=/d' usr/lib/os-release
echo "IMAGE_VERSION=$VERSION" >>usr/lib/os-release
manager=opt/bornier/$(basename "$(readlink opt/bornier/current)")
sed -i "s/^VERSION = .*/VERSION = '$VERSION'/" "$manager/app/config.py"
"""

_MIGRATION: Final = r"""
migrations=$manager/app/adapters/storage/migrations
last=$(cd "$migrations" && ls [0-9]*.py | tail -n 1 | cut -d _ -f 1)
printf -v next '%04d' $((10#$last + 1))
cat >"$migrations/${next}_image_test.py" <<'PYTHON'
def up(_migrator, db):
    db.execute_sql("CREATE TABLE image_test (id INTEGER PRIMARY KEY)")
PYTHON
chroot . python3 -m compileall -q -f --invalidation-mode unchecked-hash \
    "/$migrations" "/$manager/app/config.py"
"""

_SABOTEUR: Final = r"""
install -m 0755 "$FILES/saboteur" usr/local/libexec/bornier/saboteur
install -m 0644 "$FILES/saboteur.service" etc/systemd/system/saboteur.service
ln -sf ../saboteur.service etc/systemd/system/sysinit.target.wants/saboteur.service
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs: certificate of the authority, the signer's, and the signer's key."""

    authority: Path
    certificate: Path
    key: Path


def build_keys() -> Keys:
    """Those that the image was built with."""
    told = subprocess.run(
        [_RECIPE / "update-keys"], check=True, capture_output=True, text=True, timeout=60
    )
    return Keys(*map(Path, told.stdout.split("\n")[:3]))


def strangers_keys(folder: Path) -> Keys:
    """An authority that no box knows, made in the same way as development's."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([_RECIPE / "development-keys", folder], check=True, timeout=60)
    return Keys(folder / "dev-ca.pem", folder / "dev.pem", folder / "dev.key")


def newer(root: Path, made: Path, version: str) -> Path:
    """The root as another version, whose manager brings one more migration."""
    return _squashfs(root, made, version, _VERSION + _MIGRATION)


def sabotaged(root: Path, made: Path, version: str) -> Path:
    """The same, and it does what ``/data/sabotage`` says, early at its start."""
    return _squashfs(root, made, version, _VERSION + _MIGRATION + _SABOTEUR)


def trifle(folder: Path) -> Path:
    """A squashfs that is no system, for bundles that must be refused before it is looked at."""
    (folder / "nothing").mkdir()
    made = folder / "trifle.squashfs"
    command = [
        "mksquashfs",
        str(folder / "nothing"),
        str(made),
        "-quiet",
        "-no-progress",
        "-noappend",
    ]
    subprocess.run(command, check=True, timeout=60)
    return made


def bundle(
    squashfs: Path, version: str, made: Path, keys: Keys, compatible: str = "bornier-amd64"
) -> Path:
    """A signed bundle, by the recipe that makes those to publish."""
    environment = {
        "UPDATE_KEYRING": str(keys.authority),
        "UPDATE_CERT": str(keys.certificate),
        "UPDATE_KEY": str(keys.key),
        "UPDATE_COMPATIBLE": compatible,
    }
    _run([_RECIPE / "bundle-update", squashfs, version, made], environment)
    return made


def flipped(whole: Path, made: Path) -> Path:
    """A bundle with one bit in its middle that is not as it was signed."""
    subprocess.run(["cp", "--reflink=auto", whole, made], check=True, timeout=120)
    with made.open("r+b") as file:
        file.seek(made.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    return made


def truncated(whole: Path, made: Path) -> Path:
    """The first third of a bundle: an upload that broke off."""
    with whole.open("rb") as source, made.open("wb") as file:
        left = whole.stat().st_size // 3
        while left and (piece := source.read(min(left, 1 << 20))):
            file.write(piece)
            left -= len(piece)
    return made


def versions_after(image: Path) -> tuple[str, str]:
    """The two patch releases that would follow an image's own. Raises ``ValueError``."""
    found = re.fullmatch(r"bornier-(\d+\.\d+)\.(\d+)-amd64\.img", image.name)
    if found is None:
        raise ValueError(f"{image.name} names no version")
    patch = int(found[2])
    return f"{found[1]}.{patch + 1}", f"{found[1]}.{patch + 2}"


def _squashfs(root: Path, made: Path, version: str, change: str) -> Path:
    work = made.with_suffix(".work")
    work.mkdir()
    environment = {
        "BASE": str(root.resolve()),
        "WORK": str(work.resolve()),
        "MADE": str(made.resolve()),
        "FILES": str(_HERE / "variant"),
        "VERSION": version,
        "CHANGE": change,
    }
    _run(["unshare", "--mount", "--propagation", "private", "bash", "-c", _ASSEMBLE], environment)
    return made


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_MAKE_S,
        check=False,
    )
    if done.returncode != 0:
        raise ImageTestError(f"{command[0]} failed: {done.stdout}{done.stderr}")
