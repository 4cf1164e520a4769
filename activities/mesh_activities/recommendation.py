"""Recommendation: what was bought together, counted in a SQL database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.affinity import pairs_of, popular, ranked
from mesh_activities.effects import Effects
from mesh_activities.store import Store
from mesh_agents.recommendation import Bought, Context, Learned, Suggestions

__all__ = ["Recommendations", "metadata"]

metadata = MetaData()

_journal = Effects.journal("recommendation", metadata)
_bought = Table(
    "recommendation_bought",
    metadata,
    Column("sku", String, primary_key=True),
    Column("purchases", BigInteger, nullable=False),
)
_together = Table(
    "recommendation_together",
    metadata,
    Column("first", String, primary_key=True),
    Column("second", String, primary_key=True),
    Column("purchases", BigInteger, nullable=False),
)
Index("recommendation_second", _together.c.second)


class Recommendations(Store):
    """Serves the agent `recommendation`. The key of a purchase is its event: told by whomever, it is learned once."""

    metadata = metadata
    journal = _journal

    async def learn(self, bought: Bought) -> Learned:
        """Count the purchase.

        Raises:
            KeyReused: the event was told with other products before.
        """

        async def counted(connection: AsyncConnection) -> Learned:
            # In one order for everybody, so that no two wait for each other.
            for sku in sorted(bought.skus):
                await self._count(connection, _bought, {"sku": sku})
            for first, second in pairs_of(bought.skus):
                await self._count(connection, _together, {"first": first, "second": second})
            return Learned(purchases=await _purchases(connection))

        return await self._effects.once(bought.event, bought, Learned, counted)

    async def suggest(self, context: Context) -> Suggestions:
        """What goes with the context; what most people buy, where there is none or nothing goes with it."""
        skus = context.skus
        async with self._database.reading() as connection:
            beside = select(_together).where(or_(_together.c.first.in_(skus), _together.c.second.in_(skus)))
            together = {(row.first, row.second): row.purchases for row in await connection.execute(beside)}
            named = {sku for pair in together for sku in pair}
            counts = select(_bought.c.sku, _bought.c.purchases)
            bought = dict((await connection.execute(counts.where(_bought.c.sku.in_(named)))).all())
            found = ranked(skus, bought, together, context.limit)
            if found:
                return Suggestions(suggestions=found)
            most = counts.where(_bought.c.sku.not_in(skus)).order_by(_bought.c.purchases.desc(), _bought.c.sku)
            bought = dict((await connection.execute(most.limit(context.limit))).all())
            return Suggestions(suggestions=popular(bought, await _purchases(connection), context.limit))

    async def learned(self) -> set[str]:
        """The events from which it has learned."""
        async with self._database.reading() as connection:
            return set((await connection.execute(select(_journal.c.key))).scalars())

    async def _count(self, connection: AsyncConnection, table: Table, values: dict[str, str]) -> None:
        await self._database.insert_new(connection, table, {**values, "purchases": 0})
        these = [table.c[name] == value for name, value in values.items()]
        await connection.execute(update(table).where(*these).values(purchases=table.c.purchases + 1))


async def _purchases(connection: AsyncConnection) -> int:
    return (await connection.execute(select(func.count()).select_from(_journal))).scalar_one()
