"""The sandbox's PostgreSQL server as a process: made once, really killed, and back with all that was committed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from mesh_workers import postgres as on_postgres
from mesh_workers.sandbox import postgres, postgres_cluster, postgres_programs
from mesh_workers.sandbox.postgres_login import DATABASES
from sagamesh.chaos.stack import targets_of
from tests.stack.conftest import eventually
from tests.support.database_servers import DatabaseServer, remove_data


def ask(url: str, *statements: str) -> list[object]:
    """Run the statements in one transaction; the rows of the last."""

    async def run() -> list[object]:
        engine = create_async_engine(url, poolclass=NullPool)
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    result = await connection.execute(text(statement))
                return [row[0] for row in result] if result.returns_rows else []
        finally:
            await engine.dispose()

    return asyncio.run(run())


def test_each_database_of_the_order_shop_is_in_it() -> None:
    assert set(DATABASES) == set(on_postgres.app.databases)
    [helper] = [helper for helper in on_postgres.app.helpers if helper.name == "database"]
    assert set(helper.provides) == set(on_postgres.app.databases.values())
    assert not set(helper.provides) & set(on_postgres.app.embedded)
    assert "database" in targets_of(on_postgres.app).of("kill")


def test_the_process_becomes_the_server_with_its_databases(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()
    process = psutil.Process(server.pid)
    assert process.name() == "postgres"
    assert process.cwd() == str(server.data)
    for name in DATABASES:
        assert ask(server.url(name), "CREATE TABLE t (n int)", "SELECT current_database()") == [name]
    # What must outlive a killed process is written before it is answered.
    assert ask(server.url(), "SHOW synchronous_commit") == ["on"]
    assert ask(server.url(), "SHOW full_page_writes") == ["on"]
    assert {each.laddr.ip for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN} == {
        "127.0.0.1"
    }


def test_whoever_knows_the_password_is_no_superuser(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()
    assert ask(server.url(), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [False]
    with pytest.raises(DBAPIError, match=r"permission denied|must be superuser"):
        ask(server.url(), "CREATE TABLE t (n text)", "COPY t FROM PROGRAM 'id'")
    with pytest.raises(DBAPIError, match=r"no pg_hba\.conf entry"):
        ask(server.url(user="postgres"), "SELECT 1")


def test_a_stop_and_a_start_keep_everything(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()
    ask(server.url(), "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    assert server.stop(signal.SIGTERM) == 0
    server.start()
    assert ask(server.url(), "SELECT n FROM t") == [1]


def test_a_client_does_not_keep_it_from_stopping(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()

    async def stopped() -> int:
        engine = create_async_engine(server.url(), poolclass=NullPool)
        connection = await engine.connect()
        [helper] = [helper for helper in on_postgres.app.helpers if helper.name == "database"]
        code = await asyncio.to_thread(server.stop, helper.stop_signal)
        await gone(connection)
        await engine.dispose()
        return code

    assert asyncio.run(stopped()) == 0


async def gone(connection: AsyncConnection) -> None:
    """Wait until the connection is dead, which may answer for a moment after its server was killed; let go of it."""

    async def ask_on() -> None:
        while True:
            await connection.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError):
        await asyncio.wait_for(ask_on(), 30)
    await connection.invalidate()
    await connection.close()


def test_a_killed_one_comes_back_with_what_was_committed_and_nothing_else(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()
    ask(server.url(), "CREATE TABLE t (n int)")

    async def killed_under_clients() -> None:
        engine = create_async_engine(server.url(), poolclass=NullPool)
        for n in range(20):
            async with engine.begin() as connection:
                await connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": n})
        open_one = await engine.connect()
        await open_one.execute(text("INSERT INTO t VALUES (99)"))
        server.kill()
        await gone(open_one)
        await engine.dispose()

    for life in range(3):
        asyncio.run(killed_under_clients())
        assert (server.data / "postmaster.pid").exists()
        server.start()
        assert ask(server.url(), "SELECT n FROM t ORDER BY n") == sorted([*range(20)] * (life + 1))


def test_it_waits_for_those_that_a_killed_one_has_left(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()

    async def left() -> int:
        engine = create_async_engine(server.url(), poolclass=NullPool)
        connection = await engine.connect()
        pid = int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
        os.kill(pid, signal.SIGSTOP)  # it notices nothing, and holds the memory of the server
        server.kill()
        await connection.invalidate()
        await connection.close()
        await engine.dispose()
        return pid

    pid = asyncio.run(left())
    waiting = psutil.Process(pid)
    try:
        server.begin()
        eventually(lambda: "waiting for what an earlier server has left: process" in server.log(), "it waits")
    finally:
        waiting.send_signal(signal.SIGCONT)
    server.wait()
    assert psutil.Process(server.pid).name() == "postgres"


def test_data_that_another_server_uses_is_left_to_it(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = database_server
    server.start()
    monkeypatch.setattr(postgres_cluster, "_PATIENCE", 0.1)
    second = postgres_cluster.Cluster(server.folder, postgres_programs.find_programs(), postgres_programs.find_owner())
    with pytest.raises(postgres_cluster.Broken, match=rf"is used by another PostgreSQL server: process .*{server.pid}"):
        second.ready()
    assert ask(server.url(), "SELECT 1") == [1]


def test_the_number_of_a_killed_one_may_be_anothers(database_server: DatabaseServer) -> None:
    server = database_server
    server.start()
    server.kill()
    stranger = postgres_programs.start(
        ["/bin/sleep", "600"],
        owner=postgres_programs.find_owner(),
        folder=Path("/"),
        stdin=subprocess.DEVNULL,
        output=None,
    )
    try:
        file = server.data / "postmaster.pid"
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        server.start()
        assert ask(server.url(), "SELECT 1") == [1]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_what_was_half_made_is_made_again(database_server: DatabaseServer) -> None:
    server = database_server
    server.begin()
    eventually(lambda: list(server.data.parent.glob("new-*/PG_VERSION")), "it makes its data")
    server.kill()
    server.start()
    assert ask(server.url("notification"), "SELECT 1") == [1]


@contextmanager
def folder_for_everybody() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        remove_data(folder / "database")
        shutil.rmtree(folder)


def test_where_the_servers_user_can_get_the_data_is_in_its_folder(postgres_installed: None) -> None:
    with folder_for_everybody() as folder:
        server = DatabaseServer(folder / "database")
        server.start()
        try:
            assert server.data == folder.resolve() / "database" / "data"
        finally:
            assert server.stop() == 0


def test_data_that_is_gone_is_not_made_again_in_silence(database_server: DatabaseServer, tmp_path: Path) -> None:
    server = database_server
    server.folder.mkdir()
    (server.folder / "elsewhere").write_text(f"{tmp_path / 'gone'}\n")
    server.begin()
    assert server.process is not None
    assert server.process.wait(timeout=60) == 1
    [line] = server.log().splitlines()
    assert line.startswith(f"the data was in {tmp_path / 'gone'}, which is gone; remove ")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
def test_it_dies_with_the_supervisor_although_it_runs_as_another_user(database_server: DatabaseServer) -> None:
    server = database_server
    program = (
        "import subprocess, sys, time; from sagamesh.stack.process import dying_with_parent; "
        "subprocess.Popen(dying_with_parent(sys.argv[1:])); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, *server.command]) as supervisor:
        try:
            eventually(lambda: asyncio.run(postgres.answers(server.port)) is None, "it serves")
        finally:
            supervisor.kill()
    eventually(lambda: asyncio.run(postgres.answers(server.port)) is not None, "it has died, too")


def test_where_it_is_not_installed_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres_programs, "_FOLDERS", ())
    with pytest.raises(SystemExit) as ended:
        postgres.main(["--dir", str(tmp_path / "database")])
    assert ended.value.code == 69
    said = capsys.readouterr().err
    assert said == "PostgreSQL is not installed on this machine: scripts/system-packages installs it\n"


def test_it_listens_to_nobody_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        postgres.main(["--host", "0.0.0.0", "--dir", str(tmp_path)])  # noqa: S104 - what is refused
    assert ended.value.code == 2
    assert "0.0.0.0 is no address of this machine's loopback" in capsys.readouterr().err
