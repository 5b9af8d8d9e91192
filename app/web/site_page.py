"""The live content of the Site page: clock, alarms, supply, circuits, chips and tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from zoneinfo import ZoneInfo

from app.services.live import Alarm, ConnectorView, DisplayState, Severity, SiteView
from app.web.circuits_view import circuit_fragments, circuit_list, diagram
from app.web.fragments import Fragment, LivePage
from app.web.i18n import Language
from app.web.messages import MESSAGES, filled
from app.web.tiles import escaped, quoted, signature, tile, tile_id
from app.web.wording import SEVERITIES, STATES

WORST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def status_fragments(site: SiteView, language: Language) -> Iterable[Fragment]:
    """What the header of every page shows: the time of the data and the number of alarms."""
    zone = ZoneInfo(site.timezone)
    clock = language.time_s(site.at_utc, zone)
    yield Fragment("data-time", clock, lambda: f'<time id="data-time">{clock}</time>')
    urgent = sum(alarm.severity is not Severity.INFO for alarm in site.alarms)
    yield Fragment("alarm-count", urgent, lambda: alarm_count(urgent, language))


def alarm_count(urgent: int, language: Language) -> str:
    """The header's badge: nothing when all is well."""
    if not urgent:
        return '<a id="alarm-count" href="/#alarms" hidden></a>'
    text = language.ngettext("%(count)s alarm", "%(count)s alarms", urgent)
    return (
        '<a id="alarm-count" class="alarm-count" href="/#alarms"><svg class="i"><use '
        f'href="#i-alert"/></svg><b aria-hidden="true">{urgent}</b><span>{escaped(text)}</span></a>'
    )


class StatusPage(LivePage):
    """Pages whose own content does not move: only the header lives."""

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """The header's."""
        return status_fragments(site, language)


