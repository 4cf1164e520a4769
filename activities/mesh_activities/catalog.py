"""Catalog: price lists in a SQL database, each as it was published."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, String, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.columns import Exact, Instant
from mesh_activities.effects import Effects
from mesh_activities.quotation import Priced, quoted
from mesh_activities.store import Store
from mesh_agents.catalog import PriceList, Product, Products, Published, Quote, Skus, Wanted
from mesh_agents.money import Money
from sagamesh import current_call

__all__ = ["Catalog", "metadata"]

metadata = MetaData()

_journal = Effects.journal("catalog", metadata)
_lists = Table(
    "catalog_lists",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("published_at", Instant, nullable=False),
    Column("source", String, comment="digest of the record that it was taken from"),
)
_products = Table(
    "catalog_products",
    metadata,
    Column("version", ForeignKey(_lists.c.version), primary_key=True),
    Column("sku", String, primary_key=True),
    Column("title", String, nullable=False),
)
_prices = Table(
    "catalog_prices",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("sku", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("amount", Exact, nullable=False),
    ForeignKeyConstraint(["version", "sku"], [_products.c.version, _products.c.sku]),
)


class Catalog(Store):
    """Serves the agent `catalog`. A price list is never changed: the newest is in force."""

    metadata = metadata
    journal = _journal

    async def publish(self, prices: PriceList) -> Published:
        """Put the list in force.

        Raises:
            KeyReused: the same step published another list before.
        """
        return await self.publish_as(current_call().key, prices)

    async def publish_as(self, key: str, prices: PriceList) -> Published:
        """As `publish`, under a key of the caller's choice."""

        async def published(connection: AsyncConnection) -> Published:
            # Two that publish at once would both be the next; the number is taken by whoever inserts it first.
            version = await _newest(connection) + 1
            row = {
                "version": version,
                "published_at": self._now(),
                "source": None if prices.source is None else prices.source.digest,
            }
            while not await self._database.insert_new(connection, _lists, row):
                row["version"] = version = version + 1
            products = [{"version": version, "sku": product.sku, "title": product.title} for product in prices.products]
            amounts = [
                {"version": version, "sku": product.sku, "currency": price.currency, "amount": price.amount}
                for product in prices.products
                for price in product.prices
            ]
            await connection.execute(insert(_products), products)
            await connection.execute(insert(_prices), amounts)
            return Published(version=version, products=len(products))

        return await self._effects.once(key, prices, Published, published)

    async def quote(self, wanted: Wanted) -> Quote:
        """What the items cost now.

        Raises:
            UnknownProduct, QuoteTooLarge, PriceChanged: as the contract says.
        """
        skus = [item.sku for item in wanted.items]
        async with self._database.reading() as connection:
            version = await _newest(connection)
            named = await _titles(connection, version, skus)
            amounts = select(_prices.c.sku, _prices.c.amount).where(
                (_prices.c.version == version) & (_prices.c.currency == wanted.currency) & _prices.c.sku.in_(skus)
            )
            prices = {sku: Priced(named[sku], amount) for sku, amount in await connection.execute(amounts)}
        lines, total = quoted(
            wanted.items, prices, wanted.currency, price_list=version, expected_total=wanted.expected_total
        )
        return Quote(price_list=version, lines=lines, total=total)

    async def describe(self, wanted: Skus) -> Products:
        """The products among these SKUs; those that are not sold are left out."""
        async with self._database.reading() as connection:
            version = await _newest(connection)
            named = await _titles(connection, version, wanted.skus)
            amounts = (
                select(_prices.c.sku, _prices.c.currency, _prices.c.amount)
                .where((_prices.c.version == version) & _prices.c.sku.in_(wanted.skus))
                .order_by(_prices.c.currency)
            )
            prices: dict[str, list[Money]] = {}
            for sku, currency, amount in await connection.execute(amounts):
                prices.setdefault(sku, []).append(Money(amount=amount, currency=currency))
        found = [Product(sku=sku, title=named[sku], prices=tuple(prices[sku])) for sku in wanted.skus if sku in named]
        return Products(price_list=version, products=tuple(found))


async def _newest(connection: AsyncConnection) -> int:
    """The version in force; 0 while nothing is sold."""
    newest: int = (await connection.execute(select(func.coalesce(func.max(_lists.c.version), 0)))).scalar_one()
    return newest


async def _titles(connection: AsyncConnection, version: int, skus: Sequence[str]) -> dict[str, str]:
    named = select(_products.c.sku, _products.c.title)
    found = await connection.execute(named.where((_products.c.version == version) & _products.c.sku.in_(skus)))
    return dict(found.all())
