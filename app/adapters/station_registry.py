"""Which stations are connected, whatever the port: the newest connection of each one wins."""

from __future__ import annotations

import logging
from typing import Final

from app.adapters.station_connection import StationConnection

log = logging.getLogger(__name__)

REPLACED: Final = "replaced by a newer connection"


class StationRegistry:
    """The newest connection of each station; the listeners of all ports share one."""

    def __init__(self) -> None:
        self._generation = 0
        self._newest: dict[str, StationConnection] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self._newest

    def next_generation(self) -> int:
        """A number above that of every connection before."""
        self._generation += 1
        return self._generation

    async def take_over(self, connection: StationConnection) -> bool:
        """Puts ``connection`` in the place of the station's older one, once that has ended.

        False when a still newer one has come meanwhile. Call ``leave`` in either case.
        """
        identity = connection.station_id
        older = self._newest.get(identity)
        self._newest[identity] = connection
        if older is not None:
            log.info("%s: connects again, from %s", identity, connection.address)
            await older.close(REPLACED)
            await older.ended.wait()
        return self._newest[identity] is connection

    def leave(self, connection: StationConnection) -> None:
        """``connection`` is over."""
        connection.ended.set()
        if self._newest.get(connection.station_id) is connection:
            del self._newest[connection.station_id]
