"""How states, reasons and enumerations are said: one table each, for every page.

Texts are English msgids marked by ``N_``; whoever shows them translates them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.domain.circuit import CircuitTree
from app.domain.evidence import EventKind
from app.domain.limits import LimitSource, Reason, ReasonCode
from app.domain.meter import MeterPlacement
from app.domain.station import ConnectorStatus
from app.energy.phase_detective import Standing
from app.services.circuit_figures import Basis
from app.services.history import Cause
from app.services.live import DisplayState, Severity
from app.web.i18n import DASH, N_, Language

PHASE_NAMES = ("L1", "L2", "L3")


class StateWords(NamedTuple):
    """A state as shown: in full, on a tile, its icon, and its tone (CSS)."""

    label: str
    short: str
    icon: str
    tone: str


STATES: Mapping[DisplayState, StateWords] = {
    DisplayState.CHARGING: StateWords(N_("Charging"), N_("Charging"), "bolt", "charge"),
    DisplayState.WAITING_FOR_POWER: StateWords(
        N_("Waiting for power"), N_("Waiting"), "hourglass", "wait"
    ),
    DisplayState.PLUGGED: StateWords(N_("Plugged in"), N_("Plugged in"), "plug", "idle"),
    DisplayState.SUSPENDED_BY_CAR: StateWords(
        N_("Paused by the car"), N_("Paused"), "pause", "idle"
    ),
    DisplayState.FINISHED: StateWords(N_("Finished"), N_("Finished"), "check", "idle"),
    DisplayState.AVAILABLE: StateWords(N_("Available"), N_("Available"), "socket", "free"),
    DisplayState.RESERVED: StateWords(N_("Reserved"), N_("Reserved"), "bookmark", "idle"),
    DisplayState.UNAVAILABLE: StateWords(N_("Out of service"), N_("Out of service"), "ban", "off"),
    DisplayState.FAULTED: StateWords(N_("Fault"), N_("Fault"), "alert", "bad"),
    DisplayState.OFFLINE: StateWords(N_("Offline"), N_("Offline"), "unlink", "bad"),
}
"""In the order of the filter chips. One-to-one with ``DisplayState``."""

STATE_NOTES: Mapping[DisplayState, str] = {
    DisplayState.PLUGGED: N_("waits for a badge"),
    DisplayState.SUSPENDED_BY_CAR: N_("the car takes nothing"),
    DisplayState.FINISHED: N_("cable still plugged in"),
    DisplayState.AVAILABLE: "",
    DisplayState.RESERVED: "",
    DisplayState.UNAVAILABLE: "",
    DisplayState.FAULTED: "",
}
"""What stands in the place of the reason where a limit says nothing."""

STATUSES: Mapping[ConnectorStatus, str] = {
    ConnectorStatus.AVAILABLE: N_("available"),
    ConnectorStatus.PREPARING: N_("a car is plugged in, nothing has started"),
    ConnectorStatus.CHARGING: N_("energy flows"),
    ConnectorStatus.SUSPENDED_EVSE: N_("the station holds the charge back"),
    ConnectorStatus.SUSPENDED_EV: N_("the car takes nothing"),
    ConnectorStatus.FINISHING: N_("the charge is over, the cable is still in"),
    ConnectorStatus.RESERVED: N_("reserved"),
    ConnectorStatus.UNAVAILABLE: N_("out of service"),
    ConnectorStatus.FAULTED: N_("fault"),
    ConnectorStatus.UNKNOWN: N_("not reported yet"),
}


MESSAGE_NAMES: Mapping[str, str] = {
    "StatusNotification": N_("Status of the connectors"),
    "MeterValues": N_("Measurements"),
    "Heartbeat": N_("Sign of life"),
    "BootNotification": N_("Make, model and firmware"),
    "DiagnosticsStatusNotification": N_("State of its diagnostics"),
    "FirmwareStatusNotification": N_("State of its update"),
}
"""Messages that a station can be asked for."""


class ReasonWords(NamedTuple):
    """A reason in about four words for a tile, and as a full sentence for the station's page.

    ``%(limit)s``, ``%(circuit)s`` and ``%(phase)s`` are filled where they occur.
    """

    short: str
    full: str


REASONS: Mapping[ReasonCode, ReasonWords] = {
    ReasonCode.NO_CAR: ReasonWords(
        N_("no car"), N_("%(limit)s: no charge is running on this connector")
    ),
    ReasonCode.DEMAND: ReasonWords(
        N_("all the car takes"), N_("%(limit)s: the car takes no more than this")
    ),
    ReasonCode.CONNECTOR: ReasonWords(
        N_("connector's maximum"),
        N_("%(limit)s: the most that the connector, its cable or its station carries"),
    ),
    ReasonCode.CIRCUIT: ReasonWords(
        N_("%(phase)s shared · %(circuit)s"),
        N_("%(limit)s: equal share of the circuit %(circuit)s, phase %(phase)s is full"),
    ),
    ReasonCode.POWER: ReasonWords(
        N_("power shared · %(circuit)s"),
        N_("%(limit)s: equal share of the circuit %(circuit)s, whose total power is reached"),
    ),
    ReasonCode.UNBALANCE: ReasonWords(
        N_("%(phase)s unbalance · %(circuit)s"),
        N_(
            "%(limit)s: on the circuit %(circuit)s, phase %(phase)s may not exceed the others by more"
        ),
    ),
    ReasonCode.WAITING: ReasonWords(
        N_("%(phase)s full · %(circuit)s"),
        N_(
            "Paused: on the circuit %(circuit)s, phase %(phase)s has less left than the 6 A"
            " a car needs; it resumes by itself"
        ),
    ),
    ReasonCode.HOLDING: ReasonWords(
        N_("increase in a moment"),
        N_("%(limit)s: more is possible and follows in a moment, once the site has settled"),
    ),
    ReasonCode.METER_LOST: ReasonWords(
        N_("meter silent"),
        N_(
            "%(limit)s: the meter of the circuit %(circuit)s is silent or implausible,"
            " so the circuit keeps to its safe budget"
        ),
    ),
    ReasonCode.OFFLINE: ReasonWords(
        N_("reserved while offline"),
        N_("%(limit)s: the station is not connected; what it may draw stays reserved for it"),
    ),
    ReasonCode.NOT_CONTROLLABLE: ReasonWords(
        N_("not controllable"),
        N_("%(limit)s: this outlet follows no limits, so its whole rating is reserved"),
    ),
    ReasonCode.UNKNOWN: ReasonWords(
        N_("limit not known yet"),
        N_("%(limit)s: the manager has just started and does not know yet what the station holds"),
    ),
}


class SourceWords(NamedTuple):
    """How a reason is said when its limit is not the installer's own: in short, as a sentence, and
    as a sentence while the session is paused.
    """

    short: str
    full: str
    paused: str


SOURCES: Mapping[LimitSource, SourceWords] = {
    LimitSource.SCHEDULE: SourceWords(
        N_("limit of the hour · %(circuit)s"),
        N_("%(limit)s: share of the limit that the circuit %(circuit)s has at this hour"),
        N_(
            "Paused: the limit of the circuit %(circuit)s at this hour leaves less than the 6 A"
            " a car needs; it resumes by itself"
        ),
    ),
    LimitSource.EXTERNAL: SourceWords(
        N_("limit from outside · %(circuit)s"),
        N_("%(limit)s: share of the limit set from outside on the circuit %(circuit)s"),
        N_(
            "Paused: the limit set from outside on the circuit %(circuit)s leaves less than the"
            " 6 A a car needs; it resumes by itself"
        ),
    ),
    LimitSource.TARIFF: SourceWords(
        N_("tariff hours"),
        N_("%(limit)s: charging is held back in these tariff hours"),
        N_("Paused: charging is held back in these tariff hours; it resumes by itself"),
    ),
    LimitSource.SOLAR: SourceWords(
        N_("follows the sun"),
        N_("%(limit)s: share of the surplus from the sun"),
        N_(
            "Paused: the surplus from the sun leaves less than the 6 A a car needs; it resumes by"
            " itself"
        ),
    ),
    LimitSource.OPERATOR: SourceWords(
        N_("operator's limit"),
        N_("%(limit)s: the most that the external operator allows"),
        N_("Paused by the external operator; it resumes when the operator allows more"),
    ),
}
"""Every source but the installation, whose words are those of the reason."""

_SOURCED = frozenset(
    {ReasonCode.CONNECTOR, ReasonCode.CIRCUIT, ReasonCode.POWER, ReasonCode.WAITING}
)
"""Reasons that say of a limit who set it."""
REASON_TONES: Mapping[ReasonCode, str] = {
    ReasonCode.DEMAND: "car",
    ReasonCode.CONNECTOR: "most",
    ReasonCode.CIRCUIT: "share",
    ReasonCode.POWER: "share",
    ReasonCode.UNBALANCE: "share",
    ReasonCode.WAITING: "pause",
    ReasonCode.METER_LOST: "trouble",
    ReasonCode.OFFLINE: "trouble",
    ReasonCode.NOT_CONTROLLABLE: "trouble",
}
"""Colours of the bands of a session (CSS); all others are "settle"."""

CAUSES: Mapping[ReasonCode, str] = {
    ReasonCode.NO_CAR: N_("no charge was running"),
    ReasonCode.DEMAND: N_("the car took no more"),
    ReasonCode.CONNECTOR: N_("the most of the connector"),
    ReasonCode.CIRCUIT: N_("limited by the circuit %(circuit)s"),
    ReasonCode.POWER: N_("limited by the power of the circuit %(circuit)s"),
    ReasonCode.UNBALANCE: N_("limited by the unbalance of the circuit %(circuit)s"),
    ReasonCode.WAITING: N_("waiting for power on the circuit %(circuit)s"),
    ReasonCode.HOLDING: N_("an increase was about to follow"),
    ReasonCode.METER_LOST: N_("the meter of the circuit %(circuit)s was silent"),
    ReasonCode.OFFLINE: N_("the station was not connected"),
    ReasonCode.NOT_CONTROLLABLE: N_("the station followed no limits"),
    ReasonCode.UNKNOWN: N_("the manager had just started"),
}
"""What bound a session, as a part of its time."""

CAUSE_SOURCES: Mapping[LimitSource, str] = {
    LimitSource.SCHEDULE: N_("the limit of the hour on the circuit %(circuit)s"),
    LimitSource.EXTERNAL: N_("a limit from outside on the circuit %(circuit)s"),
    LimitSource.TARIFF: N_("held back in tariff hours"),
    LimitSource.SOLAR: N_("following the sun"),
    LimitSource.OPERATOR: N_("limited by the external operator"),
}
"""The same where somebody else than the installer set the limit."""

BASES: Mapping[Basis, str] = {
    Basis.DECLARED: N_("beside the other loads at their most"),
    Basis.NOW: N_("beside the other loads measured now"),
    Basis.ABOVE: N_("the meter above sees other loads"),
    Basis.FULL: N_("other loads unknown: counts as full"),
}

EVENTS: Mapping[EventKind, tuple[str, str]] = {
    EventKind.OVERLOAD: (N_("Overload"), "alert"),
    EventKind.METER_LOST: (N_("Meter late or silent"), "meter"),
    EventKind.STATIC_BUDGET: (N_("Safe budget in force"), "hourglass"),
    EventKind.DISOBEYING: (N_("Limit not followed"), "warn"),
}

PLACEMENTS: Mapping[MeterPlacement, tuple[str, str]] = {
    MeterPlacement.SUPPLY: (
        N_("Building and charging"),
        N_("It sees everything that the circuit feeds."),
    ),
    MeterPlacement.CHARGING: (N_("Charging only"), N_("It sees only the stations.")),
    MeterPlacement.BUILDING: (
        N_("Building only"),
        N_("It sees only the loads other than the stations."),
    ),
}

ROTATION_STANDINGS: Mapping[Standing, tuple[str, str, str]] = {
    Standing.CONFIRMED: (
        N_("confirmed"),
        "free",
        N_("The outlet is wired as configured."),
    ),
    Standing.CONSISTENT: (
        N_("agrees"),
        "free",
        N_("All that was seen agrees with the configuration, but would agree with another too."),
    ),
    Standing.PROPOSED: (
        N_("proposed"),
        "wait",
        N_("The outlet is wired otherwise than configured."),
    ),
    Standing.AMBIGUOUS: (
        N_("ambiguous"),
        "idle",
        N_("What was seen does not tell two ways of wiring apart."),
    ),
    Standing.GATHERING: (
        N_("gathering"),
        "idle",
        N_("Fewer than three steps have told anything yet."),
    ),
    Standing.NOT_SEEN: (
        N_("not seen"),
        "bad",
        N_("Its steps do not show on the meter above it: check which circuit feeds it."),
    ),
    Standing.METER_LIES: (
        N_("meter in doubt"),
        "idle",
        N_("The meter above it is not believed now, so nothing is proposed."),
    ),
    Standing.NO_METER: (
        N_("no meter"),
        "idle",
        N_("No meter above it sees the stations, so there is nothing to compare with."),
    ),
    Standing.TWO_LINES: (
        N_("two lines"),
        "idle",
        N_("It is wired between two lines, whose currents do not simply add up."),
    ),
}
"""State in words, CSS tone, and what it means."""

WORD_FORMATS: Mapping[str, str] = {
    "big": N_("High word first (usual)"),
    "little": N_("Both swapped"),
    "swap": N_("Low word first"),
}

SEVERITIES: Mapping[Severity, tuple[str, str]] = {
    Severity.CRITICAL: (N_("Critical"), "alert"),
    Severity.WARNING: (N_("Warning"), "warn"),
    Severity.INFO: (N_("Information"), "info"),
}

STOP_REASONS: Mapping[str, str] = {
    "DeAuthorized": N_("badge refused"),
    "EmergencyStop": N_("emergency stop"),
    "EVDisconnected": N_("cable unplugged"),
    "HardReset": N_("station restarted"),
    "Local": N_("stopped at the station"),
    "Other": N_("other reason"),
    "PowerLoss": N_("power lost"),
    "Reboot": N_("station restarted"),
    "Remote": N_("stopped from here"),
    "SoftReset": N_("station restarted"),
    "UnlockCommand": N_("unlocked"),
}

CONFIDENCES: Mapping[str, str] = {
    "A": N_("read in the manufacturer's document"),
    "B": N_("from an independent table or a working reader"),
    "C": N_("inferred from a sibling model"),
    "D": N_("best guess: check every value before relying on it"),
}

HEALTH_CHECKS: Mapping[str, str] = {
    "storage": N_("Storage"),
    "control-cycle": N_("Control cycle"),
    "stations": N_("Stations"),
    "meters": N_("Meters"),
    "profile-writes": N_("Limits stored by stations"),
}


class Load(NamedTuple):
    """How full a phase is: CSS tone and words."""

    tone: str
    label: str


NORMAL = Load("ok", N_("normal"))
TIGHT = Load("tight", N_("tight"))
FULL = Load("full", N_("full"))
OVER = Load("over", N_("over the limit"))


def load_of(total_ma: int, limit_ma: int) -> Load:
    """Normal below 80 %, tight from 80 %, full above 95 %, over above the limit."""
    if total_ma > limit_ma:
        return OVER
    if total_ma > 0.95 * limit_ma:
        return FULL
    if total_ma >= 0.8 * limit_ma:
        return TIGHT
    return NORMAL


def reason_short(reason: Reason | None, language: Language, names: Mapping[str, str]) -> str:
    """The reason in about four words; ``names`` gives circuits' names."""
    if reason is None:
        return ""
    sourced = _sourced(reason)
    short = REASONS[reason.code].short if sourced is None else sourced.short
    return language.text(short, **_fills(reason, names))


