"""Inventory: stock, reservations and sales in a SQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Final, Self

from pydantic import Field, TypeAdapter
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities import ledger
from mesh_activities.books import Book, Entry, discrepancies
from mesh_activities.clock import utc_now
from mesh_activities.inventory_tables import (
    State,
    deliveries,
    delivery_lines,
    metadata,
    reservation_lines,
    reservations,
    stock,
)
from mesh_activities.key import KeyReused
from mesh_agents.inventory import (
    Confirmed,
    ConfirmReservation,
    ItemQuantity,
    OutOfStock,
    Released,
    Reservation,
    ReservationGone,
    ReserveItems,
    Sku,
    UnknownSku,
)
from sagamesh import BusinessError, current_call
from sagamesh.database import Database

__all__ = ["Stock"]

_DELIVERY: Final = TypeAdapter(dict[Sku, Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]])


class Stock:
    """Serves the agent `inventory`.

    A reservation's id is the key of the step that made it. Whatever a step or its undo does, it writes together with
    that key, in one transaction; so each happens once, in whichever order and however often they are attempted.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, now: Callable[[], datetime] = utc_now) -> AsyncIterator[Self]:
        """Connect to the database of this URL (see `Database.open`), for the length of the block."""
        async with Database.open(url, metadata) as database:
            yield cls(database, now)

    async def reserve(self, wanted: ReserveItems) -> Reservation:
        """Set all the items aside, or none.

        Raises:
            UnknownSku, OutOfStock: as the contract says.
            ReservationGone: the step was undone before this attempt came, or its hold has ended since.
            KeyReused: the same step asked for other items before.
        """
        key = current_call().key
        try:
            return await self._reserve(key, wanted)
        except OutOfStock:
            # Reservations whose time is over cost nothing until somebody needs their items.
            await self._free_stale([item.sku for item in wanted.items])
            return await self._reserve(key, wanted)

    async def release(self, wanted: ReserveItems) -> Released:
        """Undo a reservation: its items are on hand again, also when they were sold already.

        What was never reserved is marked as released, so that an attempt to reserve it that comes later refuses itself.
        """
        key = current_call().key
        async with self._database.transaction() as connection:
            if await self._insert(connection, key, State.RELEASED, wanted.hold_seconds, self._now()):
                return Released(reservation_id=key)
            held = await ledger.hold_reservation(connection, key)
            if held is None or held.state is State.EXPIRED:
                return Released(reservation_id=key)
            if held.state is not State.RELEASED:
                await ledger.settle(connection, [key], held.state, State.RELEASED)
            # Read from the record, so that every attempt to undo gives the same answer.
            quantities = await ledger.items_of(connection, [key])
        return Released(reservation_id=key, items=_items(quantities))

    async def confirm(self, wanted: ConfirmReservation) -> Confirmed:
        """Sell what is reserved.

        Raises:
            ReservationGone: as the contract says; `state` is `released`, `expired` or `unknown`.
        """
        reservation_id = wanted.reservation_id
        async with self._database.transaction() as connection:
            held = await ledger.hold_reservation(connection, reservation_id)
            if held is not None and held.state is State.RESERVED:
                becomes = State.EXPIRED if held.expires_at <= self._now() else State.CONFIRMED
                await ledger.settle(connection, [reservation_id], State.RESERVED, becomes)
                held = held._replace(state=becomes)
        # Only now, because an error inside the block would take back that the reservation has expired.
        if held is None or held.state is not State.CONFIRMED:
            raise _gone(reservation_id, held)
        return Confirmed(reservation_id=reservation_id)

    async def expire_stale(self) -> int:
        """Put the items of every reservation whose time is over back on hand. Returns how many reservations it ended.

        `reserve` and `confirm` see to those that they meet; this keeps the figures of `books` current between them.
        """
        return await self._free_stale(None)

    async def deliver(self, delivery_id: str, quantities: Mapping[str, int]) -> None:
        """Add delivered items, `{sku: quantity}`, to what is on hand. The same delivery again changes nothing.

        Raises:
            pydantic.ValidationError: for a malformed SKU, or a quantity that is not 1 to 1,000,000,000.
            KeyReused: a delivery of this id brought other items.
        """
        quantities = _DELIVERY.validate_python(quantities)
        async with self._database.transaction() as connection:
            if not await self._database.insert_new(connection, deliveries, {"delivery_id": delivery_id}):
                lines = select(delivery_lines.c.sku, delivery_lines.c.quantity)
                rows = await connection.execute(lines.where(delivery_lines.c.delivery_id == delivery_id))
                if dict(rows.all()) != quantities:
                    raise KeyReused(f"delivery {delivery_id} brought other items", key=delivery_id)
                return
            for sku in sorted(quantities):
                nothing = {"sku": sku, "delivered": 0, "on_hand": 0, "reserved": 0, "sold": 0}
                await self._database.insert_new(connection, stock, nothing)
            await ledger.hold(connection, quantities)
            for sku, quantity in quantities.items():
                line = {"delivery_id": delivery_id, "sku": sku, "quantity": quantity}
                more = {"delivered": stock.c.delivered + quantity, "on_hand": stock.c.on_hand + quantity}
                await connection.execute(insert(delivery_lines).values(line))
                await connection.execute(update(stock).where(stock.c.sku == sku).values(more))

    async def books(self) -> list[Book]:
        """How much of each item there is, and where; by SKU, all at one moment."""
        async with self._database.reading() as connection:
            return await _books(connection)

    async def reservations(self) -> list[Entry]:
        """Every reservation that ever was, by id."""
        async with self._database.reading() as connection:
            return await _entries(connection)

    async def audit(self) -> list[str]:
        """What does not add up between books, reservations and deliveries, a sentence each; empty when all does."""
        async with self._database.reading() as connection:
            brought = select(delivery_lines.c.sku, func.sum(delivery_lines.c.quantity)).group_by(delivery_lines.c.sku)
            delivered = {sku: int(quantity) for sku, quantity in await connection.execute(brought)}
            return discrepancies(await _books(connection), await _entries(connection), delivered)

    async def _reserve(self, key: str, wanted: ReserveItems) -> Reservation:
        now = self._now()
        expires_at = now + timedelta(seconds=wanted.hold_seconds)
        quantities = {item.sku: item.quantity for item in wanted.items}
        async with self._database.transaction() as connection:
            if not await self._insert(connection, key, State.RESERVED, wanted.hold_seconds, expires_at):
                return await self._earlier(connection, key, wanted, now)
            refusal = _refusal(wanted, await ledger.hold(connection, quantities))
            if refusal is not None:
                raise refusal
            await ledger.set_aside(connection, key, quantities)
        return Reservation(reservation_id=key, expires_at=expires_at)

    async def _earlier(self, connection: AsyncConnection, key: str, wanted: ReserveItems, now: datetime) -> Reservation:
        held = await ledger.hold_reservation(connection, key)
        if held is not None and held.state is State.RESERVED and held.expires_at <= now:
            held = held._replace(state=State.EXPIRED)  # whether or not a sweep has come by yet
        if held is None or held.state not in (State.RESERVED, State.CONFIRMED):
            raise _gone(key, held)
        quantities = {item.sku: item.quantity for item in wanted.items}
        if held.hold_seconds != wanted.hold_seconds or quantities != await ledger.items_of(connection, [key]):
            raise KeyReused(f"{key} reserved other items before", key=key)
        return Reservation(reservation_id=key, expires_at=held.expires_at)

    async def _insert(
        self, connection: AsyncConnection, key: str, state: State, hold_seconds: int, expires_at: datetime
    ) -> bool:
        values = {
            "reservation_id": key,
            "state": state.value,
            "hold_seconds": hold_seconds,
            "expires_at": expires_at,
        }
        return await self._database.insert_new(connection, reservations, values)

    async def _free_stale(self, skus: Collection[str] | None) -> int:
        freed = 0
        while True:
            now = self._now()
            async with self._database.reading() as connection:
                ids = await ledger.stale(connection, now, skus)
            if not ids:
                return freed
            async with self._database.transaction() as connection:
                freed += await ledger.settle(connection, ids, State.RESERVED, State.EXPIRED)


