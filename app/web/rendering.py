"""Templates: one Jinja2 environment per language, compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from app.config import VERSION
from app.domain.units import PHASES
from app.services.rule_book import rule_key
from app.web import adoption_words, rule_words, wording
from app.web.assets import Assets
from app.web.i18n import DASH, LANGUAGE_NAMES, Language, languages
from app.web.notices import NOTICES
from app.web.station_tabs import STATION_TABS
from app.web.tiles import quoted

if TYPE_CHECKING:
    from app.web.http import Visit

TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """Renders templates in the visitor's language."""

    def __init__(self, assets: Assets) -> None:
        self._environments = {
            code: _environment(language, assets) for code, language in languages().items()
        }

    def render(self, visit: Visit, template: str, context: Mapping[str, Any]) -> str:
        """The page as HTML."""
        found = self._environments[visit.language.code].get_template(template)
        notice = NOTICES.get(visit.request.query_params.get("done", ""))
        return found.render(
            visit=visit,
            user=visit.user,
            site=visit.site,
            zone=visit.zone,
            theme=visit.theme,
            csrf=visit.session.csrf_token if visit.session else "",
            path=visit.request.url.path,
            notice=notice,
            **context,
        )

    def fragment(self, language: Language, template: str, macro: str, *values: Any) -> str:
        """One macro of a template, on one line."""
        module = self._environments[language.code].get_template(template).module
        html: str = getattr(module, macro)(*values)
        return " ".join(html.split())


def _environment(language: Language, assets: Assets) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.raw_ngettext, newstyle=True
    )
    environment.globals.update(
        language=language,
        language_names=LANGUAGE_NAMES,
        asset=assets.url,
        version=VERSION,
        words=wording,
        rule_words=rule_words,
        adoption_words=adoption_words,
        rule_key=rule_key,
        phases=PHASES,
        station_tabs=STATION_TABS,
        dash=DASH,
        icon=icon,
    )
    environment.filters.update(
        amps=language.amps,
        amperes=language.amperes,
        amps_short=language.amps_short,
        plain_a=_plain_amperes,
        energy=language.energy,
        power=language.power,
        integer=language.integer,
        decimal=language.decimal,
        duration=language.duration,
        seconds=language.seconds,
        percent=language.percent,
        filesize=language.filesize,
        minute=_clock_time,
        path=quoted,
        trans=language.text,
    )
    return environment


def icon(name: str) -> Markup:
    """An icon of the sprite, silent for screen readers."""
    return Markup('<svg class="i" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def _clock_time(minute: int) -> str:
    """A minute of the day as it stands on a clock: ``22:30``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _plain_amperes(current_ma: int | None) -> str:
    """A current as typed into a form: amperes, no unit, no separator."""
    if current_ma is None:
        return ""
    return f"{current_ma / 1000:g}"
