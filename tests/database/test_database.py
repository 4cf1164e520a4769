"""The promises of `Database`, each on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import asyncio
import gc
import random
import sys

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    insert,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from sagamesh import database as module
from sagamesh.database import Database
from sagamesh.errors import DependencyUnreachable, InvalidInput

pytestmark = pytest.mark.asyncio

metadata = MetaData()
counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("owner", String),
    UniqueConstraint("owner"),
)


async def increment(database: Database, name: str) -> None:
    async with database.transaction() as connection:
        await database.insert_new(connection, counters, {"name": name, "n": 0})
        await connection.execute(update(counters).where(counters.c.name == name).values(n=counters.c.n + 1))


async def value(database: Database, name: str) -> int | None:
    async with database.reading() as connection:
        found: int | None = await connection.scalar(select(counters.c.n).where(counters.c.name == name))
        return found


async def test_a_block_that_raises_leaves_no_trace(database_url: str) -> None:
    async with Database.open(database_url, metadata) as database:

        async def fail() -> None:
            async with database.transaction() as connection:
                await database.insert_new(connection, counters, {"name": "a", "n": 1})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await value(database, "a") is None


async def test_what_was_committed_is_there_after_opening_again(database_url: str) -> None:
    async with Database.open(database_url, metadata) as database:
        await increment(database, "a")
    async with Database.open(database_url, metadata) as database:
        assert await value(database, "a") == 1


async def test_one_of_many_concurrent_inserts_of_a_key_wins(database_url: str) -> None:
    async with Database.open(database_url, metadata) as database:

        async def try_insert(n: int) -> bool:
            async with database.transaction() as connection:
                return await database.insert_new(connection, counters, {"name": "a", "n": n})

        won = await asyncio.gather(*(try_insert(n) for n in range(30)))
        assert sum(won) == 1
        assert await value(database, "a") == won.index(True)


async def test_insert_new_hides_no_other_conflict(database_url: str) -> None:
    async with Database.open(database_url, metadata) as database:
        async with database.transaction() as connection:
            assert await database.insert_new(connection, counters, {"name": "a", "n": 0, "owner": "me"})
        with pytest.raises(IntegrityError):
            async with database.transaction() as connection:
                await database.insert_new(connection, counters, {"name": "b", "n": 0, "owner": "me"})


async def test_concurrent_transactions_lose_no_update(database_url: str) -> None:
    async with Database.open(database_url, metadata) as one, Database.open(database_url, metadata) as other:
        await asyncio.gather(*(increment(database, "a") for database in [one, other] * 50))
        assert await value(one, "a") == 100


async def test_a_reader_sees_one_moment_and_waits_for_no_writer(database_url: str) -> None:
    async with Database.open(database_url, metadata) as database:
        await increment(database, "a")
        async with database.reading() as reader:
            query = select(counters.c.n).where(counters.c.name == "a")
            assert await reader.scalar(query) == 1
            async with database.transaction() as writer:
                await writer.execute(update(counters).values(n=7))
                assert await reader.scalar(query) == 1
            assert await reader.scalar(query) == 1
        assert await value(database, "a") == 7


async def test_a_cancelled_transaction_leaves_neither_locks_nor_half_a_change(database_url: str) -> None:
    """A worker cancels attempts at any moment, at shutdown for one."""
    chance = random.Random(7)
    async with Database.open(database_url, metadata) as one, Database.open(database_url, metadata) as other:

        async def both(database: Database) -> None:
            async with database.transaction() as connection:
                for name in ("a", "b"):
                    await database.insert_new(connection, counters, {"name": name, "n": 0})
                    await connection.execute(update(counters).where(counters.c.name == name).values(n=counters.c.n + 1))
                    await connection.execute(select(counters))

        kept = []  # with what they refer to: that nobody has cleaned up yet must not matter
        for _ in range(60):
            attempts = [asyncio.create_task(both(one)) for _ in range(3)]
            await asyncio.sleep(chance.random() * 0.004)
            for attempt in attempts:
                attempt.cancel()
            kept.append(await asyncio.gather(*attempts, return_exceptions=True))
            await both(other)
        assert await value(one, "a") == await value(one, "b")
        await asyncio.gather(*(both(database) for database in [one, other] * 5))
        assert await value(one, "a") == await value(one, "b")
    # What asyncpg leaves of a cancelled query complains to the log when it is collected: in this test's, then.
    kept.clear()
    gc.collect()


async def test_a_lock_that_is_not_given_back_ends_as_an_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCK_WAIT_MS", 100)
    async with Database.open(database_url, metadata) as one, Database.open(database_url, metadata) as other:
        await increment(one, "a")
        async with one.transaction() as connection:
            await connection.execute(update(counters).values(n=5))
            with pytest.raises(DBAPIError, match="lock"):
                await increment(other, "a")
        await increment(other, "a")
        assert await value(one, "a") == 6


async def test_many_that_start_at_once_create_the_tables_together(database_url: str) -> None:
    """Pools do, on the first start of a stack."""

    async def open_and_close() -> None:
        async with Database.open(database_url, metadata):
            pass

    await asyncio.gather(*(open_and_close() for _ in range(12)))


async def test_postgresql_processes_do_not_create_the_same_table(postgresql_url: str) -> None:
    """The pause lies where each has found the table missing."""
    slow = MetaData()
    Table("slow", slow, Column("name", String, primary_key=True))

    @event.listens_for(slow, "before_create")
    def pause(_: MetaData, connection: Connection, **__: object) -> None:
        connection.execute(text("SELECT pg_sleep(0.1)"))

    async def open_and_close() -> None:
        async with Database.open(postgresql_url, slow):
            pass

    await asyncio.gather(*(open_and_close() for _ in range(4)))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://localhost/test", "sqlite or postgresql, not mysql"),
        ("postgresql+psycopg2://localhost/test", "not postgresql\\+psycopg2"),
        ("sqlite://", "needs a file"),
        ("sqlite+aiosqlite:///:memory:", "needs a file"),
        ("/var/lib/data.db", "looks like"),
        ("postgresql://u:hunter2@host:hunter2@host/test", "looks like"),
        ("postgresql://localhost:99999/test", "between 1 and 65535"),
        ("postgresql://localhost/test?sslmode=require", "ssl=require"),
    ],
)
async def test_a_url_of_another_kind_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        async with Database.open(url, metadata):
            pass


async def test_the_driver_may_be_left_out(sqlite_url: str, postgresql_url: str) -> None:
    for url in (sqlite_url.replace("+aiosqlite", ""), postgresql_url.replace("+asyncpg", "")):
        async with Database.open(url, metadata) as database:
            await increment(database, "a")


async def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="not mysql") as refused:
        async with Database.open("mysql://root:hunter2@localhost/test", metadata):
            pass
    assert "hunter2" not in str(refused.value)


async def test_a_database_that_is_not_there_is_no_outage(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(postgres_server).set(database="nowhere").render_as_string(hide_password=False)
    monkeypatch.setenv("SHOP_DATABASE", url)
    with pytest.raises(InvalidInput, match=r'SHOP_DATABASE: .* cannot be opened: database "nowhere" does not exist'):
        async with Database.open(url, metadata):
            pass


async def test_a_locked_file_is_an_outage(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_WAIT_MS", 1)
    async with Database.open(sqlite_url, metadata) as database, database.transaction():
        with pytest.raises(DependencyUnreachable, match="database is locked"):
            async with Database.open(sqlite_url, metadata):
                pass


async def test_an_error_in_the_block_stays_what_it_is(database_url: str) -> None:
    with pytest.raises(ConnectionResetError):
        async with Database.open(database_url, metadata):
            raise ConnectionResetError


async def test_sqlite_writes_ahead_and_checks_foreign_keys(sqlite_url: str) -> None:
    async with Database.open(sqlite_url, metadata) as database, database.reading() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1


async def test_postgresql_reads_committed_whatever_the_servers_default(postgresql_url: str) -> None:
    """Under a stricter level a concurrent insert of the same key would be an error instead of an answer."""
    async with Database.open(postgresql_url, metadata) as database, database.transaction() as connection:
        await connection.execute(
            text("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable',"
                 " current_database()); END $$")
        )  # fmt: skip
    async with Database.open(postgresql_url, metadata) as database:
        async with database.transaction() as connection:
            assert await connection.scalar(text("SHOW default_transaction_isolation")) == "serializable"
            assert await connection.scalar(text("SHOW transaction_isolation")) == "read committed"
        await asyncio.gather(*(increment(database, "a") for _ in range(30)))
        assert await value(database, "a") == 30


async def test_postgresql_readers_cannot_write(postgresql_url: str) -> None:
    async with Database.open(postgresql_url, metadata) as database:
        with pytest.raises(DBAPIError, match="read-only"):
            async with database.reading() as connection:
                await connection.execute(insert(counters).values(name="a", n=1))
        await increment(database, "a")  # and the connection is a writer's again


async def test_postgresql_frees_what_a_silent_client_has_locked(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENCE_MS", 200)
    async with Database.open(postgresql_url, metadata) as silent, Database.open(postgresql_url, metadata) as other:
        await increment(silent, "a")

        async def fall_silent() -> None:
            async with silent.transaction() as connection:
                await connection.execute(update(counters).values(n=5))
                await increment(other, "a")  # waits until the server has given up the other
                await connection.execute(update(counters).values(n=6))

        with pytest.raises(DBAPIError):
            await fall_silent()
        assert await value(other, "a") == 2


async def test_postgresql_connections_that_broke_are_replaced(postgresql_url: str) -> None:
    async with Database.open(postgresql_url, metadata) as database, Database.open(postgresql_url, metadata) as admin:
        await asyncio.gather(*(increment(database, "a") for _ in range(5)))
        async with admin.transaction() as connection:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            await connection.execute(text(end + " AND pid <> pg_backend_pid()"))
        await asyncio.gather(*(increment(database, "a") for _ in range(5)))
        assert await value(database, "a") == 10


async def test_sqlite_survives_the_death_of_a_writer(sqlite_url: str) -> None:
    program = (
        "import asyncio, os, signal, sys\n"
        "from sqlalchemy import text\n"
        "from sagamesh.database import Database\n"
        "from sqlalchemy import MetaData\n"
        "async def main():\n"
        "    async with Database.open(sys.argv[1], MetaData()) as database:\n"
        "        async with database.transaction() as connection:\n"
        "            await connection.execute(text('UPDATE counters SET n = 99'))\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    async with Database.open(sqlite_url, metadata) as database:
        await increment(database, "a")
        killed = await asyncio.create_subprocess_exec(sys.executable, "-c", program, sqlite_url)
        assert await killed.wait() == -9
        await increment(database, "a")
        assert await value(database, "a") == 2
