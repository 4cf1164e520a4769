"""A locked database keeps writers out for as long as the fault lasts, and readers not at all."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from sagamesh.chaos.lock import locked
from sagamesh.database import Database
from sagamesh.errors import DefinitionError
from tests.support.database_servers import DatabaseServer

pytestmark = pytest.mark.asyncio

METADATA = MetaData()
TABLE = Table("Odd Name", METADATA, Column("n", Integer, primary_key=True))
LOCKED = 1.0


async def test_writers_wait_and_readers_do_not(database_url: str) -> None:
    async with Database.open(database_url, METADATA) as database:
        async with locked(database_url):
            began = time.monotonic()
            writing = asyncio.create_task(write(database))
            await asyncio.sleep(LOCKED)
            assert not writing.done()
            async with database.reading() as connection:
                assert (await connection.execute(select(func.count()).select_from(TABLE))).scalar_one() == 0
        await writing
        assert time.monotonic() - began >= LOCKED
        async with database.reading() as connection:
            assert (await connection.execute(select(func.count()).select_from(TABLE))).scalar_one() == 1


async def write(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(TABLE).values(n=1))


async def test_a_database_that_is_away_is_left_out(database_server: DatabaseServer) -> None:
    with pytest.raises(OSError, match=r"the database cannot be locked: .*Connect call failed"):
        async with locked(database_server.url()):
            pass


async def test_a_database_that_is_killed_under_its_lock_ends_it(database_server: DatabaseServer) -> None:
    await asyncio.to_thread(database_server.start)
    url = database_server.url()
    async with Database.open(url, METADATA) as database, locked(url):
        database_server.kill()
        await asyncio.to_thread(database_server.start)
        # Of the lock nothing is left, although the one who asked for it does not know yet.
        await write(database)


async def test_another_kind_of_database() -> None:
    with pytest.raises(DefinitionError, match="chaos can lock SQLite files and PostgreSQL, not mysql"):
        async with locked("mysql+pymysql://shop@localhost/books"):
            pass
