"""A coroutine that was begun outside of a task and is finished inside of one."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any


class Begun:
    """A coroutine that was begun outside of a task, with the first thing that it waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], first: Any) -> None:
        self._coroutine = coroutine
        self._first = first

    def __await__(self) -> Generator[Any, Any, Any]:
        """Goes on in the task that awaits it; what it waited for may be there already."""
        waits_for = self._first
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001 - the coroutine's own to take or not
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, value)
            try:
                waits_for = step()
            except StopIteration as done:
                return done.value
