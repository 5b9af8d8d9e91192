"""What maintenance commands write: French or English, by the locale of the terminal.

Errors that have a text in ``errors.toml`` are told with it; those of backups are told here, since
no page shows them.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from app.console_texts import TEXTS
from app.domain.errors import BornierError
from app.services.backups import BackupError
from app.web.i18n import Language
from app.web.messages import MESSAGES, filled

DONE, WRONG, REFUSED = 0, 1, 2
"""Exit statuses: done, something wrong was found, refused or failed."""


class Console:
    """Standard output and standard error, in the language of the terminal."""

    def __init__(
        self, language: str | None = None, texts: Mapping[str, tuple[str, str]] = TEXTS
    ) -> None:
        self.language = language or terminal_language()
        self._texts = texts

    def say(self, key: str, **params: object) -> None:
        """Writes one text to standard output."""
        sys.stdout.write(self.text(key, params) + "\n")

    def complain(self, error: BornierError) -> None:
        """Writes an error to standard error."""
        sys.stderr.write(f"bornier: {self.told(error)}\n")

    def told(self, error: BornierError) -> str:
        """What went wrong, in words."""
        if error.key in self._texts:
            return self.text(error.key, error.params)
        language = Language(self.language)
        params = filled(error.params, language, ZoneInfo("UTC"))
        return MESSAGES.title(error.key, params, language)

    def text(self, key: str, params: Mapping[str, object]) -> str:
        """The text of a key."""
        english, french = self._texts[key]
        return (french if self.language == "fr" else english).format_map(params)


def guarded(command: Callable[[Console], int]) -> int:
    """Runs a command; tells what it refuses. Returns the exit status."""
    console = Console()
    try:
        return command(console)
    except BornierError as error:
        console.complain(error)
        return REFUSED


def passphrase(console: Console, file: Path | None, *, twice: bool = False) -> str:
    """From the first line of ``file``, else asked for at the terminal. Raises ``BackupError``."""
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise BackupError("backup-passphrase-unreadable", cause=error) from error
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise BackupError("backup-passphrase-missing")
    typed = getpass.getpass(console.text("passphrase", {}))
    if twice and getpass.getpass(console.text("passphrase-again", {})) != typed:
        raise BackupError("backup-passphrase-different")
    return typed


def terminal_language() -> str:
    """``fr`` in a French locale, else ``en``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def size_text(size: int) -> str:
    """Bytes, to read."""
    if size < 1024 * 1024:
        return f"{max(1, size >> 10)} KiB"
    return f"{size / 1024 / 1024:.1f} MiB"
