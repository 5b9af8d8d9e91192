"""The settings inside stations: read, kept, compared and changed. Secrets are neither shown nor kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec

from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.remote import KeyReading, KeyTemplate, Reading
from app.domain.station import ConnectorKey
from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    GetConfiguration,
    GetConfigurationConfirmation,
    KeyValue,
)
from app.ocpp16.configuration import interpret
from app.ocpp16.session import Priority
from app.ocpp16.standard_keys import AUTHORIZATION_KEY, STANDARD_KEYS, is_secret
from app.services.audit import AuditTrail
from app.services.ports import Clock
from app.services.registry import StationLive
from app.services.remote_ports import StationRecordRepository
from app.services.settings_reader import fetch_settings
from app.services.station_commands import COMMAND_TIMEOUT_S, Reply, StationCommands

SAME_READING = timedelta(days=1)
"""A reading that says the same is not written again for so long, when nobody asked for it."""

MOST_TEMPLATES = 50
MOST_KEYS = 100
REBOOT = "RebootRequired"


class Difference(NamedTuple):
    """A setting that differs; ``None`` where it is unknown."""

    key: str
    present: str | None
    wanted: str | None


class StationSettings:
    """Readings, changes and templates."""

    def __init__(
        self,
        commands: StationCommands,
        repository: StationRecordRepository,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._commands = commands
        self._repository = repository
        self._audit = audit
        self._clock = clock
        self._templates: dict[int, KeyTemplate] = {}
        self._latest: dict[str, Reading] = {}

    async def load(self) -> None:
        """Templates and newest readings; called once."""
        self._templates = {one.template_id: one for one in await self._repository.templates()}
        self._latest = dict(await self._repository.latest_readings())

    # ------------------------------------------------------------- reading

    def latest(self, station_id: str) -> Reading | None:
        """The newest reading, if there ever was one."""
        return self._latest.get(station_id)

    async def readings(self, station_id: str) -> Sequence[Reading]:
        """The few that are kept, newest first."""
        return await self._repository.readings(station_id)

    async def read(self, station_id: str, actor: str) -> Reading:
        """Asks the station for all its settings now."""
        station = self._commands.station(station_id)
        link = station.link
        if link is None:
            raise StationUnreachableError("station-offline", station=station_id)
        fetched = await fetch_settings(link, priority=Priority.CONTROL, timeout_s=COMMAND_TIMEOUT_S)
        station.capability.settings = interpret(fetched.answer)
        reading = self._reading(station, fetched.answer, fetched.portions)
        await self._keep(reading)
        await self._audit.record(actor, "configuration-read", station_id)
        return reading

    async def taken(
        self, station: StationLive, answer: GetConfigurationConfirmation, portions: bool
    ) -> None:
        """Keeps what the set-up has read, unless it is known already."""
        reading = self._reading(station, answer, portions)
        before = self._latest.get(reading.station_id)
        if before is not None and before.keys == reading.keys:
            recent = reading.at_utc - before.at_utc < SAME_READING
            if recent and before.firmware == reading.firmware:
                return
        await self._keep(reading)

    def _reading(
        self, station: StationLive, answer: GetConfigurationConfirmation, portions: bool
    ) -> Reading:
        return Reading(
            station_id=station.station.station_id,
            at_utc=self._clock.utc_now(),
            firmware=station.identity.firmware,
            keys=tuple(_key_reading(one) for one in answer.configuration_key or ()),
            portions=portions,
        )

    async def _keep(self, reading: Reading) -> None:
        await self._repository.save_reading(reading)
        self._latest[reading.station_id] = reading

    # ------------------------------------------------------------- changing

    async def change(self, station_id: str, key: str, value: str, actor: str) -> Reply:
        """Sets one key (ChangeConfiguration), and reads it back.

        Answers ``Accepted`` or ``RebootRequired``; raises ``StationRefusedError`` otherwise.
        """
        if key.lower() == AUTHORIZATION_KEY:
            raise InvalidInputError("key-of-security", field="value")
        request = ChangeConfiguration(key=key, value=value)
        shown = f"{key}" if is_secret(key) else f"{key} = {value}"
        whole = ConnectorKey(station_id, 0)
        reply = await self._commands.order(whole, request, actor, "configuration", shown)
        await self._read_back(station_id, key)
        return reply

    async def apply(self, station_id: str, values: Mapping[str, str], actor: str) -> Reply:
        """Sets several keys, those that are known to differ; all are tried.

        Raises ``StationRefusedError`` with every key that was refused.
        """
        self._commands.station(station_id)
        reply = Reply(ChangeConfiguration.action, "Accepted")
        refused: list[str] = []
        for change in self.differences(station_id, values):
            if change.wanted is None:
                continue
            try:
                answer = await self.change(station_id, change.key, change.wanted, actor)
            except StationRefusedError as refusal:
                refused.append(f"{change.key}: {refusal.params.get('answer', '')}")
                continue
            if answer.answer == REBOOT:
                reply = answer
        if refused:
            raise StationRefusedError(
                "station-refused",
                station=station_id,
                action=reply.action,
                answer=" · ".join(refused),
            )
        return reply

    def differences(self, station_id: str, wanted: Mapping[str, str]) -> tuple[Difference, ...]:
        """What would change at a station, as far as its newest reading tells."""
        latest = self._latest.get(station_id)
        return differences({} if latest is None else latest.values(), wanted)

    async def _read_back(self, station_id: str, key: str) -> None:
        """What the station now says of the key: "Accepted" is not proof."""
        before = self._latest.get(station_id)
        if before is None:
            return
        station = self._commands.station(station_id)
        try:
            answer = await self._commands.call(station, GetConfiguration(key=(key,)))
        except (StationRefusedError, StationUnreachableError):
            return
        news = {one.key.lower(): _key_reading(one) for one in answer.configuration_key or ()}
        if not news:
            return
        kept = [news.pop(one.key.lower(), one) for one in before.keys]
        await self._keep(
            msgspec.structs.replace(
                before, at_utc=self._clock.utc_now(), keys=(*kept, *news.values())
            )
        )

    # ------------------------------------------------------------- templates

    def templates(self) -> tuple[KeyTemplate, ...]:
        """By name."""
        return tuple(sorted(self._templates.values(), key=lambda one: one.name.casefold()))

    def template(self, template_id: int) -> KeyTemplate:
        """Raises ``NotFoundError``."""
        found = self._templates.get(template_id)
        if found is None:
            raise NotFoundError("template-unknown")
        return found

    async def save_template(self, template: KeyTemplate, actor: str) -> KeyTemplate:
        """Adds (number 0) or replaces a template; refuses a secret, which would be kept in clear."""
        if not template.name.strip():
            raise InvalidInputError("required", field="name")
        if not template.values or len(template.values) > MOST_KEYS:
            raise InvalidInputError("template-keys", field="values", most=MOST_KEYS)
        for key, value in template.values.items():
            if is_secret(key):
                raise InvalidInputError("template-secret", field="values", name=key)
            if not 0 < len(key) <= 50 or len(value) > 500:
                raise InvalidInputError("template-line", field="values", line=key[:60])
        if template.template_id:
            self.template(template.template_id)
        elif len(self._templates) >= MOST_TEMPLATES:
            raise InvalidInputError("templates-too-many", most=MOST_TEMPLATES)
        kept = await self._repository.save_template(template)
        self._templates[kept.template_id] = kept
        await self._audit.record(actor, "template-saved", kept.name)
        return kept

    async def remove_template(self, template_id: int, actor: str) -> None:
        """Forgets a template; stations keep their settings."""
        template = self.template(template_id)
        await self._repository.remove_template(template_id)
        del self._templates[template_id]
        await self._audit.record(actor, "template-removed", template.name)


def differences(present: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[Difference, ...]:
    """Keys of ``wanted`` whose value is another or unknown at present, without regard to case."""
    folded = {key.lower(): value for key, value in present.items()}
    found = []
    for key, value in wanted.items():
        here = folded.get(key.lower())
        if here != value:
            found.append(Difference(key, here, value))
    return tuple(found)


def compared(present: Mapping[str, str], other: Mapping[str, str]) -> tuple[Difference, ...]:
    """Every key that differs between two readings, or is in one alone; by name."""
    left = {key.lower(): (key, value) for key, value in present.items()}
    right = {key.lower(): (key, value) for key, value in other.items()}
    found = []
    for folded in sorted(left.keys() | right.keys()):
        key, here = left.get(folded, ("", None))
        name, there = right.get(folded, (key, None))
        if here != there:
            found.append(Difference(key or name, here, there))
    return tuple(found)


def parse_values(text: str) -> dict[str, str]:
    """``Key = value``, one a line; raises ``InvalidInputError`` naming the line that is not."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise InvalidInputError("template-line", field="values", line=line.strip()[:60])
        values[key.strip()] = value.strip()
    return values


def copyable(reading: Reading) -> tuple[KeyReading, ...]:
    """Settings that make sense at another station: writable, not secret, with a value."""
    return tuple(
        one
        for one in reading.keys
        if not one.readonly and not one.secret and one.value is not None and _is_general(one.key)
    )


def _is_general(key: str) -> bool:
    """Whether it can be set alike at two stations: what the station is made of and its wiring
    cannot.
    """
    standard = STANDARD_KEYS.get(key.lower())
    if standard is not None and not standard.writable:
        return False
    return key.lower() not in ("connectorphaserotation", "securityprofile")


def _key_reading(setting: KeyValue) -> KeyReading:
    secret = is_secret(setting.key)
    standard = STANDARD_KEYS.get(setting.key.lower())
    name = setting.key if standard is None else standard.key
    return KeyReading(name, None if secret else setting.value, setting.readonly, secret)
