"""Locking a database against everybody who would write to it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sagamesh.errors import DefinitionError

__all__ = ["locked"]

_PATIENCE = 10.0
"""Seconds until a database that others are writing to must let us have our turn."""


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Hold the database's write lock for the length of the block; those who only read are not disturbed.

    - `url`: SQLAlchemy's, of SQLite or PostgreSQL.

    Raises:
        DefinitionError: for another kind of database.
        OSError: when the lock cannot be had.
    """
    from sqlalchemy.engine import make_url

    address = make_url(url)
    match address.get_backend_name():
        case "sqlite" if address.database:
            holding = _sqlite(address.database)
        case "postgresql":
            holding = _postgresql(address.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False))
        case other:
            raise DefinitionError(f"chaos can lock SQLite files and PostgreSQL, not {other}")
    async with holding:
        yield


@asynccontextmanager
async def _sqlite(path: str) -> AsyncIterator[None]:
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        try:
            await asyncio.to_thread(connection.execute, "BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise OSError(f"{path} cannot be locked: {error}") from error
        yield
    finally:
        connection.close()


@asynccontextmanager
async def _postgresql(url: str) -> AsyncIterator[None]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, connect_args={"server_settings": {"lock_timeout": str(int(_PATIENCE * 1000))}})
    connection = engine.connect()
    try:
        try:
            await connection.start()
            found = await connection.execute(
                text("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
            )
            tables = [name for (name,) in found]
            if tables:
                await connection.execute(text(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE"))
        except (SQLAlchemyError, OSError) as error:
            said = str(error).partition("\n")[0]  # below it stand SQLAlchemy's statement and advice
            raise OSError(f"the database cannot be locked: {said}") from error
        yield
    finally:
        # Nothing was written, so the lock ends with the connection; a server that was killed meanwhile has ended both.
        if connection.sync_connection is not None:
            await connection.invalidate()
            await connection.close()
        await engine.dispose()
