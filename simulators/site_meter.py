"""The site's energy meter: the register bank of a reference, fed with what truly flows."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.meter.bank import Fault, RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import find_model
from simulators.meter.truth import RunningTruth

TRANSFORMER_RATIO = 200
"""KTA of the current transformers, 1000 A / 5 A."""


class SiteMeter:
    """A meter that can die; ``model`` is a reference such as ``Nemo D4-Le``."""

    def __init__(self, model: str) -> None:
        self._truth = RunningTruth()
        self.bank = RegisterBank(
            find_model(model), self._truth, wiring=Wiring(kta=TRANSFORMER_RATIO)
        )

    def show(self, currents_a: Sequence[float], now_s: float) -> None:
        """What flows from ``now_s`` (seconds since the start) on, in amperes per phase."""
        self._truth.update(currents_a, now_s)

    def kill(self) -> None:
        """It answers nobody any more."""
        self.bank.fault = Fault.SILENT

    def revive(self) -> None:
        """It answers again."""
        self.bank.fault = Fault.NONE
