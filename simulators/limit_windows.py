"""Times in which a circuit must carry less than its breaker would: the truth for the oracle.

A window is given in the site's local time, as people say it, and counts whenever a clock on the
wall would show a time within it: an hour that comes twice counts twice, one that is skipped not
at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from simulators.part import Amperes, Part, three

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""Such as ``22:00``; texts of this form are in the order of the times."""


class WeeklyWindow(Part, tag_field="kind", tag="weekly", frozen=True, kw_only=True):
    """From a time to another on some days of every week; past midnight when it ends earlier.

    A window past midnight belongs to the day on which it begins.
    """

    circuit: str
    limit_a: Amperes
    begins: TimeOfDay = msgspec.field(name="from")
    ends: TimeOfDay = msgspec.field(name="to")
    days: tuple[Day, ...] = DAYS

    def covers(self, local: datetime) -> bool:
        """Whether the window runs at that time on the wall."""
        at = f"{local:%H:%M}"
        today = DAYS[local.weekday()] in self.days
        if self.begins < self.ends:
            return today and self.begins <= at < self.ends
        yesterday = DAYS[(local - timedelta(days=1)).weekday()] in self.days
        return (today and at >= self.begins) or (yesterday and at < self.ends)


class OnceWindow(Part, tag_field="kind", tag="once", frozen=True, kw_only=True):
    """From a local date and time to another."""

    circuit: str
    limit_a: Amperes
    begins: datetime = msgspec.field(name="from")
    ends: datetime = msgspec.field(name="to")

    def covers(self, local: datetime) -> bool:
        """Whether the window runs at that time on the wall."""
        return self.begins <= local < self.ends


LimitWindow = WeeklyWindow | OnceWindow


def lowered_a(
    windows: Iterable[LimitWindow], local: datetime
) -> dict[str, tuple[float, float, float]]:
    """The limits of the windows that run at ``local`` (no zone), by circuit: the lowest of each."""
    lowest: dict[str, tuple[float, float, float]] = {}
    for window in windows:
        if window.covers(local):
            a, b, c = three(window.limit_a)
            x, y, z = lowest.get(window.circuit, (a, b, c))
            lowest[window.circuit] = (min(a, x), min(b, y), min(c, z))
    return lowest
