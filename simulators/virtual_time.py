"""An asyncio event loop whose clock jumps: a simulated day takes as long as its work, not a day.

Nothing waits for real time. When no callback is ready the loop's clock moves straight to the next
timer, so order and instants are those of a machine of infinite speed, and two runs with the same
seed are the same run. Work handed to threads (``run_in_executor``, ``asyncio.to_thread``) runs at
once, in place, and takes no virtual time: a thread would finish at a real, unrepeatable moment.
When every task waits for something that no timer will bring, the loop says so instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StalledError(RuntimeError):
    """Every task waits, and no timer is set: nothing can ever happen again."""


class _JumpingSelector(selectors.BaseSelector):
    """Never sleeps: a time-out is added to the virtual clock instead.

    File descriptors are still polled (the loop's own wake-up pipe is one), without waiting.
    """

    def __init__(self, start_s: float) -> None:
        self.now_s = start_s
        self._real = selectors.DefaultSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise StalledError("every task waits and no timer is set")
        self.now_s += timeout
        return ready

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector event loop on a virtual clock that starts at ``start_s`` seconds."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._jumping = _JumpingSelector(start_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds; advances only when nothing is left to do."""
        return self._jumping.now_s

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run ``func`` here and now; the future is already done. ``executor`` is not used."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - carried to whoever awaits the future
            future.set_exception(error)
        return future


def run(main: Coroutine[Any, Any, T], start_s: float = 0.0) -> T:
    """Run ``main`` to its end on a new virtual loop and return its result.

    Raises what ``main`` raises, and ``StalledError`` when it can never end.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(start_s)) as runner:
        return runner.run(main)
