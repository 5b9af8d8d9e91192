"""Setting a station up: a sequence of steps, each of which may fail and none of which stops it.

A failed step lowers what the station can do and nothing else; only the fallback is insisted on. A
station that drops in the middle goes on at the first step that is not done, unless it has booted;
steps that were not answered are tried again, less and less often. How each step ended is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from app.domain.capability import ModelKey
from app.domain.errors import (
    InvalidInputError,
    StationRefusedError,
    StationUnreachableError,
    StorageError,
)
from app.domain.remote import EventKind, SetupRecord, SetupStep, StepRecord, StepState
from app.domain.station import ConnectorStatus
from app.energy.planner import Planner
from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    GetConfigurationConfirmation,
    TriggerMessage,
)
from app.ocpp16.actions.types import ConfigurationStatus, MessageTrigger, TriggerMessageStatus
from app.ocpp16.configuration import StationConfiguration, interpret
from app.ocpp16.profile_forms import first_fallback, first_live
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import clear_tx_profile
from app.services.capabilities import CapabilityBook
from app.services.fallbacks import STEP_TIMEOUT_S, FallbackInstaller
from app.services.ports import Clock, StationLink
from app.services.registry import StationLive
from app.services.remote_ports import StationRecordRepository
from app.services.settings_reader import Fetched, fetch_settings, with_changes
from app.services.tasks import TaskSupervisor
from app.services.throttle import Throttle, ThrottleRule

log = logging.getLogger(__name__)

BOOT_PATIENCE_S = 5.0
"""How long a station that has connected may take to send BootNotification by itself, and how long
one that was asked for it."""

CONCURRENT_SETUPS = 20
"""Stations set up at the same time after a power cut; the others wait their turn."""

SETUP_AGAIN_S = 30.0
"""A station that stayed silent before its fallback was in place is set up again after this long."""

REST_AGAIN_S = (120.0, 600.0, 3_600.0)
"""When the steps that nobody answered are tried again, once the station is in use."""

HEARTBEAT_SLACK = 1.25
"""A station may send its heartbeat this much less often than wanted: not worth a write."""

SAMPLED_DATA = "Current.Import,Power.Active.Import,Energy.Active.Import.Register"

TRIGGERS = ThrottleRule(
    free_attempts=0, first_wait_s=60.0, most_wait_s=3_600.0, forget_s=86_400.0, most_keys=400
)
"""Stations that are asked for messages too often become unstable: each further time waits longer."""

EventNote = Callable[[str, EventKind, str], None]

Ended = tuple[StepState, str]
"""How a step ended, and the station's word for it."""

DONE: Ended = (StepState.DONE, "")

StepWork = Callable[[StationLive, StationLink], Awaitable[Ended]]
"""Does one step; may raise ``StationRefusedError`` or ``StationUnreachableError``."""

Reader = Callable[[StationLive, GetConfigurationConfirmation, bool], Awaitable[None]]


