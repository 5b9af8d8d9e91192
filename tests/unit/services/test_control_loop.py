"""The control cycle's rhythm: once a second, and at once when a meter shows too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.energy.plan import Plan
from app.energy.site_state import SiteState
from tests.support.garage import garage
from tests.support.scripted import MemoryManager

SITE = garage(["A-001"], limit_a=100) | {
    "meters": [{"id": "m", "model": "IME Nemo D4-Le", "host": "127.0.0.1", "circuit": "supply"}]
}


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    await settled(running)
    yield running
    await running.stop()


async def settled(box: MemoryManager) -> int:
    """Lets everything run that does not wait for time; the cycles so far."""
    for _ in range(50):
        await asyncio.sleep(0)
    return box.manager.control.cycles


async def test_a_load_too_high_does_not_wait_for_the_next_second(box: MemoryManager) -> None:
    meter = box.meters["m"]
    meter.show(60, 60, 60)
    before = await settled(box)
    meter.show(60, 101, 60)
    assert await settled(box) == before + 1
    meter.show(60, 99, 60)
    assert await settled(box) == before + 1


async def test_an_observer_that_fails_disturbs_nobody(box: MemoryManager) -> None:
    seen: list[tuple[float, int]] = []

    def fail(_state: SiteState, _plan: Plan) -> None:
        raise LookupError("on purpose")

    control = box.manager.control
    control.on_cycle(fail)
    control.on_cycle(lambda state, plan: seen.append((state.now_s, len(plan.allocations))))
    await box.cycle(2)
    assert [allocations for _, allocations in seen] == [1, 1]
    assert control.failures == 2
