"""The stations' keys, and what each station must prove to be let in.

Everything here is on disk before it counts. A key is checked by a keyed hash, which costs
microseconds: keys are random, and a hundred stations come back at once after a power cut.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import ChargingStation
from app.domain.station_security import (
    KEY_BYTES,
    KEY_LEAST,
    KEY_MOST,
    Delivery,
    SecurityDefaults,
    SecurityProfile,
    StationKey,
    StationSecurity,
    key_of_text,
    possible_keys,
)
from app.services.audit import AuditTrail
from app.services.ports import Clock
from app.services.security_ports import KeyVault, SecurityRepository

MOST_PRESENTED = 500
"""Stations whose last unknown key is remembered; one more pushes out the oldest."""

ORGANISATION_MOST = 50

Edit = Callable[[StationSecurity], StationSecurity]


class Presented(msgspec.Struct, frozen=True):
    """A key that was shown in a station's name and is not one of its keys; only its hash is kept."""

    verifier: str
    address: str
    at_utc: datetime


class StationKeys:
    """Keeps one record for each station of the site. ``actor`` is who is named in the audit log."""

    def __init__(
        self,
        repository: SecurityRepository,
        vault: KeyVault | None,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        """Take no ``vault`` for a manager whose stations have no keys (a rehearsal)."""
        self._repository = repository
        self._vault = vault
        self._audit = audit
        self._clock = clock
        self._records: dict[str, StationSecurity] = {}
        self._defaults = SecurityDefaults()
        self._presented: OrderedDict[str, Presented] = OrderedDict()
        self._changing = asyncio.Lock()

    async def load(self, stations: Iterable[ChargingStation]) -> None:
        """Reads the records from disk. ``stations`` are those already known: nothing is required of
        the ones that have no record, whatever the site chose for new ones.
        """
        self._defaults = await self._repository.defaults()
        known = {record.station_id: record for record in await self._repository.load()}
        for station in stations:
            station_id = station.station_id
            self._records[station_id] = known.get(station_id) or StationSecurity(station_id)

    async def configure(self, stations: Iterable[ChargingStation]) -> None:
        """Takes new stations up, to be brought to the site's profile, and forgets removed ones."""
        now = {station.station_id for station in stations}
        async with self._changing:
            for station_id in now - self._records.keys():
                record = StationSecurity(station_id)
                if self._defaults.profile > record.required:
                    record = msgspec.structs.replace(record, wanted=self._defaults.profile)
                await self._repository.save(record)
                self._records[station_id] = record
            for station_id in self._records.keys() - now:
                await self._repository.remove(station_id)
                del self._records[station_id]

    # ------------------------------------------------------------ what holds

    @property
    def defaults(self) -> SecurityDefaults:
        """The site's choices."""
        return self._defaults

    def records(self) -> tuple[StationSecurity, ...]:
        """Every station's record."""
        return tuple(self._records.values())

    def find(self, station_id: str) -> StationSecurity | None:
        """The record of a station of the site, ``None`` for strangers."""
        return self._records.get(station_id)

    def of(self, station_id: str) -> StationSecurity:
        """The record of a station of the site. Raises ``NotFoundError``."""
        record = self._records.get(station_id)
        if record is None:
            raise NotFoundError("station-unknown", station=station_id)
        return record

    def expected_profile(self, station_id: str) -> SecurityProfile:
        """The profile by which a station shall come: its own, or the site's for a stranger."""
        record = self._records.get(station_id)
        if record is None:
            return self._defaults.profile
        return record.required if record.wanted is None else record.wanted

    def match(self, record: StationSecurity, password: bytes) -> StationKey | None:
        """The key of the station that ``password`` stands for. Takes as long whichever it is."""
        if self._vault is None:
            return None
        found: StationKey | None = None
        shown = [self._vault.verifier(record.station_id, key) for key in possible_keys(password)]
        for key in record.keys:
            for verifier in shown:
                if hmac.compare_digest(key.verifier, verifier):
                    found = key
        return found

    # ------------------------------------------------------------ keys

    async def new_key(self, station_id: str, actor: str) -> str:
        """A new key, which is sent to the station when it is connected, or typed in by hand.

        Told in hexadecimal. While one is under way it is told again: the station may hold it
        already, and must not be left with a key that opens nothing.
        """
        record = self.of(station_id)
        text = self._unsealed(record)
        if text is None:
            if record.next_key is not None:
                raise InvalidInputError("station-key-under-way")
            text = secrets.token_bytes(KEY_BYTES).hex()
        key = self._key(station_id, key_of_text(text), Delivery.TO_SEND, sealed=True)
        await self.change(station_id, lambda now: now.with_next_key(key))
        await self._audit.record(actor, "station-key-made", station_id)
        return text

    async def printable_key(self, station_id: str) -> str | None:
        """The key to type into a station that has never shown one, made when there is none.

        ``None`` when it has shown its key: nobody can read it any more, and nobody needs to.
        """
        record = self.of(station_id)
        if record.key is not None or self._vault is None:
            return None
        if record.next_key is None:
            raw = secrets.token_bytes(KEY_BYTES)
            key = self._key(station_id, raw, Delivery.BY_HAND, sealed=True)
            record = await self.change(
                station_id, lambda now: now if now.keys else now.with_next_key(key)
            )
        return self._unsealed(record)

    async def type_key(self, station_id: str, text: str, actor: str) -> None:
        """Takes the key that the station has already; the former one opens until this one has."""
        text = text.strip()
        if not KEY_LEAST <= len(text) <= KEY_MOST or not text.isprintable():
            raise InvalidInputError(
                "station-key-invalid", field="key", least=KEY_LEAST, most=KEY_MOST
            )
        key = self._key(station_id, key_of_text(text), Delivery.BY_HAND)
        await self.change(station_id, lambda now: now.with_next_key(key))
        await self._audit.record(actor, "station-key-typed", station_id)

    async def withdraw_key(self, station_id: str, actor: str) -> None:
        """The key under way opens nothing any more."""
        if self.of(station_id).next_key is None:
            return
        await self.change(station_id, lambda now: now.with_next_key(None))
        await self._audit.record(actor, "station-key-withdrawn", station_id)

    def key_to_send(self, record: StationSecurity) -> str | None:
        """The key under way as AuthorizationKey (hexadecimal), ``None`` when it cannot be told."""
        return self._unsealed(record)

    # ------------------------------------------------------------ keys of strangers

    def note_presented(self, identity: str, password: bytes, address: str) -> None:
        """Remembers a key that is not one of the station's, in case somebody takes it up."""
        if self._vault is None or not password:
            return
        # Its longest reading: digits stand for bytes, as in a key that is typed.
        verifier = self._vault.verifier(identity, possible_keys(password)[-1])
        self._presented.pop(identity, None)
        self._presented[identity] = Presented(verifier, address, self._clock.utc_now())
        if len(self._presented) > MOST_PRESENTED:
            self._presented.popitem(last=False)

    def presented(self, station_id: str) -> Presented | None:
        """The last key shown in this name that is not one of its keys, since the start."""
        return self._presented.get(station_id)

    async def take_presented(
        self, station_id: str, actor: str, verifier: str | None = None
    ) -> None:
        """Takes that key for the station's own; the former one opens until this one has.

        ``verifier`` names the one that was looked at, for another may have been shown since.
        """
        presented = self._presented.get(station_id)
        if presented is None or verifier not in (None, presented.verifier):
            raise InvalidInputError("station-key-not-presented")
        key = StationKey(presented.verifier, self._clock.utc_now())
        await self.change(station_id, lambda now: now.with_next_key(key))
        self._presented.pop(station_id, None)
        await self._audit.record(actor, "station-key-taken", station_id, presented.address)

    # ------------------------------------------------------------ profiles

    async def want(self, station_id: str, profile: SecurityProfile, actor: str) -> None:
        """Has the station brought to ``profile``, which is required once it has come with it."""
        if self._vault is None:
            raise InvalidInputError("station-security-unavailable", field="profile")

        def edit(now: StationSecurity) -> StationSecurity:
            started = now.requiring(now.required)
            return started if profile == now.required else _wanting(started, profile)

        await self.change(station_id, edit)
        await self._audit.record(actor, "station-profile-wanted", station_id, profile.name.lower())

    async def require(self, station_id: str, profile: SecurityProfile, actor: str) -> None:
        """Requires ``profile`` at once. Raises ``InvalidInputError`` where no key could open."""
        if profile.has_key and not self.of(station_id).keys:
            raise InvalidInputError("station-key-missing", field="profile")
        await self.change(station_id, lambda now: now.requiring(profile))
        await self._audit.record(
            actor, "station-profile-required", station_id, profile.name.lower()
        )

    async def set_defaults(self, defaults: SecurityDefaults, actor: str) -> None:
        """Changes the site's choices."""
        name = defaults.organisation.strip()
        if not name or len(name) > ORGANISATION_MOST or not name.isprintable():
            raise InvalidInputError(
                "organisation-invalid", field="organisation", most=ORGANISATION_MOST
            )
        defaults = msgspec.structs.replace(defaults, organisation=name)
        await self._repository.save_defaults(defaults)
        self._defaults = defaults
        await self._audit.record(
            actor,
            "station-security-defaults",
            "site",
            f"{defaults.profile.name.lower()}, strangers {defaults.strangers}",
        )

    # ------------------------------------------------------------ changes

    async def change(self, station_id: str, edit: Edit) -> StationSecurity:
        """Applies ``edit`` to the newest record; what it gives back is on disk."""
        async with self._changing:
            before = self.of(station_id)
            after = edit(before)
            if after != before:
                await self._repository.save(after)
                self._records[station_id] = after
        return after

    async def proved(
        self, record: StationSecurity, key: StationKey | None, level: SecurityProfile
    ) -> None:
        """The station has come with ``key`` and reached ``level``: what was under way holds now."""
        now_utc = self._clock.utc_now()
        if record.proved(key, level, now_utc) == record:
            return
        after = await self.change(record.station_id, lambda now: now.proved(key, level, now_utc))
        actor = f"station:{record.station_id}"
        if after.key != record.key:
            await self._audit.record(actor, "station-key-proved", record.station_id)
        if after.required != record.required:
            detail = after.required.name.lower()
            await self._audit.record(actor, "station-profile-proved", record.station_id, detail)

    def _key(
        self, station_id: str, raw: bytes, delivery: Delivery, *, sealed: bool = False
    ) -> StationKey:
        vault = self._vault
        if vault is None:
            raise InvalidInputError("station-security-unavailable", field="key")
        return StationKey(
            verifier=vault.verifier(station_id, raw),
            made_utc=self._clock.utc_now(),
            delivery=delivery,
            sealed=vault.seal(station_id, raw) if sealed else "",
        )

    def _unsealed(self, record: StationSecurity) -> str | None:
        key = record.next_key
        if key is None or not key.sealed or self._vault is None:
            return None
        raw = self._vault.unseal(record.station_id, key.sealed)
        return None if raw is None else raw.hex()


def _wanting(record: StationSecurity, profile: SecurityProfile) -> StationSecurity:
    if profile < record.required:
        return record.requiring(profile)
    return msgspec.structs.replace(record, wanted=profile)
