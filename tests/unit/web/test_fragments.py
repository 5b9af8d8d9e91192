"""A board renders what changed, once, and tells each browser what it has missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
import pytest

from app.services.live import SiteView
from app.web.fragments import Board, Fragment, LivePage, out_of_band
from app.web.i18n import Language, languages

EMPTY = SiteView(
    cycle=1,
    at_utc=datetime(2026, 11, 22, 8, tzinfo=UTC),
    name="",
    timezone="Europe/Paris",
    circuits=(),
    connectors=(),
    meters=(),
    alarms=(),
    pending_stations=0,
    cycle_ms=1.0,
)


class Letters(LivePage):
    """Shows some named values, and counts how often it renders each."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {"a": 1, "b": 1}
        self.rendered: list[str] = []

    def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
        for name, value in self.values.items():

            def render(name: str = name, value: int = value) -> str:
                self.rendered.append(name)
                return f'<b id="{name}">{value}</b>'

            yield Fragment(name, value, render)

    def frame(self, site: SiteView, html: Mapping[str, str]) -> Mapping[str, str]:
        return {"all": f'<p id="all">{"".join(html.values())}</p>'}


@pytest.fixture
def page() -> Letters:
    return Letters()


@pytest.fixture
def board(page: Letters) -> Board:
    made = Board(page, languages()["fr"])
    made.show(EMPTY)
    return made


def later(cycle: int) -> SiteView:
    return msgspec.structs.replace(EMPTY, cycle=cycle)


def test_the_snapshot_is_every_block(board: Board) -> None:
    assert board.snapshot() == (
        '<p hx-swap-oob="outerMorph" id="all"><b id="a">1</b><b id="b">1</b></p>'
    )
    assert board.blocks() == {"all": '<p id="all"><b id="a">1</b><b id="b">1</b></p>'}


def test_only_what_changed_is_rendered_and_sent(board: Board, page: Letters) -> None:
    page.rendered.clear()
    page.values["b"] = 2
    board.show(later(2))
    assert board.since(1) == out_of_band('<b id="b">2</b>')
    assert page.rendered == ["b"]


def test_the_same_picture_is_rendered_once_for_all(board: Board, page: Letters) -> None:
    page.values["b"] = 2
    newer = later(2)
    board.show(newer)
    page.rendered.clear()
    page.values["b"] = 3
    board.show(newer)
    assert board.since(1) is board.since(1)
    assert page.rendered == []


def test_nothing_changed_is_an_empty_update(board: Board) -> None:
    board.show(later(2))
    assert board.since(1) == ""


def test_a_slow_browser_gets_all_it_missed_at_once(board: Board, page: Letters) -> None:
    page.values["a"] = 2
    board.show(later(2))
    page.values["b"] = 3
    board.show(later(3))
    assert board.since(2) == out_of_band('<b id="b">3</b>')
    assert board.since(1) == out_of_band('<b id="a">2</b>') + out_of_band('<b id="b">3</b>')


def test_rows_that_come_or_go_bring_the_whole_blocks(board: Board, page: Letters) -> None:
    page.values["c"] = 1
    board.show(later(2))
    assert board.since(1) == board.snapshot()
    assert 'id="c"' in board.since(1)
    board.show(later(3))
    assert board.since(2) == ""
    del page.values["a"]
    board.show(later(4))
    assert 'id="a"' not in board.since(3)


def test_a_manager_that_counts_anew_is_shown_afresh(board: Board, page: Letters) -> None:
    board.show(later(90))
    page.rendered.clear()
    board.show(later(1))
    assert page.rendered == ["a", "b"]
    assert 'id="b"' in board.since(0)


def test_a_page_without_a_frame_of_its_own_shows_its_fragments() -> None:
    class Plain(LivePage):
        def fragments(self, site: SiteView, language: Language) -> Iterable[Fragment]:
            return [Fragment("x", 1, lambda: '<i id="x">1</i>')]

    board = Board(Plain(), languages()["fr"])
    board.show(EMPTY)
    assert board.snapshot() == out_of_band('<i id="x">1</i>')
    assert board.page.event(EMPTY) == ""
