"""The pages in a real browser: accessible, quiet on the console, and alive."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.axe import axe_violations
from tests.support.showroom import PASSWORD

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
PATIENCE_MS = 30_000
SIZES = {"phone": (360, 800), "desk": (1400, 900)}
PAGES = (
    "/", "/stations", "/stations/add", "/stations/new", "/stations/A-001", "/stations/A-001/edit",
    "/stations/A-001/configuration", "/stations/A-001/configuration/change?key=LightIntensity",
    "/stations/A-001/configuration?with=template:1", "/stations/A-001/profiles",
    "/stations/A-001/actions", "/stations/A-001/history", "/stations/jobs", "/stations/jobs/1",
    "/stations/templates", "/stations/templates/1", "/stations/bulk?do=restart&scope=all",
    "/stations/bulk?do=settings&scope=all", "/stations/bulk?do=copy-keys&scope=all&from=A-001",
    "/stations/A-001/security", "/settings/stations-security",
    "/stations/A-001/messages?repair=mesurand", "/stations/A-001/messages?quirk=zone",
    "/stations/A-001/remove", "/stations/list", "/stations/scan", "/stations/sheets",
    "/stations/A-001/sheet", "/sessions", "/sessions/parked", "/badges", "/badges/add",
    "/badges/04A1B203/edit",
    "/settings", "/settings/site", "/settings/energy", "/settings/energy/supply",
    "/settings/sharing", "/settings/sharing/outside", "/settings/sharing/limits/add",
    "/settings/sharing/priorities/add", "/settings/sharing/tariff/add",
    "/settings/energy/add", "/settings/energy/aa/attach", "/evidence",
    "/frames", "/frames?odd=on&q=accepted", "/stations/A-001/frames", "/frames/1", "/frames/25",
    "/firmware", "/firmware/add", "/firmware/diagnostics", "/firmware/campaigns/2",
    "/firmware/campaigns/add?file=aaaaaaaaaaaaaaaaaaaaaaaa&model=",
    "/firmware/files/bbbbbbbbbbbbbbbbbbbbbbbb/remove", "/stations/A-001/files",
    "/settings/offline-badges", "/settings/meters", "/settings/meters/nemo", "/settings/phases", "/settings/health",
    "/password", "/help", "/help/errors/DLM-003", "/nothing-here",
)  # fmt: skip


class Room:
    """The showroom in a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.showroom"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip().rstrip("/")
        assert self.url.startswith("https://")

    def order(self, word: str) -> None:
        """``freeze`` or ``go``."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.stdout.close()


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    opened = Room()
    try:
        yield opened
    finally:
        opened.close()


class Watch:
    """Everything that must not happen in a browser."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.faults: list[str] = []
        self.expected: re.Pattern[str] | None = None
        self._url = url
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.expected is None or not self.expected.search(message.text):
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self._url):
            self.faults.append(f"request: {request.url}")


def visitor(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(
        ignore_https_errors=True, locale="fr-FR", timezone_id="Europe/Paris", **options
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def sign_in(page: Page, room: Room) -> None:
    page.goto(f"{room.url}/sign-in")
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name="S’identifier").click()
    expect(page.get_by_role("heading", name="Points de recharge")).to_be_visible()


@pytest.fixture
def context(browser: Browser, room: Room) -> Iterator[BrowserContext]:
    made = visitor(browser, viewport={"width": 1280, "height": 800})
    watch = Watch(made, room.url)
    yield made
    made.close()
    assert watch.faults == []


@pytest.fixture
def home(context: BrowserContext, room: Room) -> Page:
    """The Site page of a signed-in visitor, live."""
    page = context.new_page()
    sign_in(page, room)
    live(page)
    return page


def live(page: Page, state: str = "live") -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", state, timeout=PATIENCE_MS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_quiet(
    browser: Browser, room: Room, theme: str, size: str
) -> None:
    width, height = SIZES[size]
    SHOTS.mkdir(parents=True, exist_ok=True)
    made = visitor(
        browser,
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
    )
    watch = Watch(made, room.url)
    watch.expected = re.compile("404")
    page = made.new_page()
    page.goto(f"{room.url}/sign-in")
    violations = {"/sign-in": axe_violations(page)}
    page.screenshot(path=SHOTS / f"sign-in-{size}-{theme}.png")
    sign_in(page, room)
    wide = []
    for path in PAGES:
        page.goto(room.url + path)
        live(page)
        violations[path] = axe_violations(page)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(path)
        name = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_") or "site"
        page.screenshot(path=SHOTS / f"{name}-{size}-{theme}.png")
    made.close()
    assert {path: found for path, found in violations.items() if found} == {}
    assert wide == []
    assert watch.faults == []


