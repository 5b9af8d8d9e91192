"""Accessibility faults of the page that a browser shows, found by axe-core.

axe-core comes from npm at set-up. It is evaluated through the debugging protocol, so a page's own
content security policy stays as strict as it is.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return found.violations.map(v =>
    `${v.id} (${v.impact}): ${v.help}: ` + v.nodes.map(n => n.target.join(" ")).join(", "));
}"""


@cache
def _engine() -> str:
    # the trailing value keeps Playwright from serialising what the script evaluates to
    return AXE.read_text(encoding="utf-8") + "\n;true"


def axe_violations(page: Page) -> list[str]:
    """The violations of WCAG 2.2 A and AA and of good practice, one line each."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_engine())
    found: list[str] = page.evaluate(RUN)
    return found