def _refusal(wanted: ReserveItems, on_hand: Mapping[str, int]) -> BusinessError | None:
    for n, item in enumerate(wanted.items):
        if item.sku not in on_hand:
            return UnknownSku(f"there is no item {item.sku}", sku=item.sku, field=f"items[{n}].sku")
    for item in wanted.items:
        if on_hand[item.sku] < item.quantity:
            return OutOfStock(
                f"{item.quantity} of {item.sku} were asked for, {on_hand[item.sku]} are on hand",
                sku=item.sku,
                asked=item.quantity,
                on_hand=on_hand[item.sku],
            )
    return None


def _gone(reservation_id: str, held: ledger.Held | None) -> ReservationGone:
    state = "unknown" if held is None else held.state.value
    return ReservationGone(f"reservation {reservation_id} is {state}", reservation_id=reservation_id, state=state)


def _items(quantities: Mapping[str, int]) -> tuple[ItemQuantity, ...]:
    return tuple(ItemQuantity(sku=sku, quantity=quantity) for sku, quantity in sorted(quantities.items()))


async def _books(connection: AsyncConnection) -> list[Book]:
    rows = await connection.execute(select(stock).order_by(stock.c.sku))
    return [Book(**row) for row in rows.mappings()]


async def _entries(connection: AsyncConnection) -> list[Entry]:
    columns = reservation_lines.c.reservation_id, reservation_lines.c.sku, reservation_lines.c.quantity
    items: dict[str, dict[str, int]] = {}
    for reservation_id, sku, quantity in await connection.execute(select(*columns)):
        items.setdefault(reservation_id, {})[sku] = quantity
    rows = await connection.execute(select(reservations).order_by(reservations.c.reservation_id))
    return [
        Entry(
            reservation_id=row.reservation_id,
            state=row.state,
            expires_at=row.expires_at,
            items=_items(items.get(row.reservation_id, {})),
        )
        for row in rows
    ]
