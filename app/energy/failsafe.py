"""Does the site stay safe when nobody controls it? The sum of fallbacks must fit every circuit.

When the manager dies every station falls back by itself to its configured current. A
configuration in which these do not fit next to the worst background is refused, with the numbers.
"""

from __future__ import annotations

import msgspec

from app.domain.errors import UnsafeConfigurationError
from app.energy.background import worst_background
from app.energy.site_model import SiteModel


class Excess(msgspec.Struct, frozen=True):
    """One circuit (or shared station) and phase that would be overloaded (mA).

    ``background_ma`` is ``None`` when the worst background is not configured: then no fallback
    above 0 can be shown to be safe.
    """

    node: str
    is_station: bool
    phase: int
    limit_ma: int
    fallbacks_ma: int
    background_ma: int | None

    @property
    def over_ma(self) -> int | None:
        """By how much the limit is exceeded, when that is known."""
        if self.background_ma is None:
            return None
        return self.fallbacks_ma + self.background_ma - self.limit_ma


def worst_case(model: SiteModel) -> tuple[Excess, ...]:
    """Every node and phase where fallbacks plus worst background exceed the limit; empty if safe.

    A socket without pilot is either off (fallback 0) or draws its rating.
    """
    fallbacks = model.sum_up(
        [
            node.triple(
                range(len(node.conductors)),
                node.fallback_ma if node.controllable or not node.fallback_ma else node.rating_ma,
            )
            for node in model.connectors
        ]
    )
    excesses = []
    for node in range(model.node_count):
        background = worst_background(model, node)
        for phase in (0, 1, 2):
            slot = 3 * node + phase
            fallback_ma = fallbacks[slot]
            if not fallback_ma:
                continue
            beside = None if background is None else background[phase]
            if beside is None or fallback_ma + beside > model.limit[slot]:
                excesses.append(
                    Excess(
                        model.node_names[node],
                        model.is_station(node),
                        phase,
                        model.limit[slot],
                        fallback_ma,
                        beside,
                    )
                )
    return tuple(excesses)


def check(model: SiteModel) -> None:
    """Raise ``UnsafeConfigurationError`` with the arithmetic of the worst excess, if there is one.

    Keys: ``fallback-does-not-fit`` (``circuit``, ``phase`` 1 to 3, ``fallbacks_ma``,
    ``background_ma``, ``limit_ma``, ``over_ma``) and ``fallback-background-unknown``.
    """
    excesses = worst_case(model)
    if not excesses:
        return
    worst = max(excesses, key=lambda excess: (excess.over_ma is None, excess.over_ma or 0))
    known = worst.background_ma is not None
    raise UnsafeConfigurationError(
        "fallback-does-not-fit" if known else "fallback-background-unknown",
        circuit=worst.node,
        phase=worst.phase + 1,
        fallbacks_ma=worst.fallbacks_ma,
        background_ma=worst.background_ma,
        limit_ma=worst.limit_ma,
        over_ma=worst.over_ma,
        excesses=excesses,
    )
