"""What the implementation of an agent stands on: a database of its own, its effects in it, and the time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar, Self

from sqlalchemy import MetaData, Table

from mesh_activities.clock import utc_now
from mesh_activities.effects import Effects
from sagamesh.database import Database

__all__ = ["Store"]


class Store:
    """Base of the implementations that keep what they do in a journal.

    - `metadata`: the agent's tables. `journal`: the one of `Effects.journal` among them.
    """

    metadata: ClassVar[MetaData]
    journal: ClassVar[Table]

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._effects = Effects(database, self.journal)
        self._now = now

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, now: Callable[[], datetime] = utc_now) -> AsyncIterator[Self]:
        """Connect to the database of this URL (see `Database.open`), for the length of the block."""
        async with Database.open(url, cls.metadata) as database:
            yield cls(database, now)
