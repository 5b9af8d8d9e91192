"""What a person does with a new box: sign in, describe the supply, add a station, let a car charge.

Through the pages, and with the same simulator of stations that ``make run`` uses.
"""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from typing import Any, Final

import httpx

from tests.image.machine import ImageTestError

STATION: Final = "BOX-001"
PASSWORD: Final = "correct horse battery staple"

_TIMEOUT_S: Final = 60.0
"""An emulated box answers slowly; argon2 above all."""


class Site:
    """A signed-in person at the pages of a box that was never used."""

    def __init__(self, web_port: int, secret: str) -> None:
        # Trust at first use, as a browser's user would: then the names must match as well.
        certificate = ssl.get_server_certificate(("127.0.0.1", web_port), timeout=_TIMEOUT_S)
        self.client = httpx.Client(
            base_url=f"https://127.0.0.1:{web_port}",
            verify=ssl.create_default_context(cadata=certificate),
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
        self._post("/sign-in", name="admin", password=secret)
        self._post("/password", current=secret, new=PASSWORD, again=PASSWORD)

    def describe(self) -> None:
        """A supply of 63 A and one station that charges without a badge."""
        root = re.search(
            r'href="(/settings/energy/(?!add")[^"/]+)"', self._page("/settings/energy")
        )
        if root is None:
            raise ImageTestError("a new box shows no supply")
        self._post(
            root[1],
            name="Arrivée",
            margin="2",
            **{f"limit-{phase}": "63" for phase in (1, 2, 3)},
            **{f"background-{phase}": "10" for phase in (1, 2, 3)},
        )
        self._post(
            "/stations/add",
            station_id=STATION,
            circuit_id=root[1].rpartition("/")[2],
            count="1",
            phases="3",
            rotation="RST",
            max_a="32",
            min_a="6",
            step_a="1",
            fallback_a="0",
            weight="1",
            controllable="on",
            free_charging="on",
        )

    def charge(self, ocpp_port: int, seconds: int) -> float:
        """Connects a simulated station with a car; the highest current that the box recorded, A.

        Raises ``ImageTestError`` when the box recorded none within ``seconds``.
        """
        command = [
            *(sys.executable, "-m", "simulators", "stations", "--count", "1", "--prefix", "BOX-"),
            *("--url", f"ws://127.0.0.1:{ocpp_port}/ocpp", "--occupied", "1", "--free"),
            *("--outlets", "1", "--seconds", str(seconds)),
        ]
        simulator = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline_s = time.monotonic() + seconds
            while time.monotonic() < deadline_s:
                highest_a = self._highest_a()
                if highest_a > 0:
                    return highest_a
                time.sleep(2)
        finally:
            simulator.kill()
            simulator.wait()
        raise ImageTestError(f"no current was recorded within {seconds} s")

    def _highest_a(self) -> float:
        answer = self.client.get("/api/trace", params={"station": STATION, "connector": "1"})
        answer.raise_for_status()
        columns: list[list[Any]] = answer.json()
        return max((value for column in columns[1:4] for value in column if value), default=0.0)

    def _page(self, path: str) -> str:
        answer = self.client.get(path)
        answer.raise_for_status()
        return answer.text

    def _post(self, path: str, **form: str) -> None:
        # As a browser does: the page with the form, whose hidden field comes back with the answer.
        hidden = re.search(r'name="csrf" value="([^"]*)"', self._page(path))
        answer = self.client.post(path, data={**form, "csrf": hidden[1] if hidden else ""})
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise ImageTestError(f"{path}: {answer.status_code}")
