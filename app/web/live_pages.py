"""The boards behind the live pages: one for each page, station and language that is looked at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from math import ceil
from zoneinfo import ZoneInfo

import msgspec

from app.services.live import ConnectorView, SiteView
from app.web.fragments import Board, Fragment, LivePage
from app.web.i18n import Language
from app.web.rendering import Pages
from app.web.site_page import SitePage, StatusPage, status_fragments
from app.web.tiles import escaped, is_stale, quoted, tile, tile_id
from app.web.tiles import signature as tile_signature

MOST_BOARDS = 128
"""Boards kept; the one unused for longest goes first, and is made anew when asked for."""


class StationPage(LivePage):
    """What moves on the page of one station."""

    def __init__(self, station_id: str, pages: Pages) -> None:
        self._station_id = station_id
        self._pages = pages

    def _connectors(self, site: SiteView) -> tuple[ConnectorView, ...]:
        return tuple(item for item in site.connectors if item.key.station_id == self._station_id)

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """The header's, then a panel and its commands for each connector."""
        yield from status_fragments(site, language)
        zone = ZoneInfo(site.timezone)
        names = {circuit.circuit_id: circuit.name for circuit in site.circuits}
        for view in self._connectors(site):
            since = view.session_since_utc
            minutes = None if since is None else int((site.at_utc - since).total_seconds() // 60)
            age = view.measured_age_s
            old = None if age is None or age < 30 else int(age // 10)
            power = None if view.power_w is None else view.power_w // 100
            shown = (tile_signature(view), view.status, minutes, old, power, names)
            yield Fragment(
                f"c-{view.key.connector_id}",
                msgspec.json.encode(shown),
                partial(
                    self._pages.fragment,
                    language,
                    "live.html",
                    "connector",
                    view,
                    site,
                    names,
                    zone,
                ),
            )

    def event(self, site: SiteView) -> str:
        """A point of each connector's trace, in amperes."""
        points = {
            str(view.key.connector_id): [
                int(site.at_utc.timestamp()),
                *(None if view.measured is None else view.measured[n] / 1000 for n in range(3)),
                None if view.limit_ma is None else view.limit_ma / 1000,
            ]
            for view in self._connectors(site)
            if view.online and not is_stale(view)
        }
        return msgspec.json.encode(points).decode()


class StationsPage(LivePage):
    """What moves in the table of stations: states, limits and energies."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """The header's, then one state per connector, one limit and one energy per station."""
        yield from status_fragments(site, language)
        by_station: dict[str, list[ConnectorView]] = {}
        for view in site.connectors:
            by_station.setdefault(view.key.station_id, []).append(view)
            yield Fragment(
                f"s-{quoted(view.key.station_id)}-{view.key.connector_id}",
                (
                    view.state,
                    view.limit_ma,
                    None if view.measured is None else view.measured.peak() // 100,
                ),
                partial(self._pages.fragment, language, "live.html", "state", view),
            )
        for station_id, views in by_station.items():
            limits, energies = limits_of(views), energies_of(views)
            yield Fragment(
                f"l-{quoted(station_id)}",
                tuple(limits),
                partial(self._pages.fragment, language, "live.html", "limits", station_id, limits),
            )
            yield Fragment(
                f"e-{quoted(station_id)}",
                tuple(energy // 100 for energy in energies),
                partial(
                    self._pages.fragment, language, "live.html", "energies", station_id, energies
                ),
            )


def limits_of(views: Iterable[ConnectorView]) -> list[int]:
    """Limits of the connectors that charge, in mA."""
    return [view.limit_ma or 0 for view in views if view.transaction_id is not None]


def energies_of(views: Iterable[ConnectorView]) -> list[int]:
    """Energies of the running sessions, in Wh."""
    return [view.energy_wh for view in views if view.energy_wh is not None]


class StationTilesPage(LivePage):
    """The tiles of the stations page."""

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """The header's, then one tile per connector."""
        yield from status_fragments(site, language)
        zone = ZoneInfo(site.timezone)
        names = {circuit.circuit_id: circuit.name for circuit in site.circuits}
        for view in site.connectors:
            reason = view.reason
            circuit = None if reason is None else names.get(reason.circuit_id or "")
            yield Fragment(
                tile_id(view.key),
                (tile_signature(view), circuit),
                partial(tile, view, language, zone, names),
            )


class NewStationsPage(LivePage):
    """How many callers wait now, beside those that were there when the page was made, and how long
    the commissioning window stays open.
    """

    def __init__(self, window_left_s: Callable[[], float]) -> None:
        self._window_left_s = window_left_s

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """The header's, then the count and the time left."""
        yield from status_fragments(site, language)
        waiting = site.pending_stations
        yield Fragment("waiting", waiting, partial(_waiting, waiting, language))
        left_s = self._window_left_s()
        shown = language.seconds(ceil(left_s)) if left_s > 0 else ""
        yield Fragment("window-left", shown, partial(_window_left, shown, language))


def _window_left(left: str, language: Language) -> str:
    text = language.gettext("%(time)s left", time=left) if left else language.gettext("closed")
    return f'<b id="window-left" role="timer">{escaped(text)}</b>'


def _waiting(waiting: int, language: Language) -> str:
    text = language.ngettext("%(count)s station waits", "%(count)s stations wait", waiting)
    again = language.gettext("Show who waits now")
    return (
        f'<p id="waiting" class="sub" role="status">{escaped(text)}. '
        f'<a href="/stations/new">{escaped(again)}</a></p>'
    )


class LiveBoards:
    """Boards by page and language."""

    def __init__(self, pages: Pages, window_left_s: Callable[[], float] = lambda: 0.0) -> None:
        """Take ``window_left_s``, which tells how long the commissioning window stays open."""
        self._pages = pages
        self._window_left_s = window_left_s
        self._boards: OrderedDict[tuple[str, str], Board] = OrderedDict()

    def board(self, view: str, language: Language) -> Board | None:
        """``status``, ``site``, ``new``, ``stations``, ``station-tiles`` or ``station/{id}``.

        ``None`` for another name.
        """
        key = (view, language.code)
        board = self._boards.get(key)
        if board is None:
            page = self._page(view)
            if page is None:
                return None
            board = self._boards[key] = Board(page, language)
            if len(self._boards) > MOST_BOARDS:
                self._boards.popitem(last=False)
        self._boards.move_to_end(key)
        return board

    def _page(self, view: str) -> LivePage | None:
        if view == "status":
            return StatusPage()
        if view == "site":
            return SitePage()
        if view == "new":
            return NewStationsPage(self._window_left_s)
        if view == "stations":
            return StationsPage(self._pages)
        if view == "station-tiles":
            return StationTilesPage()
        if view.startswith("station/"):
            return StationPage(view.removeprefix("station/"), self._pages)
        return None
