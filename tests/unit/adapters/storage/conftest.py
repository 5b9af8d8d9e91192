"""A store on a real file, in both of its modes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "bornier.sqlite3"


@pytest.fixture(params=["threaded", "inline"])
async def store(path: Path, request: pytest.FixtureRequest) -> AsyncIterator[SqliteStore]:
    opened = open_store(path, inline=request.param == "inline")
    yield opened
    await opened.close()


@pytest.fixture
async def threaded(path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(path)
    yield opened
    await opened.close()
