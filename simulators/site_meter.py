"""The site's energy meters: the register bank of a reference, fed with what truly flows."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.events import Lie
from simulators.meter.bank import Fault, RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import find_model
from simulators.meter.truth import RunningTruth
from simulators.plan import SitePlan

TRANSFORMER_RATIO = 200
"""KTA of the current transformers, 1000 A / 5 A."""

IN_PHASE = (1.0, 1.0, 1.0)
SWAPPED = (-0.5, -0.5, 1.0)
"""L1 and L2 swapped: each current is 120 degrees off the voltage it is measured with."""


class SiteMeter:
    """A meter that can die or lie; ``model`` is a reference such as ``Nemo D4-Le``."""

    def __init__(self, model: str) -> None:
        self._truth = RunningTruth()
        self._lie: Lie | None = None
        self._ratio = 1.0
        self.bank = RegisterBank(
            find_model(model), self._truth, wiring=Wiring(kta=TRANSFORMER_RATIO)
        )

    def show(self, currents_a: Sequence[float], now_s: float) -> None:
        """What flows from ``now_s`` (seconds since the start) on, in amperes per phase."""
        l1, l2, l3 = currents_a
        in_phase = IN_PHASE
        match self._lie:
            case "sign":
                l1, l2, l3 = -l1, -l2, -l3
            case "swapped":
                l1, l2, in_phase = l2, l1, SWAPPED
            case "ratio":
                l1, l2, l3 = l1 * self._ratio, l2 * self._ratio, l3 * self._ratio
            case "frozen" | None:
                pass  # the bank keeps what it showed
        self._truth.update((l1, l2, l3), now_s, in_phase=in_phase)

    def kill(self) -> None:
        """It answers nobody any more."""
        self.bank.fault = Fault.SILENT

    def revive(self) -> None:
        """It answers again."""
        self.bank.fault = Fault.NONE

    def lie(self, lie: Lie, ratio: float = 1.0) -> None:
        """It answers wrongly; ``ratio`` is for the lie of that name."""
        self._lie, self._ratio = lie, ratio
        if lie == "frozen":
            self.bank.fault = Fault.FROZEN

    def be_honest(self) -> None:
        """It shows what flows again."""
        self._lie = None
        self.revive()


def site_meters(plan: SitePlan) -> dict[str, SiteMeter]:
    """The meters of a plan, by circuit."""
    return {meter.circuit: SiteMeter(meter.model) for meter in plan.meters}
