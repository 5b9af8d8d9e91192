"""The alarm strip: what is wrong now, since when, worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from app.services.live import (
    Alarm,
    CircuitView,
    ConnectorView,
    DisplayState,
    MeterView,
    Severity,
)
from app.services.ports import Clock, SetAside

SET_ASIDE_TOLD = timedelta(days=7)
"""How long the pages tell that data were set aside: nothing depends on it, somebody shall know."""

OVERLOAD_PERMILLE = 1_050
"""A phase above 105 % of its circuit's limit raises an alarm."""

_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}

Finding = tuple[str, Severity, dict[str, str | int | float]]


class AlarmBoard:
    """Remembers since when each alarm has been up."""

    def __init__(
        self,
        clock: Clock,
        set_aside: SetAside | None = None,
        doubts: Callable[[], Iterator[Finding]] | None = None,
    ) -> None:
        """``doubts`` tells of meters that answer and lie."""
        self._clock = clock
        self._doubts = doubts
        self._set_aside = set_aside
        self._since: dict[tuple[str, str], datetime] = {}

    def update(
        self,
        circuits: tuple[CircuitView, ...],
        connectors: tuple[ConnectorView, ...],
        meters: tuple[MeterView, ...],
    ) -> tuple[Alarm, ...]:
        """The alarms of this cycle."""
        now = self._clock.utc_now()
        since: dict[tuple[str, str], datetime] = {}
        alarms: list[Alarm] = []
        for key, severity, params in (
            *_findings(circuits, connectors, meters),
            *(() if self._doubts is None else self._doubts()),
            *_data(self._set_aside, now),
        ):
            identity = (key, str(params.get("subject", "")))
            since[identity] = self._since.get(identity, now)
            alarms.append(Alarm(key, severity, params, since[identity]))
        self._since = since
        alarms.sort(key=lambda alarm: (_ORDER[alarm.severity], alarm.since_utc))
        return tuple(alarms)


def _findings(
    circuits: tuple[CircuitView, ...],
    connectors: tuple[ConnectorView, ...],
    meters: tuple[MeterView, ...],
) -> Iterator[Finding]:
    for meter in meters:
        if meter.stale:
            age: str | int | float = "" if meter.age_s is None else round(meter.age_s)
            yield (
                "DLM-003",
                Severity.CRITICAL,
                {"subject": meter.model, "age_s": age},
            )
    for circuit in circuits:
        for phase in range(3):
            if circuit.total[phase] * 1000 > circuit.limit[phase] * OVERLOAD_PERMILLE:
                yield (
                    "DLM-001",
                    Severity.CRITICAL,
                    {
                        "subject": circuit.name,
                        "phase": phase + 1,
                        "total_ma": circuit.total[phase],
                        "limit_ma": circuit.limit[phase],
                    },
                )
                break
    yield from _per_station(connectors)


def _data(aside: SetAside | None, now_utc: datetime) -> Iterator[Finding]:
    if aside is not None and now_utc - aside.at_utc < SET_ASIDE_TOLD:
        lost_s = round((aside.at_utc - aside.since_utc).total_seconds())
        yield "DAT-001", Severity.WARNING, {"subject": aside.file, "lost_s": lost_s}


def _per_station(connectors: tuple[ConnectorView, ...]) -> Iterator[Finding]:
    offline: set[str] = set()
    for connector in connectors:
        station = connector.key.station_id
        if connector.state is DisplayState.FAULTED:
            yield (
                "STN-002",
                Severity.WARNING,
                {"subject": connector.station_name, "code": connector.error_code},
            )
        if connector.state is DisplayState.OFFLINE:
            offline.add(station)
        if not connector.obeys:
            yield "STN-003", Severity.WARNING, {"subject": connector.station_name}
    if offline:
        names = sorted(offline)
        yield (
            "STN-001",
            Severity.WARNING,
            {"subject": "stations", "count": len(names), "first": names[0]},
        )