def reason_sentence(
    reason: Reason | None, limit_ma: int | None, language: Language, names: Mapping[str, str]
) -> str:
    """The reason as a sentence that begins with the limit."""
    if reason is None:
        return ""
    limit = DASH if limit_ma is None else language.amperes(limit_ma)
    sourced = _sourced(reason)
    if sourced is None:
        full = REASONS[reason.code].full
    else:
        paused = reason.code is ReasonCode.WAITING or limit_ma == 0
        full = sourced.paused if paused else sourced.full
    return language.text(full, limit=limit, **_fills(reason, names))


def _sourced(reason: Reason) -> SourceWords | None:
    """The words of whoever set the limit, where it is not the installation."""
    return SOURCES.get(reason.source) if reason.code in _SOURCED else None


def _fills(reason: Reason, names: Mapping[str, str]) -> dict[str, str]:
    circuit = reason.circuit_id
    return {
        "circuit": DASH if circuit is None else names.get(circuit, circuit),
        "phase": DASH if reason.phase is None else PHASE_NAMES[reason.phase],
    }


def tone_of(reason: Reason) -> str:
    """The colour of a reason in a session's chart."""
    return REASON_TONES.get(reason.code, "settle")


def cause_phrase(cause: Cause, language: Language, names: Mapping[str, str]) -> str:
    """What bound a session; ``names`` gives circuits' names."""
    fills = _fills(Reason(cause.code, cause.circuit_id), names)
    phrase = CAUSES[cause.code]
    if cause.code in _SOURCED:
        phrase = CAUSE_SOURCES.get(cause.source, phrase)
    return language.text(phrase, **fills)


def phase_list(found: Sequence[int]) -> str:
    """``L1, L2``."""
    return ", ".join(PHASE_NAMES[phase] for phase in found)


def circuit_names(tree: CircuitTree) -> dict[str, str]:
    """Names by identifier."""
    return {circuit.circuit_id: circuit.name for circuit in tree}
