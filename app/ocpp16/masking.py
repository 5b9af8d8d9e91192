"""Frames without what nobody may read later: keys of stations, credentials within addresses.

Works on text, because what is recorded is the text that was on the wire: readable or not.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MASK: Final = "***"

_NEEDLES: Final = ("authoriz", "passw", "secret", "://", ":\\/\\/", "\\u", "psk", "privatekey")
"""A text without any of these, in lower case, holds nothing to hide."""

_SECRET_KEY: Final = re.compile(r"authorizationkey|passw|secret|psk|privatekey|apn", re.IGNORECASE)
"""Names of configuration keys whose value is a credential."""

_SECRET_FIELD: Final = re.compile(r"authorization(key)?$|passw|secret|privatekey", re.IGNORECASE)
"""The same for names of fields."""

_ADDRESS: Final = re.compile(r"(?P<host>[a-z][a-z0-9+.-]*://)(?:[^\s/?#\"'<>]*@)?", re.IGNORECASE)
_WHOLE_ADDRESS: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^\s/?#]*@)?(?P<host>[^\s/?#@]*)(?P<rest>[/?#]\S*)?$",
    re.IGNORECASE,
)
_QUERY: Final = re.compile(r"(://[^\s\"'<>?]*)\?[^\s\"'<>]*")
_HEADER: Final = re.compile(r"\b(authorization\s*[:=]\s*)(?:\w+\s+)?\S+", re.IGNORECASE)
_LOCATIONS: Final = frozenset({"location", "remotelocation"})
"""Fields of GetDiagnostics, UpdateFirmware, GetLog and SignedUpdateFirmware: the path itself may
be the credential."""


def without_secrets(text: str) -> str:
    """``text``, or the same frame with its credentials masked.

    A text that is no JSON and looks as if it held one is masked as a whole.
    """
    lowered = text.lower()
    if not any(needle in lowered for needle in _NEEDLES):
        return text
    try:
        value = json.loads(text, strict=False)
        masked = _masked(value, "")
        if masked == value:
            return text
    except (ValueError, RecursionError):
        return MASK
    return json.dumps(masked, ensure_ascii=False, separators=(",", ":"))


def _masked(value: Any, field: str) -> Any:
    if isinstance(value, str):
        return _masked_text(value, field)
    if isinstance(value, list):
        return [_masked(item, field) for item in value]
    if isinstance(value, dict):
        hidden = isinstance(value.get("key"), str) and _SECRET_KEY.search(value["key"]) is not None
        return {
            name: MASK if hidden and name == "value" else _masked(item, name)
            for name, item in value.items()
        }
    return value


def _masked_text(value: str, field: str) -> str:
    if _SECRET_FIELD.search(field):
        return MASK
    if field.lower() in _LOCATIONS:
        whole = _WHOLE_ADDRESS.match(value)
        if whole is None:
            return MASK
        return f"{whole['scheme']}{whole['host']}" + (f"/{MASK}" if whole["rest"] else "")
    inner = _embedded(value)
    if inner is not None:
        return inner
    value = _HEADER.sub(rf"\g<1>{MASK}", value)
    return _QUERY.sub(rf"\g<1>?{MASK}", _ADDRESS.sub(_without_account, value))


def _embedded(value: str) -> str | None:
    """JSON within a string (DataTransfer), masked; ``None`` when it is none."""
    if not value.lstrip().startswith(("{", "[")):
        return None
    try:
        inner = json.loads(value, strict=False)
    except ValueError:
        return None
    masked = _masked(inner, "")
    return value if masked == inner else json.dumps(masked, ensure_ascii=False)


def _without_account(found: re.Match[str]) -> str:
    return found[0] if not found[0].endswith("@") else f"{found['host']}{MASK}@"
