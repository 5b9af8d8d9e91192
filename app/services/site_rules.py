"""Rules of sharing as the site document (``bornier-site/1``) writes them.

Times are ``HH:MM`` of the site's wall clock; ``to`` not after ``from`` means the next day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from app.domain.badge import normalised_id_tag
from app.domain.errors import InvalidInputError
from app.domain.rules import (
    Bound,
    LimitScope,
    PriorityWindow,
    ScheduledLimit,
    SharingPolicy,
    SiteRules,
    SolarMode,
    SolarRule,
    TariffCharge,
    TariffWindow,
    WeekWindow,
    WithoutNews,
)
from app.domain.units import PhaseCurrents, amperes_to_ma
from app.services.rule_checks import MOST_MA, MOST_W

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Clock = Annotated[str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]
Days = Annotated[tuple[Day, ...], msgspec.Meta(min_length=1, max_length=7)]
Amperes = float | tuple[float, float, float]
"""The same on each phase, or one per phase."""


class _Timed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    days: Days = DAYS
    from_: Clock = msgspec.field(name="from", default="00:00")
    to: Clock = "24:00"

    @property
    def window(self) -> WeekWindow:
        days = tuple(sorted({DAYS.index(day) for day in self.days}))
        return WeekWindow(days, minute_of(self.from_), minute_of(self.to))


class _Schedule(_Timed, forbid_unknown_fields=True, kw_only=True):
    circuit: str
    limit_a: Amperes | None = None
    power_kw: float | None = None
    scope: LimitScope = LimitScope.ALL


class _Priority(_Timed, forbid_unknown_fields=True, kw_only=True):
    priority: int
    stations: tuple[str, ...] = ()
    circuits: tuple[str, ...] = ()
    badges: tuple[str, ...] = ()


class _Tariff(_Timed, forbid_unknown_fields=True, kw_only=True):
    charge: TariffCharge
    circuit: str | None = None
    spares_first: bool = False


class _Solar(msgspec.Struct, forbid_unknown_fields=True):
    mode: SolarMode = SolarMode.OFF
    circuit: str | None = None


class _WithoutNews(msgspec.Struct, forbid_unknown_fields=True):
    circuit: str
    limit_a: Amperes | None = None
    power_kw: float | None = None
    scope: LimitScope = LimitScope.ALL


class RulesDocument(msgspec.Struct, forbid_unknown_fields=True):
    """The part ``rules`` of a site document."""

    policy: SharingPolicy = SharingPolicy.WEIGHTED
    schedules: tuple[_Schedule, ...] = ()
    priorities: tuple[_Priority, ...] = ()
    tariff: tuple[_Tariff, ...] = ()
    solar: _Solar = msgspec.field(default_factory=_Solar)
    without_news: tuple[_WithoutNews, ...] = ()


def rules_of(document: RulesDocument) -> SiteRules:
    """The rules that a document describes; whether they fit the site is checked with the site."""
    return SiteRules(
        policy=document.policy,
        schedules=tuple(
            ScheduledLimit(
                item.circuit,
                item.window,
                bound_of(item.limit_a, item.power_kw, item.scope, f"schedules[{number}]"),
            )
            for number, item in enumerate(document.schedules)
        ),
        priorities=tuple(
            PriorityWindow(
                item.window,
                item.priority,
                item.stations,
                item.circuits,
                tuple(normalised_id_tag(number) for number in item.badges),
            )
            for item in document.priorities
        ),
        tariff=tuple(
            TariffWindow(item.window, item.charge, item.circuit, item.spares_first)
            for item in document.tariff
        ),
        solar=SolarRule(document.solar.mode, document.solar.circuit),
        without_news=tuple(
            WithoutNews(
                item.circuit,
                bound_of(item.limit_a, item.power_kw, item.scope, f"without_news[{number}]"),
            )
            for number, item in enumerate(document.without_news)
        ),
    )


def bound_of(
    limit_a: Amperes | None, power_kw: float | None, scope: LimitScope, place: str
) -> Bound:
    """A bound from amperes and kilowatts; ``InvalidInputError`` for what is out of range."""
    limit = None
    if limit_a is not None:
        phases: Sequence[float] = limit_a if isinstance(limit_a, tuple) else (limit_a,) * 3
        if not all(0 <= current <= MOST_MA / 1000 for current in phases):
            raise InvalidInputError("rule-limit-range", field="limit", place=place, most_ma=MOST_MA)
        limit = PhaseCurrents.of(amperes_to_ma(current) for current in phases)
    if power_kw is not None and not 0 <= power_kw <= MOST_W / 1000:
        raise InvalidInputError("rule-power-range", field="power", place=place, most=MOST_W // 1000)
    return Bound(limit, None if power_kw is None else round(power_kw * 1000), scope)


def minute_of(clock: str) -> int:
    """``22:30`` as minutes since midnight."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
