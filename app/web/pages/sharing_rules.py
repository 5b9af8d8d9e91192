"""``/settings/sharing/{kind}/…``: one rule at a time, added, changed or removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.badge import normalised_id_tag
from app.domain.errors import InvalidInputError
from app.domain.rules import (
    WEEK_DAYS,
    Bound,
    LimitScope,
    PriorityWindow,
    ScheduledLimit,
    TariffCharge,
    TariffWindow,
    WeekWindow,
    WithoutNews,
)
from app.domain.units import PHASES, PhaseCurrents
from app.services.rule_book import Kind, Rule
from app.services.rule_checks import MOST_MA, MOST_W
from app.web import rule_words
from app.web.forms import Form
from app.web.http import Visit
from app.web.i18n import N_
from app.web.pages.sharing import WHOLE_SITE, names

BACK = "/settings/sharing"
NAMED_MOST = 2_000
PLACES = {"limit": "limit-1", "days": "day-0"}


class KindWords(NamedTuple):
    """A kind of rule: how the service calls it, and its titles."""

    kind: Kind
    add: str
    edit: str
    back: str = BACK


KINDS: Mapping[str, KindWords] = {
    "limits": KindWords("schedules", N_("Add a weekly limit"), N_("Edit a weekly limit")),
    "priorities": KindWords("priorities", N_("Add a time slot"), N_("Edit a time slot")),
    "tariff": KindWords("tariff", N_("Add tariff hours"), N_("Edit tariff hours")),
    "without-news": KindWords(
        "without_news",
        N_("Add a limit without news"),
        N_("Edit a limit without news"),
        f"{BACK}/outside",
    ),
}
"""By the part of the address."""


async def add_page(visit: Visit) -> Response:
    """An empty form with the usual values."""
    kind = _kind(visit)
    values = {f"day-{day}": "on" for day in WEEK_DAYS}
    values |= {
        "from": "22:00",
        "to": "06:00",
        "scope": LimitScope.ALL.value,
        "charge": TariffCharge.MINIMUM.value,
        "priority": "0",
        "circuit_id": "" if kind.kind == "tariff" else _root(visit),
    }
    return _form(visit, kind, Form(values))


async def add(visit: Visit) -> Response:
    """Adds the rule."""
    kind = _kind(visit)
    form = await visit.form()
    try:
        await visit.services.rule_book.add(kind.kind, _read(visit, kind.kind, form), visit.actor)
    except InvalidInputError as error:
        return _form(visit, kind, form, visit.refuse(form, error, PLACES))
    return visit.redirect(kind.back, "sharing-saved")


async def edit_page(visit: Visit) -> Response:
    """The form with the rule's values."""
    kind = _kind(visit)
    rule = visit.services.rule_book.find(kind.kind, _key(visit))
    return _form(visit, kind, Form(_values(rule)))


async def edit(visit: Visit) -> Response:
    """Puts the changed rule in the place of the former."""
    kind = _kind(visit)
    form = await visit.form()
    try:
        rule = _read(visit, kind.kind, form)
        await visit.services.rule_book.replace(kind.kind, _key(visit), rule, visit.actor)
    except InvalidInputError as error:
        return _form(visit, kind, form, visit.refuse(form, error, PLACES))
    return visit.redirect(kind.back, "sharing-saved")


async def remove_page(visit: Visit) -> Response:
    """Asks before removing."""
    kind = _kind(visit)
    rule = visit.services.rule_book.find(kind.kind, _key(visit))
    return visit.render("rule_remove.html", rule=rule, kind=kind, names=names(visit), refusal="")


async def remove(visit: Visit) -> Response:
    """Removes the rule."""
    kind = _kind(visit)
    await visit.form()
    await visit.services.rule_book.remove(kind.kind, _key(visit), visit.actor)
    return visit.redirect(kind.back, "rule-removed")


def _kind(visit: Visit) -> KindWords:
    kind = KINDS.get(visit.request.path_params["kind"])
    if kind is None:
        raise HTTPException(404)
    return kind


def _key(visit: Visit) -> str:
    key: str = visit.request.path_params["key"]
    return key


def _root(visit: Visit) -> str:
    return visit.services.circuits.tree().root.circuit_id


def _form(visit: Visit, kind: KindWords, form: Form, status: int = 200) -> Response:
    key = visit.request.path_params.get("key", "")
    return visit.render(
        "rule_form.html",
        status,
        form=form,
        kind=kind,
        key=key,
        title=kind.edit if key else kind.add,
        tree=visit.services.circuits.tree(),
        badges=[badge for badge in visit.services.badges.list() if badge.known],
        stations=visit.services.stations.configuration(),
    )


