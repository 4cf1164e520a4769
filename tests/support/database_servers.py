"""The embedded stack's PostgreSQL server as a process of a test. Fixtures; tests/conftest.py makes them known."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_workers.sandbox.postgres import answers
from mesh_workers.sandbox.postgres_login import PASSWORD, USER
from mesh_workers.sandbox.postgres_programs import Unavailable, find_owner, find_programs
from sagamesh.stack.ports import free_port

__all__ = ["DatabaseServer", "database_server", "postgres_installed", "remove_data"]

_PATIENCE = 60.0


class DatabaseServer:
    """One server on a port and a folder of its own; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def command(self) -> list[str]:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [sys.executable, "-m", "mesh_workers.sandbox.postgres", *options]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def data(self) -> Path:
        """Where its data lies."""
        note = self.folder / "elsewhere"
        return (Path(note.read_text().strip()) if note.exists() else self.folder) / "data"

    def url(self, database: str = "accounts", user: str = USER) -> str:
        return f"postgresql+asyncpg://{user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def begin(self) -> None:
        """Start it; does not wait."""
        with (self.folder.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True)

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.begin()
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while (said := asyncio.run(answers(self.port))) is not None:
            assert self.process is not None
            assert self.process.poll() is None, f"it has ended: {self.log()}"
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    def log(self) -> str:
        return (self.folder.parent / "server.log").read_text()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        """End it, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(by)
        return self.process.wait(timeout=_PATIENCE)


@pytest.fixture(scope="session")
def postgres_installed() -> None:
    """For tests that start a PostgreSQL server themselves: skipped where there is none, except in CI."""
    try:
        find_programs()
        find_owner()
    except Unavailable as reason:
        if not os.environ.get("CI"):
            pytest.skip(str(reason))
        pytest.fail(str(reason), pytrace=False)


@pytest.fixture
def database_server(tmp_path: Path, postgres_installed: None) -> Iterator[DatabaseServer]:
    """A server that is not started yet; the test may kill it."""
    made = DatabaseServer(tmp_path / "database")
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
        remove_data(made.folder)


def remove_data(folder: Path) -> None:
    """The data that lies outside the folder of the server, where root had to put it."""
    note = folder / "elsewhere"
    if note.exists():
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
