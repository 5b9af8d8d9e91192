"""Good frames of every message, and what becomes of them in bad hands."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.conversations.book import MANAGER_CALLS, STATION_CALLS

CALLS: Final = [
    json.dumps([2, f"f{number}", entry.action, payload])
    for entry in STATION_CALLS
    for number, payload in enumerate((entry.least, entry.fullest))
]
"""CALLs of a station."""

ANSWERS: Final = {
    entry.action: [*entry.done, *entry.refusals, {"status": "Unheard of"}]
    for entry in MANAGER_CALLS
}
"""Payloads of a station's answers, by the action it was asked for."""

STRAYS: Final = [
    *(json.dumps([2, "f9", entry.action, entry.fullest]) for entry in MANAGER_CALLS),
    '[3,"00000100000001",{"status":"Accepted"}]',
    '[4,"00000100000001","GenericError","",{}]',
    '[9,"f9",{}]',
]
"""Frames that a station should never send."""

JUNK: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 17, 1.5, 2**31, 2**63, 2**64, -(2**70), 1e308, 10**40),
    *("", "0", "17", "1,5", "NaN", "Accepted", "\u0000", "é" * 30, "x" * 600, "9" * 400),
    *([], [[]], [{}], {}, {"a": {"b": [1, "2", None]}}, [None] * 20),
)

NOISE: Final = (
    *(
        "[" * 4,
        "]" * 4,
        "{",
        "}",
        '"',
        ",",
        ":",
        "\\",
        "\\ud800",
        "\\u0000",
        "\x00",
        "\t",
        "\ufeff",
    ),
    *("1e999", "-1e999", "NaN", "Infinity", "-0", "00", "1" * 5000, "null", "true", "//", "'"),
)


def mutated(random: Random, text: str) -> str | bytes:
    """``text`` with one to three things wrong with it; now and then with none."""
    made: str | bytes = text
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        if isinstance(made, bytes) or not made:
            break
        made = random.choice(MUTATIONS)(random, made)
    return made


def _flip_bits(random: Random, text: str) -> bytes:
    data = bytearray(text.encode())
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def _truncate(random: Random, text: str) -> str:
    return text[: random.randrange(len(text))]


def _splice(random: Random, text: str) -> str:
    other = random.choice(CALLS)
    return text[: random.randrange(len(text))] + other[random.randrange(len(other)) :]


def _insert(random: Random, text: str) -> str:
    place = random.randrange(len(text))
    return text[:place] + random.choice(NOISE) + text[place:]


def _cut_out(random: Random, text: str) -> str:
    place = random.randrange(len(text))
    return text[:place] + text[place + random.randint(1, 8) :]


def _nest(random: Random, text: str) -> str:
    depth = random.choice((3, 50, 900, 1100, 5000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}")))
    place = random.choice((text.find("{"), len(text) - 1))
    return text[:place] + opening * depth + "1" + closing * depth + text[place:]


def _double_a_key(random: Random, text: str) -> str:
    place = text.find("{")
    keys = [part for part in text.split('"') if part.isalpha()]
    if place < 0 or not keys:
        return text
    doubled = f'"{random.choice(keys)}":{json.dumps(random.choice(JUNK))},'
    return text[: place + 1] + doubled + text[place + 1 :]


def _swell(random: Random, text: str) -> str:
    size = random.choice((300, 3_000, 30_000) if random.random() < 0.98 else (250_000, 300_000))
    return text.replace('": "', '": "' + "x" * size, 1)


def _spoil_value(random: Random, text: str) -> str:
    """Junk for one value, at any depth."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return text
    holders = [frame]
    for holder in holders:
        if isinstance(holder, list | dict):
            inside = holder.values() if isinstance(holder, dict) else holder
            holders.extend(each for each in inside if isinstance(each, list | dict) and each)
    holder = random.choice(holders)
    junk = random.choice(JUNK)
    if isinstance(holder, list) and holder:
        holder[random.randrange(len(holder))] = junk
    elif isinstance(holder, dict):
        key = random.choice([*holder, "vendorField"])
        if random.random() < 0.3:
            holder.pop(key, None)
        elif random.random() < 0.2:
            holder[key.swapcase()] = holder.pop(key, junk)
        else:
            holder[key] = junk
    return json.dumps(frame)


def _another_id(random: Random, text: str) -> str:
    ids = ("", "0", "f0", "é", "9" * 36, "9" * 200, "9" * 300, "\\ud83d", "m1")
    return text.replace('"f', f'"{random.choice(ids)}', 1)


MUTATIONS: Final[tuple[Callable[[Random, str], str | bytes], ...]] = (
    _flip_bits,
    _truncate,
    _splice,
    _insert,
    _cut_out,
    _nest,
    _double_a_key,
    _swell,
    *[_spoil_value] * 6,
    _another_id,
)
