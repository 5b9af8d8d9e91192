"""What a station's own answers mean, and what to do next: one table for every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from app.domain.errors import BornierError, StationRefusedError, StationUnreachableError
from app.domain.remote import JobState, Outcome, OutcomeState, SetupStep, StepState
from app.services.station_commands import GOOD_ANSWERS, Reply
from app.web.http import STATUS_OF, Visit
from app.web.i18n import N_, Language
from app.web.messages import MESSAGES

MEANINGS: Mapping[tuple[str, str], str] = {
    ("RemoteStartTransaction", "Accepted"): N_(
        "It starts the charge, or waits a moment for the car to be plugged in."
    ),
    ("RemoteStartTransaction", "Rejected"): N_(
        "It does not start: is a car plugged in, and is the connector free and in service?"
    ),
    ("RemoteStopTransaction", "Accepted"): N_("It ends the charge."),
    ("RemoteStopTransaction", "Rejected"): N_(
        "It knows no such charge: it may have ended by itself. Ask it for its status."
    ),
    ("UnlockConnector", "Unlocked"): N_("The plug is free and can be pulled out."),
    ("UnlockConnector", "UnlockFailed"): N_(
        "The lock did not open. Push the plug in a little and try again; otherwise somebody must"
        " open it on the spot."
    ),
    ("UnlockConnector", "NotSupported"): N_(
        "This connector has no lock that opens from afar: a fixed cable, or a socket without one."
    ),
    ("Reset", "Accepted"): N_("It restarts, and is back in a minute or two."),
    ("Reset", "Rejected"): N_(
        "Some stations refuse while a car charges: end the charge first, or restart at once."
    ),
    ("ChangeAvailability", "Accepted"): N_("Done."),
    ("ChangeAvailability", "Scheduled"): N_("It will do so when the running charge is over."),
    ("ChangeAvailability", "Rejected"): N_(
        "It stays as it is. A station with a fault often refuses: clear the fault first."
    ),
    ("TriggerMessage", "Accepted"): N_("It sends the message."),
    ("TriggerMessage", "Rejected"): N_("It will not send this message now."),
    ("TriggerMessage", "NotImplemented"): N_("It cannot send this message when asked."),
    ("ClearCache", "Accepted"): N_("It has forgotten the badges that it remembered."),
    ("ClearCache", "Rejected"): N_("It keeps no memory of badges, or cannot clear it now."),
    ("ClearChargingProfile", "Accepted"): N_(
        "It holds no limit any more; its current without news is put back at once."
    ),
    ("ClearChargingProfile", "Unknown"): N_("There was nothing to clear."),
    ("GetCompositeSchedule", "Rejected"): N_(
        "It does not tell what its limits add up to. They hold all the same."
    ),
    ("ReserveNow", "Accepted"): N_("It keeps the connector for this badge."),
    ("ReserveNow", "Faulted"): N_("The connector has a fault and cannot be reserved."),
    ("ReserveNow", "Occupied"): N_("Somebody is plugged in, or it is reserved already."),
    ("ReserveNow", "Unavailable"): N_("The connector is out of service."),
    ("ReserveNow", "Rejected"): N_("This station takes no reservations."),
    ("CancelReservation", "Accepted"): N_("The connector is free again."),
    ("CancelReservation", "Rejected"): N_(
        "It knows nothing of this reservation: it was dropped here as well."
    ),
    ("ChangeConfiguration", "Accepted"): N_("The value holds from now on."),
    ("ChangeConfiguration", "RebootRequired"): N_(
        "The value is stored and holds after a restart of the station."
    ),
    ("ChangeConfiguration", "Rejected"): N_(
        "It does not take this value: it is read-only, out of range, or written another way."
    ),
    ("ChangeConfiguration", "NotSupported"): N_("It has no such setting."),
}
"""By message and answer."""

CALL_ERRORS: Mapping[str, str] = {
    "NotImplemented": N_("It does not know this message: its firmware lacks the function."),
    "NotSupported": N_("It knows this message and does not offer the function."),
    "InternalError": N_("It met a fault of its own. Try again; if it goes on, restart it."),
    "SecurityError": N_("Its security settings forbid it."),
    "FormationViolation": N_("It does not understand the message as it was sent."),
    "PropertyConstraintViolation": N_("It does not take one of the values."),
    "OccurenceConstraintViolation": N_("It misses a value, or knows one too many."),
    "TypeConstraintViolation": N_("It expected one of the values to be of another kind."),
    "ProtocolError": N_("It holds the message for incomplete."),
    "GenericError": N_("It gives no reason."),
}

OUTCOMES: Mapping[OutcomeState, tuple[str, str, str]] = {
    OutcomeState.WAITING: (N_("waiting"), "hourglass", "idle"),
    OutcomeState.RUNNING: (N_("under way"), "clock", "wait"),
    OutcomeState.DONE: (N_("done"), "check", "charge"),
    OutcomeState.REFUSED: (N_("refused"), "ban", "bad"),
    OutcomeState.UNREACHABLE: (N_("unreachable"), "unlink", "bad"),
    OutcomeState.CANCELLED: (N_("not begun"), "stop", "off"),
    OutcomeState.INTERRUPTED: (N_("interrupted"), "warn", "wait"),
}
"""Word, icon and tone of a line of a result table."""

JOBS: Mapping[JobState, str] = {
    JobState.RUNNING: N_("under way"),
    JobState.DONE: N_("finished"),
    JobState.CANCELLED: N_("cancelled"),
    JobState.INTERRUPTED: N_("interrupted by a restart of the manager"),
}

STEPS: Mapping[SetupStep, tuple[str, str]] = {
    SetupStep.IDENTITY: (N_("Identity"), N_("make, model and firmware are known")),
    SetupStep.READING: (N_("Settings read"), N_("units, levels and measurements are known")),
    SetupStep.FALLBACK: (N_("Current without news"), N_("what it may draw without the manager")),
    SetupStep.STATUS: (N_("Status of the connectors"), N_("what is plugged in")),
    SetupStep.SAMPLING: (N_("Heartbeat and measurements"), N_("how often it reports")),
    SetupStep.LEFTOVERS: (N_("Old limits cleared"), N_("nothing is left of past charges")),
    SetupStep.LOCAL_LIST: (N_("List of badges"), N_("badges that work while the manager is away")),
}

STEP_STATES: Mapping[StepState, tuple[str, str, str]] = {
    StepState.DONE: (N_("done"), "check", "charge"),
    StepState.REFUSED: (N_("refused"), "ban", "wait"),
    StepState.NO_ANSWER: (N_("no answer"), "unlink", "wait"),
    StepState.SKIPPED: (N_("left out"), "pause", "idle"),
}


ORDERS: Mapping[str, str] = {
    "remote-start": N_("start a charge"),
    "remote-stop": N_("stop the charge"),
    "unlock": N_("free the plug"),
    "reset-soft": N_("restart gently"),
    "reset-hard": N_("restart at once"),
    "trigger": N_("ask for a message"),
    "clear-cache": N_("forget remembered badges"),
    "clear-profiles": N_("clear all limits"),
    "reserve": N_("reserve"),
    "cancel-reservation": N_("cancel the reservation"),
    "out-of-service": N_("out of service"),
    "in-service": N_("back in service"),
    "configuration": N_("change a setting"),
    "outage-missed": N_("out of service: its time has passed while the station was away"),
    "station-offline": N_("not connected"),
    "station-no-answer": N_("no answer"),
}
"""Orders and silences as a station's history names them."""


