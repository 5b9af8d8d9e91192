"""A manager of the site at a browser: a live page stays open, others are looked at, forms are sent."""

from __future__ import annotations

import re
import time
from typing import Any

import gevent
from locust import HttpUser, between, task

from loadtests import stage

SILENT_S = 20.0
"""A live page without anything new for so long counts as a failure."""

VIEWS = ("site", "stations", "status")
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


class ManagerUser(HttpUser):
    """Signed in, in French, with one live page open all the time."""

    abstract = False
    host = stage.WEB_URL
    fixed_count = stage.MANAGERS
    wait_time = between(1, 3)

    def on_start(self) -> None:
        """Signs in and opens a live page."""
        self.client.verify = False
        self.client.headers.update(
            {"Sec-Fetch-Site": "same-origin", "Accept-Language": "fr-FR,fr;q=0.9"}
        )
        self._visits = 0
        with self.client.post(
            "/sign-in",
            data={"name": "admin", "password": stage.PASSWORD, "next": "/"},
            allow_redirects=False,
            catch_response=True,
        ) as answer:
            if answer.status_code != 303:
                answer.failure(f"not signed in: {answer.status_code}")
        view = VIEWS[id(self) % len(VIEWS)]
        self._stream = gevent.spawn(self._watch, view)

    def on_stop(self) -> None:
        """Closes the browser."""
        self._stream.kill(block=False)

    def _watch(self, view: str) -> None:
        """Reads the live stream; the time between two pictures goes into the statistics."""
        while True:
            began_s = last_s = time.perf_counter()
            try:
                answer = self.client.get(
                    f"/live/{view}",
                    headers={"Accept": "text/event-stream"},
                    stream=True,
                    timeout=SILENT_S,
                    name="/live/[view] (opened)",
                )
                for line in answer.iter_lines(chunk_size=1024):
                    if line.startswith(b"id:"):
                        now_s = time.perf_counter()
                        self._told((now_s - last_s) * 1000)
                        last_s = now_s
                        stage.truth.events += 1
                self._told((time.perf_counter() - began_s) * 1000, EOFError("the stream ended"))
            except (OSError, ValueError) as error:
                self._told((time.perf_counter() - last_s) * 1000, error)
            gevent.sleep(1)

    def _told(self, took_ms: float, failure: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type="LIVE",
            name="picture",
            response_time=took_ms,
            response_length=0,
            exception=failure,
            context={},
        )

    def _station(self) -> str:
        self._visits += 1
        return stage.station_id(self._visits * 7 % stage.STATIONS + 1)

    def _page(self, path: str, name: str | None = None) -> str:
        with self.client.get(path, name=name, allow_redirects=False, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            return str(answer.text)

    def _send(self, path: str, data: dict[str, Any], page: str) -> None:
        token = _TOKEN.search(page)
        form = data | {"csrf": token[1] if token else ""}
        with self.client.post(
            path, data=form, allow_redirects=False, catch_response=True
        ) as answer:
            if answer.status_code != 303:
                answer.failure(f"status {answer.status_code}")

    @task(6)
    def look_at_the_site(self) -> None:
        """The first page."""
        self._page("/")

    @task(4)
    def look_at_the_stations(self) -> None:
        """The table, then one of them."""
        self._page("/stations")
        self._page(f"/stations/{self._station()}", "/stations/[id]")

    @task(3)
    def look_at_the_sessions(self) -> None:
        """The journal."""
        self._page("/sessions")

    @task(2)
    def look_at_frames(self) -> None:
        """What one station has said."""
        self._page(f"/stations/{self._station()}/frames", "/stations/[id]/frames")

    @task(2)
    def look_at_settings(self) -> None:
        """Circuits, evidence, badges, health."""
        for path in ("/settings", "/settings/energy", "/evidence", "/badges", "/settings/health"):
            self._page(path)

    @task(1)
    def change_the_appearance(self) -> None:
        """A small form without effect on the site."""
        page = self._page("/settings")
        self._send("/theme", {"theme": "dark", "next": "/settings"}, page)

    @task(1)
    def rename_the_site(self) -> None:
        """A small form that is written, audited and planned with."""
        page = self._page("/settings/site")
        name = f"Load test {self._visits}"
        self._send("/settings/site", {"name": name, "timezone": "Europe/Paris"}, page)
