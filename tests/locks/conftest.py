"""A real server on which tasks contend, and the place that they contend for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import client as temporal
from temporalio.worker import Worker

from sagamesh import Client, Mesh, Pool, SagameshPlugin
from sagamesh.testing import dev_server, served
from tests.locks import tasks
from tests.locks.tasks import Entry, Seen

EVENTS = 400
"""After so many events a lock continues as new: often enough for every test to see it."""


class Place:
    """Who entered and left, as a shared database noted it."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("CREATE TABLE visits (n INTEGER PRIMARY KEY, who TEXT, what TEXT, fence INTEGER)")

    async def enter(self, entry: Entry) -> Seen:
        return self._note(entry, "enters")

    async def leave(self, entry: Entry) -> Seen:
        return self._note(entry, "leaves")

    async def visit(self, entry: Entry) -> Seen:
        """Enter, stay long enough for another to come, leave."""
        self._note(entry, "enters")
        await asyncio.sleep(0.002)
        return self._note(entry, "leaves")

    def visits(self) -> list[tuple[str, str, int]]:
        """All, in the order in which they happened."""
        return list(self._db.execute("SELECT who, what, fence FROM visits ORDER BY n"))

    def clear(self) -> None:
        """Forget them."""
        self._db.execute("DELETE FROM visits")

    def close(self) -> None:
        self._db.close()

    def _note(self, entry: Entry, what: str) -> Seen:
        self._db.execute("INSERT INTO visits (who, what, fence) VALUES (?, ?, ?)", (entry.who, what, entry.fence))
        return Seen(fences=(entry.fence,))


@pytest.fixture(scope="package")
def the_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("place") / "place.db")
    yield place
    place.close()


@pytest.fixture
def place(the_place: Place) -> Place:
    """The place, with nobody in it."""
    the_place.clear()
    return the_place


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def contended(the_place: Place) -> AsyncIterator[Client]:
    """A client of a server on which tasks, the place and the framework's own parts are served."""
    plugin = SagameshPlugin(passthrough=("tests",))
    pool = Pool(tasks.place, slots=100).serve(tasks.enter, the_place.enter).serve(tasks.leave, the_place.leave)
    pool.serve(tasks.visit, the_place.visit)
    async with dev_server(plugin, settings=[f"limit.historyCount.suggestContinueAsNew={EVENTS}"]) as environment:
        client: temporal.Client = environment.client
        hosts: list[Any] = [
            Worker(client, task_queue="turns", workflows=tasks.FLOWS),
            Worker(client, task_queue="turns.replayed", workflows=tasks.FLOWS, max_cached_workflows=0),
        ]
        async with served(client, pool, mesh=Mesh(tasks.place)), hosts[0], hosts[1]:
            yield Client(client)
