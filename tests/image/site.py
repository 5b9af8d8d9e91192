"""What a person does with a new box: sign in, describe the supply, add a station, let a car charge.

Through the pages, and with the same simulator of stations that ``make run`` uses.
"""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, Self

import httpx

from tests.image.errors import ImageTestError
from tests.support.html import parsed

PASSWORD: Final = "correct horse battery staple"

_TIMEOUT_S: Final = 60.0
"""An emulated box answers slowly; argon2 above all."""


class Site:
    """A signed-in person at the pages."""

    def __init__(self, web_port: int, password: str) -> None:
        # Trust at first use, as a browser's user would: then the names must match as well.
        certificate = ssl.get_server_certificate(("127.0.0.1", web_port), timeout=_TIMEOUT_S)
        self.client = httpx.Client(
            base_url=f"https://127.0.0.1:{web_port}",
            verify=ssl.create_default_context(cadata=certificate),
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
        self._post("/sign-in", name="admin", password=password)

    @classmethod
    def first(cls, web_port: int, secret: str) -> Self:
        """Signs in with the first secret, and chooses ``PASSWORD``."""
        person = cls(web_port, secret)
        person._post("/password", current=secret, new=PASSWORD, again=PASSWORD)
        return person

    def describe(self, stations: Sequence[str]) -> None:
        """A supply of 63 A, and stations that charge without a badge."""
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
        for station in stations:
            self._add(station, root[1].rpartition("/")[2])

    def _add(self, station: str, circuit: str) -> None:
        self._post(
            "/stations/add",
            station_id=station,
            circuit_id=circuit,
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

    def charge(self, station: str, url: str, *options: str, seconds: int = 180) -> float:
        """Connects a simulated station with a car; the highest current that the box recorded, A.

        ``url`` is where stations connect. Raises ``ImageTestError`` when the box recorded no
        current within ``seconds``.
        """
        command = [
            *(sys.executable, "-m", "simulators", "stations", "--count", "1"),
            *("--prefix", station.removesuffix("001"), "--url", url, *options),
            *("--occupied", "1", "--free", "--outlets", "1", "--seconds", str(seconds)),
        ]
        simulator = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline_s = time.monotonic() + seconds
            while time.monotonic() < deadline_s and simulator.poll() is None:
                highest_a = self._highest_a(station)
                if highest_a > 0:
                    return highest_a
                time.sleep(2)
        finally:
            simulator.kill()
            simulator.wait()
        raise ImageTestError(f"{station}: no current was recorded within {seconds} s over {url}")

    def _highest_a(self, station: str) -> float:
        answer = self.client.get("/api/trace", params={"station": station, "connector": "1"})
        answer.raise_for_status()
        columns: list[list[Any]] = answer.json()
        return max((value for column in columns[1:4] for value in column if value), default=0.0)

    def _page(self, path: str) -> str:
        answer = self.client.get(path)
        answer.raise_for_status()
        return answer.text

    def _post(self, path: str, **typed: str) -> None:
        # As a browser does: what the page's form holds comes back, but for what was typed.
        for form in parsed(self._page(path)).all("form", method="post"):
            names = {element.get("name") for element in form.walk()}
            if form.get("action", path) == path and typed.keys() <= names:
                break
        else:
            raise ImageTestError(f"{path}: no form asks for {', '.join(sorted(typed))}")
        answer = self.client.post(path, data={**form.fields(), **typed})
        if answer.status_code != httpx.codes.SEE_OTHER:
            told = [one.text for one in parsed(answer.text).all(id="summary")]
            raise ImageTestError(f"{path}: {answer.status_code} {' '.join(told)}")