class SitePage(LivePage):
    """Everything on the Site page that moves."""

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        """In the order of the page."""
        zone = ZoneInfo(site.timezone)
        yield from status_fragments(site, language)
        minute = site.at_utc.replace(second=0, microsecond=0) if not site.alarms else None
        yield Fragment("alarms", (site.alarms, minute), lambda: alarm_strip(site, language, zone))
        counts = site.counts()
        yield Fragment(
            "chips", tuple(counts.values()), lambda: chips(counts, len(site.connectors), language)
        )
        yield Fragment(
            "pending", site.pending_stations, lambda: pending_note(site.pending_stations, language)
        )
        yield from circuit_fragments(site, language)
        yield from self._groups(site, language)
        names = {circuit.circuit_id: circuit.name for circuit in site.circuits}
        for connector in site.connectors:
            reason = connector.reason
            circuit = None if reason is None else names.get(reason.circuit_id or "")
            yield Fragment(
                tile_id(connector.key),
                (signature(connector), circuit),
                partial(tile, connector, language, zone, names),
            )

    def _groups(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        for circuit_id, members in grouped(site).items():
            charging = sum(member.state is DisplayState.CHARGING for member in members)
            yield Fragment(
                f"g-{quoted(circuit_id)}",
                (charging, len(members)),
                partial(group_count, circuit_id, charging, len(members), language),
            )

    def frame(self, site: SiteView, html: Mapping[str, str]) -> Mapping[str, str]:
        """Blocks: header, alarms, chips, power, diagram, circuits, tiles."""
        blocks = {
            name: html[name]
            for name in ("data-time", "alarm-count", "alarms", "chips", "pending", "power")
            if name in html
        }
        if site.circuits:
            blocks["diagram"] = diagram(site.circuits, html)
            blocks["circuits"] = circuit_list(site.circuits, html)
        blocks["tiles"] = tiles(site, html)
        return blocks


def grouped(site: SiteView) -> dict[str, list[ConnectorView]]:
    """Connectors by their circuit, in the circuits' order."""
    groups: dict[str, list[ConnectorView]] = {circuit.circuit_id: [] for circuit in site.circuits}
    for connector in site.connectors:
        groups.setdefault(connector.circuit_id, []).append(connector)
    return {circuit_id: members for circuit_id, members in groups.items() if members}


def tiles(site: SiteView, html: Mapping[str, str]) -> str:
    """All tiles, under a heading per circuit that feeds stations."""
    groups = "".join(
        f'<details class="group" open><summary><h3>{escaped(members[0].circuit_name)}</h3>'
        f"{html['g-' + quoted(circuit_id)]}</summary>"
        f'<ul class="tiles">{"".join(html[tile_id(member.key)] for member in members)}</ul></details>'
        for circuit_id, members in grouped(site).items()
    )
    return f'<div id="tiles">{groups}</div>'


def group_count(circuit_id: str, charging: int, total: int, language: Language) -> str:
    """``12 en charge sur 40``."""
    text = language.ngettext(
        "%(charging)s charging of %(count)s",
        "%(charging)s charging of %(count)s",
        total,
        charging=language.integer(charging),
    )
    return f'<span id="g-{quoted(circuit_id)}" class="gc">{escaped(text)}</span>'


def chips(counts: Mapping[DisplayState, int], total: int, language: Language) -> str:
    """Filter chips with counts; states nobody is in have no chip."""
    items = [_chip("", language.gettext("All"), total, "")]
    items += [
        _chip(state, language.text(words.label), counts[state], words.tone)
        for state, words in STATES.items()
        if counts[state]
    ]
    return f'<ul id="chips" class="chips">{"".join(items)}</ul>'


def _chip(state: str, label: str, count: int, tone: str) -> str:
    href = f"/?state={state}#points" if state else "/#points"
    return (
        f'<li><a class="chip {tone}" data-f="{state}" href="{href}">{escaped(label)} '
        f"<b>{count}</b></a></li>"
    )


def pending_note(count: int, language: Language) -> str:
    """Tells that unknown stations wait for adoption."""
    if not count:
        return '<p id="pending" hidden></p>'
    text = language.ngettext(
        "%(count)s unknown station asks to join", "%(count)s unknown stations ask to join", count
    )
    return (
        '<p id="pending" class="pending"><svg class="i"><use href="#i-inbox"/></svg> '
        f'<a href="/stations/new">{escaped(text)}</a></p>'
    )


def alarm_strip(site: SiteView, language: Language, zone: ZoneInfo) -> str:
    """All alarms, worst first, each with what to do; or that there is none."""
    if not site.alarms:
        text = language.gettext(
            "No alarm. Checked at %(time)s.", time=language.time(site.at_utc, zone)
        )
        return (
            '<div id="alarms" class="alarms quiet"><p><svg class="i"><use href="#i-check"/></svg> '
            f"{escaped(text)}</p></div>"
        )
    ordered = sorted(site.alarms, key=lambda alarm: (WORST_FIRST.index(alarm.severity), alarm.key))
    rows = "".join(_alarm(alarm, site, language, zone) for alarm in ordered)
    return f'<div id="alarms" class="alarms"><ul>{rows}</ul></div>'


def _alarm(alarm: Alarm, site: SiteView, language: Language, zone: ZoneInfo) -> str:
    word, icon = SEVERITIES[alarm.severity]
    params = filled(alarm.params, language, zone)
    title = MESSAGES.title(alarm.key, params, language)
    effect = MESSAGES.effect(alarm.key, params, language)
    what_to_do = language.gettext("What to do?")
    since = language.gettext(
        "since %(time)s", time=language.moment(alarm.since_utc, site.at_utc, zone)
    )
    return (
        f'<li class="{alarm.severity}"><svg class="i"><use href="#i-{icon}"/></svg>'
        f'<p><b><span class="vh">{escaped(language.text(word))} : </span>{escaped(title)}</b> '
        f"<span>{escaped(effect)}</span> <small>{escaped(since)}</small></p>"
        f'<a href="/help/errors/{quoted(alarm.key)}">{escaped(what_to_do)}</a></li>'
    )
