"""The agent `inventory` under concurrency and sudden ends, on a SQLite file and on a real PostgreSQL server.

Two `Stock`s with connections of their own stand for two pools.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from temporalio.testing import ActivityEnvironment

from mesh_activities.inventory import Stock
from mesh_activities.inventory_tables import State, metadata, reservations
from mesh_activities.inventory_tables import stock as stock_table
from mesh_agents.inventory import (
    Confirmed,
    ConfirmReservation,
    ItemQuantity,
    OutOfStock,
    Released,
    Reservation,
    ReservationGone,
    ReserveItems,
)
from sagamesh import BusinessError
from sagamesh.database import Database

pytestmark = pytest.mark.asyncio

AsCall = Callable[..., ActivityEnvironment]
Answer = TypeVar("Answer")

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DELIVERED = {"cup": 40, "Pot": 15, "tea": 60}
ONE_TEA = ReserveItems(items=(ItemQuantity(sku="tea", quantity=1),))


@pytest_asyncio.fixture
async def two_pools(inventory_database: Database, database_url: str) -> AsyncIterator[tuple[Stock, Stock]]:
    async with Database.open(database_url, metadata) as other:
        pair = Stock(inventory_database, now=lambda: NOON), Stock(other, now=lambda: NOON)
        await pair[0].deliver("d-1", DELIVERED)
        yield pair


def a_minute_later(stocks: tuple[Stock, Stock]) -> list[Stock]:
    return [Stock(stock._database, now=lambda: NOON + timedelta(seconds=60)) for stock in stocks]


async def answer(call: Awaitable[Answer]) -> Answer | str:
    """The result, or the name of the final answer that is none; any other error is raised."""
    try:
        return await call
    except BusinessError as refusal:
        return type(refusal).__name__


async def on_hand(stock: Stock, sku: str = "tea") -> int:
    return {book.sku: book.on_hand for book in await stock.books()}[sku]


async def state_of(stock: Stock, reservation_id: str) -> str:
    return {entry.reservation_id: entry.state for entry in await stock.reservations()}[reservation_id]


async def test_stock_is_conserved_at_every_moment(
    two_pools: tuple[Stock, Stock], database_url: str, as_call: AsCall
) -> None:
    """80 orders of three items, each attempted by both pools, sold, undone, or both; somebody looks all the time."""
    chance = random.Random(11)
    later = a_minute_later(two_pools)
    orders: asyncio.Future[list[str]]

    async def order(n: int) -> str:
        skus = chance.sample(sorted(DELIVERED), chance.randint(1, 3))
        wanted = ReserveItems(
            items=tuple(ItemQuantity(sku=sku, quantity=chance.randint(1, 4)) for sku in skus),
            hold_seconds=chance.choice([30, 900]),
        )
        end = chance.choice(["sell", "undo", "sell and undo", "undo at once", "leave"])
        undo = as_call(f"o-{n}", "reserve", undo=True)
        early = undo.run(two_pools[n % 2].release, wanted) if end == "undo at once" else asyncio.sleep(0)
        attempts = (answer(as_call(f"o-{n}", "reserve").run(stock.reserve, wanted)) for stock in two_pools)
        got, *_ = await asyncio.gather(*attempts, early)
        if "sell" in end and isinstance(got, Reservation):
            confirmation = ConfirmReservation(reservation_id=got.reservation_id)
            await asyncio.gather(*(answer(stock.confirm(confirmation)) for stock in [*two_pools, later[n % 2]]))
        if "undo" in end:
            await asyncio.gather(*(undo.run(stock.release, wanted) for stock in two_pools))
        if n % 10 == 0:
            await asyncio.gather(*(stock.expire_stale() for stock in later))
        return end

    looked = 0
    async with Stock.open(database_url) as observer:
        orders = asyncio.gather(*(order(n) for n in range(80)))
        while not orders.done():
            assert await observer.audit() == []
            assert {book.sku: book.delivered for book in await observer.books()} == DELIVERED
            looked += 1
    assert looked >= 10
    entries = {entry.reservation_id: entry.state for entry in await two_pools[0].reservations()}
    undone = {f"o-{n}/reserve" for n, end in enumerate(await orders) if "undo" in end}
    assert {entries[key] for key in undone} <= {"released", "expired"}
    assert set(entries.values()) == {"reserved", "confirmed", "released", "expired"}  # the mixture was one
    assert await two_pools[0].audit() == []


async def test_of_more_buyers_than_items_as_many_get_one_as_there_are(
    two_pools: tuple[Stock, Stock], as_call: AsCall
) -> None:
    calls = (answer(as_call(f"o-{n}", "reserve").run(two_pools[n % 2].reserve, ONE_TEA)) for n in range(90))
    answers = await asyncio.gather(*calls)
    assert sum(isinstance(got, Reservation) for got in answers) == DELIVERED["tea"]
    assert answers.count(OutOfStock.__name__) == 90 - DELIVERED["tea"]
    assert await on_hand(two_pools[0]) == 0
    assert await two_pools[0].audit() == []


async def test_items_in_any_order_make_no_deadlock(two_pools: tuple[Stock, Stock], as_call: AsCall) -> None:
    chance = random.Random(3)
    later = a_minute_later(two_pools)

    async def order(n: int) -> None:
        skus = chance.sample(sorted(DELIVERED), 3)
        wanted = ReserveItems(items=tuple(ItemQuantity(sku=sku, quantity=1) for sku in skus), hold_seconds=30)
        await answer(as_call(f"o-{n}", "reserve").run(two_pools[n % 2].reserve, wanted))
        if n % 3 == 0:
            await as_call(f"o-{n}", "reserve", undo=True).run(two_pools[n % 2].release, wanted)
        elif n % 3 == 1:
            await later[n % 2].expire_stale()
        else:
            await two_pools[n % 2].deliver(f"d-{n}", dict.fromkeys(skus, 1))

    await asyncio.gather(*(order(n) for n in range(90)))
    assert await two_pools[0].audit() == []


async def test_attempts_of_one_step_at_once_make_one_reservation(
    two_pools: tuple[Stock, Stock], as_call: AsCall
) -> None:
    calls = (as_call("o-1", "reserve", attempt=n).run(two_pools[n % 2].reserve, ONE_TEA) for n in range(20))
    answers = await asyncio.gather(*calls)
    assert len(set(answers)) == 1
    assert await on_hand(two_pools[0]) == DELIVERED["tea"] - 1


async def test_a_step_and_its_undo_at_once_leave_nothing_reserved(
    two_pools: tuple[Stock, Stock], as_call: AsCall
) -> None:
    """Whichever comes first: nothing is left, and both say what they did."""
    for n in range(40):
        step = as_call(f"o-{n}", "reserve").run(two_pools[0].reserve, ONE_TEA)
        undo = as_call(f"o-{n}", "reserve", undo=True).run(two_pools[1].release, ONE_TEA)
        calls = [answer(step), answer(undo)]
        got = await asyncio.gather(*(calls if n % 2 else reversed(calls)))
        reserved, released = got if n % 2 else reversed(got)
        assert isinstance(released, Released)
        if reserved == ReservationGone.__name__:
            assert released.items == ()
        else:
            assert isinstance(reserved, Reservation)
            assert released.items == ONE_TEA.items
        assert await state_of(two_pools[0], f"o-{n}/reserve") == "released"
        assert await on_hand(two_pools[0]) == DELIVERED["tea"]


async def test_a_sale_and_its_undo_at_once_leave_nothing_sold(two_pools: tuple[Stock, Stock], as_call: AsCall) -> None:
    for n in range(20):
        reservation = await as_call(f"o-{n}", "reserve").run(two_pools[0].reserve, ONE_TEA)
        undo = as_call(f"o-{n}", "reserve", undo=True).run(two_pools[1].release, ONE_TEA)
        sale = two_pools[0].confirm(ConfirmReservation(reservation_id=reservation.reservation_id))
        sold, released = await asyncio.gather(answer(sale), undo)
        assert isinstance(sold, Confirmed) or sold == ReservationGone.__name__
        assert released.items == ONE_TEA.items
        assert await state_of(two_pools[0], f"o-{n}/reserve") == "released"
        assert await on_hand(two_pools[0]) == DELIVERED["tea"]


async def test_a_sale_at_the_end_of_its_hold_is_a_sale_or_none(two_pools: tuple[Stock, Stock], as_call: AsCall) -> None:
    """Two pools whose clocks differ by a moment."""
    late = Stock(two_pools[1]._database, now=lambda: NOON + timedelta(seconds=900))
    sales = 0
    for n in range(20):
        reservation = await as_call(f"o-{n}", "reserve").run(two_pools[0].reserve, ONE_TEA)
        confirmation = ConfirmReservation(reservation_id=reservation.reservation_id)
        sold, freed = await asyncio.gather(answer(two_pools[0].confirm(confirmation)), late.expire_stale())
        assert isinstance(sold, Confirmed) is (freed == 0)
        sales += freed == 0
        assert await two_pools[0].audit() == []
        assert await on_hand(two_pools[0]) == DELIVERED["tea"] - sales


async def test_many_who_lack_stock_free_a_stale_reservation_once(
    two_pools: tuple[Stock, Stock], as_call: AsCall
) -> None:
    everything = ReserveItems(items=(ItemQuantity(sku="tea", quantity=DELIVERED["tea"]),))
    await as_call("o-0", "reserve").run(two_pools[0].reserve, everything)
    later = [Stock(stock._database, now=lambda: NOON + timedelta(seconds=900)) for stock in two_pools]
    calls = (as_call(f"o-{n}", "reserve").run(later[n % 2].reserve, ONE_TEA) for n in range(1, 41))
    assert len(await asyncio.gather(*calls)) == 40
    assert await on_hand(two_pools[0]) == DELIVERED["tea"] - 40
    assert await two_pools[0].audit() == []


async def test_deliveries_at_once_are_counted_once(two_pools: tuple[Stock, Stock]) -> None:
    """Pairs of them, each attempted four times, that bring the same items, which nobody has seen before."""
    chance = random.Random(2)
    for n in range(10):
        quantities = {"tea": 1, **{f"new-{n}-{m}": 2 for m in range(6)}}
        tries = []
        for m in range(8):
            shuffled = dict(chance.sample(sorted(quantities.items()), len(quantities)))
            tries.append(two_pools[m % 2].deliver(f"new-{n}-{m % 2}", shuffled))
        await asyncio.gather(*tries)
    books = {book.sku: book.on_hand for book in await two_pools[0].books()}
    assert books.pop("tea") == DELIVERED["tea"] + 20
    assert {on_hand for sku, on_hand in books.items() if sku.startswith("new")} == {4}
    assert await two_pools[0].audit() == []


async def test_cancelled_attempts_can_be_repeated(two_pools: tuple[Stock, Stock], as_call: AsCall) -> None:
    chance = random.Random(5)

    async def attempt(n: int) -> None:
        reservation = await as_call(f"o-{n}", "reserve").run(two_pools[n % 2].reserve, ONE_TEA)
        await two_pools[n % 2].confirm(ConfirmReservation(reservation_id=reservation.reservation_id))

    for _ in range(10):
        attempts = [asyncio.create_task(attempt(n)) for n in range(10)]
        await asyncio.sleep(chance.random() * 0.03)
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        assert await two_pools[0].audit() == []
    await asyncio.gather(*(attempt(n) for n in range(10)))
    assert await on_hand(two_pools[0]) == DELIVERED["tea"] - 10
    # What asyncpg leaves of a cancelled query complains to the log when it is collected: in this test's, then.
    attempts.clear()
    gc.collect()


SELLER = """
import asyncio, dataclasses, sys
from temporalio.testing import ActivityEnvironment
from mesh_activities.inventory import Stock
from mesh_agents.inventory import ConfirmReservation, ItemQuantity, ReserveItems

