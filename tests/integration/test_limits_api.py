"""A program's limit over real sockets: on disk when it is acknowledged, whatever happens next."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import httpx

from tests.support.garage import garage
from tests.support.running import RunningManager, untrusting

PASSWORD = "une borne bien gardée"


def token_of(manager: RunningManager) -> str:
    """Signs in for the first time and makes a token on the page."""
    with httpx.Client(base_url=manager.web_url, verify=untrusting()) as browser:
        browser.post("/sign-in", data={"name": "admin", "password": manager.secret()})
        page = browser.get("/password").text
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        browser.post(
            "/password",
            data={"csrf": csrf, "current": manager.secret(), "new": PASSWORD, "again": PASSWORD},
        )
        page = browser.get("/settings/sharing/outside").text
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        made = browser.post(
            "/settings/sharing/outside/token", data={"csrf": csrf, "name": "Enedis"}
        ).text
    return str(re.findall(r'<code class="url">([^<]+)</code>', made)[0])


def ask(
    manager: RunningManager, token: str, method: str, path: str = "", body: Any = None
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{manager.web_url}/api/limits{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20, context=untrusting()) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_limit_outlives_a_power_cut(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path, garage(["A-1"]))
    manager.start()
    try:
        token = token_of(manager)
        sent = {"limit_a": 25, "scope": "charging", "minutes": 60}
        status, told = ask(manager, token, "PUT", "/supply", sent)
        assert (status, told["limit_a"]) == (200, [25, 25, 25])
        manager.kill()
        manager.start()
        status, found = ask(manager, token, "GET")
        assert status == 200
        assert found["orders"] == [told]
        assert [cap["charging_a"] for cap in found["in_force"]] == [[25, 25, 25]]
        assert ask(manager, "wrong", "GET")[0] == 401
        assert ask(manager, token, "DELETE", "/supply")[0] == 204
        assert ask(manager, token, "GET")[1]["in_force"] == []
    finally:
        manager.stop()
