"""Sign-in over a real database and real argon2 (at its cheapest), on a clock moved by hand."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from app.adapters.passwords import Argon2Hasher
from app.adapters.storage import SqliteStore, open_store
from app.domain.errors import AccessDeniedError, InvalidInputError
from app.services.access import AccessService, SignedIn
from app.services.audit import AuditTrail
from app.services.ports import User
from app.services.throttle import origin_of
from tests.support.clock import HandClock

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADDRESS = "192.0.2.7"
HOUR_S = 3600
PASSWORD = "trois bornes au sous-sol"


class CountingHasher(Argon2Hasher):
    """Real argon2, which tells against what it has checked."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.checked: list[str] = []

    async def verify(self, encoded: str, password: str) -> bool:
        self.checked.append(encoded)
        return await super().verify(encoded, password)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "bornier.sqlite3", inline=True)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START)


@pytest.fixture
def hasher() -> Iterator[CountingHasher]:
    made = CountingHasher()
    yield made
    made.close()


@pytest.fixture
def access(store: SqliteStore, clock: HandClock, hasher: CountingHasher) -> AccessService:
    return AccessService(store.access, hasher, AuditTrail(store.audit, clock), clock)


async def owner(access: AccessService) -> SignedIn:
    """The account after its owner has chosen a password."""
    secret = await access.bootstrap()
    assert secret is not None
    first = await access.sign_in("admin", secret, ADDRESS)
    return await access.change_password(first.session, first.user, secret, PASSWORD)


async def refusal(access: AccessService, name: str, password: str, address: str = ADDRESS) -> str:
    with pytest.raises(AccessDeniedError) as refused:
        await access.sign_in(name, password, address)
    return refused.value.key


async def audit(store: SqliteStore) -> list[tuple[str, str, str, str]]:
    records = await store.audit.recent()
    return [(each.actor, each.action, each.subject, each.detail) for each in reversed(records)]


# ---------------------------------------------------------------- first start


async def test_the_first_start_gives_a_secret_that_opens_and_must_be_changed(
    access: AccessService, store: SqliteStore
) -> None:
    secret = await access.bootstrap()
    assert secret is not None
    assert [len(group) for group in secret.split("-")] == [4, 4, 4, 4]
    signed_in = await access.sign_in("admin", secret, ADDRESS)
    assert signed_in.user == (await store.access.users())[0]
    assert signed_in.user.must_change


async def test_each_start_makes_a_new_secret_until_the_owner_has_a_password(
    access: AccessService,
) -> None:
    first = await access.bootstrap()
    assert first is not None
    signed_in = await access.sign_in("admin", first, ADDRESS)
    second = await access.bootstrap()
    assert second is not None
    assert second != first
    assert await access.authenticate(signed_in.token) is None
    assert await refusal(access, "admin", first) == "sign-in-refused"
    again = await access.sign_in("admin", second, ADDRESS)
    await access.change_password(again.session, again.user, second, PASSWORD)
    assert await access.bootstrap() is None


async def test_no_admin_is_invented_beside_other_accounts(
    access: AccessService, store: SqliteStore
) -> None:
    await store.access.save_user(User("zoe", "hash", must_change=True))
    assert await access.bootstrap() is None


async def test_a_forgotten_password_is_replaced_by_a_secret(
    access: AccessService, store: SqliteStore
) -> None:
    signed_in = await owner(access)
    await access.set_language(signed_in.user, "en")
    secret = await access.reset_account("admin")
    assert await access.authenticate(signed_in.token) is None
    assert await refusal(access, "admin", PASSWORD) == "sign-in-refused"
    reset = await access.sign_in("admin", secret, ADDRESS)
    assert reset.user.must_change
    assert reset.user.language == "en"
    assert ("manager", "account-reset", "admin", "") in await audit(store)


def sorted_files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_nothing_in_the_file_opens_a_door(access: AccessService, tmp_path: Path) -> None:
    secret = await access.bootstrap()
    assert secret is not None
    signed_in = await access.sign_in("admin", secret, ADDRESS)
    changed = await access.change_password(signed_in.session, signed_in.user, secret, PASSWORD)
    stored = b"".join(file.read_bytes() for file in sorted_files(tmp_path))
    assert changed.session.token_hash.encode() in stored
    for clear in (secret, signed_in.token, changed.token, PASSWORD):
        assert clear.encode() not in stored


# ---------------------------------------------------------------- sign-in


async def test_wrong_name_and_wrong_password_are_told_alike(
    access: AccessService, store: SqliteStore, hasher: CountingHasher
) -> None:
    await owner(access)
    hasher.checked.clear()
    assert await refusal(access, "admin", "wrong") == "sign-in-refused"
    assert await refusal(access, "nobody", PASSWORD) == "sign-in-refused"
    # An unknown name costs a check as well, with the same parameters: time tells nothing.
    known, unknown = hasher.checked
    assert known != unknown
    assert known.split("$")[:4] == unknown.split("$")[:4]
    assert (await audit(store))[-2:] == [
        ("nobody", "sign-in-refused", "admin", ADDRESS),
        ("nobody", "sign-in-refused", "", ADDRESS),
    ]


