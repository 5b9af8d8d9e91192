"""``compare_roots.py ONE OTHER``: names what differs between two root directories.

For each path that is in one only, or differs in type, mode, owner, time, target or content: a line
`what<TAB>path<TAB>one<TAB>other`. Exit status 1 when there was any.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

Facts = dict[str, str]


def facts(path: Path) -> Facts:
    """What an image records of one file."""
    found = path.lstat()
    known = {
        "type": stat.filemode(found.st_mode)[0],
        "mode": f"{stat.S_IMODE(found.st_mode):o}",
        "owner": f"{found.st_uid}:{found.st_gid}",
        "mtime": str(int(found.st_mtime)),
    }
    if stat.S_ISLNK(found.st_mode):
        known["target"] = str(path.readlink())
    elif stat.S_ISREG(found.st_mode):
        with path.open("rb") as file:
            known["content"] = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode):
        known["device"] = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    return known


def tree(root: Path) -> dict[str, Facts]:
    """Facts of everything below ``root``, and of itself, by path."""
    found = {".": facts(root)}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            found[str(path.relative_to(root))] = facts(path)
    return found


def differences(one: dict[str, Facts], other: dict[str, Facts]) -> Iterator[tuple[str, ...]]:
    """What differs, in the order of the paths."""
    for path in sorted(one.keys() | other.keys()):
        if path not in one or path not in other:
            yield "presence", path, str(path in one), str(path in other)
            continue
        for what in sorted(one[path].keys() | other[path].keys()):
            here, there = one[path].get(what, "-"), other[path].get(what, "-")
            if here != there:
                yield what, path, here, there


def main(arguments: list[str]) -> int:
    """Compares two directories; the exit status."""
    one, other = (tree(Path(each)) for each in arguments)
    found = list(differences(one, other))
    for line in found:
        print(*line, sep="\t")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
