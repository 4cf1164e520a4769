"""One SQL database: SQLite where nothing else is given, PostgreSQL for real use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, Self

from sqlalchemy import Connection, MetaData, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from sagamesh.database_address import address_of, obstacle_to_opening, wrong_address

__all__ = ["Database"]

# Shorter than an attempt of a capability may take: a wait for a lock then ends as an error, not as a lost attempt.
_LOCK_WAIT_MS: Final = 5_000
# A machine that vanishes inside a transaction would otherwise keep its locks until the system gives up its connection,
# which takes hours.
_SILENCE_MS: Final = 30_000
_SCHEMA_LOCK: Final = 0x5A6A_3E54  # any number, the same in every process that creates tables

_READING: Final = "sagamesh_reading"


class Database:
    """An engine whose transactions may be relied on to write or to leave no trace.

    A transaction waits at most 5 s for a lock. What fails for a passing reason (a lock, a lost connection) raises
    SQLAlchemy's own error; whether it was committed is then not known, so call again with the same key.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._readers = (
            engine.execution_options(**{_READING: True})
            if self._is_sqlite
            else engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        # SQLite has one writer at a time, and lets the others poll for their turn. Inside a process a queue is fairer.
        self._turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self._is_sqlite else nullcontext()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, metadata: MetaData) -> AsyncIterator[Self]:
        """Connect, create what tables are missing, and dispose of the connections at the end.

        Args:
            url: SQLAlchemy's, such as `sqlite:///path.db` or `postgresql://user:password@host/name`. The driver may be
                left out, and is aiosqlite or asyncpg.
            metadata: the tables.

        Raises:
            InvalidInput: for a URL of another kind, a SQLite file that cannot be opened, or a login that PostgreSQL
                refuses. Names the environment variable that has this value; shows no user and no password.
            DependencyUnreachable: when the database cannot be reached.
        """
        try:
            address = address_of(url)
        except ValueError as error:
            raise wrong_address(url, str(error)) from None
        engine = _sqlite_engine(address) if address.get_backend_name() == "sqlite" else _postgresql_engine(address)
        try:
            try:
                async with engine.begin() as connection:
                    if engine.dialect.name == "postgresql":
                        # Two pools that start at once would both find a table missing, and one would fail to create it.
                        lock = text("SELECT pg_advisory_xact_lock(:number)")
                        await connection.execute(lock, {"number": _SCHEMA_LOCK})
                    await connection.run_sync(metadata.create_all)
            except Exception as error:
                obstacle = obstacle_to_opening(url, address, error)
                if obstacle is None:
                    raise
                raise obstacle from error
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: committed at the end of the block, rolled back when it raises.

        PostgreSQL: READ COMMITTED whatever the server's default is, so each statement sees what others have committed;
        decide on rows that are locked (`with_for_update`). SQLite: the one writer there is.
        """
        async with self._turn, self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees one moment throughout; it waits for no writer and delays none."""
        async with self._readers.begin() as connection:
            yield connection

    async def insert_new(self, connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless its primary key is taken, in one statement that two writers cannot both win.

        Returns whether the row was inserted. Where another transaction is inserting the same key, it waits for its end.
        """
        dialect = sqlite if self._is_sqlite else postgresql
        insertion = dialect.insert(table).values(**values)
        result = await connection.execute(insertion.on_conflict_do_nothing(index_elements=table.primary_key.columns))
        return result.rowcount == 1

    async def put(self, connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> None:
        """Insert a row, or replace the one that has its primary key, in one statement."""
        dialect = sqlite if self._is_sqlite else postgresql
        keys = {column.name for column in table.primary_key.columns}
        others = {name: value for name, value in values.items() if name not in keys}
        insertion = dialect.insert(table).values(**values)
        await connection.execute(insertion.on_conflict_do_update(index_elements=table.primary_key.columns, set_=others))


def _sqlite_engine(address: URL) -> AsyncEngine:
    engine = create_async_engine(address)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    event.listen(engine.sync_engine, "invalidate", _roll_back_sqlite)
    return engine


def _postgresql_engine(address: URL) -> AsyncEngine:
    return create_async_engine(
        address,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "server_settings": {
                "application_name": "sagamesh",
                "lock_timeout": str(_LOCK_WAIT_MS),
                "idle_in_transaction_session_timeout": str(_SILENCE_MS),
            }
        },
    )


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver would begin transactions late and as readers; two of them upgrading to writers would then fail.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        for pragma in (
            f"busy_timeout={_LOCK_WAIT_MS}",
            "journal_mode=WAL",
            # WAL with NORMAL survives kill -9 of the process; a power cut may lose the last commits.
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()  # nobody else knows it yet, and its thread would outlive the event loop
        raise
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _roll_back_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry, error: BaseException | None) -> None:
    # The connection of a cancelled call is closed. SQLite puts that off while a query is half read, and the write lock
    # stays until Python collects the query: seconds in which nobody can write.
    connection.rollback()
