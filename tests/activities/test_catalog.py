"""The agent `catalog` on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from mesh_activities.catalog import Catalog
from mesh_activities.key import KeyReused
from mesh_agents.catalog import PriceChanged, PriceList, Product, QuotedLine, Skus, UnknownProduct, Wanted
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from tests.support.attempts import AsCall

pytestmark = pytest.mark.asyncio


def prices(**euros: str) -> PriceList:
    products = [
        Product(sku=sku, title=sku.title(), prices=(Money(amount=Decimal(amount), currency="EUR"),))
        for sku, amount in euros.items()
    ]
    return PriceList(products=tuple(products))


def wanted(currency: str = "EUR", expected: str | None = None, **items: int) -> Wanted:
    lines = [ItemQuantity(sku=sku, quantity=quantity) for sku, quantity in items.items()]
    total = None if expected is None else Decimal(expected)
    return Wanted(items=tuple(lines), currency=currency, expected_total=total)


async def test_the_newest_list_is_in_force(database_url: str, as_call: AsCall) -> None:
    async with Catalog.open(database_url) as catalog:
        with pytest.raises(UnknownProduct):
            await catalog.quote(wanted(tea=1))
        publishing = as_call("p-1", "catalog.publish")
        first = await publishing.run(catalog.publish, prices(tea="3.10", cup="12"))
        assert (first.version, first.products) == (1, 2)
        quote = await catalog.quote(wanted(cup=1, tea=3, expected="21.30"))
        assert quote.total == Money(amount=Decimal("21.30"), currency="EUR")
        assert quote.lines == (
            QuotedLine(sku="cup", title="Cup", quantity=1, unit_price=Decimal(12)),
            QuotedLine(sku="tea", title="Tea", quantity=3, unit_price=Decimal("3.10")),
        )

        second = await as_call("p-2", "catalog.publish").run(catalog.publish, prices(tea="3.20"))
        assert second.version == 2
        assert await as_call("p-1", "catalog.publish").run(catalog.publish, prices(tea="3.10", cup="12")) == first
        with pytest.raises(KeyReused):
            await as_call("p-1", "catalog.publish").run(catalog.publish, prices(tea="1"))
        with pytest.raises(PriceChanged) as changed:
            await catalog.quote(wanted(tea=3, expected="9.30"))
        assert changed.value.details == ({"expected": "9.30", "total": "9.60", "currency": "EUR", "price_list": 2},)
        with pytest.raises(UnknownProduct) as unknown:
            await catalog.quote(wanted(tea=1, cup=1))
        assert unknown.value.details == ({"sku": "cup", "currency": "EUR", "field": "items[1].sku"},)
        with pytest.raises(UnknownProduct):
            await catalog.quote(wanted("USD", tea=1))
        found = await catalog.describe(Skus(skus=("cup", "tea")))
        assert found.products == prices(tea="3.20").products


async def test_lists_that_are_published_at_once_have_numbers_of_their_own(database_url: str) -> None:
    async with Catalog.open(database_url) as catalog:
        made = await asyncio.gather(*(catalog.publish_as(f"p-{n}", prices(tea=str(n + 1))) for n in range(6)))
        assert sorted(each.version for each in made) == [1, 2, 3, 4, 5, 6]
        [last] = [n for n, each in enumerate(made) if each.version == 6]
        assert (await catalog.quote(wanted(tea=1))).total.amount == last + 1