def test_targets_are_large_enough_for_a_thumb(browser: Browser, room: Room) -> None:
    made = visitor(browser, viewport={"width": 360, "height": 800}, has_touch=True, is_mobile=True)
    page = made.new_page()
    sign_in(page, room)
    small = {}
    for path in (
        "/", "/stations", "/stations/A-001", "/stations/A-001/actions", "/badges/add", "/settings",
    ):  # fmt: skip
        page.goto(room.url + path)
        small[path] = page.evaluate(
            """() => [...document.querySelectorAll("button, .button, .nav a, .chip, select, input")]
              .filter(e => e.checkVisibility() && !["checkbox", "radio", "hidden"].includes(e.type))
              .map(e => [e.textContent.trim() || e.name, e.getBoundingClientRect()])
              .filter(([, box]) => box.height < 43.5 || box.width < 43.5)
              .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
        )
    made.close()
    assert {path: found for path, found in small.items() if found} == {}


def test_values_move_without_a_reload(home: Page) -> None:
    clock = home.locator("#data-time")
    tiles = home.locator("#tiles")
    before, shown = clock.inner_text(), tiles.inner_html()
    expect(clock).not_to_have_text(before)
    home.wait_for_function("old => document.getElementById('tiles').innerHTML !== old", arg=shown)


def test_focus_stays_while_the_tile_under_it_moves(home: Page) -> None:
    tile = home.locator(".tile.charge a").first
    tile.focus()
    focused = "document.activeElement.closest('.tile')?.id"
    name = home.evaluate(focused)
    text = tile.inner_text()
    home.wait_for_function(
        "([id, old]) => document.getElementById(id).querySelector('a').innerText !== old",
        arg=[name, text],
    )
    assert home.evaluate(focused) == name


def test_data_that_stand_still_are_told(home: Page, room: Room) -> None:
    room.order("freeze")
    try:
        live(home, "stale")
        banner = home.get_by_role("alert").filter(has_text="ne bougent plus")
        expect(banner).to_be_visible()
    finally:
        room.order("go")
    live(home)
    expect(banner).to_be_hidden()


def test_a_lost_link_is_told_and_comes_back(home: Page, room: Room) -> None:
    os.kill(room.process.pid, signal.SIGSTOP)
    try:
        live(home, "lost")
        expect(home.get_by_role("alert").filter(has_text="Plus de liaison")).to_be_visible()
    finally:
        os.kill(room.process.pid, signal.SIGCONT)
    live(home)
    before = home.locator("#data-time").inner_text()
    expect(home.locator("#data-time")).not_to_have_text(before)


def test_chips_filter_the_tiles_and_the_address_keeps_the_choice(home: Page) -> None:
    chips = home.locator("#chips")
    chips.get_by_role("link", name="Hors ligne").click()
    expect(home.locator(".tile:visible")).to_have_count(2)
    assert home.url.endswith("?state=offline")
    expect(chips.get_by_role("link", name="Hors ligne")).to_have_attribute("aria-current", "true")
    home.reload()
    expect(home.locator(".tile:visible")).to_have_count(2)
    home.locator("#chips").get_by_role("link", name="Tous").click()
    expect(home.locator(".tile:visible")).to_have_count(100)


def test_the_chart_shows_history_and_goes_on(home: Page, room: Room) -> None:
    home.goto(f"{room.url}/stations/A-001")
    chart = home.locator(".trace canvas")
    expect(chart).to_be_visible()
    home.get_by_role("button", name="24 h").click()
    expect(home.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "true")
    expect(chart).to_be_visible()


def test_the_circuits_are_a_drawing_on_a_desk_and_a_list_on_a_phone(
    browser: Browser, room: Room, home: Page
) -> None:
    expect(home.locator("#diagram")).to_be_visible()
    home.set_viewport_size({"width": 360, "height": 800})
    expect(home.locator("#diagram")).to_be_hidden()
    expect(home.locator("#circuits").get_by_text("Allée A")).to_be_visible()


def test_eight_windows_all_stay_up_to_date(context: BrowserContext, room: Room) -> None:
    first = context.new_page()
    sign_in(first, room)
    pages = [first]
    for _ in range(7):
        page = context.new_page()
        page.goto(f"{room.url}/")
        pages.append(page)
    for page in pages:
        expect(page.locator("#live")).to_have_attribute(
            "data-state", re.compile("live|slow"), timeout=PATIENCE_MS
        )
        before = page.locator("#data-time").inner_text()
        expect(page.locator("#data-time")).not_to_have_text(before)
    states = [page.locator("#live").get_attribute("data-state") for page in pages]
    assert states.count("live") == 4


def test_fifteen_loads_are_all_live(home: Page) -> None:
    for _ in range(15):
        home.reload()
        live(home)


def test_everything_important_works_without_javascript(browser: Browser, room: Room) -> None:
    made = visitor(browser, viewport={"width": 360, "height": 800}, java_script_enabled=False)
    page = made.new_page()
    sign_in(page, room)
    page.locator("#chips").get_by_role("link", name="Défaut").click()
    expect(page.locator(".tile:visible")).to_have_count(1)
    page.get_by_role("navigation").get_by_role("link", name="Badges").click()
    page.get_by_role("link", name="Ajouter").click()
    page.get_by_label("Porteur").fill("Sans Script")
    page.get_by_label("Numéro de badge").fill("x" * 20)
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_text("Badge enregistré.")).to_be_visible()
    expect(page.get_by_role("link", name="Sans Script", exact=True)).to_be_visible()
    made.close()


def test_language_and_theme_can_be_chosen(home: Page, room: Room) -> None:
    home.goto(f"{room.url}/settings")
    home.get_by_role("button", name="Sombre").click()
    expect(home.locator("html")).to_have_attribute("data-theme", "dark")
    assert home.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 17)"
    home.get_by_role("button", name="Comme le système").click()
    home.get_by_role("button", name="English").click()
    expect(home.get_by_role("heading", name="Settings")).to_be_visible()
    home.get_by_role("button", name="Français").click()
    expect(home.get_by_role("heading", name="Réglages")).to_be_visible()
