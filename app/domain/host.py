"""The box under the manager, as the manager and its privileged helper speak of it.

Requests are a closed list; the helper refuses whatever is not on it. Neither side trusts the
other: texts are bounded here, what they mean is checked by the helper alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=255)]
Line = Annotated[str, msgspec.Meta(max_length=4096)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)]
Lines = Annotated[tuple[Line, ...], msgspec.Meta(max_length=16)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

# ---------------------------------------------------------------- values


class NetworkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """LAN1 beside its fixed service address. ``addresses`` are IPv4 with prefix (10.0.0.5/24)."""

    dhcp: bool = True
    addresses: Texts = ()
    gateway: Text | None = None
    dns: Texts = ()


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """What is set and what the interface really has."""

    settings: NetworkSettings
    revert_in_s: float | None = None
    """Seconds until unconfirmed settings are taken back; ``None`` when nothing waits."""
    addresses_now: tuple[str, ...] = ()


class TimeState(msgspec.Struct, frozen=True, kw_only=True):
    """Clock of the box; ``zone`` is that of its own records, not the site's."""

    utc: datetime
    zone: str
    servers: tuple[str, ...] = ()
    synchronised: bool = False


class SshKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that may sign in. ``source`` is ``console``, ``manager`` or ``disk``."""

    kind: str
    fingerprint: str
    comment: str = ""
    account: str
    source: str


class SshState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether SSH is open, and to which keys; ``host_key`` is the fingerprint to compare."""

    enabled: bool
    keys: tuple[SshKey, ...] = ()
    host_key: str | None = None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two systems. ``good`` is the boot loader's mark."""

    name: str
    running: bool
    good: bool
    version: str | None = None
    installed_utc: datetime | None = None


class UpdateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The last update. ``state``: ``installing``, ``installed``, ``confirmed`` or ``failed``."""

    state: str
    slot: str
    version: str
    installed_utc: datetime
    reason: str = ""
    """Why it failed: ``not-healthy``, ``not-started``, ``interrupted`` or a key of an error."""


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """Both slots; ``next`` is the one of the next start, ``None`` when no slot can start."""

    compatible: str
    version: str
    running: str
    next: str | None
    slots: tuple[Slot, ...]
    outcome: UpdateRecord | None = None


class BundleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an update bundle says of itself, once its signature has been verified."""

    version: str
    compatible: str
    description: str = ""
    size: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a request is; ``step`` is RAUC's own word for it."""

    percent: int
    step: str


class Done(msgspec.Struct, frozen=True):
    """Nothing more to say."""


# ---------------------------------------------------------------- requests


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do"):
    """Base of the requests; each names itself in ``do``."""


class NetworkRead(Request, frozen=True, tag="network-read"):
    """Answered by ``NetworkState``."""


class NetworkSet(Request, frozen=True, tag="network-set"):
    """Takes effect at once and is taken back unless confirmed. Answered by ``NetworkState``."""

    dhcp: bool
    addresses: Texts = ()
    gateway: Text | None = None
    dns: Texts = ()


class NetworkConfirm(Request, frozen=True, tag="network-confirm"):
    """Keeps the settings that wait. Answered by ``NetworkState``."""


class TimeRead(Request, frozen=True, tag="time-read"):
    """Answered by ``TimeState``."""


class ClockSet(Request, frozen=True, tag="clock-set"):
    """Sets the clock. Answered by ``TimeState``."""

    utc: Instant


class ZoneSet(Request, frozen=True, tag="zone-set"):
    """Sets the time zone. Answered by ``TimeState``."""

    zone: Text


class ServersSet(Request, frozen=True, tag="servers-set"):
    """Sets the NTP servers; none takes those of DHCP. Answered by ``TimeState``."""

    servers: Texts


class PowerOff(Request, frozen=True, tag="power-off"):
    """Switches the box off. Answered by ``Done``."""


class Reboot(Request, frozen=True, tag="reboot"):
    """Starts the box anew. Answered by ``Done``."""


class SlotsRead(Request, frozen=True, tag="slots-read"):
    """Answered by ``Slots``."""


class SlotActivateOther(Request, frozen=True, tag="slot-activate-other"):
    """The next start is that of the other slot. Answered by ``Slots``."""


class UpdateInspect(Request, frozen=True, tag="update-inspect"):
    """Reads a bundle's manifest. Answered by ``BundleInfo``."""

    path: Line


class UpdateInstall(Request, frozen=True, tag="update-install"):
    """Writes a bundle to the other slot. Answered by ``Progress`` lines, then ``Slots``."""

    path: Line


class SshRead(Request, frozen=True, tag="ssh-read"):
    """Answered by ``SshState``."""


class SshEnable(Request, frozen=True, tag="ssh-enable"):
    """Opens SSH to these keys, in the form of an ``authorized_keys`` line. → ``SshState``."""

    keys: Lines


class SshDisable(Request, frozen=True, tag="ssh-disable"):
    """Closes SSH and forgets its keys. Answered by ``SshState``."""


AnyRequest = (
    NetworkRead
    | NetworkSet
    | NetworkConfirm
    | TimeRead
    | ClockSet
    | ZoneSet
    | ServersSet
    | PowerOff
    | Reboot
    | SlotsRead
    | SlotActivateOther
    | UpdateInspect
    | UpdateInstall
    | SshRead
    | SshEnable
    | SshDisable
)

READING = (NetworkRead, TimeRead, SlotsRead, UpdateInspect, SshRead)
"""Requests that change nothing."""

# ---------------------------------------------------------------- answers, one a line


NOTHING = msgspec.Raw(b"null")


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal: ``key`` names its text, ``params`` fill it."""

    key: str
    params: dict[str, str | int] = {}
    field: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an answer: exactly one field is there. ``result`` is decoded by the asker."""

    progress: Progress | None = None
    error: ErrorAnswer | None = None
    result: msgspec.Raw = NOTHING
