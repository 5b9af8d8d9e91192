"""Quirks of stations as data: which makers, models and firmwares need which exception.

The families are ``quirks/*.yaml``, read by an adapter; unknown keys and values are refused there, so
a typing mistake is found when the register is built.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import msgspec

from app.ocpp16.actions.types import RegistrationStatus

Scale = Annotated[float, msgspec.Meta(gt=0)]
Number = Annotated[int, msgspec.Meta(ge=1, le=99)]

SITE_ZONE: Final = "site"
"""Stands for the site's own time zone."""


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs with one station; the defaults are the specification's."""

    zone: str = "UTC"
    """Zone of times that name none: an IANA name, or ``site``."""
    session_meter: bool = False
    """The register begins anew in each session: nothing can be concluded between two of them."""
    waiting: RegistrationStatus = RegistrationStatus.PENDING
    """What an unknown one of this kind is told while it waits: some cannot bear Pending."""
    pings: bool = True
    """Whether it bears pings of WebSocket (RFC 6455, clause 5.5.2); else none are sent."""
    whole_amperes: bool = False
    """It cuts currents down to whole amperes."""
    reversed_uid: bool = False
    """It reads the bytes of a badge's number in the other order."""
    energy_scale: Scale = 1.0
    """Factor that makes Wh of its energy in MeterValues."""
    meter_scale: Scale = 1.0
    """Factor that makes Wh of meterStart and meterStop."""
    power_scale: Scale = 1.0
    """Factor that makes W of its power."""
    connectors: tuple[tuple[Number, Number], ...] = ()
    """Pairs of the station's number of an outlet and ours."""
    strict: bool = False
    """Nothing is repaired; for tests of conformance."""


NO_QUIRKS: Final = Quirks()
QUIRK_NAMES: Final = Quirks.__struct_fields__


class Evidence(enum.StrEnum):
    """How sure a family's quirks are."""

    SEEN = "seen"
    """In frames of a real station."""
    REPORTED = "reported"
    """By somebody who runs one."""
    ASSUMED = "assumed"


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stations that share their quirks; patterns have ``*`` and ``?`` and ignore case."""

    name: str
    vendor: str
    evidence: Evidence
    source: str
    quirks: Mapping[str, Any]
    model: str = "*"
    firmware: str = "*"

    def matches(self, vendor: str, model: str, firmware: str) -> bool:
        """Whether a station that says this of itself is one of them."""
        said = ((vendor, self.vendor), (model, self.model), (firmware, self.firmware))
        return all(fnmatchcase(text.casefold(), glob.casefold()) for text, glob in said)


class QuirkRegister:
    """All families, the general before the special: what a later one says holds."""

    def __init__(self, families: Iterable[Family] = ()) -> None:
        self.families = tuple(families)

    def of(self, vendor: str, model: str, firmware: str) -> dict[str, Any]:
        """What is known of this kind, by name of the quirk."""
        found: dict[str, Any] = {}
        for family in self.families:
            if family.matches(vendor, model, firmware):
                found |= family.quirks
        return found


NO_FAMILIES: Final = QuirkRegister()


def build_register(documents: Iterable[Any]) -> QuirkRegister:
    """The register of parsed files. Raises ``ValueError`` for a wrong one."""
    families = [
        family
        for document in documents
        for family in msgspec.convert(document, dict[str, tuple[Family, ...]])["families"]
    ]
    for family in families:
        try:
            merged(family.quirks)
        except msgspec.ValidationError as error:
            raise ValueError(f"{family.name}: {error}") from None
    return QuirkRegister(families)


def merged(*layers: Mapping[str, Any]) -> Quirks:
    """The quirks said by ``layers``, the last one first. Raises ``ValueError`` for a wrong one."""
    said: dict[str, Any] = {}
    for layer in layers:
        said |= layer
    return msgspec.convert(said, Quirks)
