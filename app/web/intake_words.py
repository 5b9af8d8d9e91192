"""Repairs and quirks in words. Texts are English msgids; whoever shows them translates them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.ocpp16.actions.types import RegistrationStatus
from app.ocpp16.quirk import SITE_ZONE
from app.ocpp16.repair_names import Severity
from app.services.quirks import Origin
from app.web.i18n import N_, Language

SEVERITIES: Mapping[Severity, tuple[str, str]] = {
    Severity.COSMETIC: (N_("form only"), "idle"),
    Severity.DATA: (N_("a value"), "wait"),
    Severity.MEANING: (N_("the meaning"), "bad"),
}
"""What a repair touches, and its tone (CSS)."""

REPAIRS: Mapping[str, str] = {
    "mesurand": N_("The field “measurand” is misspelt."),
    "field-spelling": N_("A field is written in another way."),
    "unknown-field": N_(
        "There is a field that OCPP 1.6 does not know; it is kept with the message."
    ),
    "null-field": N_("A field is there, but empty."),
    "missing-field": N_("A required field is missing; a harmless value stands in for it."),
    "field-dropped": N_("An optional field means nothing readable and was left out."),
    "item-dropped": N_("One reading or setting means nothing readable and was left out."),
    "single-as-list": N_("One object stands where a list is due."),
    "number-as-text": N_("A number stands where a text is due."),
    "text-cut": N_("A text was too long and was cut."),
    "id-tag-long": N_("A badge number was too long; it was cut so that it can equal no other."),
    "text-as-number": N_("A text stands where a number is due."),
    "float-as-integer": N_("A fraction stands where a whole number is due; it was rounded."),
    "integer-range": N_("A number was out of range and was taken as the greatest there is."),
    "text-as-boolean": N_("Yes or no is written as a text or a number."),
    "enum-spelling": N_("A value of a list is written in another way."),
    "error-code": N_("The fault code is none of OCPP 1.6; the original is shown with the fault."),
    "status-word": N_("The status is none of OCPP 1.6; the nearest one was taken."),
    "stop-reason": N_("The reason of a stop is none of OCPP 1.6; “other” was taken."),
    "time-zone": N_("A time names no time zone; it was taken as universal time."),
    "time-local": N_("A time names no time zone; it was taken as that of this kind of station."),
    "time-form": N_("A time is written in another way."),
    "time-unreadable": N_("A time cannot be read; that of the reception was taken."),
    "payload-missing": N_("The content is missing where an empty one is due."),
    "payload-in-list": N_("The content stands in a list."),
    "json-loose": N_("The message breaks a rule of JSON."),
    "text-encoding": N_("The text is not in UTF-8; it was read as Latin-1."),
    "message-id-long": N_("The number of the message is longer than allowed."),
    "decimal-comma": N_("A number has a decimal comma."),
    "unit-impossible": N_("A power in kW that no station has was taken as W."),
    "energy-scale": N_("The energy is in another unit than it says; it was converted."),
    "meter-scale": N_("The register of a session is in another unit; it was converted."),
    "power-scale": N_("The power is in another unit than it says; it was converted."),
    "connector-unknown": N_("The connector does not exist; the only one there is was taken."),
}
"""What each repair means. One-to-one with the names of repairs."""


class QuirkWords(NamedTuple):
    """A quirk as a term, and what it is for."""

    label: str
    hint: str


QUIRKS: Mapping[str, QuirkWords] = {
    "zone": QuirkWords(
        N_("Zone of its times"),
        N_("For times that name none: UTC, site, or a name such as Europe/Paris."),
    ),
    "session_meter": QuirkWords(
        N_("Register begins anew in each session"),
        N_("Then nothing can be concluded of the energy between two sessions."),
    ),
    "waiting": QuirkWords(
        N_("Answer while it waits for adoption"),
        N_("Some stations cannot bear “Pending”."),
    ),
    "pings": QuirkWords(
        N_("Bears pings"), N_("If not, none are sent, and its silence is judged by its messages.")
    ),
    "whole_amperes": QuirkWords(
        N_("Cuts currents to whole amperes"),
        N_("Then up to one ampere more is counted on each phase."),
    ),
    "reversed_uid": QuirkWords(
        N_("Reads badges backwards"), N_("The bytes of a number come in the other order.")
    ),
    "energy_scale": QuirkWords(
        N_("Factor of its energy"), N_("1000 where kWh are called Wh. Found out by itself.")
    ),
    "meter_scale": QuirkWords(
        N_("Factor of the registers of a session"),
        N_("For the readings at start and end. Found out by itself."),
    ),
    "power_scale": QuirkWords(
        N_("Factor of its power"), N_("1000 where kW are called W. Found out by itself.")
    ),
    "connectors": QuirkWords(
        N_("Numbers of its connectors"),
        N_("The station's number and ours, for example: 1=2, 2=1."),
    ),
    "strict": QuirkWords(
        N_("Repair nothing"), N_("For tests of conformance: what is wrong is refused.")
    ),
}
"""One-to-one with the fields of ``Quirks``."""

ORIGINS: Mapping[Origin, str] = {
    Origin.SPECIFICATION: N_("as in OCPP 1.6"),
    Origin.FAMILY: N_("known of this kind"),
    Origin.MODEL: N_("set for this model"),
    Origin.LEARNT: N_("found out"),
    Origin.STATION: N_("set for this station"),
}

WAITING: Mapping[str, str] = {
    RegistrationStatus.PENDING.value: N_("Pending"),
    RegistrationStatus.REJECTED.value: N_("Rejected"),
    RegistrationStatus.ACCEPTED.value: N_("Accepted"),
}
"""The words of OCPP for what a station is told at its boot."""


def said(value: Any, language: Language) -> str:
    """The value of a quirk, to read."""
    if isinstance(value, bool):
        return language.text(N_("yes") if value else N_("no"))
    if isinstance(value, float):
        return language.decimal(value, 0 if value.is_integer() else 3)
    if isinstance(value, tuple):
        pairs = ", ".join(f"{theirs}={ours}" for theirs, ours in value)
        return pairs or language.text(N_("the same"))
    if value == SITE_ZONE:
        return language.text(N_("that of the site"))
    return str(value)


def typed(value: Any) -> str:
    """The value of a quirk, as a form has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(f"{theirs}={ours}" for theirs, ours in value)
    return str(value)
