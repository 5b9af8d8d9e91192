"""The site's rules of sharing: the policy, and what changes it with the time of the week."""

from __future__ import annotations

import enum

import msgspec


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


class SiteRules(msgspec.Struct, frozen=True):
    """How the site shares what there is. Stored as JSON: every new field needs a default."""

    policy: SharingPolicy = SharingPolicy.WEIGHTED
