"""Input of forms: kept as typed, read as values, refused field by field."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from app.domain.errors import InvalidInputError
from app.domain.units import amperes_to_ma
from app.energy.failsafe import Excess
from app.services.refusal import Refusal


class Form:
    """What was sent; ``errors`` holds the text of each refusal by field (``None``: whole form)."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values: dict[str, str] = dict(values or {})
        self.errors: dict[str | None, str] = {}
        self.effect = ""
        self.remedy = ""
        self.excesses: Sequence[tuple[str, Excess]] = ()
        """The arithmetic of an unsafe configuration, by name of the circuit or station."""
        self.refusal: Refusal | None = None
        """The same line by line, with what would be accepted, where a preview was made."""

    def __getitem__(self, name: str) -> str:
        """As typed, empty when absent."""
        return self.values.get(name, "")

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def refuse(self, field: str | None, text: str) -> None:
        """Notes a refusal; the first one of a field stays."""
        self.errors.setdefault(field, text)

    def text(self, name: str, *, most: int = 80, needed: bool = False) -> str:
        """Trimmed text of at most ``most`` characters."""
        value = self[name].strip()
        if needed and not value:
            raise InvalidInputError("required", field=name)
        if len(value) > most:
            raise InvalidInputError("text-too-long", field=name, most=most)
        return value

    def number(self, name: str, *, least: float, most: float) -> float:
        """A decimal number; comma and point are both understood."""
        text = self[name].strip().replace(",", ".").replace("\u202f", "").replace("\xa0", "")
        if not text:
            raise InvalidInputError("required", field=name)
        try:
            value = float(text)
        except ValueError:
            raise InvalidInputError("number-expected", field=name) from None
        if not least <= value <= most:
            raise InvalidInputError("number-range", field=name, least=least, most=most)
        return value

    def whole(self, name: str, *, least: int, most: int) -> int:
        """A whole number."""
        value = self.number(name, least=least, most=most)
        if not value.is_integer():
            raise InvalidInputError("whole-number-expected", field=name)
        return int(value)

    def current_ma(self, name: str, *, least_a: float = 0, most_a: float = 10_000) -> int:
        """A current typed in amperes, in mA."""
        return amperes_to_ma(self.number(name, least=least_a, most=most_a))

    def choice(self, name: str, choices: Collection[str]) -> str:
        """One of ``choices``."""
        value = self[name]
        if value not in choices:
            raise InvalidInputError("choice-unknown", field=name)
        return value

    def checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self[name])

    def minute(self, name: str) -> int:
        """A time of day (``22:30``), in minutes since midnight."""
        text = self[name].strip()
        try:
            clock = time.fromisoformat(text)
        except ValueError:
            raise InvalidInputError("rule-times-invalid", field=name) from None
        return clock.hour * 60 + clock.minute

    def instant(self, name: str, zone: ZoneInfo) -> datetime | None:
        """An optional date and time of the site (``2026-03-02T14:30``), in UTC.

        In the hour that comes twice when the clocks go back, the first one is meant.
        """
        text = self[name].strip()
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidInputError("instant-expected", field=name) from None
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)

    def end_of_day(self, name: str) -> datetime | None:
        """An optional date (``2027-12-31``): the end of that day, UTC."""
        text = self[name].strip()
        if not text:
            return None
        try:
            day = datetime.fromisoformat(text).date()
        except ValueError:
            raise InvalidInputError("date-expected", field=name) from None
        return datetime.combine(day, time.max, tzinfo=UTC).replace(microsecond=0)