async def test_an_unknown_name_is_checked_even_before_the_first_start_is_over(
    access: AccessService, hasher: CountingHasher
) -> None:
    assert await refusal(access, "nobody", "x") == "sign-in-refused"
    assert await refusal(access, "nobody", "x") == "sign-in-refused"
    assert len(set(hasher.checked)) == 1


async def test_names_are_typed_as_people_do_and_accents_in_any_form(
    access: AccessService,
) -> None:
    first = await access.bootstrap()
    assert first is not None
    signed_in = await access.sign_in("  Admin ", first, ADDRESS)
    composed = unicodedata.normalize("NFC", "électricité générale")
    await access.change_password(signed_in.session, signed_in.user, first, composed)
    decomposed = unicodedata.normalize("NFD", composed)
    assert decomposed != composed
    assert (await access.sign_in("admin", decomposed, ADDRESS)).user.name == "admin"


async def test_every_sign_in_has_a_token_of_its_own(access: AccessService) -> None:
    await owner(access)
    one = await access.sign_in("admin", PASSWORD, ADDRESS)
    two = await access.sign_in("admin", PASSWORD, ADDRESS)
    assert len({one.token, two.token, one.session.csrf_token, two.session.csrf_token}) == 4
    assert len(one.token) >= 43  # 256 bits
    assert await access.authenticate(one.token) == (one.session, one.user)
    assert await access.authenticate(two.token) == (two.session, two.user)


# ---------------------------------------------------------------- throttle


async def test_an_address_that_fails_waits_longer_and_longer(
    access: AccessService, clock: HandClock
) -> None:
    await access.bootstrap()
    for n in range(6):
        assert await refusal(access, f"name-{n}", "wrong") == "sign-in-refused"
    waits = []
    for n in range(6, 18):
        with pytest.raises(AccessDeniedError) as refused:
            await access.sign_in(f"name-{n}", "wrong", ADDRESS)
        assert refused.value.key == "sign-in-too-many"
        wait_s = refused.value.params["wait_s"]
        assert isinstance(wait_s, int)
        waits.append(wait_s)
        clock.advance(wait_s)
        assert await refusal(access, f"name-{n}", "wrong") == "sign-in-refused"
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


async def test_an_account_under_attack_waits_but_never_long(
    access: AccessService, clock: HandClock
) -> None:
    await owner(access)
    for n in range(40):
        assert await refusal(access, "admin", "wrong", f"192.0.2.{n}") == "sign-in-refused"
        clock.advance(60)
    assert await refusal(access, "admin", "wrong", "192.0.2.99") == "sign-in-refused"
    with pytest.raises(AccessDeniedError) as refused:
        await access.sign_in("admin", PASSWORD, "192.0.2.100")
    assert refused.value.params == {"wait_s": 60}
    clock.advance(60)
    await access.sign_in("admin", PASSWORD, "192.0.2.100")
    # Success clears the account, not the address that attacked it.
    for n in range(5):
        assert await refusal(access, "admin", "wrong", f"198.51.100.{n}") == "sign-in-refused"


async def test_a_refused_attempt_is_not_even_checked(
    access: AccessService, hasher: CountingHasher
) -> None:
    await owner(access)
    for _ in range(6):
        await refusal(access, "admin", "wrong")
    hasher.checked.clear()
    assert await refusal(access, "admin", PASSWORD) == "sign-in-too-many"
    assert hasher.checked == []


async def test_attempts_at_the_same_time_do_not_slip_through(
    access: AccessService, hasher: CountingHasher
) -> None:
    await owner(access)
    hasher.checked.clear()
    outcome = await asyncio.gather(
        *[access.sign_in("admin", f"guess {n}", ADDRESS) for n in range(100)],
        return_exceptions=True,
    )
    assert all(isinstance(error, AccessDeniedError) for error in outcome)
    assert len(hasher.checked) == 6


async def test_success_forgives(access: AccessService) -> None:
    await owner(access)
    for _ in range(4):
        for _ in range(4):
            await refusal(access, "admin", "wrong")
        await access.sign_in("admin", PASSWORD, ADDRESS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("::1", "::1", True),
        ("testclient", "other", False),
    ],
)
def test_what_counts_as_one_origin(one: str, other: str, same: bool) -> None:
    assert (origin_of(one) == origin_of(other)) is same


# ---------------------------------------------------------------- sessions


async def test_a_session_lives_while_it_is_used_and_a_week_at_most(
    access: AccessService, clock: HandClock
) -> None:
    signed_in = await owner(access)
    for _ in range(14):
        assert await access.authenticate(signed_in.token) is not None
        clock.advance(12 * HOUR_S)
    assert await access.authenticate(signed_in.token) is not None
    clock.advance(1)
    assert await access.authenticate(signed_in.token) is None


