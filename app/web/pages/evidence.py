"""``/evidence``: overloads and reactions over the last months, as evidence."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NamedTuple

from babel.dates import format_date
from starlette.responses import Response

from app.domain.evidence import EventKind, EvidenceEvent, EvidenceMonth
from app.domain.station import ConnectorKey
from app.web.http import Visit
from app.web.i18n import N_
from app.web.wording import EVENTS, PHASE_NAMES, circuit_names

MONTHS = 12
YEAR = timedelta(days=366)
EVENTS_SHOWN = 200
EVENTS_MOST = 40_000
"""In a file, and behind the figures: more than the evidence of a year can hold."""


COLUMNS = (
    N_("Event"),
    N_("Circuit"),
    N_("Where"),
    N_("Phase"),
    N_("Began"),
    N_("Ended"),
    N_("Duration (seconds)"),
    N_("Limit (amperes)"),
    N_("Peak (amperes)"),
    N_("Above 105 percent (seconds)"),
    N_("Reaction (seconds)"),
)
"""Of the table for a spreadsheet."""


class MonthRow(NamedTuple):
    """One month of the table and of the strip; ``None`` where nothing was observed."""

    label: str
    short: str
    account: EvidenceMonth | None
    reaction_s: float | None
    """95 % of the reactions were faster."""


async def page(visit: Visit) -> Response:
    """Twelve months at a glance, then the events, of all circuits or of one."""
    names = circuit_names(visit.services.circuits.tree())
    circuit_id = _chosen(visit, names)
    accounts = await visit.services.evidence.months()
    events = await _events(visit, None)
    listed = [event for event in events if circuit_id is None or event.circuit_id == circuit_id]
    months = _months(visit, accounts, events)
    return visit.render(
        "evidence.html",
        months=months,
        since=min((account.since_utc for account in accounts), default=None),
        observed_s=sum(row.account.observed_s for row in months if row.account),
        severe=sum(row.account.severe for row in months if row.account),
        longest_s=max((row.account.longest_s for row in months if row.account), default=0.0),
        reaction_s=_p95(_reactions(events)),
        quiet=not events,
        events=listed[:EVENTS_SHOWN],
        more=max(0, len(listed) - EVENTS_SHOWN),
        circuit_id=circuit_id,
        names=names,
        subject=lambda event: _subject(visit, event, names),
        lasts=visit.services.evidence.lasts,
        words_of=EVENTS,
        kinds=EventKind,
    )


async def csv(visit: Visit) -> Response:
    """The events as a table for a spreadsheet: ``;`` between fields, ``?bom=1`` for a BOM."""
    names = circuit_names(visit.services.circuits.tree())
    language, zone = visit.language, visit.zone
    text = language.gettext
    out = io.StringIO()
    writer = csv_format.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow([text(column) for column in COLUMNS])

    def number(value: float | None, digits: int = 1) -> str:
        written = "" if value is None else f"{value:.{digits}f}"
        return written.replace(".", ",") if language.code == "fr" else written

    def instant(at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"

    for event in await _events(visit, _chosen(visit, names)):
        writer.writerow(
            [
                text(EVENTS[event.kind][0]),
                _plain(names.get(event.circuit_id, event.circuit_id)),
                _plain(_subject(visit, event, names)),
                "" if event.phase is None else PHASE_NAMES[event.phase],
                instant(event.began_utc),
                instant(event.ended_utc),
                number(event.duration_s),
                number(None if event.limit_ma is None else event.limit_ma / 1000),
                number(None if event.peak_ma is None else event.peak_ma / 1000),
                number(event.severe_s),
                number(event.reaction_s, 3),
            ]
        )
    encoding = "utf-8-sig" if visit.request.query_params.get("bom") == "1" else "utf-8"
    return Response(
        out.getvalue().encode(encoding),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="bornier-evidence.csv"'},
    )


async def _events(visit: Visit, circuit_id: str | None) -> Sequence[EvidenceEvent]:
    since = visit.services.clock.utc_now() - YEAR
    return await visit.services.evidence.events(since, circuit_id, EVENTS_MOST)


def _chosen(visit: Visit, names: dict[str, str]) -> str | None:
    chosen = visit.request.query_params.get("circuit", "")
    return chosen if chosen in names else None


def _subject(visit: Visit, event: EvidenceEvent, names: dict[str, str]) -> str:
    """The circuit, or the station with its connector, by name."""
    if event.kind is not EventKind.DISOBEYING:
        return names.get(event.subject, event.subject)
    station_id, _, number = event.subject.rpartition("/")
    key = ConnectorKey(station_id, int(number))
    for station in visit.services.stations.configuration():
        if station.station_id == key.station_id:
            several = len(station.connectors) > 1
            return f"{station.name} · {key.connector_id}" if several else station.name
    return event.subject


def _plain(text: str) -> str:
    """No spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _months(
    visit: Visit, accounts: Sequence[EvidenceMonth], events: Sequence[EvidenceEvent]
) -> list[MonthRow]:
    """The last twelve months, the present one first."""
    by_month = {account.month: account for account in accounts}
    reactions: dict[str, list[float]] = {}
    for event in events:
        if event.reaction_s is not None:
            month = f"{event.began_utc.astimezone(visit.zone):%Y-%m}"
            reactions.setdefault(month, []).append(event.reaction_s)
    today = visit.services.clock.utc_now().astimezone(visit.zone)
    rows = []
    for ago in range(MONTHS):
        year, index = divmod(today.year * 12 + today.month - 1 - ago, 12)
        day = datetime(year, index + 1, 1, tzinfo=UTC).date()
        key = f"{day:%Y-%m}"
        rows.append(
            MonthRow(
                format_date(day, "MMMM y", locale=visit.language.locale),
                format_date(day, "LLLLL", locale=visit.language.locale),
                by_month.get(key),
                _p95(reactions.get(key, [])),
            )
        )
    return rows


def _reactions(events: Iterable[EvidenceEvent]) -> list[float]:
    return [event.reaction_s for event in events if event.reaction_s is not None]


def _p95(values: Sequence[float]) -> float | None:
    """The least value that 95 % do not exceed."""
    if not values:
        return None
    return sorted(values)[ceil(0.95 * len(values)) - 1]
