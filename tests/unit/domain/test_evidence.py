from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from app.domain.evidence import EventKind, EvidenceEvent

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_duration_is_known_once_the_event_is_over_and_never_negative() -> None:
    lasting = EvidenceEvent(EventKind.OVERLOAD, "supply", "supply", NOON)
    assert lasting.duration_s is None
    over = msgspec.structs.replace(lasting, ended_utc=NOON + timedelta(seconds=2.5))
    assert over.duration_s == 2.5
    turned_back = msgspec.structs.replace(lasting, ended_utc=NOON - timedelta(seconds=2.5))
    assert turned_back.duration_s == 0
