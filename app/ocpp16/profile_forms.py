"""The forms in which a station may take its limits, most likely first.

A station that refuses a profile does not say why: unit, kind, stack level, numberPhases,
transactionId or the purpose itself. So what differs in one respect from the form at hand is tried
first, then what differs in two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any, Final

from app.domain.capability import FallbackForm, LeaseForm, LimitKind, LimitPurpose, ProfileForm
from app.domain.station import RateUnit
from app.ocpp16.configuration import StationConfiguration

MOST_FALLBACK_FORMS: Final = 16
"""Forms of the fallback tried in one set-up, before any car can charge."""

MOST_FORMS: Final = 40
"""Forms tried before a station counts as one that takes no limits: all single differences and the
likely pairs. A refused profile costs a station nothing but the answer."""

_UNITS: Final = (RateUnit.AMPERES, RateUnit.WATTS)
_SCHEDULES: Final = (
    (LimitKind.ABSOLUTE, LeaseForm.DURATION),
    (LimitKind.ABSOLUTE, LeaseForm.BOTH),
    (LimitKind.ABSOLUTE, LeaseForm.VALID_TO),
    (LimitKind.RELATIVE, LeaseForm.VALID_TO),
    (LimitKind.RELATIVE, LeaseForm.NONE),
    (LimitKind.ABSOLUTE, LeaseForm.NONE),
)


def first_fallback(settings: StationConfiguration) -> FallbackForm:
    """The fallback's form by what the station says of itself; amperes where it can."""
    return FallbackForm(unit=_unit(settings))


def first_live(settings: StationConfiguration, fallback: FallbackForm) -> ProfileForm:
    """The live limit's form by what the station says of itself.

    One level above the fallback where the station has room for it.
    """
    highest = settings.max_stack_level
    return ProfileForm(unit=fallback.unit, stack_level=1 if highest is None else min(1, highest))


def fallback_forms(
    first: FallbackForm, settings: StationConfiguration, outlets: int
) -> tuple[FallbackForm, ...]:
    """``first`` and its alternatives.

    ChargePointMaxProfile only where it bounds a single outlet, or it would be shared by several.
    """
    purposes = [LimitPurpose.DEFAULT]
    if outlets == 1:
        purposes.append(LimitPurpose.STATION)
    forms = (
        FallbackForm(purpose, kind, level, unit, phases)
        for unit, kind, level, phases, purpose in _nearest(
            _from(first.unit, _UNITS),
            _from(first.kind, (LimitKind.RELATIVE, LimitKind.ABSOLUTE)),
            _from(first.stack_level, _levels(settings)),
            _from(first.send_phases, (False, True)),
            _from(first.purpose, purposes),
        )
    )
    return tuple(islice(forms, MOST_FALLBACK_FORMS))


def live_forms(
    first: ProfileForm, settings: StationConfiguration, fallback: FallbackForm | None, outlets: int
) -> tuple[ProfileForm, ...]:
    """``first`` and its alternatives; a limit that stands must end by itself, above the fallback."""
    purposes = [LimitPurpose.TRANSACTION]
    if fallback is not None:
        is_station = fallback.purpose is LimitPurpose.STATION
        if outlets == 1 or not is_station:
            purposes.append(fallback.purpose)
    forms = (
        ProfileForm(unit, first.step_ma, level, phases, purpose, schedule[0], schedule[1], number)
        for unit, level, schedule, number, phases, purpose in _nearest(
            _from(first.unit, _UNITS),
            _from(first.stack_level, _levels(settings)),
            _from((first.kind, first.lease), _SCHEDULES),
            _from(first.send_transaction_id, (True, False)),
            _from(first.send_phases, (False, True)),
            _from(first.purpose, purposes),
        )
    )
    return tuple(islice((form for form in forms if _fits(form, fallback)), MOST_FORMS))


def _fits(form: ProfileForm, fallback: FallbackForm | None) -> bool:
    if form.purpose is LimitPurpose.TRANSACTION:
        return True
    # Standing limits outlive the transaction: only above the fallback and with an end of their own.
    return (
        fallback is not None
        and form.stack_level > fallback.stack_level
        and form.lease is not LeaseForm.NONE
        and form.send_transaction_id
    )


def _unit(settings: StationConfiguration) -> RateUnit:
    watts_only = bool(settings.rate_units) and RateUnit.AMPERES not in settings.rate_units
    return RateUnit.WATTS if watts_only else RateUnit.AMPERES


def _levels(settings: StationConfiguration) -> tuple[int, ...]:
    """Levels worth a try: the lowest, the next, and the highest, which some insist on."""
    highest = settings.max_stack_level
    if highest is None:
        return (0, 1, 2)
    return tuple(dict.fromkeys((0, min(1, highest), highest)))


def _from(first: Any, others: Sequence[Any]) -> tuple[Any, ...]:
    return (first, *(other for other in others if other != first))


def _nearest(*dimensions: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Every combination: fewer differences from the first come first, then earlier dimensions."""
    indices = list(product(*(range(len(dimension)) for dimension in dimensions)))
    indices.sort(key=lambda chosen: (sum(1 for index in chosen if index), chosen[::-1]))
    for chosen in indices:
        yield tuple(dimension[index] for dimension, index in zip(dimensions, chosen, strict=True))
