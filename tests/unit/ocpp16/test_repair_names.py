"""Every repair that is made has its severity, its source and its words."""

from __future__ import annotations

import re
from pathlib import Path

from app.ocpp16.quirk import QUIRK_NAMES
from app.ocpp16.repair_names import REPAIRS, Severity
from app.services.quirks import Origin
from app.web import intake_words

APP = Path(__file__).parents[3] / "app"


def made() -> set[str]:
    """The names that the sources write into a log of repairs."""
    text = "".join(
        (APP / name).read_text(encoding="utf-8")
        for name in (
            "ocpp16/repair.py",
            "ocpp16/repair_values.py",
            "ocpp16/samples.py",
            "ocpp16/frames.py",
            "services/sessions.py",
        )
    )
    found = re.findall(r'log\["([a-z-]+)"\]', text)
    found += re.findall(r', "([a-z]+-[a-z-]+)"\),$', text, re.MULTILINE)
    found += re.findall(r'\("([a-z]+-[a-z-]+)",\)', text)
    found += re.findall(r'(?:return|,) "([a-z]+-[a-z-]+)"$', text, re.MULTILINE)
    return set(found)


def test_every_repair_is_in_the_table() -> None:
    assert len(made()) > 25
    assert made() <= REPAIRS.keys()
    # Named by a condition or an alias, or made where no log is at hand.
    assert REPAIRS.keys() - made() <= {"mesurand", "time-zone", "time-local", "meter-scale"}


def test_every_repair_severity_quirk_and_origin_has_its_words() -> None:
    assert intake_words.REPAIRS.keys() == REPAIRS.keys()
    assert intake_words.SEVERITIES.keys() == set(Severity)
    assert intake_words.QUIRKS.keys() == set(QUIRK_NAMES)
    assert intake_words.ORIGINS.keys() == set(Origin)
    assert all(repair.source for repair in REPAIRS.values())