# ------------------------------------------------------------------ from and to forms


def _read(visit: Visit, kind: Kind, form: Form) -> Rule:
    circuit_id = form["circuit_id"]
    if kind == "priorities":
        return PriorityWindow(
            read_window(form),
            form.whole("priority", least=0, most=3),
            stations=_named(form, "stations", _stations(visit)),
            circuits=_named(form, "circuits", _circuits(visit)),
            badges=_named(form, "badges", _badges(visit)),
        )
    if kind == "tariff":
        return TariffWindow(
            read_window(form),
            TariffCharge(form.choice("charge", set(TariffCharge))),
            circuit_id or None,
            form.checked("spares_first"),
        )
    if kind == "without_news":
        return WithoutNews(circuit_id, read_bound(form))
    return ScheduledLimit(circuit_id, read_window(form), read_bound(form))


def read_window(form: Form) -> WeekWindow:
    """Days and hours of a form."""
    days = tuple(day for day in WEEK_DAYS if form.checked(f"day-{day}"))
    return WeekWindow(days, form.minute("from"), form.minute("to"))


def read_bound(form: Form) -> Bound:
    """Currents, power and scope of a form; a single current stands for the three phases."""
    limit = None
    typed = [form[f"limit-{phase + 1}"].strip() for phase in PHASES]
    if any(typed):
        if not any(typed[1:]):
            for phase in PHASES[1:]:
                form.values[f"limit-{phase + 1}"] = typed[0]
        limit = PhaseCurrents.of(
            form.current_ma(f"limit-{phase + 1}", most_a=MOST_MA / 1000) for phase in PHASES
        )
    power_w = None
    if form["power"].strip():
        power_w = round(form.number("power", least=0, most=MOST_W / 1000) * 1000)
    return Bound(limit, power_w, LimitScope(form.choice("scope", set(LimitScope))))


def _named(form: Form, field: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """Identifiers of what is named, one to a line or between commas, by name or identifier."""
    text = form.text(field, most=NAMED_MOST).replace("\n", ",")
    found = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        key = known.get(word.casefold())
        if key is None:
            raise InvalidInputError("rule-name-unknown", field=field, name=word)
        found.append(key)
    return tuple(dict.fromkeys(found))


def _stations(visit: Visit) -> dict[str, str]:
    stations = visit.services.stations.configuration()
    found = {station.name.casefold(): station.station_id for station in stations}
    return found | {station.station_id.casefold(): station.station_id for station in stations}


def _circuits(visit: Visit) -> dict[str, str]:
    tree = visit.services.circuits.tree()
    found = {circuit.name.casefold(): circuit.circuit_id for circuit in tree}
    return found | {circuit.circuit_id.casefold(): circuit.circuit_id for circuit in tree}


def _badges(visit: Visit) -> dict[str, str]:
    badges = [badge for badge in visit.services.badges.list() if badge.known]
    found = {badge.holder.casefold(): badge.key for badge in badges if badge.holder}
    return found | {normalised_id_tag(badge.id_tag).casefold(): badge.key for badge in badges}


def _values(rule: Rule) -> dict[str, str]:
    values = {"circuit_id": WHOLE_SITE}
    if isinstance(rule, PriorityWindow):
        values |= {
            "priority": str(rule.priority),
            "stations": ", ".join(rule.stations),
            "badges": ", ".join(rule.badges),
            "circuits": ", ".join(rule.circuits),
        }
    elif isinstance(rule, TariffWindow):
        values |= {
            "charge": rule.charge.value,
            "circuit_id": rule.circuit_id or WHOLE_SITE,
            "spares_first": "on" if rule.spares_first else "",
        }
    else:
        values |= {"circuit_id": rule.circuit_id, **_bound_values(rule.bound)}
    if not isinstance(rule, WithoutNews):
        values |= {
            "from": rule_words.clock(rule.window.start_minute),
            "to": rule_words.clock(rule.window.end_minute),
        }
        values |= {f"day-{day}": "on" for day in rule.window.days}
    return values


def _bound_values(bound: Bound) -> dict[str, str]:
    values = {"scope": bound.scope.value}
    if bound.limit is not None:
        for phase in PHASES:
            values[f"limit-{phase + 1}"] = f"{bound.limit[phase] / 1000:g}"
    if bound.power_w is not None:
        values["power"] = f"{bound.power_w / 1000:g}"
    return values
