"""What can be done at many stations at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import ChargingStation, ConnectorKey
from app.ocpp16.actions.types import MessageTrigger
from app.services.bulk import BulkAction
from app.services.configuration import ConfigurationService
from app.services.outages import Outages
from app.services.station_commands import Reply, StationCommands
from app.services.station_settings import StationSettings, copyable

Params = Mapping[str, str]

RESTARTS_APART_S = 3.0
"""A hundred restarts take five minutes: they do not come back, nor start to charge, at once."""

SAVED = Reply("", "saved")
"""A change of the manager's own settings: no station was asked."""

BOX_FIELDS = ("circuit", "max", "fallback", "weight", "priority", "free", "phases")
"""Settings of a station in the manager that can be copied or set."""


class Restart(BulkAction):
    """Reset, soft or hard, one after the other."""

    key: ClassVar[str] = "restart"
    spacing_s: ClassVar[float] = RESTARTS_APART_S

    def __init__(self, commands: StationCommands) -> None:
        self._commands = commands

    async def run(self, station_id: str, params: Params, actor: str) -> Reply:
        """Restarts one station."""
        return await self._commands.reset(station_id, params.get("kind") == "hard", actor)


class Availability(BulkAction):
    """Whole stations out of service, or back."""

    key: ClassVar[str] = "availability"

    def __init__(self, outages: Outages) -> None:
        self._outages = outages

    async def run(self, station_id: str, params: Params, actor: str) -> Reply:
        """Takes one station out, or back."""
        key = ConnectorKey(station_id, 0)
        if params.get("to") == "out":
            return await self._outages.take_out(key, None, actor)
        return await self._outages.bring_back(key, actor)


class Unlock(BulkAction):
    """Every connector of the stations unlocked."""

    key: ClassVar[str] = "unlock"

    def __init__(self, commands: StationCommands) -> None:
        self._commands = commands

    async def run(self, station_id: str, _params: Params, actor: str) -> Reply:
        """Unlocks each connector; the first refusal ends it."""
        reply = Reply("UnlockConnector", "")
        for number in self._commands.station(station_id).connectors:
            reply = await self._commands.unlock(ConnectorKey(station_id, number), actor)
        return reply


class Trigger(BulkAction):
    """A message asked for."""

    key: ClassVar[str] = "trigger"
    spacing_s: ClassVar[float] = 0.2

    def __init__(self, commands: StationCommands) -> None:
        self._commands = commands

    def check(self, params: Params) -> None:
        """Only messages that a station can be asked for."""
        if params.get("message") not in set(MessageTrigger):
            raise InvalidInputError("choice-unknown", field="message")

    async def run(self, station_id: str, params: Params, actor: str) -> Reply:
        """Asks one station."""
        message = MessageTrigger(params["message"])
        return await self._commands.trigger(ConnectorKey(station_id, 0), message, actor)


class ClearCaches(BulkAction):
    """Badges remembered by stations forgotten."""

    key: ClassVar[str] = "clear-cache"

    def __init__(self, commands: StationCommands) -> None:
        self._commands = commands

    async def run(self, station_id: str, _params: Params, actor: str) -> Reply:
        """At one station."""
        return await self._commands.clear_cache(station_id, actor)


class ClearProfiles(BulkAction):
    """Charging profiles removed, the fallback installed again."""

    key: ClassVar[str] = "clear-profiles"

    def __init__(self, commands: StationCommands) -> None:
        self._commands = commands

    async def run(self, station_id: str, _params: Params, actor: str) -> Reply:
        """At one station."""
        return await self._commands.clear_profiles(station_id, actor)


class ReadSettings(BulkAction):
    """Settings read anew."""

    key: ClassVar[str] = "read-configuration"

    def __init__(self, settings: StationSettings) -> None:
        self._settings = settings

    async def run(self, station_id: str, _params: Params, actor: str) -> Reply:
        """At one station; the answer is how many settings it gave."""
        reading = await self._settings.read(station_id, actor)
        return Reply("GetConfiguration", str(len(reading.keys)))