async def test_an_idle_session_ends_for_good(access: AccessService, clock: HandClock) -> None:
    signed_in = await owner(access)
    clock.advance(12 * HOUR_S + 1)
    assert await access.authenticate(signed_in.token) is None
    clock.advance(-12 * HOUR_S)
    assert await access.authenticate(signed_in.token) is None


async def test_use_is_written_down_now_and_then_only(
    access: AccessService, store: SqliteStore, clock: HandClock
) -> None:
    signed_in = await owner(access)
    hash_ = signed_in.session.token_hash
    clock.advance(300)
    await access.authenticate(signed_in.token)
    stored = await store.access.session(hash_)
    assert stored is not None
    assert stored.last_seen_utc == START
    clock.advance(1)
    found = await access.authenticate(signed_in.token)
    assert found is not None
    stored = await store.access.session(hash_)
    assert stored == found[0]
    assert stored.last_seen_utc == clock.utc_now()


async def test_a_full_disk_shuts_nobody_out(
    access: AccessService, store: SqliteStore, clock: HandClock
) -> None:
    signed_in = await owner(access)
    clock.advance(HOUR_S)
    store._engine._database.raw.execute("PRAGMA query_only = 1")
    assert await access.authenticate(signed_in.token) is not None
    store._engine._database.raw.execute("PRAGMA query_only = 0")


async def test_an_ended_session_is_not_brought_back_by_its_last_use(
    access: AccessService, store: SqliteStore, clock: HandClock
) -> None:
    signed_in = await owner(access)
    await access.sign_out(signed_in.session)
    await access._touch(signed_in.session)
    assert await store.access.session(signed_in.session.token_hash) is None


async def test_signing_out_ends_this_browser_only(
    access: AccessService, store: SqliteStore
) -> None:
    one = await owner(access)
    two = await access.sign_in("admin", PASSWORD, ADDRESS)
    await access.sign_out(one.session)
    assert await access.authenticate(one.token) is None
    assert await access.authenticate(two.token) is not None
    assert (await audit(store))[-1] == ("admin", "signed-out", "admin", "")


async def test_an_unknown_token_is_nobody(access: AccessService) -> None:
    await owner(access)
    assert await access.authenticate("") is None
    assert await access.authenticate("no such token") is None


# ---------------------------------------------------------------- passwords and languages


async def test_changing_the_password_ends_all_other_sessions(
    access: AccessService, store: SqliteStore
) -> None:
    one = await owner(access)
    two = await access.sign_in("admin", PASSWORD, ADDRESS)
    changed = await access.change_password(one.session, one.user, PASSWORD, PASSWORD + " bis")
    assert not changed.user.must_change
    assert await access.authenticate(one.token) is None
    assert await access.authenticate(two.token) is None
    assert await access.authenticate(changed.token) == (changed.session, changed.user)
    assert await refusal(access, "admin", PASSWORD) == "sign-in-refused"
    await access.sign_in("admin", PASSWORD + " bis", ADDRESS)
    assert ("admin", "password-changed", "admin", "") in await audit(store)


@pytest.mark.parametrize(
    ("current", "new", "key", "field", "params"),
    [
        (PASSWORD, "x" * 11, "password-too-short", "new", {"least": 12}),
        (PASSWORD, "x" * 257, "password-too-long", "new", {"most": 256}),
        (PASSWORD, PASSWORD, "password-unchanged", "new", {}),
        ("wrong password", "a password of mine", "password-wrong", "current", {}),
    ],
)
async def test_a_password_that_will_not_do_changes_nothing(
    access: AccessService, current: str, new: str, key: str, field: str, params: dict[str, int]
) -> None:
    signed_in = await owner(access)
    with pytest.raises(InvalidInputError) as refused:
        await access.change_password(signed_in.session, signed_in.user, current, new)
    assert (refused.value.key, refused.value.field) == (key, field)
    assert refused.value.params == params
    assert await access.authenticate(signed_in.token) is not None
    await access.sign_in("admin", PASSWORD, ADDRESS)


async def test_guessing_the_current_password_is_slowed_down_too(access: AccessService) -> None:
    signed_in = await owner(access)
    for n in range(6):
        with pytest.raises(InvalidInputError):
            await access.change_password(
                signed_in.session, signed_in.user, f"guess number {n}", "a password of mine"
            )
    with pytest.raises(AccessDeniedError) as refused:
        await access.change_password(
            signed_in.session, signed_in.user, PASSWORD, "a password of mine"
        )
    assert refused.value.key == "sign-in-too-many"


async def test_the_language_is_remembered(access: AccessService, store: SqliteStore) -> None:
    signed_in = await owner(access)
    assert signed_in.user.language == "fr"
    await access.set_language(signed_in.user, "en")
    await access.set_language(signed_in.user, "en")
    found = await access.authenticate(signed_in.token)
    assert found is not None
    assert found[1].language == "en"
    with pytest.raises(InvalidInputError) as refused:
        await access.set_language(signed_in.user, "xx")
    assert refused.value.key == "language-unknown"
    await access.set_language(User("gone", "", must_change=False), "en")
    assert len(await store.access.users()) == 1
