"""What the users of one Locust process share: where the manager is, who is who, what is true.

Told by the environment, because Locust starts this process: see ``loadtests.run``.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from gevent.event import Event

SCENARIO = os.environ.get("BORNIER_LOAD_SCENARIO", "ramp-100")
OCPP_URL = os.environ.get("BORNIER_LOAD_OCPP", "ws://127.0.0.1:8080/ocpp")
WEB_URL = os.environ.get("BORNIER_LOAD_WEB", "https://127.0.0.1:8443")
PASSWORD = os.environ.get("BORNIER_LOAD_PASSWORD", "")
KEYS: dict[str, str] = json.loads(os.environ.get("BORNIER_LOAD_KEYS", "{}"))
"""Key of a station for basic authentication (security profiles 1 and 2), by identity."""

ID_TAG = "LOAD0001"
STATIONS = 100
MANAGERS = 3


def station_id(number: int) -> str:
    """Identity of the n-th station, from 1."""
    return f"L-{number:03d}"


class Truth:
    """What really happened, to be compared with what the manager has on record."""

    def __init__(self) -> None:
        self.started: dict[int, str] = {}
        """Station of each transaction that was acknowledged."""
        self.stopped: set[int] = set()
        """Transactions whose end was acknowledged."""
        self.unsure = 0
        """Starts that were sent and never answered, when the test ended."""
        self.commands: dict[str, int] = {}
        """Calls of the manager that were answered, by action."""
        self.events = 0
        """Pictures of the site that reached the live pages."""
        self.delivered_wh = 0.0

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n")

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "started": {str(number): station for number, station in self.started.items()},
            "stopped": sorted(self.stopped),
            "unsure": self.unsure,
            "commands": self.commands,
            "live_events": self.events,
            "delivered_kwh": round(self.delivered_wh / 1000, 2),
        }


class Storm:
    """The instant at which all stations lose their connection, and how they come back."""

    def __init__(self) -> None:
        self.cut = Event()
        self.cut_s = 0.0
        self.cut_stations = 0
        self.settled_s: list[float] = []
        """Of each station, from the cut until its last message was answered."""

    def begin(self, stations: int) -> None:
        """Now."""
        self.cut_s = time.monotonic()
        self.cut_stations = stations
        self.cut.set()

    def settled(self) -> float:
        """One station is back and accounted for; seconds since the cut."""
        took_s = time.monotonic() - self.cut_s
        self.settled_s.append(took_s)
        return took_s


truth = Truth()
storm = Storm()
