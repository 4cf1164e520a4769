"""Whatever is asked of the inventory, in whichever order and however often: it does what a few lines of Python do.

The model below is what the agent promises, without a database, without time and without concurrency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from temporalio.testing import ActivityEnvironment

from mesh_activities.inventory import Stock
from mesh_activities.inventory_tables import metadata
from mesh_agents.inventory import ConfirmReservation, ItemQuantity, ReserveItems
from sagamesh import BusinessError
from sagamesh.database import Database

AsCall = Callable[..., ActivityEnvironment]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
STEP = "reserve"

tasks = st.sampled_from(["o-1", "o-2", "o-3", "o-4"])
items = st.dictionaries(st.sampled_from(["cup", "pot", "tea", "gone"]), st.integers(1, 6), min_size=1, max_size=3)
holds = st.sampled_from([10, 60])
deliveries = st.dictionaries(st.sampled_from(["cup", "pot", "tea"]), st.integers(1, 9), min_size=1)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.sampled_from(["d-1", "d-2", "d-3"]), deliveries),
        st.tuples(st.just("reserve"), tasks, items, holds),
        st.tuples(st.just("reserve"), tasks, items, holds),
        st.tuples(st.just("repeat"), st.integers(0, 20)),
        st.tuples(st.just("repeat"), st.integers(0, 20)),
        st.tuples(st.just("release"), tasks, items),
        st.tuples(st.just("confirm"), tasks),
        st.tuples(st.just("confirm"), tasks),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 10, 50])),
        st.tuples(st.just("sweep")),
    ),
    min_size=1,
    max_size=25,
)
Operation = tuple[Any, ...]
Answer = tuple[object, ...]


@dataclass
class Promise:
    """One reservation, as the agent promises to keep it."""

    items: dict[str, int]
    hold: int
    until: int
    state: str = "reserved"


@dataclass
class Model:
    """What the agent promises. Every number is a sum over the reservations, so it is conserved by construction."""

    delivered: dict[str, dict[str, int]] = field(default_factory=dict)
    promises: dict[str, Promise] = field(default_factory=dict)
    now: int = 0

    def brought(self) -> dict[str, int]:
        """How much of each SKU was delivered."""
        skus = sorted({sku for delivery in self.delivered.values() for sku in delivery})
        return {sku: sum(delivery.get(sku, 0) for delivery in self.delivered.values()) for sku in skus}

    def taken(self, sku: str, state: str) -> int:
        """How much of it the reservations in this state are about."""
        return sum(p.items.get(sku, 0) for p in self.promises.values() if p.state == state)

    def books(self) -> list[tuple[str, int, int, int, int]]:
        """SKU, delivered, on hand, reserved, sold."""
        found = []
        for sku, delivered in self.brought().items():
            reserved, sold = self.taken(sku, "reserved"), self.taken(sku, "confirmed")
            found.append((sku, delivered, delivered - reserved - sold, reserved, sold))
        return found

    def expire(self, skus: set[str] | None = None) -> int:
        """End what is over, of these SKUs or of any."""
        over = [
            promise
            for promise in self.promises.values()
            if promise.state == "reserved" and promise.until <= self.now and (skus is None or skus & set(promise.items))
        ]
        for promise in over:
            promise.state = "expired"
        return len(over)

    def deliver(self, delivery: str, quantities: dict[str, int]) -> Answer:
        if self.delivered.setdefault(delivery, quantities) != quantities:
            return ("KeyReused", {"key": delivery})
        return ("None",)

    def reserve(self, task: str, wanted: dict[str, int], hold: int) -> Answer:
        key = f"{task}/{STEP}"
        known = self.promises.get(key)
        if known is not None:
            state = "expired" if known.state == "reserved" and known.until <= self.now else known.state
            if state in ("released", "expired"):
                return ("ReservationGone", {"reservation_id": key, "state": state})
            if (known.items, known.hold) != (wanted, hold):
                return ("KeyReused", {"key": key})
            return ("Reservation", key, known.until)
        for n, sku in enumerate(wanted):
            if sku not in self.brought():
                return ("UnknownSku", {"sku": sku, "field": f"items[{n}].sku"})
        if self.lacking(wanted):
            self.expire(set(wanted))
        if lacking := self.lacking(wanted):
            return ("OutOfStock", lacking)
        self.promises[key] = Promise(wanted, hold, self.now + hold)
        return ("Reservation", key, self.now + hold)

    def lacking(self, wanted: dict[str, int]) -> dict[str, object] | None:
        on_hand = {sku: left for sku, _, left, _, _ in self.books()}
        for sku, quantity in wanted.items():
            if on_hand[sku] < quantity:
                return {"sku": sku, "asked": quantity, "on_hand": on_hand[sku]}
        return None

    def release(self, task: str, wanted: dict[str, int]) -> Answer:
        key = f"{task}/{STEP}"
        known = self.promises.setdefault(key, Promise({}, 0, 0, "released"))
        if known.state == "expired":
            return ("Released", key, {})
        known.state = "released"
        return ("Released", key, known.items)

    def confirm(self, task: str) -> Answer:
        key = f"{task}/{STEP}"
        known = self.promises.get(key)
        if known is not None and known.state == "reserved":
            known.state = "expired" if known.until <= self.now else "confirmed"
        state = "unknown" if known is None else known.state
        return (
            ("Confirmed", key) if state == "confirmed" else ("ReservationGone", {"reservation_id": key, "state": state})
        )


def request(wanted: dict[str, int], hold: int = 10) -> ReserveItems:
    lines = tuple(ItemQuantity(sku=sku, quantity=quantity) for sku, quantity in wanted.items())
    return ReserveItems(items=lines, hold_seconds=hold)


async def ask(stock: Stock, as_call: AsCall, operation: Operation) -> Answer:
    """The real agent's answer, in the model's words."""
    try:
        match operation:
            case ("deliver", delivery, quantities):
                await stock.deliver(delivery, quantities)
                return ("None",)
            case ("reserve", task, wanted, hold):
                reservation = await as_call(task, STEP).run(stock.reserve, request(wanted, hold))
                until = round((reservation.expires_at - NOON).total_seconds())
                return ("Reservation", reservation.reservation_id, until)
            case ("release", task, wanted):
                released = await as_call(task, STEP, undo=True).run(stock.release, request(wanted))
                back = {item.sku: item.quantity for item in released.items}
                return ("Released", released.reservation_id, back)
            case ("confirm", task):
                confirmed = await stock.confirm(ConfirmReservation(reservation_id=f"{task}/{STEP}"))
                return ("Confirmed", confirmed.reservation_id)
            case _:
                return ("Swept", await stock.expire_stale())
    except BusinessError as refusal:
        return (type(refusal).__name__, refusal.details[0])


def expect(model: Model, operation: Operation) -> Answer:
    name, *arguments = operation
    if name == "sweep":
        return ("Swept", model.expire())
    expected: Answer = getattr(model, name)(*arguments)
    return expected


async def forget_everything(database: Database) -> None:
    async with database.transaction() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(delete(table))


@pytest.mark.asyncio
@settings(
    max_examples=50,
    deadline=None,
    # The database is emptied for each example, so that they may share one; the machine may be slow.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=operations)
async def test_the_agent_keeps_its_promises(
    inventory_database: Database, as_call: AsCall, script: list[Operation]
) -> None:
    await forget_everything(inventory_database)
    model = Model()
    stock = Stock(inventory_database, now=lambda: NOON + timedelta(seconds=model.now))
    done: list[Operation] = []
    for operation in script:
        if operation[0] == "wait":
            model.now += operation[1]
            continue
        if operation[0] == "repeat":  # an attempt that comes late, or again
            if not done:
                continue
            operation = done[operation[1] % len(done)]
        done.append(operation)
        assert await ask(stock, as_call, operation) == expect(model, operation), operation
        assert [tuple(book.model_dump().values()) for book in await stock.books()] == model.books()
        assert await stock.audit() == []
    assert {e.reservation_id: e.state for e in await stock.reservations()} == {
        key: promise.state for key, promise in model.promises.items()
    }
