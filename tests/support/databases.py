"""Databases for tests: a SQLite file and a real PostgreSQL server. Fixtures; tests/conftest.py makes them known."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

__all__ = ["database_url", "postgres_server", "postgresql_url", "sqlite_url"]

_POSTGRES = Path(__file__).parents[2] / "scripts" / "postgres"
_NO_POSTGRES = 69  # its exit code where the machine has no PostgreSQL


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL server's own database; one server for each test process.

    The server ends with this process, however it ends: it watches its standard input.
    """
    with subprocess.Popen(
        [str(_POSTGRES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        url = server.stdout.readline().strip()
        if not url:
            reason = server.stderr.read().strip()
            if server.wait() == _NO_POSTGRES and not os.environ.get("CI"):
                pytest.skip(reason)
            pytest.fail(reason, pytrace=False)
        yield url
        server.stdin.close()
        assert server.wait(timeout=30) == 0, server.stderr.read()


@pytest_asyncio.fixture
async def postgresql_url(postgres_server: str) -> AsyncIterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    await _run_sql(postgres_server, f"CREATE DATABASE {name}")
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    await _run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database: each test runs on SQLite and on PostgreSQL."""
    url = request.getfixturevalue(f"{request.param}_url")
    assert isinstance(url, str)
    return url


async def _run_sql(url: str, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()
