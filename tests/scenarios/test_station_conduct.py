"""Stations that do not do as told, clocks that jump, and a site that comes back all at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.domain.capability import Disobedience
from app.domain.station import ConnectorKey
from app.services.capabilities import CapabilityBook
from app.services.ladder import Rung
from app.services.obedience import COMPLIANCE_S
from simulators.station.config import Faults
from tests.support.lab import Lab, persona, virtual

SLOW_AND_SILENT = ("ChangeConfiguration", "TriggerMessage")
DEAF = {"A": Faults(ignores_profiles=True)}


async def history(lab: Lab, name: str = "A") -> list[Disobedience]:
    return list(await lab.store.conduct.recent(10, name))


def profile_writes(lab: Lab) -> int:
    return sum(station.counters.profile_messages for station in lab.stations.values())


# ------------------------------------------------------------------ obedience


@pytest.mark.parametrize("kind", ["control-generic", "premium-2024", "strict-generic"])
@virtual
async def test_who_ignores_a_limit_is_found_within_a_minute(tmp_path: Path, kind: str) -> None:
    """premium-2024 reports every 30 s, strict-generic in whole amperes without a phase."""
    lab = Lab(tmp_path, {"A": persona(kind)}, limit_a=60)
    await lab.start()
    lab.plug("A", max_a=16)
    await lab.run(60)
    assert lab.obeys("A")
    # Nothing is heard of the fault until a limit comes that it should follow.
    lab.stations["A"].set_faults(ignores_profiles=True)
    lab.building_a = 53.0
    took_s = await lab.until(lambda: not lab.obeys("A"), 120)
    assert took_s <= 60
    await lab.run(1)
    assert "STN-003" in lab.alarms()
    (found,) = await history(lab)
    assert found.key == ConnectorKey("A", 1)
    assert found.limit_ma < 10_000 < found.measured_ma
    assert found.duration_s is None
    # Mended: it obeys again once it has done so for a while, and the record is complete.
    lab.stations["A"].set_faults(ignores_profiles=False)
    lab.building_a = 0.0
    took_s = await lab.until(lambda: lab.obeys("A"), 300)
    assert took_s >= COMPLIANCE_S - 30
    await lab.run(1)
    (ended,) = await history(lab)
    assert ended.duration_s is not None
    assert ended.duration_s >= 15
    await lab.stop()


@pytest.mark.parametrize("offset_s", [0, 7, 14, 21, 28])
@pytest.mark.parametrize("gives_samples", [True, False])
@virtual
async def test_a_station_that_samples_every_half_minute_is_found_as_well(
    tmp_path: Path, offset_s: int, gives_samples: bool
) -> None:
    """It takes no other interval; one gives a sample when asked, the other does not even that."""
    unsupported = ("ChangeConfiguration",) if gives_samples else SLOW_AND_SILENT
    kind = persona(sample_interval_s=30, unsupported_actions=unsupported)
    lab = Lab(tmp_path, {"A": kind}, limit_a=60)
    await lab.start()
    lab.plug("A", max_a=16)
    await lab.run(60 + offset_s)
    lab.stations["A"].set_faults(ignores_profiles=True)
    lab.building_a = 53.0
    assert await lab.until(lambda: not lab.obeys("A"), 120) <= 60
    assert any(
        call["requestedMessage"] == "MeterValues" for call in lab.calls("A", "TriggerMessage")
    )
    await lab.stop()


@virtual
async def test_a_car_that_was_only_late_is_cleared_by_the_sample_it_is_asked_for(
    tmp_path: Path,
) -> None:
    kind = persona(sample_interval_s=30, unsupported_actions=("ChangeConfiguration",))
    lab = Lab(tmp_path, {"A": kind}, limit_a=60)
    await lab.start()
    lab.plug("A", max_a=32, ramp_down_s=20.0)
    await lab.run(90)
    for building in (50.0, 0.0) * 6:
        lab.building_a = building
        for _ in range(47):
            await lab.run(1)
            assert lab.obeys("A")
    await lab.stop()


@pytest.mark.parametrize("seed", range(3))
@virtual
async def test_slow_cars_and_truncated_amperes_are_not_accused(tmp_path: Path, seed: int) -> None:
    kinds = {"A": persona("strict-generic"), "B": persona("premium-2024"), "C": persona()}
    lab = Lab(tmp_path, kinds, limit_a=60)
    await lab.start()
    for number, name in enumerate(kinds):
        lab.plug(name, ramp_down_s=5.0, ramp_up_s=30.0, max_a=16 + 8 * ((number + seed) % 3))
    accused: list[str] = []
    for step in range(20):
        lab.building_a = (0.0, 30.0, 12.0, 45.0)[step % 4]
        for _ in range(30):
            await lab.run(1)
            accused += [name for name in kinds if not lab.obeys(name)]
    assert accused == []
    assert await history(lab, "A") == []
    await lab.stop()


@virtual
async def test_a_station_that_follows_nothing_is_reserved_at_its_rating(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona(), "B": persona()}, limit_a=60, faults=DEAF)
    await lab.start()
    # A fair share of 30 A each; A takes 32 A all the same, and B makes room for it.
    for name in ("A", "B"):
        lab.plug(name)
    await lab.until(lambda: not lab.obeys("A"), 300)
    station = lab.manager.registry.station("A")
    assert station is not None
    await lab.until(lambda: not station.capability.follows, 700)
    await lab.run(2)
    view = lab.manager.live.latest
    assert view is not None
    assert view.connectors[0].limit_ma == 32_000
    assert lab.calls("A", "RemoteStopTransaction") == []
    # It is given limits again when it has started anew: somebody may have mended it.
    lab.stations["A"].set_faults(ignores_profiles=False)
    lab.stations["A"].reboot("HardReset")
    await lab.until(lambda: station.capability.follows, 120)
    await lab.stop()


# ------------------------------------------------------------------ the ladder


@virtual
async def test_a_deaf_car_that_harms_nobody_is_left_alone(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona(), "B": persona()}, limit_a=60, faults=DEAF)
    await lab.start()
    lab.building_a = 20.0
    lab.plug("A", max_a=20)
    lab.plug("B", max_a=32)
    await lab.until(lambda: not lab.obeys("A"), 600)
    await lab.run(300)
    assert lab.calls("A", "RemoteStopTransaction") == []
    assert lab.manager.safety.ladders.rung(ConnectorKey("A", 1)) is Rung.BUDGETED
    assert lab.draw_a("B") > 6
    await lab.stop()


@virtual
async def test_where_current_is_short_its_charge_is_ended_then_it_is_out_of_service(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, {"A": persona(), "B": persona()}, limit_a=50, faults=DEAF)
    await lab.start()
    lab.plug("A", max_a=32)
    lab.plug("B", max_a=32)
    await lab.run(60)
    lab.building_a = 35.0
    took_s = await lab.until(lambda: bool(lab.calls("A", "RemoteStopTransaction")), 120)
    assert took_s <= 75
    await lab.until(lambda: lab.draw_a("A") == 0, 60)
    assert lab.draw_a("B") <= 15
    # The driver tries again: the connector goes out of service, which a restart does not forget.
    lab.stations["A"].unplug(1)
    await lab.run(5)
    lab.plug("A", max_a=32)
    await lab.until(lambda: bool(lab.calls("A", "ChangeAvailability")), 300)
    key = ConnectorKey("A", 1)
    assert lab.manager.safety.ladders.rung(key) is Rung.BLOCKED
    assert {"STN-006"} <= lab.alarms()
    assert set(await lab.store.conduct.blocked()) == {key}
    lab.kill_manager()
    await lab.run(5)
    await lab.start_manager()
    await lab.run(60)
    assert lab.manager.safety.ladders.rung(key) is Rung.BLOCKED
    # Room is back: so is the connector.
    lab.building_a = 0.0
    lab.stations["B"].unplug(1)
    lab.stations["A"].unplug(1)
    lab.stations["A"].set_faults(ignores_profiles=False)
    await lab.until(lambda: len(lab.calls("A", "ChangeAvailability")) == 2, 300)
    assert lab.calls("A", "ChangeAvailability")[1]["type"] == "Operative"
    await lab.run(5)
    assert lab.manager.safety.ladders.rung(key) is Rung.NONE
    assert await lab.store.conduct.blocked() == {}
    actions = {record.action for record in await lab.store.audit.recent()}
    assert {"ladder-stop", "ladder-block", "ladder-release"} <= actions
    await lab.stop()


@virtual
async def test_who_refuses_every_limit_is_named_and_stopped_where_current_is_short(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, {"A": persona(purposes=())}, limit_a=50)
    await lab.start()
    station = lab.manager.registry.station("A")
    assert station is not None
    assert station.capability.fallback is None
    lab.plug("A", max_a=32)
    await lab.run(120)
    assert "STN-004" in lab.alarms()
    await lab.until(lambda: not station.capability.follows, 1_500)
    lab.building_a = 40.0
    await lab.until(lambda: bool(lab.calls("A", "RemoteStopTransaction")), 900)
    await lab.stop()


# ------------------------------------------------------------------ fallback, storm, restart


@virtual
async def test_a_storm_of_reconnections_writes_nothing(tmp_path: Path) -> None:
    """Half of the stations boot at every connection, as the older firmware does."""
    kinds = {f"S{n}": persona("control-generic", boot_on_reconnect=bool(n % 2)) for n in range(20)}
    lab = Lab(tmp_path, kinds, limit_a=100)
    await lab.start()
    for name in ("S0", "S1"):
        lab.plug(name)
        await lab.until(lambda name=name: lab.draw_a(name) > 8)  # type: ignore[misc]
        lab.stations[name].unplug(1)
        await lab.run(20)
    before = profile_writes(lab)
    asked = len([one for one in lab.heard if one[1] == "GetCompositeSchedule"])
    for station in lab.stations.values():
        station.drop_socket()
    await lab.run(90)
    assert all(station.connected for station in lab.stations.values())
    cleared = len([one for one in lab.heard if one[1] == "ClearChargingProfile"])
    assert profile_writes(lab) - before <= 2  # what S0 and S1 may have kept is cleared, once
    assert cleared >= 20
    assert len([one for one in lab.heard if one[1] == "GetCompositeSchedule"]) == asked + 10
    await lab.stop()


@virtual
async def test_a_station_that_lost_its_fallback_in_a_boot_gets_it_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona(keeps_profiles_over_reboot=False)}, limit_a=60)
    await lab.start()
    lab.plug("A")
    await lab.until(lambda: lab.draw_a("A") > 20)
    lab.stations["A"].unplug(1)
    await lab.run(20)
    before = len(lab.calls("A", "SetChargingProfile"))
    lab.stations["A"].reboot("HardReset")
    await lab.run(60)
    (again,) = lab.calls("A", "SetChargingProfile")[before:]
    assert again["csChargingProfiles"]["chargingProfilePurpose"] == "TxDefaultProfile"
    await lab.stop()


@virtual
async def test_a_restart_does_not_write_fallbacks_again_and_raises_nothing_unseen(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, {"A": persona(), "B": persona()}, limit_a=50)
    await lab.start()
    lab.plug("A")
    await lab.until(lambda: lab.draw_a("A") > 20)
    lab.stations["B"].go_offline(400)
    await lab.run(5)
    before = len(lab.calls("A", "SetChargingProfile"))
    lab.kill_manager()
    await lab.run(5)
    await lab.start_manager()
    view = lab.manager.live.latest
    await lab.run(30)
    view = lab.manager.live.latest
    assert view is not None
    purposes = {
        call["csChargingProfiles"]["chargingProfilePurpose"]
        for call in lab.calls("A", "SetChargingProfile")[before:]
    }
    assert purposes <= {"TxProfile"}
    assert lab.draw_a("A") > 20
    await lab.stop()


@virtual
async def test_another_fallback_is_installed_as_soon_as_it_is_configured(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()}, limit_a=60)
    await lab.start()
    stations = lab.manager.services.stations
    (config,) = stations.configuration()
    await stations.edit(msgspec.structs.replace(config, fallback_ma=6_000), "admin")
    await lab.run(5)
    last = lab.calls("A", "SetChargingProfile")[-1]["csChargingProfiles"]
    assert last["chargingProfilePurpose"] == "TxDefaultProfile"
    assert last["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 6
    (held,) = await lab.store.capabilities.fallbacks()
    assert held.fallback_ma == 6_000
    await lab.stop()


# ------------------------------------------------------------------ clocks, leases, learning


@pytest.mark.parametrize("step_s", [-3_600.0, 30.0])
@virtual
async def test_after_a_jump_of_the_clock_every_limit_is_sent_again(
    tmp_path: Path, step_s: float
) -> None:
    lab = Lab(tmp_path, {"A": persona(), "B": persona()}, limit_a=60)
    await lab.start()
    for name in ("A", "B"):
        lab.plug(name)
    await lab.run(90)
    before = {name: len(lab.calls(name, "SetChargingProfile")) for name in ("A", "B")}
    lab.clock.set_by_s = step_s
    await lab.run(3)
    for name in ("A", "B"):
        (again,) = lab.calls(name, "SetChargingProfile")[before[name] :]
        schedule = again["csChargingProfiles"]["chargingSchedule"]
        # Off by an hour, a limit has no end until the station's clock is ours again.
        assert ("duration" in schedule) == (abs(step_s) <= 60)
    assert lab.manager.safety.clocks.steps == 1
    await lab.stop()


@virtual
async def test_a_clock_that_is_off_gets_limits_without_a_lease_until_it_is_set(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, {"A": persona()}, faults={"A": Faults(clock_skew_s=300)})
    await lab.start()
    lab.plug("A")
    await lab.run(200)
    durations = [
        "duration" in call["csChargingProfiles"]["chargingSchedule"]
        for call in lab.calls("A", "SetChargingProfile")
    ]
    assert durations[-1] is False
    lab.stations["A"].set_faults(clock_skew_s=0)
    await lab.run(60)
    last = lab.calls("A", "SetChargingProfile")[-1]["csChargingProfiles"]
    assert last["chargingSchedule"]["duration"] >= 600
    await lab.stop()


@virtual
async def test_what_operation_shows_is_kept_for_the_kind(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona(apply_delay_s=1.0)}, limit_a=40)
    await lab.start()
    lab.plug("A")
    await lab.run(90)
    lab.building_a = 33.0
    await lab.run(60)
    for _ in range(3):
        # Whether a pause can be judged depends on when its last measurement came.
        lab.building_a = 39.0
        await lab.run(400)
        lab.building_a = 0.0
        await lab.run(120)
        ((_, known),) = lab.manager.capabilities
        if known.resumes is not None:
            break
    assert known.lowest_ma in {6_000, 7_000}
    assert known.resumes is True
    assert known.comply_s is not None
    assert 0 < known.comply_s < 30
    assert known.acceptance_s is not None
    conduct = await lab.manager.safety.of("A")
    assert conduct.writes.last_year == lab.stations["A"].counters.profile_messages
    folder = lab.folder
    await lab.stop()
    again = Lab(folder, {"A": persona(apply_delay_s=1.0)})
    await again.start_manager()
    assert dict(again.manager.capabilities) != {}
    assert isinstance(again.manager.capabilities, CapabilityBook)
    assert again.manager.safety.writes.count("A").last_year == conduct.writes.last_year
    await again.manager.stop()


@virtual
async def test_a_lease_seen_to_be_ignored_is_counted_on_no_more(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"A": persona()}, limit_a=40)
    await lab.start()
    lab.plug("A")
    await lab.until(lambda: lab.draw_a("A") > 30)
    ((_, known),) = lab.manager.capabilities
    assert known.lease == "honoured"
    # It said so, and holds its limit all the same while it is away.
    lab.cut("A")
    lab.stations["A"].set_faults(ignores_profiles=True)
    await lab.run(1_000)
    lab.mend("A")
    await lab.run(120)
    ((_, known),) = lab.manager.capabilities
    assert known.lease == "ignored"
    await lab.stop()
