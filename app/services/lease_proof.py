"""Does a kind of station let a limit end with its lease? It is asked, right after taking one.

GetCompositeSchedule costs the station nothing and overloads nobody: a station that announces the
fallback for the end of the lease honours it. One that answers nothing usable is asked a few times
more; until it is proven, what was granted is taken to hold.
"""

from __future__ import annotations

from app.domain.capability import FallbackForm, LeaseTrust
from app.domain.errors import StationRefusedError, StationUnreachableError
from app.ocpp16.composite import ask_composite, tells_lease
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import schedule_limit
from app.services.capabilities import CapabilityBook
from app.services.registry import ConnectorLive, StationLive
from app.services.tasks import TaskSupervisor

TRIES = 5
"""Answers without meaning after which a station is asked no more."""

ANSWER_TIMEOUT_S = 10.0


class LeaseProof:
    """Asks each kind of station once, and a station that says nothing usable a few times."""

    def __init__(self, capabilities: CapabilityBook, tasks: TaskSupervisor) -> None:
        self._capabilities = capabilities
        self._tasks = tasks
        self._tries: dict[str, int] = {}
        self._asking: set[str] = set()

    def seek(self, station: StationLive, live: ConnectorLive, limit_ma: int, lease_s: int) -> None:
        """A leased limit was accepted a moment ago: asks what the station makes of it."""
        station_id = station.station.station_id
        known = self._capabilities.of(station)
        if known.lease is not LeaseTrust.UNKNOWN or known.composite is not None:
            return
        if station_id in self._asking or self._tries.get(station_id, 0) >= TRIES:
            return
        # Only a limit above the fallback can be seen to give way to it.
        if station.capability.fallback is None or limit_ma <= station.station.fallback_ma:
            return
        self._asking.add(station_id)
        self._tasks.start(self._ask(station, live, limit_ma, lease_s), f"lease {live.key}")

    async def _ask(
        self, station: StationLive, live: ConnectorLive, limit_ma: int, lease_s: int
    ) -> None:
        station_id, form, link = station.station.station_id, station.capability.form, station.link
        fallback = station.capability.fallback
        request = ask_composite(live.key.connector_id, lease_s, form.unit)
        tells: bool | None = None
        try:
            if link is None or fallback is None:
                return
            answer = await link.call(
                request, priority=Priority.BACKGROUND, timeout_s=ANSWER_TIMEOUT_S
            )
            phases = live.connector.phases
            tells = tells_lease(
                answer,
                schedule_limit(limit_ma, phases, form),
                schedule_limit(station.station.fallback_ma, phases, FallbackForm(unit=form.unit)),
                lease_s,
                form.unit,
            )
        except StationRefusedError:
            self._tries[station_id] = TRIES
        except StationUnreachableError:
            return
        finally:
            self._asking.discard(station_id)
        if tells is None:
            self._tries[station_id] = self._tries.get(station_id, 0) + 1
        elif tells:
            self._capabilities.learn(station, composite=True, lease=LeaseTrust.HONOURED)
        else:
            # It tells the limit and no end of it: its word on limits counts, its leases do not.
            self._capabilities.learn(station, composite=True)
