"""What the box was told and keeps: one JSON file, replaced whole.

A field that a later version wrote is ignored, not an error: after a return to an earlier version
the network must still be the one that was set.
"""

from __future__ import annotations

import logging

import msgspec

from app.domain.host import NetworkSettings
from app.privileged.machine import HostError, Machine, set_aside, write_durably

log = logging.getLogger(__name__)

FILE = "/var/lib/bornier-host/settings.json"


class StoredKey(msgspec.Struct, frozen=True):
    """A key in its canonical form, and who gave it: ``console`` or ``manager``."""

    line: str
    source: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that survives a restart; ``None`` and empty leave the system's own."""

    network: NetworkSettings | None = None
    zone: str | None = None
    servers: tuple[str, ...] = ()
    keys: tuple[StoredKey, ...] = ()


class SettingsStore:
    """Reads and replaces the file."""

    def __init__(self, machine: Machine) -> None:
        self._path = machine.path(FILE)

    def load(self) -> Settings:
        """The stored settings; a damaged file is set aside and the defaults are returned."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Settings()
        except OSError as error:
            log.error("%s cannot be read, defaults are used: %s", self._path, error)
            return Settings()
        try:
            return msgspec.json.decode(content, type=Settings)
        except (msgspec.DecodeError, UnicodeDecodeError):
            try:
                set_aside(self._path)
            except OSError as error:
                log.error("%s is damaged and cannot be set aside: %s", self._path, error)
            return Settings()

    def save(self, settings: Settings) -> None:
        """Replaces the file; raises ``HostError`` when that is not possible."""
        try:
            write_durably(self._path, msgspec.json.format(msgspec.json.encode(settings)))
        except OSError as error:
            raise HostError("host-not-written", cause=str(error)) from error


def replaced(settings: Settings, **changes: object) -> Settings:
    """The settings with some fields changed."""
    return msgspec.structs.replace(settings, **changes)