class Said(NamedTuple):
    """What the page tells after a command: what it was, the quoted answer, and what it means."""

    good: bool
    title: str
    quote: str
    meaning: str
    key: str = ""
    """Entry of the help, where there is one."""


def meaning(action: str, answer: str, language: Language) -> str:
    """What the answer means; empty for one that nobody has foreseen."""
    known = MEANINGS.get((action, answer)) or CALL_ERRORS.get(answer.partition(" ")[0])
    if known is None and action == "ChangeConfiguration" and ": " in answer:
        # Several settings, each with its own answer.
        known = MEANINGS.get((action, answer.rpartition(": ")[2]))
    return "" if known is None else language.text(known)


def said_of(reply: Reply, language: Language) -> Said:
    """For an answer that was yes."""
    title = language.text(N_("The station accepted"))
    return Said(True, title, reply.answer, meaning(reply.action, reply.answer, language))


def said_of_error(visit: Visit, error: BornierError) -> Said:
    """For a refusal, a silence, or what was refused before it was sent."""
    language = visit.language
    if isinstance(error, StationRefusedError):
        answer = str(error.params.get("answer", ""))
        what = meaning(str(error.params.get("action", "")), answer, language)
        title = language.text(N_("The station refused"))
        return Said(False, title, answer, what, error.key)
    help_key = error.key if isinstance(error, StationUnreachableError) else ""
    title = language.text(N_("The command was not carried out"))
    return Said(False, title, "", visit.say(error), help_key)


def said_in_address(visit: Visit) -> Said | None:
    """The answer that a redirect has brought along; only answers of the table."""
    action, _, answer = visit.request.query_params.get("said", "").partition(".")
    if (action, answer) not in MEANINGS or (answer not in GOOD_ANSWERS and answer != "Unknown"):
        return None
    return said_of(Reply(action, answer), visit.language)


def status_of(error: BornierError) -> int:
    """HTTP status of a page that tells an error."""
    return STATUS_OF.get(type(error), 422)


def outcome_words(visit: Visit, outcome: Outcome) -> tuple[str, str]:
    """The quoted answer of a line of a result table, and what it means."""
    if outcome.answer:
        if outcome.action == "GetConfiguration":
            count = int(outcome.answer) if outcome.answer.isdecimal() else 0
            return "", visit.language.ngettext("%(count)s setting", "%(count)s settings", count)
        if not outcome.action:
            return "", visit.language.text(N_("saved in the manager"))
        return outcome.answer, meaning(outcome.action, outcome.answer, visit.language)
    if outcome.error_key:
        return "", MESSAGES.title(outcome.error_key, outcome.params, visit.language)
    return "", ""
