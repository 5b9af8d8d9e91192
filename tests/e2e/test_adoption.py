"""A hundred new stations in a browser: one click; a list, a window and a search beside it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.axe import axe_violations
from tests.support.running import RunningManager

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
OWN = "quatre mots faciles à retenir"
PATIENCE_MS = 60_000
SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Cent bornes",
    "circuits": [
        {"id": "supply", "name": "Arrivée", "limit_a": [400] * 3, "worst_background_a": [120] * 3},
        {"id": "p1", "name": "Parking −1", "parent": "supply", "limit_a": [200] * 3},
    ],
}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    running = RunningManager(tmp_path_factory.mktemp("adoption"), SITE)
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == 0
        assert "Traceback" not in running.output


@contextmanager
def fleet(manager: RunningManager, count: int, prefix: str) -> Iterator[None]:
    """Simulated stations on real sockets, without cars."""
    command = [sys.executable, "-m", "simulators", "stations", "--url", manager.ocpp_url]
    command += ["--count", str(count), "--prefix", prefix, "--occupied", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def inside(browser: Browser, manager: RunningManager) -> Iterator[Page]:
    """A signed-in person."""
    context: BrowserContext = browser.new_context(
        ignore_https_errors=True, locale="fr-FR", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(manager.web_url)
    password = page.get_by_label("Mot de passe")
    if not (manager.data / "own").exists():
        password.fill(manager.secret())
        page.get_by_role("button", name="S’identifier").click()
        page.get_by_label("Secret du premier démarrage").fill(manager.secret())
        page.get_by_label("Nouveau mot de passe", exact=True).fill(OWN)
        page.get_by_label("Nouveau mot de passe, encore une fois").fill(OWN)
        page.get_by_role("button", name="Enregistrer le mot de passe").click()
        (manager.data / "own").touch()
    else:
        password.fill(OWN)
        page.get_by_role("button", name="S’identifier").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    try:
        yield page
    finally:
        context.close()


def test_stations_of_a_list_come_in_through_the_window(
    inside: Page, manager: RunningManager
) -> None:
    page = inside
    page.goto(f"{manager.web_url}/stations/list")
    lines = "Identité;Nom;Emplacement;Départ\nL-001;Nord;Place 1;Parking −1\nL-002;Sud;Place 2;\n"
    page.get_by_label("Fichier (CSV)").set_input_files(
        {"name": "bornes.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    )
    page.get_by_role("button", name="Vérifier la liste").click()
    expect(page.get_by_text("Rien n’est encore écrit.")).to_be_visible()
    assert axe_violations(page) == []
    page.get_by_role("button", name="Importer 2 lignes").click()
    expect(page.get_by_text("Liste importée.")).to_be_visible()
    assert axe_violations(page) == []

    page.goto(f"{manager.web_url}/stations/new")
    page.get_by_role("button", name="Ouvrir 15 min").click()
    expect(page.locator("#window-left")).to_have_text(re.compile(r"encore 1[45]\smin"))
    assert axe_violations(page) == []
    with fleet(manager, 3, "L-"):
        # The third is in no list: it waits, whatever is open.
        expect(page.locator("#waiting")).to_contain_text("1 borne attend")
        page.goto(f"{manager.web_url}/stations")
        expect(page.get_by_role("link", name="Nord", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Sud", exact=True)).to_be_visible()
        expect(page.get_by_role("row", name="Nord").get_by_text("Disponible")).to_be_visible()
        page.goto(f"{manager.web_url}/stations/new")
        page.get_by_role("button", name="Bloquer L-003").click()
        expect(page.get_by_text("il ne peut plus se connecter")).to_be_visible()
        page.get_by_text("1 appelant mis de côté").click()
        expect(page.get_by_text("bloquée : ne peut pas se connecter")).to_be_visible()
    page.get_by_role("button", name="La fermer maintenant").click()
    expect(page.get_by_role("button", name="Ouvrir 15 min")).to_be_visible()
    for name in ("Nord", "Sud"):
        page.goto(f"{manager.web_url}/stations")
        page.get_by_role("link", name=name, exact=True).click()
        page.goto(f"{page.url}/remove")
        page.get_by_role("main").get_by_role("button").click()
        expect(page.get_by_text("Borne retirée.")).to_be_visible()


def test_a_hundred_new_stations_are_adopted_in_one_action(
    inside: Page, manager: RunningManager
) -> None:
    page = inside
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.goto(f"{manager.web_url}/stations/new")
    with fleet(manager, 100, "N-"):
        expect(page.locator("#waiting")).to_contain_text("100 bornes attendent")
        page.get_by_role("link", name="Montrer qui attend maintenant").click()
        expect(page.get_by_role("button", name="Adopter les 100 bornes")).to_be_visible()
        # Asked while they wait, all have told their outlets.
        expect(page.locator(".callers .card", has_text="1 point de recharge")).to_have_count(100)
        page.screenshot(path=SHOTS / "adoption-100-waiting.png")
        assert axe_violations(page) == []
        page.get_by_label("Départ qui les alimente").select_option(label="– Parking −1")

        page.get_by_role("button", name="Adopter les 100 bornes").click()

        expect(page.get_by_text("Bornes adoptées.")).to_be_visible()
        expect(page.get_by_role("main").get_by_text("100 bornes")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(100)
        # They are served over the connections they have: no one waits for its next one.
        expect(page.locator("tbody .state.free")).to_have_count(100)
        page.screenshot(path=SHOTS / "adoption-100-adopted.png")
        page.goto(f"{manager.web_url}/stations/new")
        expect(page.get_by_text("Personne n’attend.")).to_be_visible()
    page.goto(f"{manager.web_url}/stations/sheets?of=s:N-001")
    expect(page.get_by_role("article")).to_have_count(1)
    fingerprint = page.locator(".print-of code")
    expect(fingerprint).to_have_text(re.compile(r"^([0-9A-F]{2}:){31}[0-9A-F]{2}$"))
    assert axe_violations(page) == []


def test_a_search_goes_on_before_one_s_eyes(inside: Page, manager: RunningManager) -> None:
    """On whatever networks this machine has; found or not, the page says how it went."""
    page = inside
    page.goto(f"{manager.web_url}/stations/scan")
    assert axe_violations(page) == []
    start = page.get_by_role("button", name="Chercher maintenant")
    nothing = page.get_by_text("n’a pas de réseau privé")
    expect(start.or_(nothing)).to_be_visible()
