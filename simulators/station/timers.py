"""Named timers and errands of one station, all ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Timers:
    """At most one timer of each name; a new one takes the place of the old."""

    __slots__ = ("_loop", "_timers")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def after(self, name: str, wait_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` once, in ``wait_s`` seconds."""
        self.cancel(name)
        self._timers[name] = self._loop.call_later(wait_s, action)

    def every(self, name: str, period_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` again and again; a period of 0 ends it."""
        self.cancel(name)
        if period_s > 0.0:
            self._timers[name] = self._loop.call_later(
                period_s, self._again, name, period_s, action
            )

    def _again(self, name: str, period_s: float, action: Callable[[], None]) -> None:
        self.every(name, period_s, action)
        action()

    def cancel(self, name: str) -> None:
        """Forget that timer, if it is set."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def clear(self) -> None:
        """Forget all."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


class Errands:
    """What a station does beside its conversation and that takes a while: uploads, updates."""

    __slots__ = ("_loop", "_running")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: dict[str, asyncio.Task[None]] = {}

    def busy(self, name: str) -> bool:
        """Whether an errand of that name runs."""
        return name in self._running

    def start(self, name: str, errand: Coroutine[Any, Any, None]) -> bool:
        """Begin; one of the same name that still ran is given up. Whether there was one."""
        cancelled = self.cancel(name)
        task = self._loop.create_task(errand)
        self._running[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))
        return cancelled

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        if self._running.get(name) is task:
            del self._running[name]

    def cancel(self, name: str) -> bool:
        """Give up that errand; whether it ran."""
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()
        return task is not None

    def give_up(self) -> None:
        """The power is gone: nothing of it goes on."""
        for name in list(self._running):
            self.cancel(name)

    async def stop(self) -> None:
        """End every errand, and wait until it has."""
        running = list(self._running.values())
        self.give_up()
        await asyncio.gather(*running, return_exceptions=True)
