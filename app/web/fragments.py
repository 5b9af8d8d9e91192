"""Fragments of live pages: rendered once per cycle and language, shared by every browser.

A ``Board`` keeps the newest HTML of each fragment with the cycle in which it last changed, so the
update for a browser is a join of strings, however far behind that browser is. Whether a fragment
changed is told by its signature (the values it shows) before anything is rendered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import NamedTuple

from app.services.live import SiteView
from app.web.i18n import Language

OUT_OF_BAND = ' hx-swap-oob="outerMorph"'


class Fragment(NamedTuple):
    """One element with an id: the values it shows, and how to render it.

    ``render`` returns one element, without line breaks, whose first attribute is ``id``.
    """

    fragment_id: str
    signature: Hashable
    render: Callable[[], str]


class LivePage(ABC):
    """What a live page shows."""

    @abstractmethod
    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """Everything that changes, element by element."""

    def frame(self, site: SiteView, html: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002
        """The blocks of the page by name, each one element with an id; ``html`` by fragment.

        Unless a page nests its fragments, each of them is a block.
        """
        return html

    def event(self, site: SiteView) -> str:  # noqa: ARG002
        """JSON for the page's script at each cycle; empty when it needs none."""
        return ""


class _Entry(NamedTuple):
    signature: Hashable
    html: str
    cycle: int


class Board:
    """The newest state of one live page in one language."""

    def __init__(self, page: LivePage, language: Language) -> None:
        self.page = page
        self.language = language
        self._site: SiteView | None = None
        self._entries: dict[str, _Entry] = {}
        self._shape: tuple[str, ...] = ()
        self._shape_cycle = 0
        self._last_update: tuple[int, str] | None = None
        self._last_snapshot: tuple[int, str] | None = None

    def show(self, site: SiteView) -> None:
        """Takes over ``site``; renders what changed."""
        if site is self._site:
            return
        if self._site is not None and site.cycle < self._site.cycle:
            self._entries.clear()  # another manager, counting anew
        entries: dict[str, _Entry] = {}
        for fragment in self.page.fragments(site, self.language):
            entry = self._entries.get(fragment.fragment_id)
            if entry is None or entry.signature != fragment.signature:
                entry = _Entry(fragment.signature, fragment.render(), site.cycle)
            entries[fragment.fragment_id] = entry
        shape = tuple(entries)
        if shape != self._shape:
            self._shape, self._shape_cycle = shape, site.cycle
        self._entries, self._site = entries, site
        self._last_update = self._last_snapshot = None

    def blocks(self) -> Mapping[str, str]:
        """The blocks for the first paint of the page."""
        assert self._site is not None
        html = {name: entry.html for name, entry in self._entries.items()}
        return self.page.frame(self._site, html)

    def snapshot(self) -> str:
        """Every block, as out-of-band swaps."""
        assert self._site is not None
        if self._last_snapshot is None:
            blocks = "".join(out_of_band(block) for block in self.blocks().values())
            self._last_snapshot = (self._site.cycle, blocks)
        return self._last_snapshot[1]

    def since(self, cycle: int) -> str:
        """What changed after ``cycle``, as out-of-band swaps; all blocks when rows came or went."""
        if cycle < self._shape_cycle:
            return self.snapshot()
        if self._last_update is None or self._last_update[0] != cycle:
            changed = "".join(
                out_of_band(entry.html) for entry in self._entries.values() if entry.cycle > cycle
            )
            self._last_update = (cycle, changed)
        return self._last_update[1]


def out_of_band(html: str) -> str:
    """The element, marked so that htmx puts it in the place of the one with its id."""
    return html.replace(" ", OUT_OF_BAND + " ", 1)
