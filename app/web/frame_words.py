"""Frames in plain words: what was asked, what was answered, what was odd about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.domain.units import PHASES
from app.services.frame_ports import Exchange, FrameKind, RecordedFrame
from app.web.i18n import N_, Language

LONGEST = 90
"""Characters of a summary."""

FIELDS_SHOWN = 3
"""Of a message that has no sentence of its own."""

Payload = Mapping[str, Any]


class Outcome(NamedTuple):
    """The answer in a word; ``tone`` is a class of the style sheet."""

    text: str
    tone: str


NOTES: Mapping[str, str] = {
    "rejected": N_("not an OCPP message: ignored"),
    "refused": N_("refused by the manager"),
    "busy": N_("too many at once: sent away"),
    "repeated": N_("sent again: answered as before"),
    "reused-id": N_("message number used before"),
    "late-answer": N_("answer came too late"),
    "unknown-answer": N_("answers nothing that was asked"),
    "unanswered": N_("too many unreadable ones: not answered"),
}
"""What was odd; every other note is the name of a repair."""

_GOOD = frozenset({"Accepted", "Unlocked", "RebootRequired", "Scheduled"})
_PASSING = frozenset({"Pending", "NotSupported", "UnknownVendorId", "UnknownMessageId", "Occupied"})


def payload_of(frame: RecordedFrame) -> Payload:
    """What a frame carries; empty when it cannot be read."""
    try:
        value = json.loads(frame.text, strict=False)
        payload = value[3 if frame.kind is FrameKind.CALL else 2]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def pretty(frame: RecordedFrame) -> str:
    """The frame with a line for each value; as it came when it is no JSON."""
    try:
        value = json.loads(frame.text)
        parts = value if isinstance(value, list) else [value]
        written = [json.dumps(part, indent=2, ensure_ascii=False) for part in parts]
    except (ValueError, RecursionError):
        return frame.text
    return f"[{', '.join(written)}]" if isinstance(value, list) else written[0]


def summary(exchange: Exchange, language: Language) -> str:
    """What was asked, in about a line."""
    frame = exchange.frame
    if frame.kind is not FrameKind.CALL:
        return _cut(frame.text)
    payload = payload_of(frame)
    sentence = _SENTENCES.get(frame.action)
    if sentence is not None:
        try:
            return _cut(sentence(payload, language))
        except (LookupError, TypeError, ValueError, AttributeError):
            pass  # a station may send anything under a known name
    return _cut(_fields(payload))


def outcome(exchange: Exchange, language: Language) -> Outcome:
    """How it was answered; without text when the answer says nothing."""
    answer = exchange.answer
    if answer is None:
        if exchange.frame.kind is FrameKind.CALL:
            return Outcome(language.gettext("no answer"), "bad")
        return Outcome("", "")
    payload = payload_of(answer)
    if answer.kind is FrameKind.ERROR:
        return Outcome(_cut(_error_code(answer)), "bad")
    info = payload.get("idTagInfo")
    status = info.get("status") if isinstance(info, dict) else payload.get("status")
    if not isinstance(status, str):
        return Outcome("", "")
    number = payload.get("transactionId")
    told = f"{status} · {number}" if isinstance(number, int) else status
    tone = "good" if status in _GOOD else "wait" if status in _PASSING else "bad"
    return Outcome(_cut(told), tone)


def notes(exchange: Exchange, language: Language) -> list[str]:
    """What was odd, in words; repairs by their name."""
    told = []
    for note in exchange.notes:
        known = NOTES.get(note)
        told.append(
            language.gettext("repaired: %(name)s", name=note)
            if known is None
            else language.text(known)
        )
    return told


def _error_code(answer: RecordedFrame) -> str:
    try:
        return " ".join(str(part) for part in json.loads(answer.text)[2:4] if part)
    except (ValueError, LookupError, TypeError, RecursionError):
        return "?"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _fields(payload: Payload) -> str:
    told = [f"{name} {value}" for name, value in payload.items() if isinstance(value, str | int)]
    return " · ".join(told[:FIELDS_SHOWN])


# ---------------------------------------------------------------- a sentence for each action


def _boot(payload: Payload, language: Language) -> str:
    made = f"{payload['chargePointVendor']} {payload['chargePointModel']}"
    firmware = payload.get("firmwareVersion")
    if not firmware:
        return made
    return language.gettext("%(model)s, firmware %(version)s", model=made, version=firmware)


def _status(payload: Payload, language: Language) -> str:
    told = [_at(payload, language, payload["status"])]
    if payload.get("errorCode") != "NoError":
        told.append(str(payload.get("errorCode", "")))
    told += [str(payload[name]) for name in ("vendorErrorCode", "info") if payload.get(name)]
    return " · ".join(told)


def _outlet(payload: Payload, language: Language) -> str:
    number = payload.get("connectorId", 0)
    if number == 0:
        return language.gettext("Whole station")
    return language.gettext("Connector %(number)s", number=number)


def _at(payload: Payload, language: Language, what: object) -> str:
    outlet = _outlet(payload, language)
    return language.gettext("%(outlet)s: %(what)s", outlet=outlet, what=what)


def _badge(payload: Payload, language: Language) -> str:
    return language.gettext("Badge %(tag)s", tag=payload["idTag"])


def _start(payload: Payload, language: Language) -> str:
    told = [_outlet(payload, language), _badge(payload, language)]
    return " · ".join([*told, f"{language.integer(int(payload['meterStart']))} Wh"])


def _stop(payload: Payload, language: Language) -> str:
    told = [_transaction(payload, language), f"{language.integer(int(payload['meterStop']))} Wh"]
    return " · ".join([*told, *([str(payload["reason"])] if "reason" in payload else [])])


def _transaction(payload: Payload, language: Language) -> str:
    return language.gettext("Transaction %(number)s", number=payload["transactionId"])


def _meter_values(payload: Payload, language: Language) -> str:
    samples = payload["meterValue"][-1]["sampledValue"]
    currents: list[str] = []
    others: list[str] = []
    for sample in samples:
        measurand = sample.get("measurand", "Energy.Active.Import.Register")
        told = f"{language.decimal(round(float(sample['value']), 1), 1)}"
        if measurand == "Current.Import":
            currents.append(told)
        elif "phase" not in sample and measurand in _SHOWN:
            others.append(f"{told} {sample.get('unit', _SHOWN[measurand])}")
    parts = [f"{' / '.join(currents[: len(PHASES)])} A"] if currents else []
    return " · ".join([_outlet(payload, language), *parts, *others[:2]])


_SHOWN: Mapping[str, str] = {
    "Power.Active.Import": "W",
    "Energy.Active.Import.Register": "Wh",
    "SoC": "%",
}


def _profile(payload: Payload, language: Language) -> str:
    profile = payload["csChargingProfiles"]
    schedule = profile["chargingSchedule"]
    limit = schedule["chargingSchedulePeriod"][0]["limit"]
    told = language.gettext(
        "%(outlet)s: at most %(limit)s",
        outlet=_outlet(payload, language),
        limit=f"{language.decimal(float(limit), 1)} {schedule['chargingRateUnit']}",
    )
    return f"{told} · {profile['chargingProfilePurpose']}"


def _setting(payload: Payload, _language: Language) -> str:
    return f"{payload['key']} = {payload['value']}"


def _settings(payload: Payload, language: Language) -> str:
    keys = payload.get("key") or ()
    return ", ".join(map(str, keys)) if keys else language.gettext("all settings")


def _remote_start(payload: Payload, language: Language) -> str:
    told = [_badge(payload, language)]
    return " · ".join([_outlet(payload, language), *told] if "connectorId" in payload else told)


def _trigger(payload: Payload, language: Language) -> str:
    told = str(payload["requestedMessage"])
    return _at(payload, language, told) if "connectorId" in payload else told


def _availability(payload: Payload, language: Language) -> str:
    return _at(payload, language, payload["type"])


def _heartbeat(_payload: Payload, language: Language) -> str:
    return language.gettext("The station is there.")


_SENTENCES: Mapping[str, Callable[[Payload, Language], str]] = {
    "Authorize": _badge,
    "BootNotification": _boot,
    "ChangeAvailability": _availability,
    "ChangeConfiguration": _setting,
    "GetConfiguration": _settings,
    "Heartbeat": _heartbeat,
    "MeterValues": _meter_values,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _transaction,
    "SetChargingProfile": _profile,
    "StartTransaction": _start,
    "StatusNotification": _status,
    "StopTransaction": _stop,
    "ExtendedTriggerMessage": _trigger,
    "TriggerMessage": _trigger,
    "UnlockConnector": _outlet,
}