async def main():
    async with Stock.open(sys.argv[1]) as stock:
        async def order(n):
            call = ActivityEnvironment()
            call.info = dataclasses.replace(call.info, workflow_id=f"o-{n}", activity_id="reserve")
            wanted = ReserveItems(items=(ItemQuantity(sku="tea", quantity=1),))
            reservation = await call.run(stock.reserve, wanted)
            await stock.confirm(ConfirmReservation(reservation_id=reservation.reservation_id))
            print(reservation.reservation_id, flush=True)
        for first in range(0, 2000, 5):
            await asyncio.gather(*(order(n) for n in range(first, first + 5)))

asyncio.run(main())
"""


async def test_a_pool_that_is_killed_loses_nothing_and_leaves_no_half(
    inventory_database: Database, database_url: str, as_call: AsCall
) -> None:
    stock = Stock(inventory_database)
    await stock.deliver("d-1", {"tea": 2000})
    seller = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SELLER, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert seller.stdout is not None
    reported = [(await seller.stdout.readline()).decode().strip() for _ in range(37)]
    seller.kill()
    rest, _ = await seller.communicate()
    reported += rest.decode().split()
    assert await stock.audit() == []
    states = {entry.reservation_id: entry.state for entry in await stock.reservations()}
    assert {states[key] for key in reported} == {"confirmed"}
    # The engine attempts again whatever was under way.
    for n in range(len(states) + 5):
        reservation = await as_call(f"o-{n}", "reserve", attempt=2).run(stock.reserve, ONE_TEA)
        await stock.confirm(ConfirmReservation(reservation_id=reservation.reservation_id))
    assert await on_hand(stock) == 2000 - len(states) - 5
    assert await stock.audit() == []


_WAITING = "datname = current_database() AND wait_event_type = 'Lock'"


class TestPostgreSQL:
    """Orders of events that only a second transaction can bring about."""

    @pytest_asyncio.fixture
    async def database(self, postgresql_url: str) -> AsyncIterator[Database]:
        async with Database.open(postgresql_url, metadata) as database:
            await Stock(database).deliver("d-1", DELIVERED)
            yield database

    @staticmethod
    async def waiting(database: Database, how_many: int) -> None:
        """Until so many transactions wait for a lock."""
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(30):
            while True:
                async with database.reading() as connection:
                    if await connection.scalar(query) == how_many:
                        return
                await asyncio.sleep(0.01)

    async def test_an_undo_waits_for_a_step_that_is_under_way(self, database: Database, as_call: AsCall) -> None:
        stock = Stock(database)
        async with database.transaction() as connection:
            await connection.execute(select(stock_table).with_for_update())
            step = asyncio.create_task(as_call("o-1", "reserve").run(stock.reserve, ONE_TEA))
            await self.waiting(database, 1)
            undo = asyncio.create_task(as_call("o-1", "reserve", undo=True).run(stock.release, ONE_TEA))
            await self.waiting(database, 2)
        assert (await step).reservation_id == "o-1/reserve"
        assert (await undo).items == ONE_TEA.items
        assert await on_hand(stock) == DELIVERED["tea"]
        assert await stock.audit() == []

    @pytest.mark.parametrize("undone", [True, False])
    async def test_a_step_waits_for_an_undo_that_is_under_way(
        self, database: Database, as_call: AsCall, undone: bool
    ) -> None:
        stock = Stock(database)
        async with database._engine.connect() as connection:
            mark = {"reservation_id": "o-1/reserve", "state": State.RELEASED.value, "hold_seconds": 900}
            await database.insert_new(connection, reservations, {**mark, "expires_at": NOON})
            step = asyncio.create_task(answer(as_call("o-1", "reserve").run(stock.reserve, ONE_TEA)))
            await self.waiting(database, 1)
            await (connection.commit() if undone else connection.rollback())
        got = await step
        assert got == ReservationGone.__name__ if undone else isinstance(got, Reservation)
        assert await on_hand(stock) == DELIVERED["tea"] - (not undone)
        assert await stock.audit() == []

    async def test_a_connection_lost_in_mid_step_is_an_error_that_a_retry_mends(
        self, database: Database, as_call: AsCall
    ) -> None:
        stock = Stock(database)
        async with database.transaction() as connection:
            await connection.execute(select(stock_table).with_for_update())
            step = asyncio.create_task(as_call("o-1", "reserve").run(stock.reserve, ONE_TEA))
            await self.waiting(database, 1)
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE datname = current_database() AND wait_event_type = 'Lock'")
            )  # fmt: skip
            with pytest.raises(DBAPIError):
                await step
        assert await stock.reservations() == []
        await as_call("o-1", "reserve", attempt=2).run(stock.reserve, ONE_TEA)
        assert await on_hand(stock) == DELIVERED["tea"] - 1
        assert await stock.audit() == []
