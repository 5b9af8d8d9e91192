from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from app.adapters import passwords
from app.adapters.passwords import Argon2Hasher
from app.domain.errors import AccessDeniedError


@pytest.fixture
def hasher() -> Iterator[Argon2Hasher]:
    made = Argon2Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    yield made
    made.close()


async def test_only_the_password_matches_its_hash(hasher: Argon2Hasher) -> None:
    encoded = await hasher.hash("épinards à la crème")
    assert "crème" not in encoded
    assert await hasher.verify(encoded, "épinards à la crème")
    assert not await hasher.verify(encoded, "épinards à la creme")
    assert not await hasher.verify(encoded, "")


async def test_the_same_password_never_hashes_alike(hasher: Argon2Hasher) -> None:
    assert await hasher.hash("secret") != await hasher.hash("secret")


@pytest.mark.parametrize("broken", ["", "secret", "$argon2id$v=19$m=8", "é"])
async def test_what_is_no_hash_matches_nothing(hasher: Argon2Hasher, broken: str) -> None:
    assert not await hasher.verify(broken, "secret")


async def test_the_default_is_argon2id_with_the_costs_of_the_rfc() -> None:
    hasher = Argon2Hasher()
    parameters = extract_parameters(await hasher.hash("secret"))
    hasher.close()
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost) == (65_536, 3)


async def test_checks_run_one_at_a_time_off_the_loop_and_few_may_wait(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "WAITING_MOST", 2)
    go_on = threading.Event()
    here = threading.get_ident()

    def work() -> int:
        go_on.wait()
        return threading.get_ident()

    loop = asyncio.get_running_loop()
    running = [loop.create_task(hasher._run(work)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(AccessDeniedError) as refused:
        await hasher.hash("one too many")
    assert refused.value.key == "sign-in-too-many"
    assert refused.value.params == {"wait_s": 5}
    go_on.set()
    threads = set(await asyncio.gather(*running))
    assert len(threads) == 1
    assert threads != {here}
    assert await hasher.hash("room again")
