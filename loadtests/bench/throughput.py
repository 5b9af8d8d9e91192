"""Messages per second of server processor time, against reference servers in the same run.

Every server is a process of its own on loopback, loaded by the same closed loop of real stations'
frames. Rounds go over the servers in turn, so that a noisy neighbour disturbs all of them; each
ratio is taken within its round, and the median of the rounds counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from loadtests.bench.load import (
    Client,
    MakeMessage,
    closed_loop,
    connected,
    heartbeat,
    meter_values,
    paced,
)
from loadtests.bench.process import Usage, reference
from loadtests.bench.product import ID_TAG, manager, site, station_ids

CONNECTIONS = 100
ROUNDS = 5
WARM_UP_S = 1.0
MEASURED_S = 2.0
PACED_PERIOD_S = 2.0
PACED_S = 30.0


async def _per_cpu_s(clients: Sequence[Client], usage: Usage, make: MakeMessage) -> float:
    before_s = usage.cpu_s()
    count = await closed_loop(clients, make, MEASURED_S)
    return count / (usage.cpu_s() - before_s)


def _median_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


async def measure(logs: Path) -> Mapping[str, float]:
    """The ratios and the answer time at 100 stations, by the keys of the report."""
    async with AsyncExitStack() as stack:

        async def clients_of(port: int, *, echoed: bool = False) -> list[Client]:
            urls = [f"ws://127.0.0.1:{port}/ocpp/{name}" for name in station_ids(CONNECTIONS)]
            return await stack.enter_async_context(connected(urls, ID_TAG, echoed=echoed))

        echo_port, echo = stack.enter_context(reference("echo", logs / "echo.log"))
        stock_port, stock = stack.enter_context(reference("stock", logs / "stock.log"))
        port, product = stack.enter_context(manager(site(CONNECTIONS), logs / "manager.log"))
        echo_clients = await clients_of(echo_port, echoed=True)
        stock_clients = await clients_of(stock_port)
        product_clients = await clients_of(port)

        cases = {
            "echo, Heartbeat": (echo_clients, echo, heartbeat),
            "manager, Heartbeat": (product_clients, product, heartbeat),
            "echo, MeterValues": (echo_clients, echo, meter_values),
            "manager, MeterValues": (product_clients, product, meter_values),
            "stock ocpp, MeterValues": (stock_clients, stock, meter_values),
        }
        for clients, _, make in cases.values():
            await closed_loop(clients, make, WARM_UP_S)
        rates: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS):
            for name, (clients, usage, make) in cases.items():
                rates[name].append(await _per_cpu_s(clients, usage, make))
        for name, found in rates.items():
            print(f"  {name:<24} {statistics.median(found):8.0f} messages per CPU second")

        answers_ms = await paced(
            product_clients, meter_values, period_s=PACED_PERIOD_S, duration_s=PACED_S
        )
        answers_ms.sort()
        return {
            "heartbeat_vs_echo": _median_ratio(
                rates["manager, Heartbeat"], rates["echo, Heartbeat"]
            ),
            "metervalues_vs_echo": _median_ratio(
                rates["manager, MeterValues"], rates["echo, MeterValues"]
            ),
            "metervalues_vs_stock_ocpp": _median_ratio(
                rates["manager, MeterValues"], rates["stock ocpp, MeterValues"]
            ),
            "answer_ms_p99_100": answers_ms[int(len(answers_ms) * 0.99)],
        }
