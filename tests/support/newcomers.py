"""What the showroom has of new stations: a network to look through, a list, odd callers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.adapters.storage.store import SqliteStore
from app.domain.adoption import PlannedStation
from app.domain.station import PendingStation, StationIdentity
from app.services.adoption_ports import LanDevice, LanNetwork, Report

DEVICES = (
    LanDevice(
        "192.168.1.40", "00:04:74:1A:2B:3C", "Legrand", "Green’up – configuration", 80, likely=True
    ),
    LanDevice("192.168.1.41", "00:04:74:1A:2B:3D", "Legrand", likely=True),
    LanDevice("192.168.1.60", "40:48:FD:C1:00:07", "Ecotap", "", 8080, "EVSE-7", likely=True),
    LanDevice("192.168.1.1", "9C:3D:CF:00:00:01", "", "Router", 443),
    LanDevice("192.168.1.90"),
)


class StageNetwork:
    """A network whose search takes ``steps`` short steps; implements ``LanScanner``."""

    def __init__(self, steps: int = 20, step_s: float = 0.05) -> None:
        self._steps = steps
        self._step_s = step_s

    def networks(self) -> Sequence[LanNetwork]:
        """One common network, and a part of a large one."""
        return (
            LanNetwork("lan1", "192.168.1.5", "192.168.1.0/24", 254),
            LanNetwork("lan2", "10.3.4.5", "10.3.4.0/22", 1_022, narrowed=True),
        )

    async def scan(self, report: Report) -> Sequence[LanDevice]:
        """The devices, after a while."""
        for step in range(self._steps):
            report(step, self._steps)
            await asyncio.sleep(self._step_s)
        return DEVICES


async def furnish(store: SqliteStore, now: datetime) -> None:
    """A caller that shares serial and addresses, one set aside, and expected stations."""
    seen = (now - timedelta(minutes=3)).isoformat()
    await store.pending.save(
        PendingStation(
            "NEW-4",
            StationIdentity("Legrand", "059004", "23F770", "V01.01.65/V01.01.08"),
            "192.168.1.44",
            seen,
            seen,
            (1,),
            mac="00:04:74:1A:2B:44",
            secure=True,
            addresses=("192.168.1.44", "192.168.1.45"),
            refusal="caller-serial-repeated",
        )
    )
    await store.pending.save(
        PendingStation("STRANGER", StationIdentity("ACME"), "10.9.9.9", seen, seen, blocked=True)
    )
    await store.plans.save(
        [
            PlannedStation("p1", "NEW-1", "23F770", "Borne 101", "−1, place 101", "supply", 32_000),
            PlannedStation("p2", "", "26 0988", "", "−1, place 102", "supply", adopt=True),
        ]
    )
