"""The pool of the agent `records`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.records import Records
from mesh_agents.records import get, list_records, put, records
from mesh_workers import dependencies
from mesh_workers.settings import RecordsSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `records` from the database that SAGAMESH_RECORDS_DATABASE names."""
    settings = read_settings(RecordsSettings)
    async with (
        Records.open(settings.database) as store,
        dependencies.database(settings.database) as answers,
    ):
        yield (
            Pool(records, checks={"database": answers})
            .serve(put, store.put)
            .serve(get, store.get)
            .serve(list_records, store.page)
        )
