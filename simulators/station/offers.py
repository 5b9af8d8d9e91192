"""How a post shares its feed between its outlets."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.station.connector import Connector
from simulators.station.persona import Persona

MIN_PILOT_A = 6.0


@dataclass(slots=True)
class Claim:
    """An outlet with a transaction, and the most that it may have by itself (A)."""

    connector: Connector
    limit_a: float


def share(claims: list[Claim], total_a: float, persona: Persona) -> None:
    """Set ``offered_a`` of each outlet so that the cars that want energy fit in ``total_a``.

    A socket takes its fixed current or nothing, before the others. The other cars share the rest
    equally; those that came last wait when it would leave less than 6 A for each. A car that wants
    nothing keeps its pilot, and no share.
    """
    left_a = total_a
    wanting: list[Claim] = []
    idle: list[Claim] = []
    for claim in claims:
        if claim.connector.config.socket:
            on = claim.limit_a >= MIN_PILOT_A and left_a >= persona.socket_a
            claim.connector.offered_a = persona.socket_a if on else 0.0
            if on and claim.connector.wants_energy:
                left_a -= persona.socket_a
        elif claim.connector.wants_energy and claim.limit_a > 0.0:
            wanting.append(claim)
        else:
            idle.append(claim)
    wanting.sort(key=_arrival)
    while wanting and left_a / len(wanting) < MIN_PILOT_A:
        last = wanting[-1]
        if last.limit_a < MIN_PILOT_A and len(wanting) == 1 and left_a >= last.limit_a:
            break  # a make that offers less than 6 A, and room for it
        wanting.pop().connector.offered_a = 0.0
    wanting.sort(key=_limit)
    for position, claim in enumerate(wanting):
        claim.connector.offered_a = min(claim.limit_a, left_a / (len(wanting) - position))
        left_a -= claim.connector.offered_a
    for claim in idle:
        spare_a = min(claim.limit_a, left_a)
        claim.connector.offered_a = spare_a if spare_a >= min(MIN_PILOT_A, claim.limit_a) else 0.0


def _arrival(claim: Claim) -> float:
    return claim.connector.started_s


def _limit(claim: Claim) -> float:
    return claim.limit_a
