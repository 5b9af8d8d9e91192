"""``/settings/phases``: what was found out of the wiring, and what to do about it."""

from __future__ import annotations

from starlette.responses import Response

from app.domain.errors import BornierError, InvalidInputError, UnsafeConfigurationError
from app.domain.station import ConnectorKey
from app.domain.units import Rotation
from app.energy.meter_verdict import Verdict
from app.energy.phase_detective import Standing
from app.services.detective import OutletView
from app.web.http import STATUS_OF, Visit
from app.web.messages import MESSAGES, filled
from app.web.wording import PHASE_NAMES, ROTATION_STANDINGS

PAGE = "/settings/phases"


async def page(visit: Visit) -> Response:
    """The meters' verdicts, then every outlet."""
    return _page(visit)


async def decide(visit: Visit) -> Response:
    """Accepts or dismisses a proposal, or trusts a meter again."""
    form = await visit.form()
    detective = visit.services.detective
    try:
        action = form.choice("action", ("accept", "dismiss", "trust"))
        if action == "trust":
            await detective.trust(form.text("circuit", needed=True), visit.actor)
            return visit.redirect(PAGE, "meter-trusted")
        number = form.whole("connector", least=1, most=4)
        key = ConnectorKey(form.text("station", needed=True), number)
        if action == "dismiss":
            await detective.dismiss(key, visit.actor)
            return visit.redirect(PAGE, "phases-dismissed")
        rotation = Rotation(form.choice("rotation", set(Rotation)))
        await detective.accept(key, rotation, visit.actor)
    except (InvalidInputError, UnsafeConfigurationError) as error:
        return _page(visit, error)
    return visit.redirect(PAGE, "phases-accepted")


def _page(visit: Visit, error: BornierError | None = None) -> Response:
    services = visit.services
    outlets = services.detective.outlets()
    verdicts = services.detective.verdicts()
    tree = services.circuits.tree()
    return visit.render(
        "phases.html",
        200 if error is None else STATUS_OF.get(type(error), 422),
        outlets=outlets,
        proposals=[one for one in outlets if _is_proposal(one)],
        meters=services.circuits.configuration().meters,
        verdicts=verdicts,
        said={circuit_id: _said(visit, verdict) for circuit_id, verdict in verdicts.items()},
        right_steps=services.detective.right_steps,
        tree=tree,
        standings=ROTATION_STANDINGS,
        occurring={outlet.finding.standing for outlet in outlets},
        percent=percent,
        observed=observed,
        wired=wired,
        refusal="" if error is None else visit.say(error),
    )


def percent(probability: float) -> float:
    """In percent; nothing is ever quite certain."""
    return min(99.9, 100.0 * probability)


def _is_proposal(outlet: OutletView) -> bool:
    return outlet.finding.standing is Standing.PROPOSED and not outlet.dismissed


def observed(outlet: OutletView) -> str:
    """The rotations that remain, or the phases of a single-phase outlet; empty when unknown."""
    candidates = outlet.finding.candidates
    if not candidates or len(candidates) > 3:
        return ""
    return " / ".join(dict.fromkeys(wired(outlet, rotation) for rotation in candidates))


def wired(outlet: OutletView, rotation: Rotation) -> str:
    """How an outlet is wired under a rotation: its letters, or its one phase."""
    if outlet.connector.phases == 3:
        return rotation.value
    return " ".join(
        PHASE_NAMES[phase]
        for phase in rotation.site_phases[: 2 if outlet.connector.line_to_line else 1]
    )


def _said(visit: Visit, verdict: Verdict) -> tuple[str, str, str]:
    """What a verdict says, what it does to charging, what to do."""
    tree = visit.services.circuits.tree()
    name = tree[verdict.circuit_id].name if verdict.circuit_id in tree else verdict.circuit_id
    params = filled({"subject": name, **verdict.numbers}, visit.language, visit.zone)
    key, language = verdict.lie.value, visit.language
    return (
        MESSAGES.title(key, params, language),
        MESSAGES.effect(key, params, language),
        MESSAGES.remedy(key, params, language),
    )
