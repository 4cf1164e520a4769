"""The pool of the agent `inventory`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.inventory import Stock
from mesh_agents.inventory import confirm, inventory, release, reserve
from mesh_workers import dependencies, seed
from mesh_workers.settings import InventorySettings
from sagamesh import Agent, Pool
from sagamesh.settings import read_settings

_log = logging.getLogger(__name__)


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `inventory` from the database that SAGAMESH_INVENTORY_DATABASE names, and frees expired reservations."""
    async with warehouse(inventory, read_settings(InventorySettings)) as made:
        yield made


@asynccontextmanager
async def warehouse(agent: Agent, settings: InventorySettings) -> AsyncIterator[Pool]:
    """Serves inventory, in whichever zone, from the stock that the settings name."""
    async with Stock.open(settings.database) as stock, dependencies.database(settings.database) as answers:
        if settings.seed == "demo":
            await stock.deliver("demo", seed.STOCK)
        sweep = asyncio.create_task(_sweep(stock, settings.sweep_seconds))
        try:
            yield (
                Pool(agent, checks={"database": answers})
                .serve(reserve, stock.reserve)
                .serve(release, stock.release)
                .serve(confirm, stock.confirm)
            )
        finally:
            sweep.cancel()


async def _sweep(stock: Stock, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await stock.expire_stale()
        except Exception:
            # The next round tries again; a reserve that lacks stock frees what it needs by itself.
            _log.warning("expired reservations could not be freed", exc_info=True)
