"""Tiles of the connectors: the hot path of the live page, so plain strings, not templates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from html import escape
from urllib.parse import quote
from zoneinfo import ZoneInfo

from app.domain.station import ConnectorKey
from app.domain.units import PHASES
from app.services.live import ConnectorView, DisplayState
from app.web.i18n import DASH, NARROW_SPACE, Language
from app.web.wording import STATE_NOTES, STATES, reason_short

STALE_AFTER_S = 60.0
"""A connector's measurement older than this is shown as old."""

escaped = lru_cache(4096)(escape)
quoted = lru_cache(4096)(lambda text: quote(text, safe=""))

_FLOWING = frozenset(
    {DisplayState.CHARGING, DisplayState.WAITING_FOR_POWER, DisplayState.SUSPENDED_BY_CAR}
)


def tile_id(key: ConnectorKey) -> str:
    """Identifier of the tile's element."""
    return f"t-{quoted(key.station_id)}-{key.connector_id}"


def is_stale(connector: ConnectorView) -> bool:
    """Whether the measurement shown is old; offline stations show none."""
    age = connector.measured_age_s
    return connector.online and age is not None and age > STALE_AFTER_S


def signature(connector: ConnectorView) -> Hashable:
    """The values that the tile shows."""
    measured = connector.measured
    reason = connector.reason
    energy = connector.energy_wh
    return (
        connector.state,
        connector.limit_ma,
        None if measured is None else (measured.l1 // 100, measured.l2 // 100, measured.l3 // 100),
        None if reason is None else (reason.code, reason.circuit_id, reason.phase),
        None if energy is None else energy // 100,
        connector.badge_label,
        connector.error_code,
        connector.offline_since_utc,
        connector.obeys,
        connector.station_name,
        connector.place,
        connector.circuit_id,
        connector.max_ma,
        connector.reserved_until_utc,
        connector.reserved_for,
        is_stale(connector),
    )


def phase_bars(connector: ConnectorView) -> str:
    """Three thin bars (L1 to L3) against the connector's maximum, with a tick at its limit."""
    top = connector.max_ma or 1
    measured = connector.measured
    bars = (
        "".join(
            f"M0 {2 + 4 * phase}H{min(100, max(0, measured[phase]) * 100 // top)}"
            for phase in PHASES
        )
        if measured is not None
        else ""
    )
    tick = ""
    if connector.limit_ma is not None:
        at = min(100, connector.limit_ma * 100 // top)
        tick = f'<path class="t" d="M{at} 0V12"/>'
    return (
        '<svg class="f" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{bars}"/>{tick}</svg>'
    )


def amps_over_limit(connector: ConnectorView, language: Language) -> str:
    """``<b>15,8</b>/16 A``: the greatest phase current over the limit."""
    measured = connector.measured
    flowing = DASH if measured is None else language.amps(measured.peak())
    limit = DASH if connector.limit_ma is None else language.amps_short(connector.limit_ma)
    return f"<b>{flowing}</b>/{limit}{NARROW_SPACE}A"


def tile(
    connector: ConnectorView,
    language: Language,
    zone: ZoneInfo,
    circuits: Mapping[str, str],
) -> str:
    """The tile's element."""
    words = STATES[connector.state]
    state = language.text(words.short)
    if connector.state is DisplayState.FAULTED and connector.error_code:
        state = f"{state} · {connector.error_code}"
    elif connector.offline_since_utc is not None and not connector.online:
        state = language.gettext(
            "Offline since %(time)s", time=language.time(connector.offline_since_utc, zone)
        )
    classes = f"tile {words.tone}" + (" old" if is_stale(connector) else "")
    energy = []
    if connector.energy_wh is not None:
        energy.append(language.energy(connector.energy_wh))
    if connector.badge_label:
        energy.append(escaped(connector.badge_label))
    return (
        f'<li id="{tile_id(connector.key)}" class="{classes}" data-s="{connector.state}">'
        f'<a href="/stations/{quoted(connector.key.station_id)}">'
        f'<b class="n">{escaped(connector.station_name)}</b>'
        f'<span class="p"><bdi>{escaped(connector.place)}</bdi></span>'
        f'<span class="s"><svg class="i"><use href="#i-{words.icon}"/></svg>{escaped(state)}</span>'
        f"{_figures(connector, language, zone, circuits)}"
        f'<span class="e">{" · ".join(energy)}</span></a></li>'
    )


def _figures(
    connector: ConnectorView, language: Language, zone: ZoneInfo, circuits: Mapping[str, str]
) -> str:
    if connector.state in _FLOWING:
        return (
            f'<span class="a">{amps_over_limit(connector, language)}</span>{phase_bars(connector)}'
            f'<span class="r">{_reason(connector, language, circuits)}</span>'
        )
    if connector.state is DisplayState.OFFLINE and connector.limit_ma is not None:
        reserved = language.gettext(
            "%(limit)s kept in reserve", limit=language.amperes(connector.limit_ma)
        )
        return f'<span class="r">{reserved}</span>'
    if connector.reserved_until_utc is not None:
        until = language.gettext(
            "until %(time)s · %(who)s",
            time=language.time(connector.reserved_until_utc, zone),
            who=connector.reserved_for,
        )
        return f'<span class="r">{escaped(until)}</span>'
    return f'<span class="r">{_reason(connector, language, circuits)}</span>'


def _reason(connector: ConnectorView, language: Language, circuits: Mapping[str, str]) -> str:
    if not connector.obeys:
        return escaped(language.gettext("ignores its limit"))
    note = STATE_NOTES.get(connector.state)
    if note is not None:
        return escaped(language.text(note))
    return escaped(reason_short(connector.reason, language, circuits))
