"""The translations: brought up to date, or judged.

`python -m tests.support.catalogues update app/web/locales fr en` collects the texts of the sources
into the template and every catalogue; new texts are left to translate, but for English, which is
the language of the sources.

`python -m tests.support.catalogues check app/web/locales fr en` exits 1 unless the texts found in
the sources are exactly those of every catalogue, every text is translated, and each translation
uses the placeholders of its original.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

SOURCE_LANGUAGE = "en"
# %(name)s and {name}; a doubled sign or brace stands for itself
PLACEHOLDER = re.compile(r"%\((\w+)\)[#0\- +]*[\d.]*[a-zA-Z]|(?<!\{)\{(\w+)[^{}]*\}(?!\})")

Key = tuple[str | None, str]  # message context, singular text


def extract(pot: Path) -> None:
    """Write the template of the texts that the sources hold now (run from the tree's root)."""
    command = [sys.executable, "-m", "babel.messages.frontend", "-q", "extract"]
    command += ["-F", "pyproject.toml", "-k", "N_", "--no-wrap", "--sort-by-file", "--omit-header"]
    command += ["--add-location=file", "-o", str(pot), "."]
    subprocess.run(command, check=True)


def read(path: Path, language: str | None = None) -> Catalog:
    """A catalogue file; damaged entries are an error."""
    with path.open("rb") as source:
        return read_po(source, locale=language, abort_invalid=True)


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


def brought_up_to_date(catalogue: Catalog, current: Catalog) -> Catalog:
    """The catalogue with exactly the texts of `current`; English ones stand for themselves."""
    catalogue.update(current, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    if catalogue.locale_identifier == SOURCE_LANGUAGE:
        for message in _messages(catalogue).values():
            message.string = message.id
    return catalogue


def _path(folder: Path, language: str) -> Path:
    return folder / language / "LC_MESSAGES" / "messages.po"


def _new(language: str) -> Catalog:
    header = f"# Bornier, the texts of its pages: {language}."
    return Catalog(
        locale=language,
        header_comment=header,
        project="Bornier",
        version="0",
        copyright_holder="Bornier contributors",
        last_translator="Bornier contributors",
        language_team=language,
        fuzzy=False,
    )


def update(folder: Path, languages: Sequence[str]) -> int:
    """Write the template and every catalogue anew; 0, the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    pot = folder / "messages.pot"
    extract(pot)
    for language in languages:
        path = _path(folder, language)
        existing = read(path, language) if path.exists() else _new(language)
        catalogue = brought_up_to_date(existing, read(pot))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            # a line of its own for each text, and no line numbers: only real changes show
            write_po(target, catalogue, width=0, sort_by_file=True, include_lineno=False)
        missing = sum("is not translated" in fault for fault in failures("", catalogue, catalogue))
        print(f"{path}: {len(_messages(catalogue))} texts, {missing} to translate")
    return 0


def check(folder: Path, languages: Sequence[str]) -> int:
    """Tell the faults of every catalogue; the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        pot = Path(scratch, "messages.pot")
        extract(pot)
        current = read(pot)
    texts = len(_messages(current))
    if not texts:
        print("translations: the sources hold no text to translate")
        return 0
    found: list[str] = []
    for language in languages:
        path = _path(folder, language)
        if path.exists():
            found += failures(language, read(path, language), current)
        else:
            found.append(f"{language}: there is no {path}")
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("`make locales` brings catalogues and sources together", file=sys.stderr)
    print(f"translations: {texts} texts in {', '.join(languages)}; {len(found)} faults")
    return 1 if found else 0


def main(argv: Sequence[str]) -> int:
    """Exit code of the command line: what to do, the folder, the languages."""
    command = {"update": update, "check": check}[argv[0]]
    return command(Path(argv[1]), argv[2:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
