"""Callers become stations of the site: one by one, all at once, by a list, or in a time window.

Nothing is adopted unless a person wanted it: by a click, by a line of a list marked so, or by
opening a commissioning window, which closes by itself. Whoever cannot be adopted by itself stays in
the inbox with the reason.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from app.domain.adoption import CommissioningWindow, PlannedStation, WindowScope
from app.domain.circuit import CircuitTree
from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StorageError,
    UnsafeConfigurationError,
)
from app.domain.station import ChargingStation, Connector, PendingStation
from app.domain.units import Rotation
from app.services.adoption_ports import PlanRepository
from app.services.audit import AuditTrail
from app.services.configuration import ConfigurationService
from app.services.inbox import Inbox
from app.services.model_defaults import USUAL_MAX_MA, USUAL_PHASES, KnownModel, known_model
from app.services.ports import Clock, SiteRepository, StationLink
from app.services.registry import Registry
from app.services.station_import import ImportLine, StationList, compare

log = logging.getLogger(__name__)

WINDOW_MINUTES = (15, 60, 480)
"""How long a commissioning window may be opened for."""

BY_ITSELF = "manager"
"""The actor of what is adopted without a click."""


class AdoptionDefaults(msgspec.Struct, frozen=True):
    """What a person chose for callers that no list names; ``None`` leaves it to the model."""

    circuit_id: str
    max_ma: int | None = None
    phases: int | None = None


class Caller(msgspec.Struct, frozen=True):
    """One line of the inbox: who calls, and what the manager makes of it."""

    pending: PendingStation
    online: bool
    plan: PlannedStation | None
    model: KnownModel | None
    repeated_serial: bool
    """Another caller or station shows the same serial number."""

    @property
    def several_addresses(self) -> bool:
        """It has called from more than one address: two stations may share one identity."""
        return len(self.pending.addresses) > 1


class AdoptionService:
    """What pages may do with callers, expected stations and the window. ``actor``: who does it."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        configuration: ConfigurationService,
        registry: Registry,
        site: SiteRepository,
        plans: PlanRepository,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._configuration = configuration
        self._registry = registry
        self._site = site
        self._repository = plans
        self._audit = audit
        self._clock = clock
        self._plans: dict[str, PlannedStation] = {}
        self._window: CommissioningWindow | None = None
        self._closes_s = 0.0
        self._window_changed = asyncio.Event()
        self._arrived: dict[str, str] = {}
        self._turn = asyncio.Lock()
        inbox.on_introduced = self._introduced

    async def load(self) -> None:
        """Reads the expected stations and the window; one that is over by now is closed."""
        self._plans = {plan.plan_id: plan for plan in await self._repository.list()}
        window = await self._repository.window()
        if window is None:
            return
        if window.is_open(self._clock.utc_now()):
            self._take(window)
        else:
            await self._end(window, BY_ITSELF)

    # ------------------------------------------------------------------ the inbox

    def callers(self) -> tuple[Caller, ...]:
        """Who waits for adoption, oldest first."""
        repeated, assigned = self._repeated(), self._assigned()
        return tuple(
            Caller(
                pending=pending,
                online=self._inbox.link(pending.station_id) is not None,
                plan=assigned.get(pending.station_id),
                model=known_model(pending.identity),
                repeated_serial=pending.identity.serial in repeated,
            )
            for pending in self._inbox.waiting()
        )

    def waiting(self) -> int:
        """How many wait."""
        return len(self._inbox.waiting())

    def set_aside(self) -> tuple[PendingStation, ...]:
        """Who was ignored or blocked."""
        return self._inbox.set_aside()

    def addresses(self) -> frozenset[str]:
        """Network addresses that talk OCPP to this manager now."""
        links = [station.link for station in self._registry if station.link is not None]
        return frozenset(link.address for link in [*links, *self._inbox.links()])

    async def adopt(
        self, station_ids: Sequence[str], defaults: AdoptionDefaults, actor: str
    ) -> int:
        """Makes callers stations of the site, all or none; returns how many."""
        async with self._turn:
            return await self._adopt(station_ids, defaults, actor)

    async def ignore(self, station_id: str, actor: str) -> None:
        """Keeps a caller out of the inbox; it is answered Rejected."""
        await self._inbox.decide(station_id, ignored=True)
        await self._audit.record(actor, "station-ignored", station_id)

    async def block(self, station_id: str, actor: str) -> None:
        """Ends the caller's connection and refuses it from now on."""
        await self._inbox.decide(station_id, blocked=True)
        await self._audit.record(actor, "station-blocked", station_id)

    async def allow(self, station_id: str, actor: str) -> None:
        """Lets a caller that was ignored or blocked wait again."""
        await self._inbox.decide(station_id)
        await self._audit.record(actor, "station-allowed", station_id)

    async def _adopt(
        self, station_ids: Sequence[str], defaults: AdoptionDefaults, actor: str
    ) -> int:
        callers: list[PendingStation] = []
        for station_id in sorted(set(station_ids), key=_natural):
            caller = self._inbox.get(station_id)
            if caller is None:
                raise NotFoundError("caller-gone", station=station_id)
            callers.append(caller)
        if not callers:
            return 0
        assigned = self._assigned()
        plans = {caller.station_id: assigned.get(caller.station_id) for caller in callers}
        stations = [station_from(caller, plans[caller.station_id], defaults) for caller in callers]
        await self._configuration.add_stations(tuple(stations), actor)
        await self._site.save_identities({item.station_id: item.identity for item in callers})
        for caller in callers:
            live = self._registry.station(caller.station_id)
            if live is not None:
                live.identity = caller.identity
        used = [plan.plan_id for plan in plans.values() if plan is not None]
        if used:
            await self._repository.remove(used)
            for plan_id in used:
                self._plans.pop(plan_id, None)
        await self._inbox.adopted([caller.station_id for caller in callers])
        return len(callers)

    def _repeated(self) -> frozenset[str]:
        return self._inbox.repeated_serials(station.identity for station in self._registry)

    # ------------------------------------------------------------------ expected stations

    def plans(self) -> tuple[PlannedStation, ...]:
        """Stations that a list announced and that have not been adopted, in its order."""
        known = {station.station_id for station in self._configuration.current.stations}
        return tuple(plan for plan in self._plans.values() if plan.station_id not in known)

    def plan(self, plan_id: str) -> PlannedStation:
        """One of them."""
        plan = self._plans.get(plan_id)
        if plan is None:
            raise NotFoundError("plan-unknown")
        return plan

    def compare(self, listed: StationList, circuit_id: str, *, adopt: bool) -> list[ImportLine]:
        """What importing the list would do, line by line; nothing is written.

        ``circuit_id`` feeds the lines that name no circuit.
        """
        current = self._configuration.current
        serials = {
            station.identity.serial.casefold(): station.station.station_id
            for station in self._registry
            if station.identity.serial
        }
        tree = CircuitTree(current.circuits)
        return compare(
            listed,
            tree=tree,
            circuit_id=circuit_id,
            adopt=adopt,
            plans=self.plans(),
            stations=current.stations,
            serials=serials,
        )

    async def import_list(
        self, listed: StationList, circuit_id: str, *, adopt: bool, actor: str
    ) -> int:
        """Writes what is new or changed, all or none; returns how many lines that were.

        Callers that the list names and that wait already are adopted if it says so.
        """
        lines = self.compare(listed, circuit_id, adopt=adopt)
        written = [line.plan for line in lines if line.plan is not None and line.writes]
        if written:
            await self._repository.save(written)
            self._plans.update((plan.plan_id, plan) for plan in written)
            names = ", ".join(plan.expected_id for plan in written)
            await self._audit.record(actor, "stations-listed", names)
        await self._look_again()
        return len(written)

    async def remove_plans(self, plan_ids: Sequence[str], actor: str) -> int:
        """Forgets expected stations; returns how many there were."""
        known = [plan_id for plan_id in plan_ids if plan_id in self._plans]
        if known:
            names = ", ".join(self._plans[plan_id].expected_id for plan_id in known)
            await self._repository.remove(known)
            for plan_id in known:
                del self._plans[plan_id]
            await self._audit.record(actor, "stations-unlisted", names)
        return len(known)

    def _assigned(self) -> dict[str, PlannedStation]:
        """The expected station that each waiting caller is, by identity; no two are the same.

        Who was given the identity of the list goes before who shows the serial number only.
        """
        free = dict(self._plans)
        callers = self._inbox.waiting()
        assigned: dict[str, PlannedStation] = {}
        for by_name in (True, False):
            for caller in callers:
                if caller.station_id in assigned:
                    continue
                plan = _fitting(caller, free.values(), by_name=by_name)
                if plan is not None:
                    assigned[caller.station_id] = free.pop(plan.plan_id)
        return assigned

    # ------------------------------------------------------------------ the window

    def window(self) -> CommissioningWindow | None:
        """The window, while it is open."""
        window = self._window
        if window is None or self._clock.monotonic_s() >= self._closes_s:
            return None
        return window if window.is_open(self._clock.utc_now()) else None

    def window_left_s(self) -> float:
        """Seconds until it closes; 0 when it is closed."""
        if self.window() is None:
            return 0.0
        return max(0.0, self._closes_s - self._clock.monotonic_s())

    async def open_window(
        self, minutes: int, scope: WindowScope, circuit_id: str, actor: str
    ) -> CommissioningWindow:
        """Adopts callers by itself from now on, for so many minutes; replaces an open window."""
        if minutes not in WINDOW_MINUTES:
            raise InvalidInputError("choice-unknown", field="minutes")
        if circuit_id not in CircuitTree(self._configuration.current.circuits):
            raise InvalidInputError("station-unknown-circuit", field="circuit_id")
        now = self._clock.utc_now()
        window = CommissioningWindow(
            now, now + timedelta(minutes=minutes), scope, circuit_id, actor
        )
        await self._repository.save_window(window)
        self._take(window)
        detail = f"{scope}, until {window.until_utc.isoformat(timespec='seconds')}"
        await self._audit.record(actor, "window-opened", circuit_id, detail)
        await self._look_again()
        return window

    async def close_window(self, actor: str) -> None:
        """Closes it before its end; nothing happens when none is open."""
        if self._window is not None:
            await self._end(self._window, actor)

    async def run(self) -> None:
        """Closes windows at their end, for as long as the manager runs."""
        while True:
            self._window_changed.clear()
            window = self._window
            if window is None:
                await self._window_changed.wait()
                continue
            wait_s = max(0.0, self._closes_s - self._clock.monotonic_s())
            try:
                async with asyncio.timeout(wait_s):
                    await self._window_changed.wait()
            except TimeoutError:
                if self.window() is None:
                    await self._end(window, BY_ITSELF)

    def _take(self, window: CommissioningWindow) -> None:
        """From now on its end also counts by a clock that nobody can set back."""
        left_s = (window.until_utc - self._clock.utc_now()).total_seconds()
        self._closes_s = self._clock.monotonic_s() + left_s
        self._window = window
        self._window_changed.set()

    async def _end(self, window: CommissioningWindow, actor: str) -> None:
        self._window = None
        self._window_changed.set()
        await self._repository.save_window(None)
        await self._audit.record(actor, "window-closed", window.circuit_id, str(window.scope))

    # ------------------------------------------------------------------ by itself

    async def _introduced(self, link: StationLink, caller: PendingStation) -> None:
        """A caller has said what it is; adopts it where a person has said so beforehand."""
        del link
        await self._consider([caller])

    async def _look_again(self) -> None:
        """After a decision: those that wait and are connected may be meant by it."""
        await self._consider(
            [
                caller
                for caller in self._inbox.waiting()
                if self._inbox.link(caller.station_id) is not None
            ]
        )

    async def _consider(self, callers: Sequence[PendingStation]) -> None:
        window, repeated, assigned = self.window(), self._repeated(), self._assigned()
        for caller in callers:
            plan = assigned.get(caller.station_id)
            listed = plan is not None and (plan.adopt or window is not None)
            if not listed and (window is None or window.scope is not WindowScope.ALL):
                continue
            doubt = _doubt(caller, plan, repeated)
            if doubt is not None:
                await self._inbox.not_adopted(caller.station_id, doubt)
                continue
            root = CircuitTree(self._configuration.current.circuits).root.circuit_id
            self._arrived[caller.station_id] = root if window is None else window.circuit_id
        async with self._turn:
            await self._adopt_arrived()

    async def _adopt_arrived(self) -> None:
        """Takes in everybody who has come meanwhile, in one step; one by one if that is refused."""
        arrived, self._arrived = self._arrived, {}
        by_circuit: dict[str, list[str]] = {}
        for station_id, circuit_id in arrived.items():
            if self._inbox.get(station_id) is not None:
                by_circuit.setdefault(circuit_id, []).append(station_id)
        for circuit_id, station_ids in by_circuit.items():
            defaults = AdoptionDefaults(circuit_id)
            try:
                await self._adopt(station_ids, defaults, BY_ITSELF)
            except (InvalidInputError, UnsafeConfigurationError):
                for station_id in station_ids:
                    await self._adopt_alone(station_id, defaults)

    async def _adopt_alone(self, station_id: str, defaults: AdoptionDefaults) -> None:
        try:
            await self._adopt([station_id], defaults, BY_ITSELF)
        except StorageError:
            raise
        except BornierError as error:
            log.warning("%s: not adopted by itself: %s", station_id, error)
            await self._inbox.not_adopted(station_id, error)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts ``A-9`` before ``A-10``, as people number."""
    parts = re.split(r"(\d+)", name)
    return [(int(part[:9]), "") if part.isdecimal() else (-1, part) for part in parts if part]


def _fitting(
    caller: PendingStation, plans: Iterable[PlannedStation], *, by_name: bool
) -> PlannedStation | None:
    for plan in plans:
        if by_name and plan.station_id == caller.station_id:
            return plan
        if not by_name and plan.fits(caller.station_id, caller.identity.serial):
            return plan
    return None


def _doubt(
    caller: PendingStation, plan: PlannedStation | None, repeated: frozenset[str]
) -> BornierError | None:
    """Why a person should look first; ``None`` when nothing is odd."""
    serial = caller.identity.serial
    if serial in repeated:
        return InvalidInputError("caller-serial-repeated")
    if plan is not None and plan.serial and serial and plan.serial.casefold() != serial.casefold():
        return InvalidInputError("caller-serial-differs")
    return None


def station_from(
    caller: PendingStation, plan: PlannedStation | None, defaults: AdoptionDefaults
) -> ChargingStation:
    """A station as safe as can be: blocked without news, three phases until known better.

    The list goes before what the person chose for all, and that before what is known of the model.
    """
    model = known_model(caller.identity)
    max_ma = (plan.max_ma if plan else None) or defaults.max_ma
    max_ma = max_ma or (model.max_ma if model else USUAL_MAX_MA)
    phases = (plan.phases if plan else None) or defaults.phases or USUAL_PHASES
    rotation = (plan.rotation if plan else None) or Rotation.RST
    return ChargingStation(
        station_id=caller.station_id,
        name=(plan.name if plan else "") or caller.station_id,
        place=plan.place if plan else "",
        circuit_id=plan.circuit_id if plan else defaults.circuit_id,
        max_ma=max_ma,
        connectors=tuple(
            Connector(connector_id, phases=phases, rotation=rotation, max_ma=max_ma)
            for connector_id in caller.connector_ids or (1,)
        ),
    )
