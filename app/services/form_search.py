"""Finding the form in which a station takes its limits, one refusal at a time.

A station refuses without saying why, and may also refuse only now (its transaction is not ready
yet): so a form that was accepted before is kept for two refusals, and every attempt begins with
the form in use before it goes on to the next ones.
"""

from __future__ import annotations

from math import inf

from app.domain.capability import ProfileForm
from app.ocpp16.profile_forms import live_forms
from app.services.registry import StationLive

RETRIES = 2
"""Refusals of a form that was accepted before, until others are tried."""

FORMS_AT_ONCE = 8
"""Forms tried for one limit; at a second each, what is waited for stays shorter than a lease."""

SEARCH_AGAIN_S = 6 * 3600.0
"""A station that took no form is tried again from the start after this long: somebody may have
changed its settings."""


class _Search:
    __slots__ = ("ended_s", "forms", "position", "refusals")

    def __init__(self, forms: tuple[ProfileForm, ...]) -> None:
        self.forms = forms
        self.position = 0
        self.refusals = 0
        self.ended_s = -inf


class FormSearch:
    """Remembers, per station, which forms were refused."""

    def __init__(self) -> None:
        self._searches: dict[str, _Search] = {}

    def accepted(self, station: StationLive) -> None:
        """The station took a limit in the form in use: what was refused before is forgotten."""
        self._searches.pop(station.station.station_id, None)
        station.capability.form_proven = True

    def exhausted(self, station: StationLive) -> bool:
        """Whether the station has refused every form."""
        search = self._searches.get(station.station.station_id)
        return search is not None and search.ended_s > -inf

    def after_refusal(self, station: StationLive, now_s: float) -> list[ProfileForm]:
        """The forms to try right away, after the one in use was refused; none to wait instead."""
        search = self._search(station)
        search.refusals += 1
        if station.capability.form_proven and search.refusals <= RETRIES:
            return []
        if search.ended_s > -inf:
            if now_s - search.ended_s < SEARCH_AGAIN_S:
                return []
            search.position, search.ended_s = 0, -inf
        found = [self.next_form(station, now_s) for _ in range(FORMS_AT_ONCE)]
        return [form for form in found if form is not None]

    def next_form(self, station: StationLive, now_s: float) -> ProfileForm | None:
        """The next form that this station was not tried in; ``None`` when there is none left."""
        search = self._search(station)
        if search.position >= len(search.forms):
            search.ended_s = now_s
            return None
        search.position += 1
        return search.forms[search.position - 1]

    def _search(self, station: StationLive) -> _Search:
        search = self._searches.get(station.station.station_id)
        if search is None:
            capability = station.capability
            forms = live_forms(
                capability.form,
                capability.settings,
                capability.fallback,
                len(station.station.connectors),
            )
            search = _Search(forms[1:])
            self._searches[station.station.station_id] = search
        return search
