"""The agent `inventory`, one call after the other, on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from mesh_activities.books import Book, Entry, discrepancies
from mesh_activities.inventory import Stock
from mesh_activities.inventory_tables import stock as stock_table
from mesh_activities.key import KeyReused
from mesh_agents.inventory import (
    Confirmed,
    ConfirmReservation,
    ItemQuantity,
    OutOfStock,
    Released,
    ReservationGone,
    ReserveItems,
    UnknownSku,
)
from sagamesh.database import Database

pytestmark = pytest.mark.asyncio

AsCall = Callable[..., ActivityEnvironment]

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
TEA_AND_CUP = ReserveItems(items=(ItemQuantity(sku="tea", quantity=3), ItemQuantity(sku="cup", quantity=1)))
FIRST = ConfirmReservation(reservation_id="o-1/reserve")


def tea(quantity: int, *, hold_seconds: int = 900) -> ReserveItems:
    return ReserveItems(items=(ItemQuantity(sku="tea", quantity=quantity),), hold_seconds=hold_seconds)


def at(database: Database, seconds: float) -> Stock:
    """The stock as it is so many seconds after noon."""
    return Stock(database, now=lambda: NOON + timedelta(seconds=seconds))


@pytest.fixture
def at_noon(inventory_database: Database) -> Stock:
    return at(inventory_database, 0)


async def book(stock: Stock, sku: str = "tea") -> tuple[int, int, int, int]:
    """Delivered, on hand, reserved, sold; the books as a whole must add up."""
    assert await stock.audit() == []
    (found,) = [book for book in await stock.books() if book.sku == sku]
    return found.delivered, found.on_hand, found.reserved, found.sold


async def states(stock: Stock) -> dict[str, str]:
    return {entry.reservation_id: entry.state for entry in await stock.reservations()}


class TestReserve:
    async def test_sets_all_items_aside_until_the_time_given(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10, "cup": 2})
        reservation = await as_call("o-1", "reserve").run(at_noon.reserve, TEA_AND_CUP)
        assert reservation.reservation_id == "o-1/reserve"
        assert reservation.expires_at == NOON + timedelta(seconds=900)
        assert await book(at_noon) == (10, 7, 3, 0)
        assert await book(at_noon, "cup") == (2, 1, 1, 0)

    async def test_the_same_step_again_reserves_nothing_more(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 60)
        await stock.deliver("d-1", {"tea": 10})
        first = await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        assert await as_call("o-1", "reserve", attempt=2).run(later.reserve, tea(3)) == first
        await later.confirm(FIRST)
        assert await as_call("o-1", "reserve", attempt=3).run(later.reserve, tea(3)) == first
        assert await book(later) == (10, 7, 0, 3)

    async def test_the_order_of_the_items_makes_no_other_request(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10, "cup": 2})
        first = await as_call("o-1", "reserve").run(at_noon.reserve, TEA_AND_CUP)
        turned = ReserveItems(items=TEA_AND_CUP.items[::-1])
        assert await as_call("o-1", "reserve").run(at_noon.reserve, turned) == first

    @pytest.mark.parametrize("other", [tea(4), tea(3, hold_seconds=60), TEA_AND_CUP])
    async def test_the_same_step_with_another_input_is_refused(
        self, at_noon: Stock, as_call: AsCall, other: ReserveItems
    ) -> None:
        await at_noon.deliver("d-1", {"tea": 10, "cup": 2})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        with pytest.raises(KeyReused) as refused:
            await as_call("o-1", "reserve").run(at_noon.reserve, other)
        assert refused.value.details == ({"key": "o-1/reserve"},)
        assert refused.value.non_retryable
        assert await book(at_noon) == (10, 7, 3, 0)

    async def test_other_tasks_and_other_steps_reserve_for_themselves(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        for task_id, step in [("o-1", "reserve"), ("o-2", "reserve"), ("o-1", "reserve-2")]:
            await as_call(task_id, step).run(at_noon.reserve, tea(2))
        assert await book(at_noon) == (10, 4, 6, 0)

    async def test_an_unknown_item_is_named_with_its_field_before_anything_changes(
        self, at_noon: Stock, as_call: AsCall
    ) -> None:
        await at_noon.deliver("d-1", {"tea": 1})  # too little of the first item, too: the unknown one comes first
        with pytest.raises(UnknownSku) as refused:
            await as_call("o-1", "reserve").run(at_noon.reserve, TEA_AND_CUP)
        assert refused.value.details == ({"sku": "cup", "field": "items[1].sku"},)
        assert refused.value.non_retryable
        assert await book(at_noon) == (1, 1, 0, 0)
        assert await states(at_noon) == {}

    async def test_too_little_of_one_item_reserves_none(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 2, "cup": 2})
        with pytest.raises(OutOfStock) as refused:
            await as_call("o-1", "reserve").run(at_noon.reserve, TEA_AND_CUP)
        assert refused.value.details == ({"sku": "tea", "asked": 3, "on_hand": 2},)
        assert refused.value.non_retryable
        assert await book(at_noon, "cup") == (2, 2, 0, 0)
        assert await states(at_noon) == {}

    async def test_the_last_item_can_be_had(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 3})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        assert await book(at_noon) == (3, 0, 3, 0)

    async def test_a_refused_step_may_succeed_once_there_is_more(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 2})
        with pytest.raises(OutOfStock):
            await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        await at_noon.deliver("d-2", {"tea": 2})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        assert await book(at_noon) == (4, 1, 3, 0)

    async def test_an_item_twice_in_one_request_is_no_request(self) -> None:
        with pytest.raises(ValidationError, match="more than once"):
            ReserveItems(items=(ItemQuantity(sku="tea", quantity=1), ItemQuantity(sku="tea", quantity=2)))


class TestRelease:
    async def test_puts_reserved_items_back(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10, "cup": 2})
        await as_call("o-1", "reserve").run(at_noon.reserve, TEA_AND_CUP)
        released = await as_call("o-1", "reserve", undo=True).run(at_noon.release, TEA_AND_CUP)
        back = (ItemQuantity(sku="cup", quantity=1), ItemQuantity(sku="tea", quantity=3))
        assert released == Released(reservation_id="o-1/reserve", items=back)
        assert await book(at_noon) == (10, 10, 0, 0)
        assert await book(at_noon, "cup") == (2, 2, 0, 0)

    async def test_puts_sold_items_back(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        await at_noon.confirm(FIRST)
        released = await as_call("o-1", "reserve", undo=True).run(at_noon.release, tea(3))
        assert released.items == (ItemQuantity(sku="tea", quantity=3),)
        assert await book(at_noon) == (10, 10, 0, 0)

    async def test_again_moves_nothing_and_answers_the_same(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        await as_call("o-2", "reserve").run(at_noon.reserve, tea(3))
        first = await as_call("o-1", "reserve", undo=True).run(at_noon.release, tea(3))
        assert await as_call("o-1", "reserve", undo=True, attempt=2).run(at_noon.release, tea(3)) == first
        assert await book(at_noon) == (10, 7, 3, 0)

    async def test_of_what_never_happened_keeps_it_from_happening(self, at_noon: Stock, as_call: AsCall) -> None:
        """An attempt that was given up may still arrive, after its undo."""
        await at_noon.deliver("d-1", {"tea": 10})
        for _ in range(2):
            released = await as_call("o-1", "reserve", undo=True).run(at_noon.release, tea(3))
            assert released == Released(reservation_id="o-1/reserve")
        with pytest.raises(ReservationGone) as refused:
            await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        assert refused.value.details == ({"reservation_id": "o-1/reserve", "state": "released"},)
        assert refused.value.non_retryable
        assert await book(at_noon) == (10, 10, 0, 0)

    async def test_of_unknown_items_is_no_error(self, at_noon: Stock, as_call: AsCall) -> None:
        released = await as_call("o-1", "reserve", undo=True).run(at_noon.release, tea(3))
        assert released.items == ()
        assert await states(at_noon) == {"o-1/reserve": "released"}

    async def test_after_it_the_step_is_refused(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        await as_call("o-1", "reserve", undo=True).run(at_noon.release, tea(3))
        with pytest.raises(ReservationGone):
            await as_call("o-1", "reserve", attempt=2).run(at_noon.reserve, tea(3))
        assert await book(at_noon) == (10, 10, 0, 0)

    async def test_of_an_expired_reservation_moves_nothing(self, inventory_database: Database, as_call: AsCall) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        assert await later.expire_stale() == 1
        released = await as_call("o-1", "reserve", undo=True).run(later.release, tea(3))
        assert released == Released(reservation_id="o-1/reserve")
        assert await book(later) == (10, 10, 0, 0)

    async def test_in_the_time_between_the_end_of_the_hold_and_the_sweep(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        await as_call("o-1", "reserve", undo=True).run(later.release, tea(3))
        assert await later.expire_stale() == 0
        assert await book(later) == (10, 10, 0, 0)


class TestConfirm:
    async def test_sells_what_is_reserved_once(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        for _ in range(2):
            assert await at_noon.confirm(FIRST) == Confirmed(reservation_id="o-1/reserve")
            assert await book(at_noon) == (10, 7, 0, 3)

    async def test_until_the_last_moment_of_the_hold(self, inventory_database: Database, as_call: AsCall) -> None:
        stock, last = at(inventory_database, 0), at(inventory_database, 899.999999)
        await stock.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        await last.confirm(FIRST)
        assert await book(last) == (10, 7, 0, 3)

    async def test_what_is_sold_never_expires(self, inventory_database: Database, as_call: AsCall) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 9000)
        await stock.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        await stock.confirm(FIRST)
        assert await later.expire_stale() == 0
        await later.confirm(FIRST)
        assert await book(later) == (10, 7, 0, 3)

    async def test_after_the_hold_the_items_are_on_hand_again(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        for _ in range(2):
            with pytest.raises(ReservationGone) as refused:
                await later.confirm(FIRST)
            assert refused.value.details == ({"reservation_id": "o-1/reserve", "state": "expired"},)
            assert await book(later) == (10, 10, 0, 0)

    async def test_of_a_released_reservation_is_refused(self, at_noon: Stock, as_call: AsCall) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        await as_call("o-1", "reserve").run(at_noon.reserve, tea(3))
        await as_call("o-1", "reserve", undo=True).run(at_noon.release, tea(3))
        with pytest.raises(ReservationGone) as refused:
            await at_noon.confirm(FIRST)
        assert refused.value.details == ({"reservation_id": "o-1/reserve", "state": "released"},)
        assert await book(at_noon) == (10, 10, 0, 0)

    async def test_of_nothing_is_refused(self, at_noon: Stock) -> None:
        with pytest.raises(ReservationGone) as refused:
            await at_noon.confirm(FIRST)
        assert refused.value.details == ({"reservation_id": "o-1/reserve", "state": "unknown"},)
        assert refused.value.non_retryable


class TestExpiry:
    async def test_who_lacks_stock_takes_what_nobody_holds_any_more(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 10, "cup": 5})
        await as_call("o-1", "reserve").run(stock.reserve, TEA_AND_CUP)
        await as_call("o-2", "reserve").run(stock.reserve, tea(5, hold_seconds=901))
        await as_call("o-3", "reserve").run(later.reserve, tea(5))
        assert await states(later) == {"o-1/reserve": "expired", "o-2/reserve": "reserved", "o-3/reserve": "reserved"}
        assert await book(later) == (10, 0, 10, 0)
        assert await book(later, "cup") == (5, 5, 0, 0)

    async def test_what_is_still_held_is_left_alone(self, inventory_database: Database, as_call: AsCall) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 899)
        await stock.deliver("d-1", {"tea": 3})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        with pytest.raises(OutOfStock) as refused:
            await as_call("o-2", "reserve").run(later.reserve, tea(1))
        assert refused.value.details == ({"sku": "tea", "asked": 1, "on_hand": 0},)
        assert await states(later) == {"o-1/reserve": "reserved"}

    async def test_reservations_of_other_items_are_left_to_the_sweep(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 3, "cup": 5})
        await as_call("o-1", "reserve").run(stock.reserve, tea(3))
        with pytest.raises(OutOfStock):
            await as_call("o-2", "reserve").run(
                later.reserve, ReserveItems(items=(ItemQuantity(sku="cup", quantity=6),))
            )
        assert await states(later) == {"o-1/reserve": "reserved"}
        assert await later.expire_stale() == 1
        assert await states(later) == {"o-1/reserve": "expired"}

    async def test_still_too_little_says_how_much_there_is_then(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 3})
        await as_call("o-1", "reserve").run(stock.reserve, tea(2))
        with pytest.raises(OutOfStock) as refused:
            await as_call("o-2", "reserve").run(later.reserve, tea(4))
        assert refused.value.details == ({"sku": "tea", "asked": 4, "on_hand": 3},)
        assert await states(later) == {"o-1/reserve": "expired"}

    async def test_a_repeated_step_is_told_that_its_hold_has_ended_swept_or_not(
        self, inventory_database: Database, as_call: AsCall
    ) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 3})
        await as_call("o-1", "reserve").run(stock.reserve, tea(2))
        for swept in (1, 0):
            with pytest.raises(ReservationGone) as refused:
                await as_call("o-1", "reserve", attempt=2).run(later.reserve, tea(2))
            assert refused.value.details == ({"reservation_id": "o-1/reserve", "state": "expired"},)
            assert await later.expire_stale() == swept

    async def test_a_sweep_frees_any_number(self, inventory_database: Database, as_call: AsCall) -> None:
        stock, later = at(inventory_database, 0), at(inventory_database, 900)
        await stock.deliver("d-1", {"tea": 1000, "cup": 1000})
        for n in range(230):
            await as_call(f"o-{n}", "reserve").run(stock.reserve, TEA_AND_CUP)
        assert await stock.expire_stale() == 0
        assert await later.expire_stale() == 230
        assert await book(later) == (1000, 1000, 0, 0)
        assert set((await states(later)).values()) == {"expired"}


class TestDelivery:
    async def test_the_same_one_again_brings_nothing_more(self, at_noon: Stock) -> None:
        for _ in range(2):
            await at_noon.deliver("d-1", {"tea": 10, "cup": 2})
        await at_noon.deliver("d-2", {"tea": 5})
        assert await book(at_noon) == (15, 15, 0, 0)
        assert await book(at_noon, "cup") == (2, 2, 0, 0)

    async def test_another_one_under_the_same_id_is_refused(self, at_noon: Stock) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        with pytest.raises(KeyReused):
            await at_noon.deliver("d-1", {"tea": 11})
        assert await book(at_noon) == (10, 10, 0, 0)

    @pytest.mark.parametrize("quantities", [{"tea": 0}, {"tea": -1}, {"tea": True}, {"tea": 1.5}, {"": 1}, {"a b": 1}])
    async def test_what_is_no_delivery_is_refused(self, at_noon: Stock, quantities: dict[str, int]) -> None:
        with pytest.raises(ValidationError):
            await at_noon.deliver("d-1", quantities)
        assert await at_noon.books() == []


class TestBooks:
    async def test_the_database_refuses_what_must_not_be(self, at_noon: Stock, inventory_database: Database) -> None:
        """Whatever a program does: less than nothing, or items from nowhere."""
        await at_noon.deliver("d-1", {"tea": 10})
        for change in ({"on_hand": -1, "reserved": 11}, {"on_hand": 11}, {"sold": 1}):

            async def write(change: dict[str, int] = change) -> None:
                async with inventory_database.transaction() as connection:
                    await connection.execute(update(stock_table).values(**change))

            with pytest.raises(IntegrityError):
                await write()
        assert await book(at_noon) == (10, 10, 0, 0)

    async def test_the_audit_names_what_does_not_add_up(self, at_noon: Stock, inventory_database: Database) -> None:
        await at_noon.deliver("d-1", {"tea": 10})
        async with inventory_database.transaction() as connection:
            await connection.execute(update(stock_table).values(on_hand=8, reserved=1, sold=1))
        problems = await at_noon.audit()
        assert [problem.partition(":")[0] for problem in problems] == [
            "reservations hold 0",
            "confirmed reservations are of 0",
        ]
        assert all("sku='tea'" in problem for problem in problems)

    async def test_they_outlive_the_process(self, database_url: str, as_call: AsCall) -> None:
        async with Stock.open(database_url) as stock:
            await stock.deliver("d-1", {"tea": 10})
            await as_call("o-1", "reserve").run(stock.reserve, tea(3))
            entries = await stock.reservations()
        async with Stock.open(database_url) as stock:
            assert await book(stock) == (10, 7, 3, 0)
            assert await stock.reservations() == entries
            assert entries[0].items == (ItemQuantity(sku="tea", quantity=3),)
            assert timedelta(0) < entries[0].expires_at - datetime.now(UTC) <= timedelta(seconds=900)
            await stock.confirm(FIRST)


async def test_discrepancies_of_any_kind_are_found() -> None:
    held = Entry(reservation_id="o-1/reserve", state="reserved", expires_at=NOON, items=tea(3).items)
    right = Book(sku="tea", delivered=10, on_hand=7, reserved=3, sold=0)
    assert discrepancies([right], [held], {"tea": 10}) == []
    for wrong in (
        {"on_hand": 8},
        {"delivered": 11},
        {"on_hand": -1, "reserved": 3, "sold": 8},
        {"on_hand": 6, "reserved": 4},
        {"on_hand": 6, "sold": 1},
    ):
        assert discrepancies([right.model_copy(update=wrong)], [held], {"tea": 10}), wrong
    assert discrepancies([right], [held], {"tea": 11})
    assert discrepancies([right], [held.model_copy(update={"state": "confirmed"})], {"tea": 10})


async def test_outside_a_call_there_is_no_key(at_noon: Stock) -> None:
    await at_noon.deliver("d-1", {"tea": 10})
    with pytest.raises(RuntimeError) as refused:
        await at_noon.reserve(tea(1))
    assert not isinstance(refused.value, ApplicationError)
