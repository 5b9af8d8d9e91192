"""What makes one make and firmware of station differ from another, as data (``personas/*.yaml``).

Sources: the Green'up OCPP guide and field logs as far as they are public, and behaviours seen in
other real firmware. What is a guess is marked as such in the persona's own file.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from simulators.station.config import Faults
from simulators.station.files import UploadMethod

PERSONAS = Path(__file__).with_name("personas")

MOST_OF_ONE = 1000
"""Highest share of one persona in a mix."""


class TimeFormat(enum.StrEnum):
    """How timestamps are written."""

    UTC_S = "utc_s"
    UTC_MS = "utc_ms"
    LOCAL_MS = "local_ms"
    UTC_BARE = "utc_bare"
    """UTC, and no zone to tell."""
    LOCAL_BARE = "local_bare"
    """The time on the wall, and no zone to tell."""


class BelowMinimum(enum.StrEnum):
    """What a limit of 1 to 5 A does: pause the car, offer 6 A all the same, or offer just that."""

    PAUSE = "pause"
    CLAMP = "clamp"
    FOLLOW = "follow"


class NumberFormat(enum.StrEnum):
    """How sampled values are printed."""

    LONG = "long"
    ONE_DECIMAL = "one_decimal"
    WHOLE = "whole"
    """Whole currents and powers, truncated."""


class KeyReading(enum.StrEnum):
    """What a station makes of the hexadecimal AuthorizationKey that it is given."""

    RAW = "raw"
    """The bytes that it stands for, as it should be."""
    VERBATIM = "verbatim"
    """The text itself."""


class Persona(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One make, model and firmware. Durations in seconds, currents in amperes, energies in Wh."""

    name: str
    description: str

    # Who it says it is in BootNotification
    vendor: str
    model: str
    firmware: str
    serial_digits: int = 6
    charge_point_serial: bool = False
    meter_type: str | None = "internal"

    # Wire habits
    time_format: TimeFormat = TimeFormat.UTC_S
    decimal_message_ids: bool = False
    retry_same_id: bool = True
    call_timeout_s: float = 30.0
    status_timestamp: bool = True
    status_info: str | None = None
    vendor_id: str | None = None
    fault_code: str = "OtherError"
    fault_on_station: bool = False
    """The fault is reported for connector 0 instead of the outlet."""
    zero_reservation_id: bool = False
    """StartTransaction carries reservationId 0 although there is no reservation."""
    strict: bool = False
    """Answers FormationViolation to a call with a field that it does not know."""
    pipelines_calls: bool = False
    """Sends the next call before the answer to the last one."""
    numbers_as_text: bool = False
    """Whole numbers of its calls are written as strings, sampled values as numbers."""
    extra_fields: dict[str, str] = {}
    """Fields of its own in every call."""
    unanswered_actions: tuple[str, ...] = ()
    """Calls that it takes in and never answers."""
    subprotocol: str | None = "ocpp1.6"
    """What it names in the handshake of the WebSocket."""
    tls_suites: str | None = None
    """An old client: TLS 1.2 and no other, with these suites (names of OpenSSL)."""

    # Connection
    boot_on_reconnect: bool = False
    statuses_on_reconnect: bool = True
    reports_station_status: bool = False
    """Tells the status of connector 0 with those of its outlets."""
    reconnects_when_pending: bool = False
    """Closes the connection at once when its boot is not accepted, and tries again."""
    heartbeat_interval_s: int = 86_400
    """HeartbeatInterval of a station that nobody has told another."""
    ignores_boot_interval: bool = False
    """Takes HeartbeatInterval from ChangeConfiguration alone, not from the answer to its boot."""
    silent_after_early_drop_s: float = 0.0
    """Silence on the new socket when the last one dropped before the boot was answered."""
    reboot_s: float = 20.0
    queues_meter_values: bool = True
    replays_statuses: bool = False
    """Status changes while offline are queued and sent with their own timestamps."""
    resumes_after_power_loss: bool = False
    resumes_after_reboot: bool = False
    """Goes on with its transactions after a restart of its own accord, too."""
    keeps_profiles_over_reboot: bool = True

    # Meter
    measurands: tuple[str, ...]
    supported_measurands: tuple[str, ...]
    measurand_key: str = "measurand"
    phase_fields: bool = True
    numbers: NumberFormat = NumberFormat.ONE_DECIMAL
    whole_register: bool = True
    session_register: bool = False
    """The energy register starts at 0 with each transaction."""
    kilo_units: bool = False
    """Energies and powers are given in kWh and kW."""
    kilo_mislabelled: bool = False
    """Energies are given in kWh, and said to be Wh."""
    sample_format: str | None = "Raw"
    sample_location: str | None = "Outlet"
    sample_interval_s: int = 60
    clock_interval_s: int = 0
    clock_is_period: bool = False
    """ClockAlignedDataInterval is a plain period within a transaction, not aligned to the clock."""
    end_context: str = "Transaction.End"
    stop_data: bool = True
    """StopTransaction carries transactionData."""

    # Smart charging
    rate_units: tuple[str, ...] = ("A",)
    max_stack_level: int = 100
    max_periods: int = 24
    max_profiles: int = 10
    tx_profile_needs_transaction_id: bool = True
    tx_profile_refuses_transaction_id: bool = False
    min_stack_level: int = 0
    purposes: tuple[str, ...] = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
    kinds: tuple[str, ...] = ("Absolute", "Recurring", "Relative")
    refuses_number_phases: bool = False
    honours_leases: bool = True
    """Lets a limit end with its duration or its validTo."""
    relative_from_receipt: bool = False
    """A Relative profile starts when it is received rather than with its transaction."""
    watts_by_active_phases: bool = False
    """A limit in watts is divided by the phases in use rather than by those wired."""
    composite_other_unit: float | None = None
    """The limit that GetCompositeSchedule answers in a unit that the station does not use."""
    below_minimum: BelowMinimum = BelowMinimum.PAUSE
    clamp_a: float | None = None
    """Current above which limits are accepted and not followed."""
    apply_delay_s: float = 0.5
    """From the answer to the pilot."""
    spike_s: float = 0.0
    """Offers its full current for this long whenever it takes a profile."""
    switches_phases: bool = False
    """Charges on one phase alone when a limit leaves less than 6 A on each of three."""
    charging_at_zero: bool = False
    """The status stays Charging while the limit pauses the car."""

    # Second outlet: a domestic socket without pilot
    socket_a: float = 13.0
    """What the cable of a car draws at most from the socket (8 to 16 A)."""

    # Authorisation
    reader: bool = True
    allow_offline_unknown: bool = False
    local_list: bool = True
    local_list_max: int = 1000
    """Tags in its list (LocalAuthListMaxLength)."""
    local_list_most_sent: int = 100
    """Tags in one message (SendLocalListMaxLength)."""
    reserves_station: bool = False
    """Takes reservations of connector 0: any outlet."""
    unlock_status: str = "Unlocked"

    # What it can be asked
    unsupported_actions: tuple[str, ...] = ()
    feature_profiles: tuple[str, ...] = (
        "Core",
        "FirmwareManagement",
        "LocalAuthListManagement",
        "RemoteTrigger",
        "Reservation",
        "SmartCharging",
    )
    max_keys: int = 20
    """GetConfigurationMaxKeys."""
    obeys_max_keys: bool = False
    """Gives no more keys than that at once; most give all they have."""
    needs_reboot_for: tuple[str, ...] = ()
    """Keys whose new value counts after the next boot."""
    data_vendor: str | None = None
    """The vendorId whose DataTransfer it understands."""

    # Files
    upload_method: UploadMethod = UploadMethod.PUT
    appends_file_name: bool = True
    """The address of an upload is that of a folder."""
    has_diagnostics: bool = True
    install_s: float = 10.0

    # Security
    security_extension: bool = False
    """Knows the messages of "Improved security for OCPP 1.6-J"."""
    security_events: tuple[str, ...] = ()
    """Those that it tells of."""
    key_reading: KeyReading = KeyReading.RAW
    reconnects_for_key: bool = True
    """Connects anew as soon as it has a new key or profile; else it waits for the next time."""
    rolls_back_security: bool = True
    """Goes back to the key and profile that worked when the new ones are refused."""
    certificates_max: int = 4
    """CertificateStoreMaxLength."""

    # What is wrong with all of its make, from the start
    faults: Faults = Faults()

    def faults_of(self, own: Faults) -> Faults:
        """What is wrong with one station: the faults of the make, and its ``own`` before these."""
        sound = Faults()
        changes = {
            name: value
            for name, value in msgspec.structs.asdict(own).items()
            if value != getattr(sound, name)
        }
        return msgspec.structs.replace(self.faults, **changes) if changes else self.faults


