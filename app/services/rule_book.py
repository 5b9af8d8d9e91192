"""Editing the rules of sharing, one at a time.

A rule is named by what it says, so that a form which was left open while somebody else changed
the same rule finds it gone instead of changing another.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from app.domain.errors import NotFoundError
from app.domain.rules import (
    PriorityWindow,
    ScheduledLimit,
    SharingPolicy,
    SiteRules,
    SolarRule,
    TariffWindow,
    WithoutNews,
)
from app.services.configuration import ConfigurationService

Kind = Literal["schedules", "priorities", "tariff", "without_news"]
Rule = ScheduledLimit | PriorityWindow | TariffWindow | WithoutNews


class RuleBook:
    """What the pages may do with rules. ``actor`` is the account that does it."""

    def __init__(self, configuration: ConfigurationService) -> None:
        self._configuration = configuration

    @property
    def rules(self) -> SiteRules:
        """The rules in force."""
        return self._configuration.current.rules

    def find(self, kind: Kind, key: str) -> Rule:
        """The rule with this key; ``NotFoundError`` when it has changed or is gone."""
        for rule in self._listed(kind):
            if rule_key(rule) == key:
                return rule
        raise NotFoundError("rule-changed")

    async def add(self, kind: Kind, rule: Rule, actor: str) -> None:
        """Adds a rule at the end."""
        await self._write(kind, (*self._listed(kind), rule), actor)

    async def replace(self, kind: Kind, key: str, rule: Rule, actor: str) -> None:
        """Puts ``rule`` in the place of the one with this key."""
        before = self.find(kind, key)
        listed = self._listed(kind)
        at = listed.index(before)
        await self._write(kind, (*listed[:at], rule, *listed[at + 1 :]), actor)

    async def remove(self, kind: Kind, key: str, actor: str) -> None:
        """Removes the rule with this key."""
        before = self.find(kind, key)
        listed = self._listed(kind)
        at = listed.index(before)
        await self._write(kind, (*listed[:at], *listed[at + 1 :]), actor)

    async def set_policy(self, policy: SharingPolicy, actor: str) -> None:
        """Chooses how scarce current is shared."""
        await self._apply(msgspec.structs.replace(self.rules, policy=policy), actor, policy.value)

    async def set_solar(self, solar: SolarRule, actor: str) -> None:
        """Chooses whether charging follows the sun."""
        rules = msgspec.structs.replace(self.rules, solar=solar)
        await self._apply(rules, actor, f"solar {solar.mode.value}")

    def _listed(self, kind: Kind) -> tuple[Rule, ...]:
        listed: tuple[Rule, ...] = getattr(self.rules, kind)
        return listed

    async def _write(self, kind: Kind, listed: tuple[Rule, ...], actor: str) -> None:
        changed: dict[str, Any] = {kind: listed}
        await self._apply(msgspec.structs.replace(self.rules, **changed), actor, kind)

    async def _apply(self, rules: SiteRules, actor: str, subject: str) -> None:
        configuration = msgspec.structs.replace(self._configuration.current, rules=rules)
        await self._configuration.apply(configuration, actor, "sharing-changed", subject)


def rule_key(rule: Rule) -> str:
    """A short name made of what the rule says."""
    return hashlib.sha256(msgspec.json.encode(rule)).hexdigest()[:12]
