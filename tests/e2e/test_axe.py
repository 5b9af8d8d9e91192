"""The accessibility check finds a planted fault, even under a strict policy."""

from __future__ import annotations

from playwright.sync_api import Page, Route

from tests.support.axe import axe_violations

PAGE = """<!doctype html><html lang="fr"><head><title>Bornier</title></head>
<body><main><h1>Bornes</h1>{content}</main></body></html>"""
STRICT = {"content-security-policy": "default-src 'none'", "content-type": "text/html"}
ADDRESS = "https://page.test/"


def show(page: Page, content: str) -> None:
    def answer(route: Route) -> None:
        route.fulfill(body=PAGE.format(content=content), headers=STRICT)

    page.route(ADDRESS, answer)
    page.goto(ADDRESS)


def test_a_clean_page_has_no_violation(page: Page) -> None:
    show(page, "<p>Tout va bien.</p>")
    assert axe_violations(page) == []


def test_an_image_without_a_text_is_a_violation(page: Page) -> None:
    show(page, "<img src='data:,' width='9' height='9'>")
    assert [line.split(" ")[0] for line in axe_violations(page)] == ["image-alt"]
