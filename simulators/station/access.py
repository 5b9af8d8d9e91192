"""What a station knows of badges: the local list, the answers it remembers, and whom it asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from simulators.station.charging_profiles import epoch_s
from simulators.station.core import Core

MOST_TAG_CHARACTERS = 20


class Tokens:
    """The authorisations of one station; tags are compared without regard to case."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.version = 0
        """Of the local list; 0 when there is none."""
        self.entries: dict[str, dict[str, Any]] = {}
        """The local list: idTagInfo by tag."""
        self.cache: dict[str, dict[str, Any]] = {}
        """The answers of the central system, by tag."""

    def authorize(self, id_tag: str, accepted: Callable[[], None]) -> None:
        """Ask whether the tag may charge; call ``accepted`` when it may."""
        core = self._core
        if core.keys.boolean("LocalPreAuthorize") and self._known_status(id_tag) == "Accepted":
            accepted()
        elif core.registered:
            core.caller.call(
                "Authorize", {"idTag": id_tag}, partial(self._authorized, id_tag, accepted)
            )
        elif self._accepted_offline(id_tag):
            accepted()

    def _authorized(
        self, id_tag: str, accepted: Callable[[], None], answer: dict[str, Any] | None
    ) -> None:
        if answer is None:
            if self._accepted_offline(id_tag):
                accepted()
            return
        if self.learn(id_tag, answer) == "Accepted":
            accepted()

    def _accepted_offline(self, id_tag: str) -> bool:
        keys = self._core.keys
        if not keys.boolean("LocalAuthorizeOffline"):
            return False
        status = self._known_status(id_tag)
        if status is None:
            return keys.boolean("AllowOfflineTxForUnknownId")
        return status == "Accepted"

    def _known_status(self, id_tag: str) -> str | None:
        """What the local list, else the cache, says of a tag."""
        info = self._known(id_tag)
        if info is None:
            return None
        ends = info.get("expiryDate")
        if isinstance(ends, str) and epoch_s(ends) <= self._core.clock().timestamp():
            return "Expired"
        return str(info.get("status"))

    def _known(self, id_tag: str) -> dict[str, Any] | None:
        keys = self._core.keys
        tag = id_tag.lower()
        if keys.boolean("LocalAuthListEnabled") and tag in self.entries:
            return self.entries[tag]
        return self.cache.get(tag) if keys.boolean("AuthorizationCacheEnabled") else None

    def learn(self, id_tag: str, answer: dict[str, Any]) -> str:
        """Remember what the central system answered of a tag; its status."""
        info = answer.get("idTagInfo")
        if not isinstance(info, dict):
            return "Invalid"
        self.cache[id_tag.lower()] = info
        return str(info.get("status"))

    def parent(self, id_tag: str) -> str | None:
        """The group that a tag belongs to, as far as it is known."""
        tag = id_tag.lower()
        for known in (self.entries, self.cache):
            parent = known.get(tag, {}).get("parentIdTag")
            if isinstance(parent, str):
                return parent.lower()
        return None

    def may_stop(self, id_tag: str, started_by: str) -> bool:
        """Whether the tag may end what the other one started: it is the same, or of its group."""
        if id_tag.lower() == started_by.lower():
            return True
        parent = self.parent(id_tag)
        return parent is not None and parent == self.parent(started_by)
