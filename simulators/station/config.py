"""How a simulated station is wired and configured, what is wrong with it, and what it remembers."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

PHASES_OF_ROTATION = {
    "RST": (0, 1, 2),
    "RTS": (0, 2, 1),
    "SRT": (1, 0, 2),
    "STR": (1, 2, 0),
    "TRS": (2, 0, 1),
    "TSR": (2, 1, 0),
}
"""Index of the site's phase at L1, L2 and L3 of the outlet (OCPP 1.6, ConnectorPhaseRotation)."""


class FirmwareTrouble(enum.StrEnum):
    """How an update of the firmware ends other than well."""

    NONE = "none"
    REVOKED = "revoked"
    """The certificate of its maker is taken for revoked."""
    CORRUPT = "corrupt"
    """What was fetched is damaged: a signature that was right is not any more."""
    INSTALLATION_FAILS = "installation_fails"
    OLD_VERSION = "old_version"
    """It says that all went well, and boots with the old version."""
    SILENT = "silent"
    """It is installed, and no word is said of it."""


class ConnectorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outlet: ``phases`` wired (1 or 3), where they meet the site's phases, its most (A).

    A ``socket`` has no pilot: a limit can only switch it on and off.
    """

    connector_id: int
    phases: int = 3
    rotation: str = "RST"
    max_a: float = 32.0
    socket: bool = False

    def __post_init__(self) -> None:
        if self.rotation not in PHASES_OF_ROTATION:
            raise ValueError(f"no such rotation: {self.rotation}")
        if self.phases not in (1, 3):
            raise ValueError(f"an outlet has 1 or 3 phases, not {self.phases}")


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with a station; changed while it runs by ``SimStation.set_faults``."""

    ignores_profiles: bool = False
    """Accepts profiles and does nothing with them."""
    clamps_at_a: float | None = None
    """Accepts higher limits and stays at this one."""
    overshoot_share: float = 0.0
    """Offers this share more than its limit, up to what the outlet can carry."""
    accepts_late_s: float = 0.0
    """Time that it takes to answer, and to follow, SetChargingProfile."""
    follows_late_s: float = 0.0
    """Time from its answer until it follows, on top of what its make takes."""
    clock_skew_s: float = 0.0
    """Its clock minus the true time."""
    duplicates: float = 0.0
    """Share of its calls that it sends twice with the same message id."""
    repeats: float = 0.0
    """Share of its transaction messages that it sends again, answered as they are, with a new id."""
    lost_answers: float = 0.0
    """Share of the answers to its transaction messages that never reach it."""
    never_sends_stop: bool = False
    frozen_meter: bool = False
    """Reports for ever what it measured when the fault came."""
    phantom_status_s: float = 0.0
    """Period of StatusNotifications that mean nothing; 0 for none."""
    reboot_loop_s: float = 0.0
    """Reboots this long after each boot; 0 for never."""
    drops_socket_s: float = 0.0
    """Closes its connection this often, and comes back; 0 for never."""
    half_opens_s: float = 0.0
    """Leaves its connection half open this often, and opens another; 0 for never."""
    failing_uploads: int = 0
    """Attempts to deliver a log that fail before one succeeds."""
    failing_downloads: int = 0
    """Attempts to fetch a firmware that fail before one succeeds."""
    firmware_trouble: FirmwareTrouble = FirmwareTrouble.NONE
    refuses_keys: bool = False
    """Refuses every change of its key and of its security profile."""
    forgets_new_keys: bool = False
    """Says yes to a new key, and goes on with the old one."""
    loss: float = 0.0
    """Share of frames that the network loses, each way."""
    delay_s: tuple[float, float] = (0.0, 0.0)
    """Bounds of the time that each frame takes, each way."""


class StationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One post. ``feed_limit_a`` bounds the sum of its outlets on each phase.

    ``free_mode`` starts a transaction with ``free_id_tag`` as soon as a car is plugged in.
    ``timezone`` is used by personas that write local times.
    """

    station_id: str
    connectors: tuple[ConnectorConfig, ...] = (ConnectorConfig(connector_id=1),)
    feed_limit_a: float | None = None
    free_mode: bool = False
    free_id_tag: str = "FREE"
    voltage_v: float = 230.0
    timezone: str = "Europe/Paris"
    faults: Faults = Faults()


@dataclass(slots=True)
class TransactionRecord:
    """The truth of one transaction, for comparison with what the manager stored.

    Times are true UTC; ``energy_wh`` is what the car took. ``meter_*_wh`` are as reported.
    ``transaction_id`` is ``None`` until the central system gave one.
    """

    connector_id: int
    id_tag: str
    start_utc: datetime
    meter_start_wh: int
    stop_utc: datetime | None = None
    meter_stop_wh: int | None = None
    stop_reason: str | None = None
    transaction_id: int | None = None
    acknowledged_start: bool = False
    acknowledged_stop: bool = False
    energy_wh: float = 0.0


@dataclass(slots=True)
class Counters:
    """What a station sent and received since it was made."""

    transactions_started: int = 0
    transactions_stopped: int = 0
    starts_acknowledged: int = 0
    stops_acknowledged: int = 0
    boots: int = 0
    connections: int = 0
    profile_messages: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    call_timeouts: int = 0
    call_errors: int = 0
    received: dict[str, int] = field(default_factory=dict)
    """Calls of the central system, by action."""
