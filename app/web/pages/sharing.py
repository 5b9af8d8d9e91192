"""``/settings/sharing``: who gets how much, and when less may be used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from starlette.responses import Response

from app.domain.circuit import CircuitTree
from app.domain.errors import InvalidInputError
from app.domain.rules import (
    DAY_MINUTES,
    LimitScope,
    ScheduledLimit,
    SharingPolicy,
    SiteRules,
    SolarMode,
    SolarRule,
    WeekWindow,
)
from app.energy.calendar import holds, next_change_utc
from app.web import rule_words
from app.web.forms import Form
from app.web.http import Visit

WHOLE_SITE = ""
"""What stands for the whole site, or the supply, in a list of circuits."""


class InForce(NamedTuple):
    """A line of what holds now: its icon, where, what, and until when (``None``: for ever)."""

    icon: str
    place: str
    text: str
    until: datetime | None


class Strip(NamedTuple):
    """The week of one circuit as SVG paths; ``charging`` is empty when nothing bounds it alone."""

    name: str
    limit_ma: int
    area: str
    line: str
    charging: str
    least_ma: int


async def page(visit: Visit) -> Response:
    """All rules, and what they come to now."""
    return _page(visit, Form(_solar_values(visit.services.rule_book.rules)))


async def set_policy(visit: Visit) -> Response:
    """Chooses the policy."""
    form = await visit.form()
    policy = SharingPolicy(form.choice("policy", set(SharingPolicy)))
    await visit.services.rule_book.set_policy(policy, visit.actor)
    return visit.redirect("/settings/sharing", "sharing-saved")


async def set_solar(visit: Visit) -> Response:
    """Chooses whether charging follows the sun."""
    form = await visit.form()
    try:
        solar = SolarRule(
            SolarMode(form.choice("mode", set(SolarMode))), form["circuit_id"] or None
        )
        await visit.services.rule_book.set_solar(solar, visit.actor)
    except InvalidInputError as error:
        return _page(visit, form, visit.refuse(form, error))
    return visit.redirect("/settings/sharing", "sharing-saved")


def _page(visit: Visit, form: Form, status: int = 200) -> Response:
    services = visit.services
    configuration = services.circuits.configuration()
    tree = services.circuits.tree()
    rules = configuration.rules
    now = services.clock.utc_now()
    local = now.astimezone(services.rules.zone)
    tariff = rule_words.tariff_steps(rules.tariff)
    return visit.render(
        "sharing.html",
        status,
        form=form,
        rules=rules,
        tree=tree,
        names=names(visit),
        in_force=_in_force(visit, rules, tree),
        strips=_strips(rules.schedules, tree),
        tariff_area=rule_words.area(tariff) if len(tariff) > 1 else "",
        now=now,
        now_minute=local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute,
        solar=services.rules.solar(),
        orders=services.external.orders(),
    )


def names(visit: Visit) -> dict[str, str]:
    """What circuits, stations and badges are called, by identifier."""
    configuration = visit.services.circuits.configuration()
    found = {badge.key: badge.holder or badge.id_tag for badge in visit.services.badges.list()}
    found |= {station.station_id: station.name for station in configuration.stations}
    return found | {circuit.circuit_id: circuit.name for circuit in configuration.circuits}


def _in_force(visit: Visit, rules: SiteRules, tree: CircuitTree) -> list[InForce]:
    services, language = visit.services, visit.language
    now_utc = services.clock.utc_now()
    zone = services.rules.zone
    local = now_utc.astimezone(zone)

    def until(window: WeekWindow) -> datetime | None:
        return next_change_utc([window], zone, now_utc)

    lines = []
    for order in services.external.orders():
        if not order.lapsed:
            text = language.gettext(
                "%(limit)s, %(scope)s, set by %(name)s",
                limit=rule_words.bound(order.bound, language),
                scope=language.text(rule_words.SCOPES[order.bound.scope]),
                name=order.by,
            )
            lines.append(InForce("inbox", tree[order.circuit_id].name, text, order.until_utc))
    lapsed = {order.circuit_id for order in services.external.orders() if order.lapsed}
    for standing in rules.without_news:
        if standing.circuit_id in lapsed:
            text = language.gettext(
                "%(limit)s, for want of news",
                limit=rule_words.bound(standing.bound, language),
            )
            lines.append(InForce("unlink", tree[standing.circuit_id].name, text, None))
    for scheduled in rules.schedules:
        if holds(scheduled.window, local):
            text = f"{rule_words.bound(scheduled.bound, language)}, " + language.text(
                rule_words.SCOPES[scheduled.bound.scope]
            )
            name = tree[scheduled.circuit_id].name
            lines.append(InForce("clock", name, text, until(scheduled.window)))
    for tariff in rules.tariff:
        if holds(tariff.window, local):
            name = tree[tariff.circuit_id or tree.root.circuit_id].name
            text = language.gettext(
                "tariff hours: %(charge)s", charge=language.text(rule_words.CHARGES[tariff.charge])
            )
            lines.append(InForce("coin", name, text, until(tariff.window)))
    for slot in rules.priorities:
        if holds(slot.window, local):
            called = names(visit)
            who = ", ".join(
                called.get(key, key) for key in (*slot.badges, *slot.stations, *slot.circuits)
            )
            text = language.gettext(
                "class %(name)s", name=language.text(rule_words.PRIORITY_NAMES[slot.priority])
            )
            lines.append(InForce("flag", who, text, until(slot.window)))
    return lines


def _strips(schedules: Sequence[ScheduledLimit], tree: CircuitTree) -> list[Strip]:
    strips = []
    for circuit in tree:
        if all(each.circuit_id != circuit.circuit_id for each in schedules):
            continue
        everything = rule_words.least(circuit, schedules, LimitScope.ALL)
        charging = rule_words.least(circuit, schedules, LimitScope.CHARGING)
        limit_ma = min(circuit.limit)
        strips.append(
            Strip(
                circuit.name,
                limit_ma,
                rule_words.area(everything),
                rule_words.line(everything),
                rule_words.line(charging) if len(charging) > 1 or charging[0][2] < 1 else "",
                round(limit_ma * min(share for *_, share in (*everything, *charging))),
            )
        )
    return strips


def _solar_values(rules: SiteRules) -> dict[str, str]:
    return {"mode": rules.solar.mode.value, "circuit_id": rules.solar.circuit_id or WHOLE_SITE}
