"""A closed-loop load: connections that each send a message and wait for its answer.

Answers are counted, never guessed: an error, or a connection that ends, stops the bench. Calls of
the manager are answered at once, as a willing station would.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from loadtests.bench import messages

ANSWER_TIMEOUT_S = 30.0
ANSWERS: dict[str, dict[str, Any]] = {
    "GetConfiguration": {"configurationKey": [], "unknownKey": []},
    "DataTransfer": {"status": "UnknownVendorId"},
}

MakeMessage = Callable[["Client", str], str]
OnCall = Callable[[str, dict[str, Any]], None]


class Client:
    """One connection to a server under measurement."""

    def __init__(self, connection: ClientConnection, *, echoed: bool) -> None:
        self.energy_wh = 0
        self.transaction_id = 1
        self.template = messages.meter_values_template(self.transaction_id)
        self._connection = connection
        self._echoed = echoed
        self.on_call: OnCall = lambda _action, _payload: None
        """Told of each call of the manager, once its answer has left."""
        self._ids = itertools.count()
        self._waiting: asyncio.Future[str] | None = None

    async def read(self) -> None:
        """Take in messages until the connection ends."""
        try:
            async for text in self._connection:
                assert isinstance(text, str)
                if self._echoed or not text.startswith("[2"):
                    if self._waiting is not None and not self._waiting.done():
                        self._waiting.set_result(text)
                else:
                    await self._answer(text)
        except ConnectionClosed:
            pass
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the server closed the connection"))

    async def _answer(self, text: str) -> None:
        _, unique_id, action, asked = json.loads(text)
        payload = ANSWERS.get(action, {"status": "Accepted"})
        await self._connection.send(json.dumps([3, unique_id, payload]))
        self.on_call(action, asked)

    async def exchange(self, make: MakeMessage) -> str:
        """Send one message and return its answer; an error answer raises."""
        unique_id = f"b{next(self._ids)}"
        self._waiting = asyncio.get_running_loop().create_future()
        await self._connection.send(make(self, unique_id))
        answer = await asyncio.wait_for(self._waiting, ANSWER_TIMEOUT_S)
        if not self._echoed and not answer.startswith(f'[3,"{unique_id}"'):
            parts = json.loads(answer)
            if parts[:2] != [3, unique_id]:
                raise RuntimeError(f"unexpected answer: {answer[:300]}")
        return answer

    async def introduce(self) -> None:
        """Boot, and say that the station is well."""
        answer = await self.exchange(lambda _, uid: messages.boot(uid))
        if not self._echoed and json.loads(answer)[2]["status"] != "Accepted":
            raise RuntimeError(f"the station was not accepted: {answer[:300]}")
        await self.exchange(lambda _, uid: messages.status(uid, 0, "Available"))

    async def begin(self, id_tag: str) -> None:
        """Boot, say the connector is free, start a transaction."""
        await self.introduce()
        self.transaction_id = await self.start(1, id_tag)
        self.template = messages.meter_values_template(self.transaction_id)

    async def start(self, connector_id: int, id_tag: str) -> int:
        """A car comes to the connector and charges: the transaction's number (0 of an echo)."""
        await self.exchange(lambda _, uid: messages.status(uid, connector_id, "Preparing"))
        answer = await self.exchange(
            lambda _, uid: messages.start_transaction(uid, id_tag, connector_id)
        )
        transaction_id = 0
        if not self._echoed:
            payload = json.loads(answer)[2]
            if payload["idTagInfo"]["status"] != "Accepted":
                raise RuntimeError(f"the transaction was not accepted: {answer[:300]}")
            transaction_id = payload["transactionId"]
        await self.exchange(lambda _, uid: messages.status(uid, connector_id, "Charging"))
        return transaction_id


def heartbeat(_: Client, unique_id: str) -> str:
    return messages.heartbeat(unique_id)


def meter_values(client: Client, unique_id: str) -> str:
    client.energy_wh += 1
    return messages.meter_values(client.template, unique_id, client.energy_wh)


@asynccontextmanager
async def connected(
    urls: Sequence[str], id_tag: str, *, echoed: bool = False
) -> AsyncIterator[list[Client]]:
    """A client per address, each past its boot and in a transaction."""
    connections: list[ClientConnection] = []
    async with asyncio.TaskGroup() as readers:
        try:
            clients = []
            for url in urls:
                connection = await connect(
                    url, subprotocols=[Subprotocol("ocpp1.6")], compression=None, proxy=None
                )
                connections.append(connection)
                client = Client(connection, echoed=echoed)
                readers.create_task(client.read())
                await client.begin(id_tag)
                clients.append(client)
            yield clients
        finally:
            for connection in connections:
                await connection.close()


async def closed_loop(clients: Sequence[Client], make: MakeMessage, duration_s: float) -> int:
    """Messages answered when every client sends as fast as it gets answers."""
    end_s = time.monotonic() + duration_s
    counts = [0] * len(clients)

    async def repeat(index: int, client: Client) -> None:
        while time.monotonic() < end_s:
            await client.exchange(make)
            counts[index] += 1

    async with asyncio.TaskGroup() as group:
        for index, client in enumerate(clients):
            group.create_task(repeat(index, client))
    return sum(counts)


async def paced(
    clients: Sequence[Client], make: MakeMessage, *, period_s: float, duration_s: float
) -> list[float]:
    """Answer times [ms] when every client sends once a period, spread over the period."""
    start_s = time.monotonic()
    spread = random.Random(1)
    times_ms: list[float] = []

    async def repeat(client: Client, offset_s: float) -> None:
        due_s = start_s + offset_s
        while due_s < start_s + duration_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            sent_s = time.monotonic()
            await client.exchange(make)
            times_ms.append((time.monotonic() - sent_s) * 1000)
            due_s += period_s

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(repeat(client, spread.uniform(0, period_s)))
    return times_ms
