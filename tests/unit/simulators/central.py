"""A central system of five lines: accepts everybody and gives each transaction a fixed limit."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from simulators.station.link import Link, LinkFactory, MemoryLink, memory_link


class FixedCentral:
    """Accepts every station and badge; sends ``limit_a`` to each transaction unless ``None``."""

    def __init__(self, limit_a: float | None = None) -> None:
        self.limit_a = limit_a
        self.starts: list[str] = []
        self.stops: list[int] = []
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def link_to(self, station_id: str) -> LinkFactory:
        async def connect() -> Link:
            station, central = memory_link()
            task = asyncio.get_running_loop().create_task(self._serve(station_id, central))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return station

        return connect

    async def _serve(self, station_id: str, link: MemoryLink) -> None:
        while (text := await link.receive()) is not None:
            kind, message_id, *rest = json.loads(text)
            if kind != 2:
                continue
            action, payload = rest
            link.post(json.dumps([3, message_id, self._answer(station_id, action, payload)]))
            if action == "StartTransaction" and self.limit_a is not None:
                link.post(json.dumps(self._limit(payload["connectorId"])))

    def _answer(self, station_id: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        now = "2026-01-20T08:00:00Z"
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now, "interval": 300}
            case "Authorize":
                return {"idTagInfo": {"status": "Accepted"}}
            case "StartTransaction":
                self.starts.append(f"{station_id}/{payload['connectorId']}")
                return {"transactionId": len(self.starts), "idTagInfo": {"status": "Accepted"}}
            case "StopTransaction":
                self.stops.append(payload["transactionId"])
                return {}
            case "Heartbeat":
                return {"currentTime": now}
            case _:
                return {}

    def _limit(self, connector_id: int) -> list[Any]:
        number = next(self._numbers)
        profile = {
            "chargingProfileId": connector_id,
            "transactionId": len(self.starts),
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": self.limit_a}],
            },
        }
        request = {"connectorId": connector_id, "csChargingProfiles": profile}
        return [2, f"c{number}", "SetChargingProfile", request]