class ApplyTemplate(BulkAction):
    """Settings of a template written where they differ."""

    key: ClassVar[str] = "template"

    def __init__(self, settings: StationSettings) -> None:
        self._settings = settings

    def check(self, params: Params) -> None:
        """The template must exist."""
        _values_of_template(self._settings, params)

    async def run(self, station_id: str, params: Params, actor: str) -> Reply:
        """At one station."""
        values = _values_of_template(self._settings, params)
        return await self._settings.apply(station_id, values, actor)


class CopyKeys(BulkAction):
    """Chosen settings of one station written to others."""

    key: ClassVar[str] = "copy-keys"

    def __init__(self, settings: StationSettings) -> None:
        self._settings = settings

    def check(self, params: Params) -> None:
        """The station that is copied must have been read, and a setting chosen."""
        copied_values(self._settings, params)

    async def run(self, station_id: str, params: Params, actor: str) -> Reply:
        """At one station."""
        return await self._settings.apply(station_id, copied_values(self._settings, params), actor)


class SetInManager(BulkAction):
    """Settings of stations in the manager: typed, or those of another station.

    One at a time: each change is checked against the whole site, and one that does not fit is
    refused for its station alone.
    """

    key: ClassVar[str] = "settings"
    concurrency: ClassVar[int] = 1

    def __init__(self, configuration: ConfigurationService) -> None:
        self._configuration = configuration

    def check(self, params: Params) -> None:
        """Something must be chosen."""
        if not any(name in params for name in BOX_FIELDS) and not params.get("fields"):
            raise InvalidInputError("bulk-nothing-chosen")
        if params.get("from"):
            configured(self._configuration, params["from"])

    async def run(self, station_id: str, params: Params, actor: str) -> Reply:
        """At one station."""
        before = configured(self._configuration, station_id)
        after = changed(self._configuration, before, params)
        if after != before:
            await self._configuration.replace_station(after, actor, "station-edited", new=False)
        return SAVED


def changed(
    configuration: ConfigurationService, before: ChargingStation, params: Params
) -> ChargingStation:
    """The station with the settings of ``params``, typed ones or those of the station ``from``."""
    news: dict[str, Any] = {}
    phases = None
    if params.get("from"):
        source = configured(configuration, params["from"])
        chosen = params.get("fields", "").split()
        news = {_FIELD[name]: getattr(source, _FIELD[name]) for name in chosen if name in _FIELD}
        phases = str(source.connectors[0].phases) if "phases" in chosen else None
    else:
        news = {_FIELD[name]: _SET[name](value) for name, value in params.items() if name in _SET}
        phases = params.get("phases")
    if "max_ma" in news and before.fallback_ma > news["max_ma"] and "fallback_ma" not in news:
        news["fallback_ma"] = news["max_ma"]
    if phases is not None:
        news["connectors"] = tuple(
            msgspec.structs.replace(
                one, phases=int(phases), line_to_line=one.line_to_line and phases == "1"
            )
            for one in before.connectors
        )
    return msgspec.structs.replace(before, **news)


def configured(configuration: ConfigurationService, station_id: str) -> ChargingStation:
    """The station as configured; raises ``NotFoundError``."""
    for station in configuration.current.stations:
        if station.station_id == station_id:
            return station
    raise NotFoundError("station-unknown", station=station_id)


def copied_values(settings: StationSettings, params: Params) -> dict[str, str]:
    """Chosen settings of the station ``from``; raises when there is none."""
    latest = settings.latest(params.get("from", ""))
    chosen = set(params.get("keys", "").split())
    if latest is None:
        raise InvalidInputError("never-read", field="from")
    values = {one.key: one.value or "" for one in copyable(latest) if one.key in chosen}
    if not values:
        raise InvalidInputError("bulk-nothing-chosen")
    return values


def _values_of_template(settings: StationSettings, params: Params) -> dict[str, str]:
    number = params.get("template", "")
    if not number.isascii() or not number.isdecimal():
        raise NotFoundError("template-unknown")
    return settings.template(int(number)).values


_FIELD: dict[str, str] = {
    "circuit": "circuit_id",
    "max": "max_ma",
    "fallback": "fallback_ma",
    "weight": "weight",
    "priority": "priority",
    "free": "free_charging",
}
_SET: dict[str, Callable[[str], Any]] = {
    "circuit": str,
    "max": int,
    "fallback": int,
    "weight": int,
    "priority": int,
    "free": lambda value: value == "on",
}
