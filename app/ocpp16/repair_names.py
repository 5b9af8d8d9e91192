"""Every repair by name: how much it matters, and why it is made. What it says to people is in
``app/web/intake_words.py``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple


class Severity(enum.IntEnum):
    """What a repair may have changed."""

    COSMETIC = 0
    """The form alone: there was one way to read it."""
    DATA = 1
    """A value was cut, left out or replaced by a stand-in."""
    MEANING = 2
    """What the message says was concluded, and might be wrong."""


class Repair(NamedTuple):
    """One kind of repair; ``source`` is what it goes against, or where it was met."""

    severity: Severity
    source: str


_COSMETIC, _DATA, _MEANING = Severity

REPAIRS: Final[Mapping[str, Repair]] = {
    "mesurand": Repair(_COSMETIC, "frames printed in a maker's guide to OCPP"),
    "field-spelling": Repair(_COSMETIC, "OCPP 1.6 schemas"),
    "unknown-field": Repair(_DATA, "OCPP 1.6 schemas (additionalProperties)"),
    "null-field": Repair(_COSMETIC, "OCPP-J 1.6, 4.1.2"),
    "missing-field": Repair(_DATA, "OCPP 1.6 schemas (required)"),
    "field-dropped": Repair(_DATA, "OCPP 1.6 schemas"),
    "item-dropped": Repair(_DATA, "OCPP 1.6, 7.43"),
    "single-as-list": Repair(_COSMETIC, "OCPP 1.6 schemas"),
    "number-as-text": Repair(_COSMETIC, "OCPP 1.6 schemas; lbbrhzn/ocpp 1576"),
    "text-cut": Repair(_DATA, "OCPP 1.6, 7.11 to 7.15 (CiString)"),
    "id-tag-long": Repair(_MEANING, "OCPP 1.6, 7.28 (IdToken)"),
    "text-as-number": Repair(_COSMETIC, "OCPP 1.6 schemas"),
    "float-as-integer": Repair(_DATA, "OCPP 1.6 schemas; shiv3/ocpp-cp-simulator 83"),
    "integer-range": Repair(_DATA, "32 bits"),
    "text-as-boolean": Repair(_COSMETIC, "OCPP 1.6 schemas"),
    "enum-spelling": Repair(_COSMETIC, "OCPP 1.6, chapter 7"),
    "error-code": Repair(_MEANING, "OCPP 1.6, 7.6; lbbrhzn/ocpp 1248"),
    "status-word": Repair(_MEANING, "OCPP 1.6, 7.7; words of OCPP 1.5 and 2.0.1"),
    "stop-reason": Repair(_MEANING, "OCPP 1.6, 7.36"),
    "time-zone": Repair(_MEANING, "OCPP 1.6, 3.14; steve-community/steve 136"),
    "time-local": Repair(_MEANING, "OCPP 1.6, 3.14; a known quirk of the station"),
    "time-form": Repair(_COSMETIC, "RFC 3339"),
    "time-unreadable": Repair(_DATA, "RFC 3339"),
    "payload-missing": Repair(_COSMETIC, "OCPP-J 1.6, 4.2.1"),
    "payload-in-list": Repair(_COSMETIC, "OCPP-J 1.6, 4.2.1"),
    "json-loose": Repair(_COSMETIC, "RFC 8259"),
    "text-encoding": Repair(_COSMETIC, "RFC 6455, 8.1; texts in Latin-1"),
    "message-id-long": Repair(_COSMETIC, "OCPP-J 1.6, 4.1.4"),
    "decimal-comma": Repair(_COSMETIC, "OCPP 1.6, 7.43"),
    "unit-impossible": Repair(_MEANING, "a power that no station has"),
    "energy-scale": Repair(_MEANING, "the register's slope; OpenEVSE 703"),
    "meter-scale": Repair(_MEANING, "the register's slope"),
    "power-scale": Repair(_MEANING, "the register's slope"),
    "connector-unknown": Repair(_MEANING, "the only connector of the station"),
}
"""All there are, by name."""
