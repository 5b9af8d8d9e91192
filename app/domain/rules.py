"""The site's rules of sharing: the policy, and what changes it with the time of the week."""

from __future__ import annotations

import enum

import msgspec

from app.domain.limits import CircuitCap, LimitSource
from app.domain.units import PhaseCurrents

DAY_MINUTES = 24 * 60
WEEK_DAYS = (0, 1, 2, 3, 4, 5, 6)
"""Monday to Sunday."""


class SharingPolicy(enum.StrEnum):
    """How scarce current is shared among sessions of one strict class."""

    WEIGHTED = "weighted"
    """Equal amperes above the least current, times the weight of station and badge."""
    EQUAL_AMPS = "equal-amps"
    """Equal amperes for everybody, whatever the weights."""
    EQUAL_POWER = "equal-power"
    """Equal kilowatts: a car on one phase gets more amperes than one on three."""
    FIRST_COME = "first-come"
    """Whoever came first has all it wants before the next one gets more than nothing."""


class WeekWindow(msgspec.Struct, frozen=True):
    """Hours of some days of the week, as the clock on the site's wall shows them.

    ``days`` are 0 (Monday) to 6; minutes count from midnight. An end that is not after the start
    lies on the next day: from 22:00 to 06:00 on Friday ends on Saturday morning, and from 00:00 to
    00:00 is the whole day.
    """

    days: tuple[int, ...] = WEEK_DAYS
    start_minute: int = 0
    end_minute: int = DAY_MINUTES

    def covers(self, day: int, minute: int) -> bool:
        """Whether the window holds at ``minute`` (0 to 1439) of the weekday ``day``."""
        if self.start_minute < self.end_minute:
            return day in self.days and self.start_minute <= minute < self.end_minute
        if minute >= self.start_minute and day in self.days:
            return True
        return minute < self.end_minute and (day - 1) % 7 in self.days


class LimitScope(enum.StrEnum):
    """What a limit on a circuit bounds."""

    ALL = "all"
    """All that flows: building and charging."""
    CHARGING = "charging"
    """What the stations draw, whatever the building does."""


class Bound(msgspec.Struct, frozen=True):
    """A current (mA per phase), a power (W), or both; of everything or of the charging alone."""

    limit: PhaseCurrents | None = None
    power_w: int | None = None
    scope: LimitScope = LimitScope.ALL

    @property
    def binds(self) -> bool:
        """Whether it bounds anything."""
        return self.limit is not None or self.power_w is not None

    def cap(self, circuit_id: str, source: LimitSource) -> CircuitCap:
        """The same as a limit in force on a circuit."""
        if self.scope is LimitScope.ALL:
            return CircuitCap(circuit_id, source, limit=self.limit, power_w=self.power_w)
        return CircuitCap(circuit_id, source, charging=self.limit, charging_power_w=self.power_w)


class ScheduledLimit(msgspec.Struct, frozen=True):
    """A limit on a circuit during some hours of the week."""

    circuit_id: str
    window: WeekWindow
    bound: Bound


class PriorityWindow(msgspec.Struct, frozen=True):
    """A strict class for some hours: of sessions whose badge, station or circuit is named.

    ``badges`` are normalised numbers; a circuit stands for all that it feeds.
    """

    window: WeekWindow
    priority: int
    stations: tuple[str, ...] = ()
    circuits: tuple[str, ...] = ()
    badges: tuple[str, ...] = ()


class TariffCharge(enum.StrEnum):
    """What a session may draw during a tariff window."""

    NONE = "none"
    MINIMUM = "minimum"
    """The least current its outlet gives."""
    FULL = "full"
    """Whatever it wants; lifts the other tariff windows, and nothing else."""


class TariffWindow(msgspec.Struct, frozen=True):
    """Hours in which charging is held back, or an exception from such hours.

    ``circuit_id`` ``None`` means the whole site; ``spares_first`` lets sessions of the strict
    class 0 charge all the same.
    """

    window: WeekWindow
    charge: TariffCharge
    circuit_id: str | None = None
    spares_first: bool = False


class SolarMode(enum.StrEnum):
    """How charging follows the sun."""

    OFF = "off"
    SURPLUS = "surplus"
    """Only what would be exported is given out; without it nobody charges."""
    SURPLUS_PLUS_MINIMUM = "surplus-plus-minimum"
    """Every session keeps its least current; what is above comes from the surplus."""


class SolarRule(msgspec.Struct, frozen=True):
    """``circuit_id`` names the circuit whose meter shows the export; ``None`` is the supply."""

    mode: SolarMode = SolarMode.OFF
    circuit_id: str | None = None


class WithoutNews(msgspec.Struct, frozen=True):
    """What holds on a circuit once an outside order has run out without being renewed or ended."""

    circuit_id: str
    bound: Bound


class SiteRules(msgspec.Struct, frozen=True):
    """How the site shares what there is. Stored as JSON: every new field needs a default."""

    policy: SharingPolicy = SharingPolicy.WEIGHTED
    schedules: tuple[ScheduledLimit, ...] = ()
    priorities: tuple[PriorityWindow, ...] = ()
    tariff: tuple[TariffWindow, ...] = ()
    solar: SolarRule = SolarRule()
    without_news: tuple[WithoutNews, ...] = ()
