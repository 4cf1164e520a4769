"""A real server, and worker processes with probes on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio import client as temporal
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from sagamesh import Client
from sagamesh.stack.ports import free_port
from sagamesh.testing import dev_server
from tests.support.clerks import FOLDER, plugin

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@dataclass
class Process:
    """A worker process, and what its probes say."""

    folder: Path
    port: int
    popen: subprocess.Popen[bytes]
    probes: httpx.AsyncClient

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 where nobody answers."""
        try:
            answer = await self.probes.get(f"http://127.0.0.1:{self.port}{path}")
        except httpx.TransportError as error:
            return 0, str(error)
        return answer.status_code, answer.text

    async def health(self) -> Any:
        """What /health says."""
        return json.loads((await self.get("/health"))[1])

    async def says(self, path: str, status: int, part: str = "") -> str:
        """The body, once the path has this status and `part` in its body."""
        body = "nothing"
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found, body = await self.get(path)
                    if found == status and part in body:
                        return body
                    assert self.popen.poll() is None, self.log
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{path} never was {status}, but: {body}\n{self.log}") from None

    def set_ledger(self, state: str) -> None:
        """The dependency's state: open, slow, or anything else for broken."""
        partial = self.folder / "ledger.new"
        partial.write_text(state, encoding="utf-8")
        partial.replace(self.folder / "ledger")

    def written(self, name: str) -> list[str]:
        """What the calls wrote down: `begun`, `ended` or `cancelled`."""
        file = self.folder / name
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    async def wrote(self, name: str, line: str) -> None:
        """Wait until a call has written something down."""
        async with asyncio.timeout(PATIENCE):
            while line not in self.written(name):  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.02)

    def terminate(self) -> None:
        """SIGTERM."""
        self.popen.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.popen.kill()
        await self.ended()

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self.popen.wait, PATIENCE)

    async def ends(self, code: int) -> None:
        """Wait until it has ended with this exit code; what it logged is told where it is another."""
        assert await self.ended() == code, self.log

    @property
    def out(self) -> str:
        """What it wrote to standard output."""
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "log").read_text(encoding="utf-8")


@dataclass
class Fleet:
    """Starts worker processes; what still runs at the end is killed."""

    address: str
    folder: Path
    probes: httpx.AsyncClient
    running: list[Process] = field(default_factory=list)

    def start(self, *pools: str, ledger: str = "open", **settings: str) -> Process:
        """One worker process; `settings` are environment variables, `ledger` the dependency's state."""
        return self.command("worker", *(pools or ("clerk", "errands")), ledger=ledger, **settings)

    def command(self, *command: str, ledger: str = "open", **settings: str) -> Process:
        """Any command of `sagamesh`."""
        folder = self.folder / str(len(self.running))
        folder.mkdir()
        port = free_port()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SAGAMESH_", "TEMPORAL_"))}
        environment = {
            **clean,
            FOLDER: str(folder),
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "SAGAMESH_APP": "tests.support.clerks:app",
            "SAGAMESH_PROBE_PORT": str(port),
            "SAGAMESH_HEALTH_INTERVAL": "0.3",
            "SAGAMESH_DEPENDENCY_TIMEOUT": "1",
            "SAGAMESH_DRAIN": "0",
            **settings,
        }
        (folder / "ledger").write_text(ledger, encoding="utf-8")
        with (folder / "log").open("wb") as log, (folder / "out").open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "sagamesh", *command], cwd=ROOT, env=environment, stdout=out, stderr=log
            )
        made = Process(folder, port, popen, self.probes)
        self.running.append(made)
        return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """The server."""
    async with dev_server(plugin) as started:
        yield started


@pytest.fixture
def address(environment: WorkflowEnvironment) -> str:
    """Where the server listens."""
    return environment.client.service_client.config.target_host


@pytest_asyncio.fixture
async def client(address: str) -> Client:
    """A client of this test's event loop."""
    return Client(await temporal.Client.connect(address, plugins=[plugin]))


@pytest_asyncio.fixture
async def fleet(address: str, tmp_path: Path, environment: WorkflowEnvironment) -> AsyncIterator[Fleet]:
    """Starts processes. What their tasks have not done by the test's end, no process of the next test is given."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as probes:
        made = Fleet(address, tmp_path, probes)
        try:
            yield made
        finally:
            for process in made.running:
                process.popen.kill()
                process.popen.wait()
            # A call that lasts for ten minutes would come to another process later, and keep it from ending.
            async for task in environment.client.list_workflows("ExecutionStatus = 'Running'"):
                with contextlib.suppress(RPCError):  # it has ended meanwhile
                    handle = environment.client.get_workflow_handle(task.id, run_id=task.run_id)
                    await handle.terminate("the test is over")


@pytest.fixture
def start(fleet: Fleet) -> Callable[..., Process]:
    """Starts worker processes with probes."""
    return fleet.start


@pytest.fixture
def new_id(tmp_path: Path) -> str:
    """An id that no other test uses."""
    return f"{os.getpid()}-{tmp_path.name}"
