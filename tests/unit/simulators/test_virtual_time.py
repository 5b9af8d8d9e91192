"""The virtual clock keeps asyncio's promises and never waits for real time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from simulators import virtual_time


def test_a_day_of_sleep_costs_no_real_time_and_ends_exactly() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        for _ in range(24 * 60):
            await asyncio.sleep(60)
        return loop.time() - before

    real_before = time.monotonic()
    assert virtual_time.run(main()) == pytest.approx(86_400, abs=1e-6)
    assert time.monotonic() - real_before < 60


def test_the_clock_starts_where_it_is_told() -> None:
    async def main() -> float:
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main(), start_s=1234.5) == 1234.5


def test_timers_fire_in_order_of_their_instants_then_of_their_creation() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        loop.call_later(3, seen.append, "third")
        loop.call_later(1, seen.append, "first")
        loop.call_later(2, seen.append, "second")
        loop.call_soon(seen.append, "at once")
        await asyncio.sleep(10)
        return seen

    assert virtual_time.run(main()) == ["at once", "first", "second", "third"]


def test_tasks_interleave_the_same_way_every_time() -> None:
    async def worker(name: str, period_s: float, seen: list[tuple[float, str]]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(20):
            await asyncio.sleep(period_s)
            seen.append((round(loop.time(), 6), name))

    async def main() -> list[tuple[float, str]]:
        seen: list[tuple[float, str]] = []
        async with asyncio.TaskGroup() as group:
            for number, period_s in enumerate((0.3, 0.5, 0.7)):
                group.create_task(worker(f"w{number}", period_s, seen))
        return seen

    first = virtual_time.run(main())
    assert [instant for instant, _ in first] == sorted(instant for instant, _ in first)
    assert virtual_time.run(main()) == first


def test_ready_work_runs_before_the_clock_moves() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert virtual_time.run(main()) == 0.0


def test_a_cancelled_timer_does_not_fire_and_does_not_hold_the_loop() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        loop.call_later(5, seen.append, "never").cancel()
        task = loop.create_task(asyncio.sleep(1_000))
        await asyncio.sleep(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.time() == pytest.approx(10)
        return seen

    assert virtual_time.run(main()) == []


def test_timeouts_work_on_the_virtual_clock() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 30)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == pytest.approx(30)


def test_an_exception_leaves_the_loop_as_it_was_raised() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise LookupError("told")

    with pytest.raises(LookupError, match="told"):
        virtual_time.run(main())


def test_waiting_for_what_never_comes_is_an_error_not_a_hang() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(virtual_time.StalledError):
        virtual_time.run(main())


def test_thread_work_runs_in_place_and_takes_no_virtual_time() -> None:
    async def main() -> tuple[bool, float]:
        here = await asyncio.to_thread(threading.current_thread)
        return here is threading.main_thread(), asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == (True, 0.0)


def test_what_thread_work_raises_reaches_its_caller() -> None:
    def fail() -> None:
        raise OSError("disk full")

    async def main() -> None:
        with pytest.raises(OSError, match="disk full"):
            await asyncio.get_running_loop().run_in_executor(None, fail)

    virtual_time.run(main())


def test_sockets_still_work_inside_the_process() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            # A timer must stand, or the loop takes the socket's silence for the end of time.
            guard = asyncio.get_running_loop().call_later(3600, server.close)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            guard.cancel()
            return line

    assert virtual_time.run(main()) == b"hello\n"
