"""What makes one make and firmware of station differ from another, as data (``personas/*.yaml``).

Sources: the Green'up OCPP guide and field logs as far as they are public, and behaviours seen in
other real firmware. What is a guess is marked as such in the persona's own file.
"""

from __future__ import annotations

import enum
import functools
from pathlib import Path
from typing import Any

import msgspec
import yaml

PERSONAS = Path(__file__).with_name("personas")


class TimeFormat(enum.StrEnum):
    """How timestamps are written."""

    UTC_S = "utc_s"
    UTC_MS = "utc_ms"
    LOCAL_MS = "local_ms"


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

    # Connection
    boot_on_reconnect: bool = False
    statuses_on_reconnect: bool = True
    silent_after_early_drop_s: float = 0.0
    """Silence on the new socket when the last one dropped before the boot was answered."""
    reboot_s: float = 20.0
    queues_meter_values: bool = True
    replays_statuses: bool = False
    """Status changes while offline are queued and sent with their own timestamps."""
    resumes_after_power_loss: bool = False
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
    unsupported_actions: tuple[str, ...] = ()


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
