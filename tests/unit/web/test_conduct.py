"""How a station takes its limits, in words."""

from __future__ import annotations

import pytest

from app.domain.capability import Capability, LeaseTrust, LimitPurpose, ProfileForm
from app.domain.station import RateUnit
from app.services.ladder import Rung
from app.services.profile_writes import WriteCount
from app.services.safety import StationConduct
from app.web import conduct
from app.web.i18n import languages


def known(**values: object) -> StationConduct:
    fields: dict[str, object] = {
        "capability": Capability(),
        "follows": True,
        "leasable": True,
        "clock_skew_s": 0.0,
        "writes": WriteCount(),
        "rungs": {},
        "history": (),
        **values,
    }
    return StationConduct(**fields)  # type: ignore[arg-type]


def said(conduct_of: StationConduct, code: str = "en") -> dict[str, str]:
    return dict(conduct.facts(conduct_of, languages()[code]))


def test_of_a_station_that_never_charged_little_is_said() -> None:
    facts = said(known())
    assert facts == {
        "Takes limits": "not known before its first charge",
        "Limits end by themselves": (
            "not proven yet: the last limit stays reserved while it is offline"
        ),
        "Limits stored in the last year": "0",
    }


def test_everything_that_was_seen_is_said() -> None:
    facts = said(
        known(
            capability=Capability(
                live=ProfileForm(RateUnit.WATTS, purpose=LimitPurpose.DEFAULT),
                lease=LeaseTrust.HONOURED,
                lowest_ma=6_000,
                resumes=True,
                acceptance_s=0.44,
                comply_s=7.5,
                overshoot_ma=1_200,
            ),
            leasable=False,
            clock_skew_s=-300.0,
            writes=WriteCount(12_345, 700_000),
            rungs={1: Rung.BLOCKED},
        )
    )
    assert facts["Takes limits"] == "in watts, for every charge of the connector"
    assert facts["Clock"].startswith("off by 5")
    assert facts["Cars resume after a pause"] == "yes"
    assert facts["Usual time to follow"] == "7.5\u202fs"
    assert facts["Limits stored in the last year"] == (
        "12,345 (700,000 a year at the present rate)"
    )
    assert facts["Connector 1"] == "taken out of service until there is room for it"


@pytest.mark.parametrize("code", ["fr", "en"])
def test_a_station_that_follows_nothing_is_said_so(code: str) -> None:
    facts = conduct.facts(
        known(follows=False, capability=Capability(resumes=False)), languages()[code]
    )
    assert facts[0][1] in {
        "no: its whole rating is reserved",
        "non : tout son courant nominal est réservé",
    }
    assert len(facts) == 4
