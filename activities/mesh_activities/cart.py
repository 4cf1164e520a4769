"""Cart: customers' carts in a SQL database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.contents import check_room, items_of, with_items, with_restored, without_items
from mesh_activities.effects import Effects
from mesh_activities.store import Store
from mesh_agents.cart import Basket, CartChanged, CartEmpty, CartRef, Change, Contents
from sagamesh import current_call

__all__ = ["Carts", "metadata"]

metadata = MetaData()

_journal = Effects.journal("cart", metadata)
_carts = Table(
    "cart_carts",
    metadata,
    Column("owner", String, primary_key=True),
    Column("cart", String, primary_key=True),
    Column("version", Integer, nullable=False),
)
_lines = Table(
    "cart_lines",
    metadata,
    Column("owner", String, primary_key=True),
    Column("cart", String, primary_key=True),
    Column("sku", String, primary_key=True),
    Column("quantity", Integer, CheckConstraint("quantity > 0", name="cart_some"), nullable=False),
    ForeignKeyConstraint(["owner", "cart"], [_carts.c.owner, _carts.c.cart]),
)

_Changed: TypeAlias = Callable[[Mapping[str, int]], dict[str, int]]


class _Cart(NamedTuple):
    version: int
    contents: dict[str, int]


class Carts(Store):
    """Serves the agent `cart`."""

    metadata = metadata
    journal = _journal

    async def add(self, change: Change) -> Contents:
        """Put the items in.

        Raises:
            CartFull: as the contract says.
            KeyReused, CalledOff: the same step put something else in, or was undone.
        """

        async def put_in(connection: AsyncConnection) -> Contents:
            return await self._change(
                connection,
                change,
                lambda contents: with_items(contents, change.items, owner=change.owner, cart=change.cart),
            )

        return await self._effects.once(current_call().key, change, Contents, put_in)

    async def remove(self, change: Change) -> Contents:
        """Take the items out, as far as they are in. As the undo of `add`, only when they were put in.

        Raises:
            KeyReused: the same step took something else out before.
        """

        async def take_out(connection: AsyncConnection) -> Contents:
            return await self._change(connection, change, lambda contents: without_items(contents, change.items))

        async def take_back(connection: AsyncConnection, put_in: Contents | None) -> Contents:
            if put_in is None:
                return await self._shown(connection, change)
            return await take_out(connection)

        call = current_call()
        if call.undo:
            return await self._effects.undo(call.key, Contents, Contents, take_back)
        return await self._effects.once(call.key, change, Contents, take_out)

    async def show(self, ref: CartRef) -> Contents:
        """What is in the cart now, whichever version was asked about."""
        async with self._database.reading() as connection:
            return await self._shown(connection, ref)

    async def check_out(self, ref: CartRef) -> Basket:
        """Take everything out, to be bought.

        Raises:
            CartEmpty, CartChanged: as the contract says. CartFull: what was put back made it more than can be bought.
            KeyReused, CalledOff: the same step bought another cart, or was undone.
        """

        async def bought(connection: AsyncConnection) -> Basket:
            cart = await _found(connection, ref, lock=True)
            if cart is None or not cart.contents:
                raise CartEmpty(f"the cart {ref.cart} of {ref.owner} is empty", owner=ref.owner, cart=ref.cart)
            if ref.version is not None and ref.version != cart.version:
                raise CartChanged(
                    f"the cart {ref.cart} of {ref.owner} is at version {cart.version}, not {ref.version}",
                    owner=ref.owner,
                    cart=ref.cart,
                    seen=ref.version,
                    version=cart.version,
                )
            check_room(cart.contents, owner=ref.owner, cart=ref.cart)
            await self._change(connection, ref, lambda _: {})
            return Basket(owner=ref.owner, cart=ref.cart, version=cart.version, items=items_of(cart.contents))

        return await self._effects.once(current_call().key, ref, Basket, bought)

    async def reopen(self, ref: CartRef) -> Contents:
        """Undo a check-out: what was to be bought is in the cart again, with what was put in since."""

        async def put_back(connection: AsyncConnection, basket: Basket | None) -> Contents:
            if basket is None:
                return await self._shown(connection, ref)
            return await self._change(connection, ref, lambda contents: with_restored(contents, basket.items))

        return await self._effects.undo(current_call().key, Basket, Contents, put_back)

    async def _change(self, connection: AsyncConnection, ref: CartRef | Change, changed: _Changed) -> Contents:
        empty = {"owner": ref.owner, "cart": ref.cart, "version": 0}
        await self._database.insert_new(connection, _carts, empty)
        before = await _found(connection, ref, lock=True) or _Cart(0, {})
        after = changed(before.contents)
        version = before.version + 1
        await connection.execute(update(_carts).where(_named(_carts, ref)).values(version=version))
        await connection.execute(delete(_lines).where(_named(_lines, ref)))
        rows = [{"owner": ref.owner, "cart": ref.cart, "sku": sku, "quantity": after[sku]} for sku in after]
        if rows:
            await connection.execute(insert(_lines), rows)
        return Contents(owner=ref.owner, cart=ref.cart, version=version, items=items_of(after))

    async def _shown(self, connection: AsyncConnection, ref: CartRef | Change) -> Contents:
        cart = await _found(connection, ref) or _Cart(0, {})
        return Contents(owner=ref.owner, cart=ref.cart, version=cart.version, items=items_of(cart.contents))


async def _found(connection: AsyncConnection, ref: CartRef | Change, *, lock: bool = False) -> _Cart | None:
    """The cart, where there is one; `lock` keeps it from others until the end of the transaction."""
    wanted = select(_carts.c.version).where(_named(_carts, ref))
    version = (await connection.execute(wanted.with_for_update() if lock else wanted)).scalar_one_or_none()
    if version is None:
        return None
    lines = await connection.execute(select(_lines.c.sku, _lines.c.quantity).where(_named(_lines, ref)))
    return _Cart(version, dict(lines.all()))


def _named(table: Table, ref: CartRef | Change) -> ColumnElement[bool]:
    return (table.c.owner == ref.owner) & (table.c.cart == ref.cart)
