"""The pool of the agent `catalog`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.catalog import Catalog
from mesh_agents.catalog import catalog, describe, publish, quote
from mesh_workers import dependencies, seed
from mesh_workers.settings import CatalogSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `catalog` from the database that SAGAMESH_CATALOG_DATABASE names."""
    settings = read_settings(CatalogSettings)
    async with (
        Catalog.open(settings.database) as shelves,
        dependencies.database(settings.database) as answers,
    ):
        if settings.seed == "demo":
            await shelves.publish_as("demo", seed.PRICES)
        yield (
            Pool(catalog, checks={"database": answers})
            .serve(publish, shelves.publish)
            .serve(quote, shelves.quote)
            .serve(describe, shelves.describe)
        )
