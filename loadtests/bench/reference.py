"""The servers that the manager is compared with, each a process of its own.

`echo`: a bare `websockets` server that returns each message. `stock`: the `ocpp` package's
ChargePoint as it comes, on the same server, answering each action with a constant. Both print
their port on a line and serve on loopback until they are terminated.
"""

from __future__ import annotations

import sys
from typing import Any

import uvloop
from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import AuthorizationStatus, RegistrationStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from loadtests.bench.messages import timestamp


class StockStation(ChargePoint):
    """The manager's side of a station, as the package's own examples write it."""

    @on("BootNotification")
    def boot(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification(
            current_time=timestamp(), interval=300, status=RegistrationStatus.accepted
        )

    @on("Heartbeat")
    def heartbeat(self, **_: Any) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=timestamp())

    @on("StatusNotification")
    def status(self, **_: Any) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on("StartTransaction")
    def start_transaction(self, **_: Any) -> call_result.StartTransaction:
        return call_result.StartTransaction(
            transaction_id=1, id_tag_info={"status": AuthorizationStatus.accepted}
        )

    @on("MeterValues")
    def meter_values(self, **_: Any) -> call_result.MeterValues:
        return call_result.MeterValues()


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def stock(connection: ServerConnection) -> None:
    try:
        await StockStation("bench", connection).start()
    except (ConnectionClosed, OCPPError):
        return


async def main(kind: str) -> None:
    handler = {"echo": echo, "stock": stock}[kind]
    protocols = [Subprotocol("ocpp1.6")]
    async with serve(handler, "127.0.0.1", 0, compression=None, subprotocols=protocols) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
