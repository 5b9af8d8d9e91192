"""The stations as the list shows them: searched, filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.domain.station import ChargingStation, StationIdentity
from app.domain.station_security import SecurityProfile
from app.services.live import ConnectorView, DisplayState
from app.web.http import Visit
from app.web.i18n import N_
from app.web.live_pages import energies_of, limits_of
from app.web.wording import STATES

SKEW_TOLD_S = 60.0
"""A station's clock that is off by more than this is told in the list."""

TROUBLES: Mapping[str, tuple[str, str]] = {
    "disobeys": (N_("ignores its limit"), "warn"),
    "fault": (N_("fault"), "alert"),
    "clock": (N_("clock is wrong"), "clock"),
    "repairs": (N_("messages repaired"), "edit"),
}
"""Word and icon."""

SECURITY: Mapping[SecurityProfile, str] = {
    SecurityProfile.OPEN: N_("none"),
    SecurityProfile.KEY: N_("password"),
    SecurityProfile.TLS_KEY: N_("TLS"),
    SecurityProfile.CERTIFICATE: N_("certificate"),
}
"""What a station has to prove."""

COLUMNS: Mapping[str, str] = {
    "name": N_("Station"),
    "state": N_("State"),
    "circuit": N_("Circuit"),
    "limit": N_("Limit"),
    "energy": N_("Energy"),
    "model": N_("Model"),
    "firmware": N_("Firmware"),
    "trouble": N_("Trouble"),
    "security": N_("Security"),
}
"""Columns by which the list can be sorted."""

FILTERS = ("q", "state", "circuit", "model", "firmware", "trouble")


class Row(NamedTuple):
    """One station of the list."""

    station: ChargingStation
    identity: StationIdentity
    circuit: str
    views: list[ConnectorView]
    limits: list[int]
    energies: list[int]
    repairs: int
    troubles: tuple[str, ...]
    security: str

    @property
    def model(self) -> str:
        """Make and model."""
        return " ".join(part for part in (self.identity.vendor, self.identity.model) if part)


class Choice(NamedTuple):
    """What was asked for."""

    wanted: Mapping[str, str]
    sort: str
    down: bool

    @property
    def filtered(self) -> bool:
        """Whether anything narrows the list."""
        return any(self.wanted.values())


def choice_of(params: Mapping[str, str]) -> Choice:
    """From the address; what makes no sense is left out."""
    wanted = {name: params.get(name, "").strip()[:100] for name in FILTERS}
    if wanted["state"] not in set(DisplayState):
        wanted["state"] = ""
    if wanted["trouble"] not in (*TROUBLES, "any"):
        wanted["trouble"] = ""
    sort = params.get("sort", "")
    down = sort.startswith("-")
    column = sort.removeprefix("-")
    return Choice(wanted, column if column in COLUMNS else "", down)


def rows_of(visit: Visit) -> list[Row]:
    """Every station, in the order of adoption."""
    services = visit.services
    tree = services.circuits.tree()
    views: dict[str, list[ConnectorView]] = {}
    if visit.site is not None:
        for view in visit.site.connectors:
            views.setdefault(view.key.station_id, []).append(view)
    rows = []
    for station in services.stations.configuration():
        station_id = station.station_id
        mine = views.get(station_id, [])
        repairs = services.repairs.total(station_id)
        secured = services.station_keys.find(station_id)
        rows.append(
            Row(
                station=station,
                identity=services.stations.identity(station_id),
                circuit=tree[station.circuit_id].name,
                views=mine,
                limits=limits_of(mine),
                energies=energies_of(mine),
                repairs=repairs,
                troubles=_troubles(mine, repairs, services.remote.clock_skew_s(station_id)),
                security="" if secured is None else SECURITY[secured.required],
            )
        )
    return rows


def chosen(rows: list[Row], choice: Choice) -> list[Row]:
    """Those that match, sorted."""
    kept = [row for row in rows if _matches(row, choice.wanted)]
    if choice.sort:
        kept.sort(key=_SORT[choice.sort], reverse=choice.down)
    return kept


def options(rows: list[Row]) -> dict[str, list[tuple[str, str]]]:
    """What the filters offer: values and how they are shown."""
    circuits = {row.station.circuit_id: row.circuit for row in rows}
    states = {view.state for row in rows for view in row.views}
    return {
        "state": [(state.value, words.label) for state, words in STATES.items() if state in states],
        "circuit": list(circuits.items()),
        "model": [(name, name) for name in sorted({row.model for row in rows if row.model})],
        "firmware": [
            (name, name)
            for name in sorted({row.identity.firmware for row in rows if row.identity.firmware})
        ],
        "trouble": [("any", N_("any trouble"))]
        + [(name, label) for name, (label, _) in TROUBLES.items()],
    }


def _troubles(views: list[ConnectorView], repairs: int, skew_s: float) -> tuple[str, ...]:
    found = []
    if any(not view.obeys for view in views):
        found.append("disobeys")
    if any(view.state is DisplayState.FAULTED for view in views):
        found.append("fault")
    if abs(skew_s) > SKEW_TOLD_S:
        found.append("clock")
    if repairs:
        found.append("repairs")
    return tuple(found)


def _matches(row: Row, wanted: Mapping[str, str]) -> bool:
    station, identity = row.station, row.identity
    words = (
        station.station_id,
        station.name,
        station.place,
        row.circuit,
        row.model,
        identity.serial,
        identity.firmware,
    )
    trouble = wanted["trouble"]
    return (
        wanted["q"].casefold() in " ".join(words).casefold()
        and (not wanted["state"] or any(view.state == wanted["state"] for view in row.views))
        and wanted["circuit"] in ("", station.circuit_id)
        and wanted["model"] in ("", row.model)
        and wanted["firmware"] in ("", identity.firmware)
        and (not trouble or trouble in row.troubles or (trouble == "any" and bool(row.troubles)))
    )


_STATE_ORDER = {state: place for place, state in enumerate(STATES)}

_SORT: Mapping[str, Callable[[Row], Any]] = {
    "name": lambda row: row.station.name.casefold(),
    "state": lambda row: min((_STATE_ORDER[view.state] for view in row.views), default=99),
    "circuit": lambda row: row.circuit.casefold(),
    "limit": lambda row: sum(row.limits),
    "energy": lambda row: sum(row.energies),
    "model": lambda row: row.model.casefold(),
    "firmware": lambda row: row.identity.firmware.casefold(),
    "trouble": lambda row: -len(row.troubles),
    "security": lambda row: row.security,
}
