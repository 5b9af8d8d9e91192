"""Reading a station's settings, whatever its habits (OCPP 1.6 clause 5.8).

Most list everything for an empty request, some more than their own maximum; some refuse the empty
list or cut the answer: they are asked for the standard settings in portions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.domain.errors import StationRefusedError
from app.ocpp16.actions.manager_calls import (
    GetConfiguration,
    GetConfigurationConfirmation,
    KeyValue,
)
from app.ocpp16.session import Priority
from app.ocpp16.standard_keys import PORTION, is_cut, merged, portions
from app.services.ports import StationLink

FEATURE_MISSING = ("NotImplemented", "NotSupported")
"""Errors by which a station says that it does not know the message at all."""


class Fetched(NamedTuple):
    """Every setting that the station gave; ``portions`` when it did not list them by itself."""

    answer: GetConfigurationConfirmation
    portions: bool


async def fetch_settings(link: StationLink, *, priority: Priority, timeout_s: float) -> Fetched:
    """All settings; raises ``StationRefusedError`` or ``StationUnreachableError`` when none came."""
    answers: list[GetConfigurationConfirmation] = []
    try:
        whole = await _ask(link, None, priority, timeout_s)
        answers.append(whole)
    except StationRefusedError as refusal:
        if str(refusal.params.get("answer", "")).startswith(FEATURE_MISSING):
            raise
        whole = None
    if whole is not None and whole.configuration_key and not is_cut(whole):
        return Fetched(whole, False)
    given = [] if whole is None else [one.key for one in whole.configuration_key or ()]
    refused: StationRefusedError | None = None
    for portion in portions(given, min(PORTION, len(given) or PORTION)):
        try:
            answers.append(await _ask(link, portion, priority, timeout_s))
        except StationRefusedError as refusal:
            refused = refusal
            break
    together = merged(answers)
    if not together.configuration_key and refused is not None:
        raise refused
    return Fetched(together, True)


def with_changes(
    answer: GetConfigurationConfirmation, changed: Mapping[str, str]
) -> GetConfigurationConfirmation:
    """The answer as it would be now that the station has accepted other values."""
    folded = {key.lower(): value for key, value in changed.items()}
    settings = answer.configuration_key or ()
    return GetConfigurationConfirmation(
        configuration_key=tuple(
            KeyValue(one.key, one.readonly, folded.get(one.key.lower(), one.value))
            for one in settings
        ),
        unknown_key=answer.unknown_key,
    )


async def _ask(
    link: StationLink, keys: tuple[str, ...] | None, priority: Priority, timeout_s: float
) -> GetConfigurationConfirmation:
    answer: GetConfigurationConfirmation = await link.call(
        GetConfiguration(key=keys), priority=priority, timeout_s=timeout_s
    )
    return answer
