"""CALLs of a station that were taken, so that a repeat of one is known and gets the same answer.

Within one connection (OCPP-J 1.6, clause 4.1.4: ids are unique there, and some firmware counts them
from 1 again). What tells a repeat is the whole text; the id alone tells nothing.
"""

from __future__ import annotations

import enum

import msgspec


class Known(enum.Enum):
    """What is known of a CALL that comes in."""

    NEW = enum.auto()
    REUSED_ID = enum.auto()
    """Another CALL under an id that was used before: new as well."""
    IN_WORK = enum.auto()
    """The same as one that waits for its answer: the one answer serves both."""
    ANSWERED = enum.auto()
    """The same as one answered a moment ago."""


class _Answered(msgspec.Struct, frozen=True, gc=False):
    fingerprint: int
    text: str
    at_s: float


class Repeats:
    """The CALLs in work, oldest first, and the last ``kept`` answers, each for ``within_s``."""

    def __init__(self, kept: int, within_s: float) -> None:
        self._kept = kept
        self._within_s = within_s
        self._in_work: dict[int, str] = {}
        self._answers: dict[str, _Answered] = {}

    @property
    def in_work(self) -> int:
        """How many CALLs wait for their answer."""
        return len(self._in_work)

    @property
    def answers(self) -> int:
        """How many answers are kept."""
        return len(self._answers)

    def known(self, message_id: str, fingerprint: int, now_s: float) -> Known:
        """What is known of a CALL; an old answer under a re-used id is forgotten."""
        if self._in_work:
            if fingerprint in self._in_work:
                return Known.IN_WORK
            if message_id in self._in_work.values():
                return Known.REUSED_ID
        answered = self._answers.get(message_id)
        if answered is None:
            return Known.NEW
        if now_s - answered.at_s <= self._within_s and answered.fingerprint == fingerprint:
            return Known.ANSWERED
        del self._answers[message_id]
        return Known.REUSED_ID

    def answer_to(self, message_id: str) -> str:
        """The answer kept under an id that is ``Known.ANSWERED``."""
        return self._answers[message_id].text

    def taken(self, message_id: str, fingerprint: int) -> None:
        """A CALL waits for its answer from now on."""
        self._in_work[fingerprint] = message_id

    def settled(self, message_id: str, text: str, now_s: float, *, keep: bool) -> None:
        """The oldest CALL in work has got its answer, to be kept for a repeat or not."""
        fingerprint = next(iter(self._in_work))
        del self._in_work[fingerprint]
        if keep:
            answers = self._answers
            answers.pop(message_id, None)  # a new one stands last
            answers[message_id] = _Answered(fingerprint, text, now_s)
            if len(answers) > self._kept:
                del answers[next(iter(answers))]
