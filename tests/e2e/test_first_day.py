"""The first day with a new manager, in a browser: from the secret to the first station."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from websockets.sync.client import ClientConnection, connect

from tests.support.running import RunningManager

OWN = "quatre mots faciles à retenir"
CIRCUITS = {
    "schema": "bornier-site/1",
    "name": "Premier jour",
    "circuits": [
        {
            "id": "supply",
            "name": "Arrivée générale",
            "limit_a": [63, 63, 63],
            "worst_background_a": [20, 20, 20],
        }
    ],
}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    running = RunningManager(tmp_path_factory.mktemp("first-day"), CIRCUITS)
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == 0


def call(station: ClientConnection, number: int, action: str, payload: dict[str, Any]) -> Any:
    """A station's CALL and its answer; calls of the manager in between are refused politely."""
    station.send(json.dumps([2, str(number), action, payload]))
    while True:
        frame = json.loads(station.recv(timeout=20))
        if frame[0] == 2:
            station.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))
        elif frame[1] == str(number):
            return frame


def test_from_the_secret_to_the_first_station(page: Page, manager: RunningManager) -> None:
    page.goto(manager.web_url)
    page.get_by_label("Mot de passe").fill(manager.secret())
    page.get_by_role("button", name="S’identifier").click()

    expect(page.get_by_role("heading", name="Choisissez votre mot de passe")).to_be_visible()
    page.get_by_label("Secret du premier démarrage").fill(manager.secret())
    page.get_by_label("Nouveau mot de passe", exact=True).fill(OWN)
    page.get_by_label("Nouveau mot de passe, encore une fois").fill(OWN)
    page.get_by_role("button", name="Enregistrer le mot de passe").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.get_by_text("Aucune borne pour l’instant")).to_be_visible()

    with connect(f"{manager.ocpp_url}/BORNE-7", subprotocols=["ocpp1.6"], proxy=None) as station:  # type: ignore[list-item]
        answer = call(
            station,
            1,
            "BootNotification",
            {"chargePointVendor": "Legrand", "chargePointModel": "Green'up"},
        )
        assert answer[2]["status"] == "Pending"
        announced = page.get_by_role("link", name="1 borne inconnue demande à entrer")
        expect(announced).to_be_visible()
        announced.click()
        expect(page.get_by_role("heading", name="BORNE-7")).to_be_visible()
        page.get_by_role("button", name="Adopter BORNE-7").click()
        expect(page.get_by_text("Borne adoptée.")).to_be_visible()
        page.get_by_role("link", name="BORNE-7").click()
        expect(page.get_by_role("heading", name="BORNE-7")).to_be_visible()

    page.get_by_role("link", name="Badges").click()
    page.get_by_role("link", name="Ajouter").first.click()
    page.get_by_label("Porteur").fill("Claire Martin")
    page.get_by_label("Numéro de badge").fill("04A1B2C3")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("link", name="Claire Martin", exact=True)).to_be_visible()


def test_what_was_set_is_there_after_a_restart(page: Page, manager: RunningManager) -> None:
    manager.stop()
    manager.start()
    page.goto(manager.web_url)
    page.get_by_label("Mot de passe").fill(OWN)
    page.get_by_role("button", name="S’identifier").click()
    page.get_by_role("link", name="Bornes").click()
    expect(page.get_by_role("link", name="BORNE-7")).to_be_visible()
    page.get_by_role("link", name="Badges").click()
    expect(page.get_by_role("link", name="Claire Martin", exact=True)).to_be_visible()


def test_nobody_met_a_failure_on_the_way(manager: RunningManager) -> None:
    """The manager has written no traceback while people used it."""
    assert "Traceback" not in manager.output