class Commissioning:
    """Runs the set-up sequence of one station at a time per station, many stations at once."""

    def __init__(
        self,
        planner: Planner,
        capabilities: CapabilityBook,
        clock: Clock,
        *,
        repository: StationRecordRepository,
        tasks: TaskSupervisor,
        sample_interval_s: int,
        heartbeat_interval_s: int,
        after_boot: Callable[[StationLive], None],
    ) -> None:
        """Take ``after_boot``, called once a station that has booted is ready for its limits."""
        self._capabilities = capabilities
        self._clock = clock
        self._repository = repository
        self._tasks = tasks
        self._after_boot = after_boot
        self._fallbacks = FallbackInstaller(planner, capabilities, clock)
        self._turns = asyncio.Semaphore(CONCURRENT_SETUPS)
        self._wanted = {
            "HeartbeatInterval": str(heartbeat_interval_s),
            "MeterValueSampleInterval": str(sample_interval_s),
            "MeterValuesSampledData": SAMPLED_DATA,
        }
        self._sample_interval_s = float(sample_interval_s)
        self._triggers = Throttle(clock, TRIGGERS)
        self._progress: dict[str, dict[SetupStep, StepRecord]] = {}
        """Steps taken since the station's last boot, by station."""
        self._records: dict[str, SetupRecord] = {}
        self._fetched: dict[str, Fetched] = {}
        """Settings read in a set-up that is on its way."""
        self._served: dict[str, StationLink] = {}
        """The link over which each station was last set up."""
        self._renewing = False
        self._renew_again = False
        self.on_reading: list[Reader] = []
        """Awaited with what a set-up has read: the answer to GetConfiguration as it is now."""
        self.on_event: list[EventNote] = []
        """Told of boots and of set-ups that came to their end."""
        self.steps: dict[SetupStep, StepWork] = {
            SetupStep.IDENTITY: self._identity,
            SetupStep.READING: self._read,
            SetupStep.FALLBACK: self._fallback,
            SetupStep.STATUS: self._status,
            SetupStep.SAMPLING: self._configure,
            SetupStep.LEFTOVERS: self._clear_leftovers,
        }
        """What each step does; a step without an entry is not taken. Others may add theirs."""

    async def load(self) -> None:
        """How set-ups went before this start, for the pages; called once."""
        self._records = dict(await self._repository.setups())

    def record_of(self, station_id: str) -> SetupRecord:
        """How the station's newest set-up went; empty before its first."""
        return self._records.get(station_id, SetupRecord(station_id))

    # ------------------------------------------------------------- running it

    async def after_connect(self, station: StationLive, link: StationLink) -> None:
        """For a station that may stay silent: waits for its boot, then sets it up without one."""
        await asyncio.sleep(BOOT_PATIENCE_S)
        if station.link is link and not station.set_up and station.setup_link is not link:
            await self.run(station, link)

    async def run(self, station: StationLive, link: StationLink) -> None:
        """Every step that is not done, again while the fallback is not answered; ends when the
        link drops, or with the steps that were not answered left for later.
        """
        station.setup_link = link
        station_id = station.station.station_id
        try:
            from_the_top = True
            while station.link is link:
                if station.booted and from_the_top:
                    self._progress.pop(station_id, None)
                    self._tell(station_id, EventKind.BOOTED, station.identity.firmware)
                async with self._turns:
                    await self._pass(station, link)
                await self._remember(station)
                if station.set_up and not station.booted:
                    break
                # Answered, and yet not set up: it has booted in the middle.
                from_the_top = self._answered(station_id, SetupStep.FALLBACK)
                if not from_the_top:
                    await asyncio.sleep(SETUP_AGAIN_S)
        finally:
            if station.setup_link is link:
                station.setup_link = None
        self._served[station_id] = link
        if station.link is link and self._unfinished(station_id):
            self._tasks.start(self._rest_later(station, link), f"rest of set-up {station_id}")

    def watch(self, stations: Iterable[StationLive]) -> None:
        """Goes on where a lost link has cut a set-up short, once the station is back; looks once."""
        for station in stations:
            station_id, link = station.station.station_id, station.link
            if link is None or not station.set_up or station.setup_link is not None:
                continue
            if self._served.get(station_id) is not link and self._unfinished(station_id):
                self._served[station_id] = link
                self._tasks.start(self.run(station, link), f"set-up {station_id}")

    async def again(self, station: StationLive) -> None:
        """The whole set-up anew, for a person; raises when the station is away or at it."""
        station_id, link = station.station.station_id, station.link
        if link is None:
            raise StationUnreachableError("station-offline", station=station_id)
        if station.setup_link is link:
            raise InvalidInputError("set-up-running", station=station.station.name)
        self._progress.pop(station_id, None)
        self._tasks.start(self.run(station, link), f"set-up {station_id}")

    async def profiles_cleared(self, station: StationLive) -> None:
        """The station holds no profile any more, as far as anybody knows: the fallback goes in."""
        station_id, link = station.station.station_id, station.link
        await self._capabilities.forget_held(station_id)
        station.set_up = False
        for step in (SetupStep.FALLBACK, SetupStep.LEFTOVERS):
            self._progress.get(station_id, {}).pop(step, None)
        if link is not None and station.setup_link is not link:
            self._tasks.start(self.run(station, link), f"set-up {station_id}")

    async def renew_fallbacks(self, stations: Iterable[StationLive]) -> None:
        """Brings fallbacks up to date after a change of configuration, where stations are set up.

        One round at a time: changes that come meanwhile are taken in by one more round.
        """
        self._renew_again = True
        if self._renewing:
            return
        self._renewing = True
        try:
            while self._renew_again:
                self._renew_again = False
                for station in list(stations):
                    await self._renew(station)
        finally:
            self._renewing = False

    async def _renew(self, station: StationLive) -> None:
        link, station_id = station.link, station.station.station_id
        if link is None or not station.set_up or not self._fallbacks.is_outdated(station):
            return
        try:
            await self._fallbacks.install(station, link)
        except StationUnreachableError:
            log.info("%s: keeps its old fallback for now", station_id)
            station.set_up = False
            self._progress.get(station_id, {}).pop(SetupStep.FALLBACK, None)
            if station.link is link:
                self._tasks.start(self.run(station, link), f"set-up {station_id}")

    async def _rest_later(self, station: StationLive, link: StationLink) -> None:
        """Tries the steps that were not answered again, a few times, while the link lasts."""
        station_id = station.station.station_id
        for wait_s in REST_AGAIN_S:
            await asyncio.sleep(wait_s)
            if station.link is not link or not station.set_up or station.setup_link is not None:
                return
            async with self._turns:
                await self._pass(station, link)
            await self._remember(station)
            if not self._unfinished(station_id):
                return

    def _unfinished(self, station_id: str) -> bool:
        return not all(self._answered(station_id, step) for step in self.steps)

    def _answered(self, station_id: str, step: SetupStep) -> bool:
        taken = self._progress.get(station_id, {}).get(step)
        return taken is not None and taken.state is not StepState.NO_ANSWER

    async def _pass(self, station: StationLive, link: StationLink) -> None:
        """Every step that is not done, in order."""
        progress = self._progress.setdefault(station.station.station_id, {})
        for step in SetupStep:
            work = self.steps.get(step)
            before = progress.get(step)
            done = before is not None and before.state is not StepState.NO_ANSWER
            if work is None or (done and (station.set_up or step is not SetupStep.FALLBACK)):
                continue
            try:
                state, answer = await work(station, link)
            except StationRefusedError as refusal:
                state, answer = StepState.REFUSED, str(refusal.params.get("answer", ""))
            except StationUnreachableError:
                state, answer = StepState.NO_ANSWER, ""
            if station.link is not link:
                return
            progress[step] = StepRecord(state, self._clock.utc_now(), answer)
            if step is SetupStep.FALLBACK and state is StepState.NO_ANSWER:
                log.info("%s: set-up interrupted", station.station.station_id)
                return

    async def _remember(self, station: StationLive) -> None:
        station_id = station.station.station_id
        steps = dict(self._progress.get(station_id, {}))
        record = SetupRecord(station_id, station.identity.firmware, steps)
        before = self._records.get(station_id)
        self._records[station_id] = record
        try:
            await self._repository.save_setup(record)
        except StorageError as error:
            log.warning("%s: its set-up was not recorded: %s", station_id, error)
        if before is None or _states(before) != _states(record):
            failed = [step.value for step, one in steps.items() if one.state in _FAILED]
            self._tell(station_id, EventKind.SET_UP, " ".join(failed))

    def _tell(self, station_id: str, kind: EventKind, detail: str) -> None:
        for told in self.on_event:
            told(station_id, kind, detail)

    # ------------------------------------------------------------- steps

    async def _identity(self, station: StationLive, link: StationLink) -> Ended:
        """Who never introduced itself is asked to: some do not boot again after a reconnect."""
        if ModelKey.of(station.identity) is not None:
            return DONE
        ended = await self._trigger(station, link, MessageTrigger.BOOT_NOTIFICATION)
        if ended[0] is StepState.DONE:
            await asyncio.sleep(BOOT_PATIENCE_S)
            if ModelKey.of(station.identity) is None:
                return StepState.NO_ANSWER, ""
        return ended

    async def _read(self, station: StationLive, link: StationLink) -> Ended:
        station.capability.settings = StationConfiguration()
        fetched = await fetch_settings(link, priority=Priority.CONTROL, timeout_s=STEP_TIMEOUT_S)
        station.capability.settings = interpret(fetched.answer)
        self._fetched[station.station.station_id] = fetched
        return StepState.DONE, str(len(fetched.answer.configuration_key or ()))

    async def _fallback(self, station: StationLive, link: StationLink) -> Ended:
        """The fallback, and with it the station is ready for its limits (clause 3.13.1)."""
        capability, booted = station.capability, station.booted
        await self._fallbacks.install(station, link)
        if station.link is not link:
            return StepState.NO_ANSWER, ""
        known = self._capabilities.of(station)
        usual = capability.fallback or first_fallback(capability.settings)
        capability.form = known.live or first_live(capability.settings, usual)
        capability.form_proven = False
        capability.follows = True
        station.set_up = True
        if booted:
            self._after_boot(station)
        return DONE if capability.fallback is not None else (StepState.REFUSED, "")

    async def _status(self, station: StationLive, link: StationLink) -> Ended:
        connectors = station.connectors.values()
        if all(one.status is not ConnectorStatus.UNKNOWN for one in connectors):
            return DONE
        return await self._trigger(station, link, MessageTrigger.STATUS_NOTIFICATION)

    async def _configure(self, station: StationLive, link: StationLink) -> Ended:
        changed: dict[str, str] = {}
        try:
            return await self._change_all(station, link, changed)
        finally:
            await self._tell_reading(station, changed)

    async def _change_all(
        self, station: StationLive, link: StationLink, changed: dict[str, str]
    ) -> Ended:
        present, refused = station.capability.settings, []
        for key, value in self._wanted.items():
            if _is_set(present.values.get(key), key, value):
                accepted = True
            elif not present.writable(key):
                accepted = False
            else:
                accepted = await self._change(link, key, value)
                if accepted:
                    changed[key] = value
            if key == "MeterValueSampleInterval" and accepted:
                station.capability.sample_interval_s = self._sample_interval_s
            if not accepted:
                refused.append(key)
        return (StepState.REFUSED, " ".join(refused)) if refused else DONE

    async def _tell_reading(self, station: StationLive, changed: Mapping[str, str]) -> None:
        """What was read, with what has been changed since: told once, when both are known."""
        fetched = self._fetched.pop(station.station.station_id, None)
        if fetched is None:
            return
        answer = with_changes(fetched.answer, changed)
        for told in self.on_reading:
            try:
                await told(station, answer, fetched.portions)
            except StorageError as error:
                log.warning("settings read were not kept: %s", error)

    async def _clear_leftovers(self, station: StationLive, link: StationLink) -> Ended:
        """Removes the limits of transactions that are over; a running one's is replaced in place."""
        ended = DONE
        for live in station.connectors.values():
            if live.transaction is not None or not live.may_hold_limit:
                continue
            try:
                await link.call(
                    clear_tx_profile(live.key.connector_id),
                    priority=Priority.BACKGROUND,
                    timeout_s=STEP_TIMEOUT_S,
                )
                station.profile_writes += 1
            except StationRefusedError as refusal:
                ended = StepState.REFUSED, str(refusal.params.get("answer", ""))
            live.may_hold_limit = False
        return ended

    async def _change(self, link: StationLink, key: str, value: str) -> bool:
        try:
            answer = await link.call(
                ChangeConfiguration(key=key, value=value),
                priority=Priority.BACKGROUND,
                timeout_s=STEP_TIMEOUT_S,
            )
        except StationRefusedError:
            return False
        return answer.status in (ConfigurationStatus.ACCEPTED, ConfigurationStatus.REBOOT_REQUIRED)

    async def _trigger(
        self, station: StationLive, link: StationLink, message: MessageTrigger
    ) -> Ended:
        key = f"{message}/{station.station.station_id}"
        if self._triggers.wait_s(key) > 0:
            return StepState.SKIPPED, ""
        self._triggers.begin(key)
        answer = await link.call(
            TriggerMessage(requested_message=message),
            priority=Priority.BACKGROUND,
            timeout_s=STEP_TIMEOUT_S,
        )
        if answer.status is not TriggerMessageStatus.ACCEPTED:
            return StepState.REFUSED, answer.status.value
        return DONE


_FAILED = (StepState.REFUSED, StepState.NO_ANSWER)


def _states(record: SetupRecord) -> dict[SetupStep, StepState]:
    return {step: one.state for step, one in record.steps.items()}


def _is_set(present: str | None, key: str, wanted: str) -> bool:
    """Whether a setting is as wanted; the heartbeat's interval is told by the boot's answer, where
    it differs a little from station to station.
    """
    if key == "HeartbeatInterval" and present is not None and present.isdecimal():
        return 0 < int(present) <= HEARTBEAT_SLACK * int(wanted)
    return present == wanted
