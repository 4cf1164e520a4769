"""Moving stock between its shelves, inside a transaction of the caller's.

Whoever changes something locks it first, and in one order, so that no two transactions wait for each other: first the
reservations by id, then the stock by SKU. The database sorts in both places; two ideas of "sorted" would be a deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.inventory_tables import State, reservation_lines, reservations, stock

__all__ = ["Held", "hold", "hold_reservation", "items_of", "set_aside", "settle", "stale"]

_SHELF: Final = {
    State.RESERVED: stock.c.reserved,
    State.CONFIRMED: stock.c.sold,
    State.RELEASED: stock.c.on_hand,
    State.EXPIRED: stock.c.on_hand,
}
_BATCH: Final = 200


class Held(NamedTuple):
    """A reservation that is locked until the end of the transaction."""

    state: State
    hold_seconds: int
    expires_at: datetime


async def hold(connection: AsyncConnection, skus: Iterable[str]) -> dict[str, int]:
    """Lock the stock of these SKUs; how much of each is on hand. A SKU that nobody has delivered is missing."""
    rows = await connection.execute(
        select(stock.c.sku, stock.c.on_hand).where(stock.c.sku.in_(list(skus))).order_by(stock.c.sku).with_for_update()
    )
    return dict(rows.all())


async def hold_reservation(connection: AsyncConnection, reservation_id: str) -> Held | None:
    """Lock a reservation; None when there is none of this id."""
    columns = reservations.c.state, reservations.c.hold_seconds, reservations.c.expires_at
    rows = await connection.execute(
        select(*columns).where(reservations.c.reservation_id == reservation_id).with_for_update()
    )
    found = rows.one_or_none()
    return None if found is None else Held(State(found.state), found.hold_seconds, found.expires_at)


async def items_of(connection: AsyncConnection, reservation_ids: Collection[str]) -> dict[str, int]:
    """How much of each SKU these reservations are about, together; sorted by SKU."""
    rows = await connection.execute(
        select(reservation_lines.c.sku, func.sum(reservation_lines.c.quantity))
        .where(reservation_lines.c.reservation_id.in_(reservation_ids))
        .group_by(reservation_lines.c.sku)
        .order_by(reservation_lines.c.sku)
    )
    return {sku: int(quantity) for sku, quantity in rows}


async def set_aside(connection: AsyncConnection, reservation_id: str, quantities: Mapping[str, int]) -> None:
    """Move items from on hand to reserved. Their stock must be held, and be enough."""
    lines = [
        {"reservation_id": reservation_id, "sku": sku, "quantity": quantity} for sku, quantity in quantities.items()
    ]
    await connection.execute(insert(reservation_lines), lines)
    await _move(connection, quantities, stock.c.on_hand, stock.c.reserved)


async def settle(connection: AsyncConnection, reservation_ids: Collection[str], was: State, becomes: State) -> int:
    """Move those of these reservations that are in state `was` to another state, and their items with them.

    Returns how many reservations that were.
    """
    mine = select(reservations.c.reservation_id).where(
        reservations.c.reservation_id.in_(reservation_ids), reservations.c.state == was.value
    )
    ids = (await connection.execute(mine.order_by(reservations.c.reservation_id).with_for_update())).scalars().all()
    if not ids:
        return 0
    await connection.execute(
        update(reservations).where(reservations.c.reservation_id.in_(ids)).values(state=becomes.value)
    )
    quantities = await items_of(connection, ids)
    await _move(connection, quantities, _SHELF[was], _SHELF[becomes])
    return len(ids)


async def stale(connection: AsyncConnection, now: datetime, skus: Collection[str] | None) -> list[str]:
    """Some ids of reservations whose time is over, of these SKUs or of any; none when there are none."""
    # A literal, because an index on part of the table serves only statements that name that part.
    reserved = reservations.c.state == literal(State.RESERVED.value, literal_execute=True)
    query = select(reservations.c.reservation_id).where(reserved, reservations.c.expires_at <= now)
    if skus is not None:
        about = select(reservation_lines.c.reservation_id).where(reservation_lines.c.sku.in_(skus))
        query = query.where(reservations.c.reservation_id.in_(about))
    return list((await connection.execute(query.order_by(reservations.c.expires_at).limit(_BATCH))).scalars())


async def _move(
    connection: AsyncConnection,
    quantities: Mapping[str, int],
    source: ColumnElement[int],
    target: ColumnElement[int],
) -> None:
    """Item by item, in the order given: unless their stock is held, in the order of SKUs."""
    quantity = bindparam("quantity", type_=stock.c.on_hand.type)
    moved = (
        update(stock)
        .where(stock.c.sku == bindparam("item"))
        .values({source: source - quantity, target: target + quantity})
    )
    await connection.execute(moved, [{"item": sku, "quantity": n} for sku, n in quantities.items()])
