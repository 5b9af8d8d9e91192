"""The manager against stations of every kind: what each takes, and what is done about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.capability import LeaseForm, LeaseTrust, LimitKind, LimitPurpose
from app.domain.station import RateUnit
from tests.support.lab import Lab, persona, virtual

KINDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("clean", {}, {"unit": RateUnit.AMPERES, "stack_level": 1, "lease": LeaseForm.DURATION}),
    ("watts only", {"rate_units": ("W",)}, {"unit": RateUnit.WATTS}),
    ("level 0 only", {"max_stack_level": 0}, {"stack_level": 0}),
    ("high levels only", {"min_stack_level": 7, "max_stack_level": 7}, {"stack_level": 7}),
    (
        "relative only",
        {"kinds": ("Relative",)},
        {"kind": LimitKind.RELATIVE, "lease": LeaseForm.VALID_TO},
    ),
    ("absolute only", {"kinds": ("Absolute",)}, {"kind": LimitKind.ABSOLUTE}),
    (
        "refuses transactionId",
        {"tx_profile_refuses_transaction_id": True, "tx_profile_needs_transaction_id": False},
        {"send_transaction_id": False},
    ),
    ("needs transactionId", {"tx_profile_needs_transaction_id": True}, {}),
    (
        "no TxProfile",
        {"purposes": ("TxDefaultProfile", "ChargePointMaxProfile")},
        {"purpose": LimitPurpose.DEFAULT},
    ),
    (
        "ChargePointMaxProfile only",
        {"purposes": ("ChargePointMaxProfile",)},
        {"purpose": LimitPurpose.STATION},
    ),
    ("refuses numberPhases", {"refuses_number_phases": True}, {"send_phases": False}),
]


@pytest.mark.parametrize(("kind", "habits", "form"), KINDS, ids=[kind for kind, _, _ in KINDS])
@virtual
async def test_a_limit_is_given_in_the_form_that_the_station_takes(
    tmp_path: Path, kind: str, habits: dict[str, Any], form: dict[str, Any]
) -> None:
    lab = Lab(tmp_path, {"A": persona(**habits)}, limit_a=20)
    await lab.start()
    lab.plug("A")
    await lab.until(lambda: 18 < lab.draw_a("A") <= 20)
    ((_, known),) = lab.manager.capabilities
    assert known.live is not None
    for field, value in form.items():
        assert getattr(known.live, field) == value, known.live
    assert known.lease is LeaseTrust.HONOURED
    # The next car is limited as well, and nothing of the last one is left for it.
    lab.stations["A"].unplug(1)
    await lab.run(30)
    lab.building_a = 10.0
    await lab.run(20)
    lab.plug("A")
    await lab.run(60)
    assert 8 < lab.draw_a("A") <= 10
    await lab.stop()


@virtual
async def test_the_next_station_of_the_kind_is_not_probed(tmp_path: Path) -> None:
    kind = persona(rate_units=("W",), max_stack_level=0, kinds=("Absolute",))
    lab = Lab(tmp_path, {"A": kind, "B": kind}, limit_a=60)
    await lab.start()
    # Both have tried their fallback: A, the first, found the form of it for the two.
    lab.plug("A")
    await lab.until(lambda: lab.draw_a("A") > 20)
    probing = len(lab.calls("A", "SetChargingProfile"))
    before = len(lab.calls("B", "SetChargingProfile"))
    lab.plug("B")
    await lab.until(lambda: lab.draw_a("B") > 20)
    first = lab.calls("B", "SetChargingProfile")[before]["csChargingProfiles"]
    assert first["chargingSchedule"]["chargingRateUnit"] == "W"
    assert first["stackLevel"] == 0
    assert lab.calls("B", "GetCompositeSchedule") == []
    assert probing > 0
    await lab.stop()


@virtual
async def test_another_firmware_is_probed_anew(tmp_path: Path) -> None:
    kind = persona(model="X")
    lab = Lab(tmp_path, {"A": kind, "B": msgspec.structs.replace(kind, firmware="9.9")}, limit_a=80)
    await lab.start()
    for name in ("A", "B"):
        lab.plug(name)
        await lab.until(lambda name=name: lab.draw_a(name) > 20)  # type: ignore[misc]
        assert len(lab.calls(name, "GetCompositeSchedule")) == 1
    assert {key.firmware for key, _ in lab.manager.capabilities} == {kind.firmware, "9.9"}
    await lab.stop()


@virtual
async def test_a_lease_that_is_not_honoured_is_never_counted_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona(honours_leases=False)}, limit_a=40)
    await lab.start()
    lab.plug("A")
    await lab.until(lambda: lab.draw_a("A") > 30)
    ((_, known),) = lab.manager.capabilities
    assert (known.lease, known.composite) == (LeaseTrust.UNKNOWN, True)
    lab.stations["A"].go_offline(2_000)
    await lab.run(900)
    view = lab.manager.live.latest
    assert view is not None
    assert lab.draw_a("A") > 30
    assert view.supply.ceilings.l1 >= 32_000
    await lab.stop()
