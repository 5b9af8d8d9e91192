"""The register of quirks: what is shipped is sound, and what is wrong is refused."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.adapters.quirk_register import load_quirks
from app.ocpp16.quirk import NO_QUIRKS, SITE_ZONE, build_register, merged


def family(**changes: Any) -> dict[str, Any]:
    return {
        "name": "F",
        "vendor": "maker*",
        "evidence": "seen",
        "source": "frames",
        "quirks": {"pings": False},
    } | changes


def test_every_shipped_family_says_why_and_what() -> None:
    register = load_quirks()
    assert register.families
    for one in register.families:
        assert one.source
        assert one.vendor.strip("*")
        quirks = merged(one.quirks)
        assert quirks != NO_QUIRKS
        if quirks.zone != SITE_ZONE:
            ZoneInfo(quirks.zone)


def test_a_station_of_the_guide_has_a_register_of_its_session() -> None:
    register = load_quirks()
    assert register.of("Legrand", "059004", "V01.01.65/V01.01.08") == {"session_meter": True}
    assert register.of("Legrand", "057010", "1") == {}


def test_patterns_ignore_case_and_the_special_comes_last() -> None:
    special = family(model="M?", firmware="2.*", quirks={"pings": True, "reversed_uid": True})
    register = build_register([{"families": [family(), special]}])
    assert register.of("MAKER GmbH", "m1", "2.0") == {"pings": True, "reversed_uid": True}
    assert register.of("maker", "m1", "3.0") == {"pings": False}
    assert register.of("other", "m1", "2.0") == {}


@pytest.mark.parametrize(
    "wrong",
    [
        family(quirks={"ping": False}),
        family(quirks={"energy_scale": 0}),
        family(quirks={"connectors": [[0, 1]]}),
        family(quirks={"waiting": "Perhaps"}),
        family(evidence="rumour"),
        {"name": "F"},
    ],
)
def test_a_wrong_family_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        build_register([{"families": [wrong]}])


def test_the_last_layer_holds() -> None:
    quirks = merged({"pings": False, "zone": "site"}, {"pings": True})
    assert quirks == msgspec.structs.replace(NO_QUIRKS, zone="site")
