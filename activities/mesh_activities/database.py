"""One SQL database: SQLite where nothing else is given, PostgreSQL for real use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from sqlalchemy import Connection, MetaData, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["Database"]

_SQLITE_BUSY_MS = 20_000


class Database:
    """An engine whose transactions may be relied on to write or to leave no trace.

    URLs are SQLAlchemy's: `sqlite+aiosqlite:///path.db`, `postgresql+asyncpg://user@host/name`.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, metadata: MetaData) -> AsyncIterator[Self]:
        """Connect, create what tables are missing, and dispose of the connections at the end."""
        engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        if make_url(url).get_backend_name() == "sqlite":
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_immediate)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: committed at the end of the block, rolled back when it raises."""
        async with self._engine.begin() as connection:
            yield connection

    async def insert_new(self, connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless its primary key is taken, in one statement that two writers cannot both win.

        Returns whether the row was inserted.
        """
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        result = await connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())
        return result.rowcount == 1


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver would begin transactions late and as readers; two of them upgrading to writers would then fail.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_SQLITE_BUSY_MS}",
        "journal_mode=WAL",
        # WAL with NORMAL survives kill -9 of the process; a power cut may lose the last commits.
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
