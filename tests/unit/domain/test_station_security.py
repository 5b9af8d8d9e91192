from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.domain.station_security import (
    ALARMING,
    Delivery,
    Refusal,
    SecurityEvent,
    SecurityProfile,
    Setback,
    StationCertificate,
    StationKey,
    StationSecurity,
    expiry_band,
    key_of_text,
    possible_keys,
)

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
OLD = StationKey("old", NOW, proved_utc=NOW)
SENT = StationKey("new", NOW, Delivery.SENT, "sealed")
TO_SEND = msgspec.structs.replace(SENT, delivery=Delivery.TO_SEND)


def record(**fields: object) -> StationSecurity:
    return msgspec.structs.replace(StationSecurity("A-1"), **fields)


@pytest.mark.parametrize(
    ("profile", "has_tls", "has_key"),
    [(0, False, False), (1, False, True), (2, True, True), (3, True, False)],
)
def test_what_each_profile_rests_on(profile: int, has_tls: bool, has_key: bool) -> None:
    assert SecurityProfile(profile).has_tls is has_tls
    assert SecurityProfile(profile).has_key is has_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("00112233445566778899aabbccddeeff", bytes(range(0, 256, 17))),
        ("00112233445566778899AABBCCDDEEFF", bytes(range(0, 256, 17))),
        ("correct-horse", b"correct-horse"),
        ("abcdef01", b"abcdef01"),  # too short to be meant as bytes
        ("0123456789abcdef0", b"0123456789abcdef0"),  # half a byte
        ("0123456789abcdeg", b"0123456789abcdeg"),
        ("clé-de-la-borne", "clé-de-la-borne".encode()),
    ],
)
def test_a_typed_key_is_bytes_in_hexadecimal_or_text(text: str, key: bytes) -> None:
    assert key_of_text(text) == key
    assert key in possible_keys(text.encode())


def test_a_key_is_known_as_raw_bytes_and_as_digits_in_either_case() -> None:
    raw = bytes(range(200, 220))
    for password in (raw, raw.hex().encode(), raw.hex().upper().encode()):
        assert raw in possible_keys(password)
    assert possible_keys(raw) == (raw,)


def test_both_keys_open_while_one_is_under_way() -> None:
    assert record().keys == ()
    assert record(key=OLD).keys == (OLD,)
    assert record(key=OLD, next_key=SENT).keys == (OLD, SENT)


@pytest.mark.parametrize(
    ("fields", "changing"),
    [
        ({}, False),
        ({"wanted": SecurityProfile.KEY}, True),
        ({"restart_due": True}, True),
        ({"next_key": StationKey("x", NOW)}, False),
        ({"next_key": SENT}, True),
        ({"next_key": TO_SEND}, True),
    ],
)
def test_when_a_station_is_changing(fields: dict[str, object], changing: bool) -> None:
    assert record(**fields).is_changing is changing


def test_the_new_key_is_void_only_for_the_old_one_once_it_was_shown() -> None:
    before = record(key=OLD, next_key=SENT, restart_due=True)
    assert before.proved(OLD, SecurityProfile.KEY, NOW) == before
    after = before.proved(SENT, SecurityProfile.KEY, NOW)
    assert after.key is not None
    assert (after.key.verifier, after.key.proved_utc, after.key.sealed) == ("new", NOW, "")
    assert after.next_key is None
    assert not after.restart_due
    assert after.proved(after.key, SecurityProfile.KEY, NOW) == after


def test_a_key_that_opens_already_is_marked_as_shown() -> None:
    unproved = msgspec.structs.replace(SENT, proved_utc=None)
    after = record(key=unproved).proved(unproved, SecurityProfile.KEY, NOW)
    assert after.key is not None
    assert (after.key.proved_utc, after.key.sealed) == (NOW, "")


def test_a_profile_is_required_once_the_station_has_come_with_it() -> None:
    before = record(
        wanted=SecurityProfile.TLS_KEY, profile_sent=True, until_utc=NOW, setback=Setback.BY_HAND
    )
    assert before.proved(None, SecurityProfile.KEY, NOW) == before
    after = before.proved(None, SecurityProfile.CERTIFICATE, NOW)
    assert after == record(required=SecurityProfile.TLS_KEY)


@pytest.mark.parametrize(
    ("setback", "key", "next_key", "left"),
    [
        # refused: the station does not hold it
        (Setback.KEY_REFUSED, OLD, TO_SEND, None),
        # refused, and there is no other: somebody may type it in
        (
            Setback.KEY_REFUSED,
            None,
            TO_SEND,
            msgspec.structs.replace(SENT, delivery=Delivery.BY_HAND),
        ),
        (Setback.KEY_REFUSED, OLD, StationKey("typed", NOW), StationKey("typed", NOW)),
        (Setback.KEY_REFUSED, OLD, None, None),
        # it took the key, and may hold it
        (Setback.NOT_BACK, OLD, SENT, SENT),
        (Setback.PROFILE_REFUSED, OLD, SENT, SENT),
    ],
)
def test_what_is_given_up_and_what_goes_on_to_open(
    setback: Setback,
    key: StationKey | None,
    next_key: StationKey | None,
    left: StationKey | None,
) -> None:
    before = record(
        required=SecurityProfile.KEY,
        key=key,
        next_key=next_key,
        wanted=SecurityProfile.TLS_KEY,
        profile_sent=True,
        until_utc=NOW,
        restart_due=True,
    )
    after = before.with_setback(setback, "x" * 300)
    assert after == record(
        required=SecurityProfile.KEY,
        key=key,
        next_key=left,
        setback=setback,
        setback_detail="x" * 200,
    )
    assert after.with_next_key(None) == record(required=SecurityProfile.KEY, key=key)


def test_who_shows_nothing_guesses_nothing() -> None:
    assert Refusal.WRONG_KEY.is_guess
    assert not any(
        each.is_guess for each in (Refusal.NO_KEY, Refusal.PLAIN, Refusal.NO_CERTIFICATE)
    )


def test_a_certificate_serves_until_it_ends_or_is_revoked() -> None:
    certificate = StationCertificate("f", "A-1", "1", NOW, NOW + timedelta(days=10))
    assert certificate.serves(NOW)
    assert certificate.serves(NOW - timedelta(days=900))  # the box's clock was set back
    assert not certificate.serves(NOW + timedelta(days=11))
    assert not msgspec.structs.replace(certificate, revoked_utc=NOW).serves(NOW)


@pytest.mark.parametrize(
    ("days", "band"),
    [(91, None), (89, "info"), (31, "info"), (29, "warning"), (6, "critical"), (-3, "critical")],
)
def test_the_end_of_a_certificate_becomes_urgent(days: int, band: str | None) -> None:
    assert expiry_band(NOW + timedelta(days=days), NOW) == band


def test_everyday_events_raise_no_alarm() -> None:
    event = SecurityEvent("A-1", NOW, NOW, "StartupOfTheDevice")
    assert not event.is_alarming
    assert msgspec.structs.replace(event, type=next(iter(ALARMING))).is_alarming


def test_a_profile_may_be_required_at_once() -> None:
    before = record(wanted=SecurityProfile.KEY, setback=Setback.NOT_BACK, setback_detail="x")
    assert before.requiring(SecurityProfile.OPEN) == record()
