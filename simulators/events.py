"""What can go wrong in a scenario, and when (``events`` of a scenario file).

Times are seconds after the start; ``for_s`` absent means for good. Where stations are chosen by
``share``, they are spread evenly over those that hang on ``circuit`` or below it (absent: all).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from simulators.part import Part
from simulators.station.config import Faults

Lie = Literal["sign", "frozen", "swapped", "ratio"]


class MeterDead(Part, tag_field="kind", tag="meter-dead", frozen=True, kw_only=True):
    """The meter on ``circuit`` (absent: every meter) stops answering."""

    at_s: float
    for_s: float | None = None
    circuit: str | None = None


class MeterLies(Part, tag_field="kind", tag="meter-lies", frozen=True, kw_only=True):
    """The meter on ``circuit`` (absent: every meter) goes on answering, wrongly.

    ``sign``: all its transformers are the wrong way round. ``frozen``: the same values for ever.
    ``swapped``: the transformers of L1 and L2 have changed places. ``ratio``: it shows ``ratio``
    times what flows.
    """

    at_s: float
    lie: Lie
    for_s: float | None = None
    ratio: float = 0.5
    circuit: str | None = None


class StationsOffline(Part, tag_field="kind", tag="stations-offline", frozen=True, kw_only=True):
    """A share of the stations that charge lose the network; with ``idle`` the others count too."""

    at_s: float
    share: float
    for_s: float | None = None
    circuit: str | None = None
    idle: bool = False


class StationsReboot(Part, tag_field="kind", tag="stations-reboot", frozen=True, kw_only=True):
    """A share of the stations lose their mains for ``down_s`` and boot.

    A ``loop_share`` of these go on rebooting every ``loop_every_s``, until ``for_s`` after the
    start of it all. ``drivers_return_s`` later, drivers whose transaction ended show their badge
    again.
    """

    at_s: float
    share: float = 1.0
    for_s: float | None = None
    circuit: str | None = None
    down_s: float = 20.0
    loop_share: float = 0.0
    loop_every_s: float = 60.0
    drivers_return_s: float = 90.0


class StationsFault(Part, tag_field="kind", tag="stations-fault", frozen=True, kw_only=True):
    """A share of the stations, none of them faulty in another way, get these ``faults``.

    Only what differs from a sound station is changed; see ``simulators.station.config.Faults``.
    """

    at_s: float
    share: float
    faults: Faults
    for_s: float | None = None
    circuit: str | None = None

    @property
    def changes(self) -> dict[str, object]:
        """The fields of ``Faults`` that are set, with their values."""
        sound = Faults()
        return {
            name: value
            for name, value in msgspec.structs.asdict(self.faults).items()
            if value != getattr(sound, name)
        }


class ClockStep(Part, tag_field="kind", tag="clock-step", frozen=True, kw_only=True):
    """The manager's clock is set ``by_s`` ahead (below 0: back); the stations' are not."""

    at_s: float
    by_s: float
    for_s: float | None = None


class ManagerKilled(Part, tag_field="kind", tag="manager-killed", frozen=True, kw_only=True):
    """The manager dies without any clean-up and is started again on the same data."""

    at_s: float
    for_s: float


class OutsideLimit(Part, tag_field="kind", tag="outside-limit", frozen=True, kw_only=True):
    """The network operator orders a circuit to carry no more than this for a while."""

    at_s: float
    for_s: float
    circuit: str
    limit_a: float


class PlannerFails(Part, tag_field="kind", tag="planner-fails", frozen=True, kw_only=True):
    """A fault in the manager's own planning: every attempt to plan fails."""

    at_s: float
    for_s: float


Event = (
    MeterDead
    | MeterLies
    | StationsOffline
    | StationsReboot
    | StationsFault
    | ClockStep
    | ManagerKilled
    | OutsideLimit
    | PlannerFails
)
