"""Pictures for the README: the box's console, and its first page in a browser."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

from tests.image.errors import ImageTestError
from tests.image.machine import Machine

_PAGE_TIMEOUT_MS: Final = 180_000
_CONSOLE_SETTLES_S: Final = 10.0


def take(box: Machine, folder: Path) -> None:
    """``console.png`` and ``first-page.png`` of a box with a screen."""
    time.sleep(_CONSOLE_SETTLES_S)
    box.photograph(folder / "console.png")
    _first_page(box.web_port, folder / "first-page.png")


def _first_page(port: int, made: Path) -> None:
    # Only a run that takes pictures needs a browser.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    browser_path = next(filter(None, map(shutil.which, names)), None)
    if browser_path is None:
        raise ImageTestError("no Chromium on this machine: apt-get install chromium")
    args = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
    if os.geteuid() == 0:
        args.append("--no-sandbox")  # Chromium refuses its sandbox as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=args)
        context = browser.new_context(
            ignore_https_errors=True, locale="fr-FR", viewport={"width": 1280, "height": 800}
        )
        context.set_default_timeout(_PAGE_TIMEOUT_MS)
        page = context.new_page()
        page.goto(f"https://127.0.0.1:{port}/", wait_until="networkidle")
        page.screenshot(path=made)
        browser.close()
