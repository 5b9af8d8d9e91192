"""One action on several stations, in a browser, over real sockets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.axe import axe_violations
from tests.support.garage import garage
from tests.support.running import RunningManager

ROOT = Path(__file__).parents[2]
OWN = "quatre mots faciles à retenir"
NAMES = [f"R-{n:03d}" for n in range(1, 7)]
CONNECTED = 5
"""The last one never comes."""


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    running = RunningManager(tmp_path_factory.mktemp("bulk"), garage(NAMES))
    running.start()
    stations = subprocess.Popen(
        [
            sys.executable, "-m", "simulators", "stations", "--url", running.ocpp_url,
            "--count", str(CONNECTED), "--prefix", "R-", "--occupied", "0",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield running
    finally:
        stations.terminate()
        stations.wait(20)
        assert running.stop() == 0


def sign_in(page: Page, manager: RunningManager) -> None:
    page.goto(manager.web_url)
    page.get_by_label("Mot de passe").fill(manager.secret())
    page.get_by_role("button", name="S’identifier").click()
    page.get_by_label("Secret du premier démarrage").fill(manager.secret())
    page.get_by_label("Nouveau mot de passe", exact=True).fill(OWN)
    page.get_by_label("Nouveau mot de passe, encore une fois").fill(OWN)
    page.get_by_role("button", name="Enregistrer le mot de passe").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_several_stations_are_ticked_ordered_and_told(page: Page, manager: RunningManager) -> None:
    sign_in(page, manager)
    page.goto(f"{manager.web_url}/stations")
    expect(page.locator("tbody .state.free")).to_have_count(CONNECTED)
    page.get_by_label("Cocher R-002").check()
    expect(page.locator("#ticked")).to_have_text("1 cochée")
    page.get_by_label("Tout cocher").check()
    expect(page.locator("#ticked")).to_have_text("6 cochées")
    page.get_by_label("Cocher R-003").uncheck()
    page.get_by_label("Quoi").select_option("read-configuration")
    page.get_by_role("button", name="Continuer").click()

    expect(page.get_by_role("heading", name="Lire les réglages")).to_be_visible()
    expect(page.get_by_text("R-003")).to_have_count(0)
    assert axe_violations(page) == []
    page.get_by_role("button", name="Le faire pour 5 bornes").click()

    # The page follows by itself to the end of the job.
    expect(page.locator(".job-state")).to_contain_text("terminée")
    expect(page.locator(".tally")).to_contain_text("4 fait")
    rows = page.locator(".results tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("R-006")
    expect(rows.first).to_contain_text("injoignable")
    assert axe_violations(page) == []

    page.get_by_role("button", name="Relancer l’échec").click()
    expect(page.locator(".job-state")).to_contain_text("terminée")
    expect(rows.first).to_contain_text("essai 2")
    page.reload()
    expect(rows.first).to_contain_text("essai 2")


def test_the_result_is_there_after_a_restart(page: Page, manager: RunningManager) -> None:
    manager.stop()
    manager.start()
    page.goto(manager.web_url)
    page.get_by_label("Mot de passe").fill(OWN)
    page.get_by_role("button", name="S’identifier").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.goto(f"{manager.web_url}/stations/jobs")
    page.get_by_role("link", name="Lire les réglages").click()
    expect(page.locator(".results tbody tr")).to_have_count(5)
    page.goto(f"{manager.web_url}/stations/R-001/configuration")
    expect(page.get_by_text("ChargeProfileMaxStackLevel")).to_be_visible()


def test_nobody_met_a_failure_on_the_way(manager: RunningManager) -> None:
    """The manager has written no traceback meanwhile."""
    assert "Traceback" not in manager.output
