"""Before and after while a form is filled in, and a session explained, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.test_pages import SHOTS, SIZES, Room, Watch, live, sign_in, visitor
from tests.support.axe import axe_violations


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    opened = Room()
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def context(browser: Browser, room: Room) -> Iterator[BrowserContext]:
    made = visitor(browser, viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    watch = Watch(made, room.url)
    watch.expected = re.compile("422")
    yield made
    made.close()
    assert watch.faults == []


@pytest.fixture
def page(context: BrowserContext, room: Room) -> Page:
    opened = context.new_page()
    sign_in(opened, room)
    return opened


def explained(page: Page, room: Room) -> str:
    """The address of the session with the highest number: the one whose limits are on record."""
    page.goto(f"{room.url}/sessions")
    links = page.locator("tbody td a")
    numbers = [str(link.get_attribute("href")) for link in links.all()]
    return room.url + max(numbers, key=lambda address: int(address.rpartition("/")[2]))


def test_figures_follow_what_is_typed(page: Page, room: Room) -> None:
    page.goto(f"{room.url}/settings/energy/aa")
    panel = page.get_by_role("complementary", name="Avant et après")
    expect(panel.get_by_role("status")).to_contain_text("Cela tient")
    limit = panel.locator("details", has=page.get_by_role("heading", name="Allée A")).get_by_role(
        "row", name="Limite"
    )
    expect(limit).to_contain_text("125")
    page.locator("#f-limit-1").fill("63")
    expect(limit).to_contain_text("63")
    expect(limit.locator(".is")).to_have_text("63")
    page.locator("#f-limit-1").fill("")
    expect(panel.get_by_role("status")).to_contain_text("nécessaire")
    page.locator("#f-limit-1").fill("125")
    expect(panel.get_by_role("status")).to_contain_text("Cela tient")
    expect(panel.locator(".is")).to_have_count(0)


def test_a_refusal_is_announced_while_typing_and_repeated_when_saved(
    page: Page, room: Room
) -> None:
    page.goto(f"{room.url}/stations/A-001/edit")
    panel = page.get_by_role("complementary", name="Avant et après")
    page.locator("#f-fallback_a").fill("16")
    expect(panel.get_by_role("status")).to_contain_text("Ce serait refusé")
    expect(panel.locator(".sums")).to_contain_text("autres usages")
    expect(page.locator("#f-fallback_a")).to_be_focused()
    page.screenshot(path=SHOTS / "refused-desk-light.png")
    assert axe_violations(page) == []
    page.get_by_role("button", name="Enregistrer").click()
    summary = page.locator("#summary")
    expect(summary).to_contain_text("Ce qui serait accepté")
    page.locator("#f-fallback_a").fill("0")
    expect(panel.get_by_role("status")).to_contain_text("Cela tient")


def test_without_a_script_the_button_shows_the_same(browser: Browser, room: Room) -> None:
    made = visitor(browser, viewport={"width": 360, "height": 800}, java_script_enabled=False)
    page = made.new_page()
    sign_in(page, room)
    page.goto(f"{room.url}/settings/energy/aa")
    page.locator("#f-limit-1").fill("63")
    page.get_by_role("button", name="Aperçu").click()
    panel = page.get_by_role("complementary", name="Avant et après")
    expect(panel.locator(".is").first).to_have_text("63")
    expect(page.locator("#f-limit-1")).to_have_value("63")
    page.goto(f"{room.url}/settings/energy/aa")
    expect(page.locator("#f-limit-1")).to_have_value("125")
    made.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_session_is_explained(browser: Browser, room: Room, theme: str, size: str) -> None:
    width, height = SIZES[size]
    made = visitor(
        browser,
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
    )
    watch = Watch(made, room.url)
    page = made.new_page()
    sign_in(page, room)
    page.goto(explained(page, room))
    live(page)
    expect(page.locator(".trace canvas")).to_be_visible()
    expect(page.locator(".shares li").first).to_contain_text("limité par le départ")
    expect(page.locator(".limits li").first).to_contain_text("32")
    assert axe_violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=SHOTS / f"session-{size}-{theme}.png", full_page=True)
    made.close()
    assert watch.faults == []


def test_a_running_session_goes_on_by_itself(page: Page, room: Room) -> None:
    page.clock.install()
    page.goto(explained(page, room))
    expect(page.locator(".trace canvas")).to_be_visible()
    page.evaluate("document.querySelector('.shares li').textContent = 'ancien'")
    with page.expect_response(re.compile("/api/sessions/")):
        page.clock.run_for(11_000)
    expect(page.locator(".shares li").first).to_contain_text("limité par le départ")
    expect(page.locator(".trace canvas")).to_be_visible()


def test_scripts_and_styles_stay_within_their_budget(page: Page, room: Room) -> None:
    sizes: dict[str, int] = {}

    def note(response: object) -> None:
        url, headers = response.url, response.headers  # type: ignore[attr-defined]
        if url.endswith((".js", ".css")):
            sizes[url] = int(headers["content-length"])

    page.on("response", note)
    page.goto(explained(page, room))
    expect(page.locator(".trace canvas")).to_be_visible()
    scripts = sum(size for url, size in sizes.items() if url.endswith(".js"))
    styles = sum(size for url, size in sizes.items() if url.endswith(".css"))
    assert scripts <= 50 * 1024
    assert styles <= 15 * 1024
