"""Calls as a worker makes them, and a database with the tables of the inventory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from mesh_activities.inventory_tables import metadata
from sagamesh.call import UNDO
from sagamesh.database import Database
from tests.support.attempts import AsCall


@pytest.fixture
def as_call() -> AsCall:
    """`await as_call("o-1", "inventory.reserve").run(stock.reserve, items)` calls as the worker of that task would."""

    def environment(task_id: str, step: str, *, undo: bool = False, attempt: int = 1) -> ActivityEnvironment:
        made = ActivityEnvironment()
        activity_id = UNDO + step if undo else step
        made.info = replace(made.info, workflow_id=task_id, activity_id=activity_id, attempt=attempt)
        return made

    return environment


@pytest_asyncio.fixture
async def inventory_database(database_url: str) -> AsyncIterator[Database]:
    """A database with the tables of the inventory, to make `Stock` from."""
    async with Database.open(database_url, metadata) as database:
        yield database
