"""The state of the translations: complete, current, and with the same placeholders.

Run as `python -m tests.support.catalogues app/web/locales fr en`. The texts found in the sources
must be exactly those of every committed catalogue (`make locales` brings them together), every
text must be translated, and a translation must use the placeholders of its original.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

# %(name)s and {name}; a doubled sign or brace stands for itself
PLACEHOLDER = re.compile(r"%\((\w+)\)[#0\- +]*[\d.]*[a-zA-Z]|(?<!\{)\{(\w+)[^{}]*\}(?!\})")

Key = tuple[str | None, str]  # message context, singular text


def extract() -> Catalog:
    """The texts that the sources hold now (run from the root of the tree)."""
    with tempfile.TemporaryDirectory() as folder:
        pot = Path(folder, "messages.pot")
        command = [sys.executable, "-m", "babel.messages.frontend", "-q", "extract"]
        command += ["-F", "pyproject.toml", "-k", "N_", "-o", str(pot), "."]
        subprocess.run(command, check=True)
        return read(pot)


def read(path: Path) -> Catalog:
    """A catalogue file; damaged entries are an error."""
    with path.open("rb") as source:
        return read_po(source, abort_invalid=True)


def _texts(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _key(message: Message) -> Key:
    return message.context, _texts(message.id)[0]


def _messages(catalogue: Catalog) -> dict[Key, Message]:
    return {_key(message): message for message in catalogue if message.id}


def _placeholders(text: str) -> set[str]:
    return {first or second for first, second in PLACEHOLDER.findall(text)}


def _faults_of(message: Message) -> Iterator[str]:
    originals, translations = _texts(message.id), _texts(message.string)
    if message.fuzzy:
        yield "is marked fuzzy"
    if not translations or not all(translations):
        yield "is not translated"
        return
    wanted = set[str]().union(*map(_placeholders, originals))
    for text in translations:
        # a plural form may leave the number out: « une borne » for %(count)s = 1
        missing = set() if len(originals) > 1 else wanted - _placeholders(text)
        strange = _placeholders(text) - wanted
        if missing or strange:
            yield f"has other placeholders: {', '.join(sorted(missing | strange))}"


def failures(name: str, catalogue: Catalog, current: Catalog) -> list[str]:
    """What is wrong with a catalogue, given the texts of the sources; one line each."""
    here, there = _messages(catalogue), _messages(current)
    found = [f"{name}: not in the catalogue: {key[1]!r}" for key in there if key not in here]
    found += [f"{name}: no longer in the sources: {key[1]!r}" for key in here if key not in there]
    for key, message in here.items():
        found += [f"{name}: {key[1]!r} {fault}" for fault in _faults_of(message)]
    return found


def main(argv: Sequence[str]) -> int:
    """Exit code of the command line: folder of the catalogues, then the languages."""
    folder, languages = Path(argv[0]), argv[1:]
    current = extract()
    texts = len(_messages(current))
    if not texts:
        print("translations: the sources hold no text to translate")
        return 0
    found: list[str] = []
    for name in languages:
        path = folder / name / "LC_MESSAGES" / "messages.po"
        found += failures(name, read(path), current) if path.exists() else [f"{name}: no {path}"]
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("`make locales` brings catalogues and sources together", file=sys.stderr)
    print(f"translations: {texts} texts in {', '.join(languages)}; {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
