"""A real server with the settings of the embedded stack, and processes of a fleet on it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from temporalio import client as temporal
from temporalio.testing import WorkflowEnvironment

from sagamesh import Client, Mesh, Pool
from sagamesh.testing import dev_server, served
from tests.support.outages import Asking, Provider, agents, asking, plugin, process

_SHORT = "limit.historyCount.suggestContinueAsNew=60"
"""After so many events a keeper goes on in another run: soon enough for a test to see it."""


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """The server."""
    async with dev_server(plugin, settings=[_SHORT]) as started:
        yield started


@dataclass
class Server:
    """The server, for one test; each test has its own connection, which belongs to its event loop."""

    temporal: temporal.Client

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.temporal.service_client.config.target_host

    @property
    def client(self) -> Client:
        """The typed client."""
        return Client(self.temporal)

    def serving(self, *pools: Pool) -> AbstractAsyncContextManager[None]:
        """These pools, the tasks that call them and the framework's own parts, in this process."""
        return served(self.temporal, *pools, Pool("askings").host(asking, Asking), mesh=Mesh(*agents.values()))


@pytest_asyncio.fixture
async def server(environment: WorkflowEnvironment) -> Server:
    """The server."""
    address = environment.client.service_client.config.target_host
    return Server(await temporal.Client.connect(address, plugins=[plugin]))


@pytest.fixture
def provider() -> Iterator[Provider]:
    """What the agent of the fleet calls."""
    with Provider() as running:
        yield running


@dataclass
class Fleet:
    """Processes of this test; what still runs at its end is ended."""

    address: str
    provider: str
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, kind: str, count: int = 1) -> list[subprocess.Popen[bytes]]:
        """Start processes: `agent`, `tasks` or `system`."""
        started = [process(kind, self.address, self.provider) for _ in range(count)]
        self.running += started
        return started

    def kill(self, victim: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.running.remove(victim)


@pytest_asyncio.fixture
async def fleet(server: Server, provider: Provider) -> AsyncIterator[Fleet]:
    """The processes."""
    made = Fleet(server.address, provider.url)
    try:
        yield made
    finally:
        for left in made.running:
            left.kill()
        for left in made.running:
            left.wait()


async def eventually(what: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is true on the server. Long, because processes start and recoveries pass meanwhile."""
    async with asyncio.timeout(90):
        while not await what():  # noqa: ASYNC110  # nobody here could set an event
            await asyncio.sleep(0.05)