def expand(choices: Iterable[str]) -> list[str]:
    """Names of personas as they are typed: ``all``, or names with commas, each with its share.

    ``premium-2019:7,control-generic:3`` is a list of ten. Raises ``ValueError``.
    """
    names: list[str] = []
    for choice in choices:
        for part in choice.split(","):
            name, _, share = part.strip().partition(":")
            count = int(share) if share.isascii() and share.isdigit() else 0 if share else 1
            if not 1 <= count <= MOST_OF_ONE:
                raise ValueError(f"{part.strip()!r}: a share is a number from 1 to {MOST_OF_ONE}")
            wanted = persona_names() if name == "all" else [load_persona(name).name]
            names += [each for each in wanted for _ in range(count)]
    return names


def persona_names() -> list[str]:
    """Names of the personas that come with the simulators."""
    return sorted(path.stem for path in PERSONAS.glob("*.yaml"))


@functools.cache
def load_persona(name: str) -> Persona:
    """The persona of that name (a file of ``personas/``); ``ValueError`` when there is none."""
    return msgspec.convert({"name": name, **_content(name)}, Persona)


def _content(name: str) -> dict[str, Any]:
    """A persona's file over that of the persona it is ``based_on``, if on any."""
    path = PERSONAS / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"no persona {name!r}; there are {', '.join(persona_names())}")
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    base = content.pop("based_on", None)
    return content if base is None else {**_content(base), **content}
