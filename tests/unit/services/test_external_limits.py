"""Orders from outside: taken, renewed, ended, run out, and found again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.circuit import Circuit
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.limits import CircuitCap, LimitSource
from app.domain.outside_limit import PAGE
from app.domain.rules import Bound, LimitScope, SiteRules, WithoutNews
from app.domain.units import PhaseCurrents
from app.services.audit import AuditTrail
from app.services.configuration import EMPTY_SITE
from app.services.external_limits import ExternalLimits, written
from app.services.ports import SiteConfiguration
from tests.support.clock import HandClock

HOUR = timedelta(hours=1)
SIXTEEN = Bound(PhaseCurrents.uniform(16_000))
TEN = Bound(PhaseCurrents.uniform(10_000), None, LimitScope.CHARGING)


def site(*without_news: WithoutNews) -> SiteConfiguration:
    feeder = Circuit("p1", "Parking", "supply", PhaseCurrents.uniform(32_000))
    return msgspec.structs.replace(
        EMPTY_SITE,
        circuits=(*EMPTY_SITE.circuits, feeder),
        rules=SiteRules(without_news=without_news),
    )


class Desk:
    """The service over a real file, with a clock that the test moves."""

    def __init__(self, folder: Path, clock: HandClock | None = None) -> None:
        self.clock = clock or HandClock()
        self.store: SqliteStore = open_store(folder / "bornier.sqlite3", inline=True)
        self.limits = ExternalLimits(
            self.store.outside_limits, AuditTrail(self.store.audit, self.clock), self.clock
        )
        self.limits.configure(site())

    def caps(self) -> tuple[CircuitCap, ...]:
        return self.limits.caps(self.clock.monotonic_s())

    async def audited(self) -> list[str]:
        return [record.action for record in reversed(await self.store.audit.recent())]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    yield made
    await made.store.close()


async def test_an_order_holds_until_its_end(desk: Desk) -> None:
    order = await desk.limits.order("supply", SIXTEEN, HOUR, source=PAGE, by="admin")
    assert order.until_utc == desk.clock.utc_now() + HOUR
    assert desk.caps() == (
        CircuitCap("supply", LimitSource.EXTERNAL, limit=PhaseCurrents.uniform(16_000)),
    )
    desk.clock.advance(3_599)
    assert len(desk.caps()) == 1
    desk.clock.advance(1)
    assert desk.caps() == ()
    assert desk.limits.orders() == ()
    await desk.limits.expire()
    await desk.limits.expire()
    assert await desk.store.outside_limits.list() == []
    assert await desk.audited() == ["outside-limit-set", "outside-limit-expired"]


async def test_sources_do_not_undo_each_other(desk: Desk) -> None:
    await desk.limits.order("supply", SIXTEEN, HOUR, source=PAGE, by="admin")
    await desk.limits.order("supply", TEN, HOUR, source="t1", by="Enedis")
    assert len(desk.caps()) == 2
    await desk.limits.end("supply", "t1", "Enedis")
    assert [cap.limit for cap in desk.caps()] == [PhaseCurrents.uniform(16_000)]
    with pytest.raises(NotFoundError):
        await desk.limits.end("supply", "t1", "Enedis")


async def test_a_change_is_recorded_and_a_renewal_is_not(desk: Desk) -> None:
    for bound in (SIXTEEN, SIXTEEN, TEN, TEN):
        await desk.limits.order("supply", bound, HOUR, source="t1", by="Enedis")
        desk.clock.advance(60)
    assert await desk.audited() == ["outside-limit-set", "outside-limit-set"]
    detail = (await desk.store.audit.recent())[0].detail
    assert detail == "by Enedis, 10/10/10 A, scope charging, until 2026-11-22T09:02:00Z"
    desk.clock.advance(3_539)
    assert len(desk.caps()) == 1


async def test_a_programs_order_that_runs_out_falls_away(desk: Desk) -> None:
    await desk.limits.order("supply", SIXTEEN, HOUR, source="t1", by="Enedis")
    desk.clock.advance(3_600)
    assert desk.caps() == ()
    assert [order.lapsed for order in desk.limits.orders()] == [True]
    await desk.limits.expire()
    await desk.limits.expire()
    assert await desk.audited() == ["outside-limit-set", "outside-limit-lapsed"]


async def test_or_leaves_the_limit_without_news_until_there_is_news(desk: Desk) -> None:
    desk.limits.configure(site(WithoutNews("supply", TEN)))
    assert desk.caps() == ()
    await desk.limits.order("supply", Bound(), HOUR, source="t1", by="Enedis")
    await desk.limits.order("p1", SIXTEEN, HOUR, source="t1", by="Enedis")
    assert [cap.circuit_id for cap in desk.caps()] == ["p1"]
    desk.clock.advance(3_600)
    assert desk.caps() == (TEN.cap("supply", LimitSource.EXTERNAL),)
    await desk.limits.expire()
    assert desk.caps() == (TEN.cap("supply", LimitSource.EXTERNAL),)
    await desk.limits.order("supply", Bound(), HOUR, source="t1", by="Enedis")
    assert desk.caps() == ()
    desk.clock.advance(3_600)
    await desk.limits.end("supply", "t1", "admin")
    assert desk.caps() == ()


async def test_an_order_by_hand_never_leaves_the_limit_without_news(desk: Desk) -> None:
    desk.limits.configure(site(WithoutNews("supply", TEN)))
    await desk.limits.order("supply", SIXTEEN, HOUR, source=PAGE, by="admin")
    desk.clock.advance(3_600)
    assert desk.caps() == ()


@pytest.mark.parametrize(
    ("circuit", "bound", "lasts", "key"),
    [
        ("nowhere", SIXTEEN, HOUR, "circuit-unknown"),
        ("supply", SIXTEEN, timedelta(0), "outside-limit-duration"),
        ("supply", SIXTEEN, timedelta(hours=24, seconds=1), "outside-limit-duration"),
        ("supply", Bound(PhaseCurrents(-1, 0, 0)), HOUR, "rule-limit-range"),
        ("supply", Bound(None, 10_000_001), HOUR, "rule-power-range"),
    ],
)
async def test_a_bad_order_is_refused_and_changes_nothing(
    desk: Desk, circuit: str, bound: Bound, lasts: timedelta, key: str
) -> None:
    await desk.limits.order("supply", TEN, HOUR, source="t1", by="Enedis")
    before = desk.caps()
    with pytest.raises((InvalidInputError, NotFoundError)) as refused:
        await desk.limits.order(circuit, bound, lasts, source="t1", by="Enedis")
    assert refused.value.key == key
    assert desk.caps() == before


async def test_orders_survive_a_restart_with_the_time_they_have_left(
    desk: Desk, tmp_path: Path
) -> None:
    desk.limits.configure(site(WithoutNews("p1", TEN)))
    await desk.limits.order("supply", SIXTEEN, HOUR, source=PAGE, by="admin")
    await desk.limits.order("p1", SIXTEEN, HOUR / 2, source="t1", by="Enedis")
    await desk.store.close()
    again = Desk(tmp_path, HandClock(desk.clock.utc_now() + timedelta(minutes=40)))
    again.limits.configure(site(WithoutNews("p1", TEN)))
    await again.limits.load()
    assert set(again.caps()) == {
        SIXTEEN.cap("supply", LimitSource.EXTERNAL),
        TEN.cap("p1", LimitSource.EXTERNAL),
    }
    again.clock.advance(20 * 60)
    assert again.caps() == (TEN.cap("p1", LimitSource.EXTERNAL),)
    await again.store.close()


async def test_a_clock_that_was_wrong_before_the_restart_extends_nothing_beyond_a_day(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.limits.order("supply", SIXTEEN, HOUR, source=PAGE, by="admin")
    await desk.store.close()
    again = Desk(tmp_path, HandClock(datetime(2020, 1, 1, tzinfo=UTC)))
    await again.limits.load()
    again.clock.advance(86_399)
    assert len(again.caps()) == 1
    again.clock.advance(1)
    assert again.caps() == ()
    await again.store.close()


async def test_orders_on_a_circuit_that_is_gone_are_not_shown(desk: Desk) -> None:
    await desk.limits.order("p1", SIXTEEN, HOUR, source=PAGE, by="admin")
    desk.limits.configure(EMPTY_SITE)
    assert desk.limits.orders() == ()


async def test_the_watch_outlives_a_disk_that_fails(desk: Desk) -> None:
    await desk.limits.order("supply", SIXTEEN, HOUR, source=PAGE, by="admin")
    desk.clock.advance(3_600)
    await desk.store.close()  # every write fails from here on
    watching = asyncio.get_running_loop().create_task(desk.limits.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_an_order_without_a_bound_is_written_as_such(desk: Desk) -> None:
    order = await desk.limits.order("supply", Bound(), HOUR, source="t1", by="Enedis")
    assert written(order) == "by Enedis, no limit, scope all, until 2026-11-22T09:00:00Z"
    order = await desk.limits.order("supply", Bound(None, 1_500), HOUR, source="t1", by="E")
    assert "1.5 kW" in written(order)
