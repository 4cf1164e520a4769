"""The agent `cart` on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mesh_activities.cart import Carts
from mesh_activities.key import CalledOff, KeyReused
from mesh_agents.cart import Basket, CartChanged, CartEmpty, CartFull, CartRef, Change, Contents
from mesh_agents.inventory import ItemQuantity
from tests.support.attempts import AsCall

pytestmark = pytest.mark.asyncio

MAIN = CartRef(owner="ada", cart="main")


def change(**items: int) -> Change:
    lines = tuple(ItemQuantity(sku=sku, quantity=quantity) for sku, quantity in items.items())
    return Change(owner="ada", cart="main", items=lines)


def inside(contents: Contents | Basket) -> dict[str, int]:
    return {item.sku: item.quantity for item in contents.items}


class Shopper:
    """The steps of tasks on one cart."""

    def __init__(self, carts: Carts, as_call: AsCall) -> None:
        self.carts = carts
        self.as_call = as_call

    async def add(self, task: str, **items: int) -> Contents:
        return await self.as_call(task, "cart.add").run(self.carts.add, change(**items))

    async def take_back(self, task: str, **items: int) -> Contents:
        return await self.as_call(task, "cart.add", undo=True).run(self.carts.remove, change(**items))

    async def remove(self, task: str, **items: int) -> Contents:
        return await self.as_call(task, "cart.remove").run(self.carts.remove, change(**items))

    async def check_out(self, task: str, ref: CartRef = MAIN) -> Basket:
        return await self.as_call(task, "cart.checkout").run(self.carts.check_out, ref)

    async def reopen(self, task: str) -> Contents:
        return await self.as_call(task, "cart.checkout", undo=True).run(self.carts.reopen, MAIN)


@pytest_asyncio.fixture
async def shopper(database_url: str, as_call: AsCall) -> AsyncIterator[Shopper]:
    async with Carts.open(database_url) as carts:
        yield Shopper(carts, as_call)


async def test_a_cart_from_empty_to_bought(shopper: Shopper) -> None:
    assert (await shopper.carts.show(MAIN)).version == 0
    assert inside(await shopper.add("t-1", tea=2, cup=1)) == {"cup": 1, "tea": 2}
    assert (await shopper.add("t-1", tea=2, cup=1)).version == 1
    with pytest.raises(KeyReused):
        await shopper.add("t-1", tea=3)
    assert inside(await shopper.add("t-2", tea=1)) == {"cup": 1, "tea": 3}
    assert inside(await shopper.remove("t-3", cup=5)) == {"tea": 3}
    with pytest.raises(CartChanged) as changed:
        await shopper.check_out("t-4", MAIN.model_copy(update={"version": 2}))
    assert changed.value.details == ({"owner": "ada", "cart": "main", "seen": 2, "version": 3},)
    with pytest.raises(CartFull):
        await shopper.add("t-5", tea=9_998)

    basket = await shopper.check_out("t-6", MAIN.model_copy(update={"version": 3}))
    assert (inside(basket), basket.version) == ({"tea": 3}, 3)
    assert inside(await shopper.carts.show(MAIN)) == {}
    with pytest.raises(CartEmpty):
        await shopper.check_out("t-7")
    other = await shopper.carts.show(CartRef(owner="bob", cart="main"))
    assert (other.version, other.items) == (0, ())


async def test_what_is_undone_is_as_it_was(shopper: Shopper) -> None:
    await shopper.add("t-1", tea=2)
    await shopper.add("t-2", tea=1, cup=1)
    assert inside(await shopper.check_out("t-2")) == {"cup": 1, "tea": 3}
    await shopper.add("t-3", tea=1)  # meanwhile, by somebody else
    assert inside(await shopper.reopen("t-2")) == {"cup": 1, "tea": 4}
    assert inside(await shopper.take_back("t-2", tea=1, cup=1)) == {"tea": 3}
    assert inside(await shopper.reopen("t-2")) == {"cup": 1, "tea": 4}  # the same undo, the same answer
    assert inside(await shopper.take_back("t-2", tea=1, cup=1)) == {"tea": 3}
    assert inside(await shopper.carts.show(MAIN)) == {"tea": 3}

    # An undo that comes before its step: nothing happens, and the step refuses itself.
    assert inside(await shopper.take_back("t-4", tea=1)) == {"tea": 3}
    assert inside(await shopper.reopen("t-4")) == {"tea": 3}
    with pytest.raises(CalledOff):
        await shopper.add("t-4", tea=1)
    with pytest.raises(CalledOff):
        await shopper.check_out("t-4")
    assert inside(await shopper.carts.show(MAIN)) == {"tea": 3}


async def test_nothing_is_lost_or_bought_twice_when_all_come_at_once(shopper: Shopper) -> None:
    await asyncio.gather(*(shopper.add(f"t-{n}", tea=1, cup=2) for n in range(6)))
    baskets = await asyncio.gather(*(shopper.check_out(f"b-{n}") for n in range(4)), return_exceptions=True)
    bought = [each for each in baskets if isinstance(each, Basket)]
    assert [inside(each) for each in bought] == [{"cup": 12, "tea": 6}]
    assert [type(each) for each in baskets if not isinstance(each, Basket)] == [CartEmpty] * 3
