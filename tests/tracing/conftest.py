"""A real server, the reference application's agents in one process with a real gateway, and a receiver of spans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client as Temporal

from mesh_workers import app
from sagamesh import Client
from sagamesh.testing import dev_server
from tests.cli.shop import CommandLine
from tests.health.conftest import Fleet, Process
from tests.support.mail_servers import MailboxProcess
from tests.support.payment_gateways import API_KEY, Sandbox, running
from tests.tracing.collector import Collector, collecting

POOLS = ("--inline", *app.pools)


@dataclass
class World:
    """Where the tasks of these tests run."""

    address: str
    temporal: Temporal
    collector: Collector
    start: Callable[..., Process]
    """Starts worker processes."""
    environment: dict[str, str]
    """Of the processes of the reference application."""

    @property
    def client(self) -> Client:
        """Which itself is not traced."""
        return Client(self.temporal)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(Sandbox(tmp_path_factory.mktemp("gateway"))) as server:
        yield server


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    server = MailboxProcess(tmp_path_factory.mktemp("mailbox"))
    server.start()
    yield server
    assert server.stop() == 0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(
    gateway: Sandbox, mailbox: MailboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "data").mkdir()
    environment = {
        **{name: value.format(dir=folder / "data") for name, value in app.embedded.items()},
        "SAGAMESH_APP": "mesh_workers:app",
        "SAGAMESH_PAYMENT_URL": gateway.url,
        "SAGAMESH_PAYMENT_KEY": API_KEY,
        "SAGAMESH_MAIL_HOST": "127.0.0.1",
        "SAGAMESH_MAIL_PORT": str(mailbox.port),
        "SAGAMESH_MAIL_TLS": "none",
        "SAGAMESH_TRACE_URL": "https://traces.example/{trace_id}",
    }
    async with (
        dev_server(app.plugin()) as server,
        collecting() as collector,
        httpx.AsyncClient(trust_env=False, timeout=10) as probes,
    ):
        address = server.client.service_client.config.target_host
        fleet = Fleet(address, folder, probes)
        try:
            yield World(address, server.client, collector, fleet.start, {**environment, **collector.environment})
        finally:
            for process in fleet.running:
                process.popen.kill()
                process.popen.wait()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def agents(world: World) -> Process:
    """One process with all pools. Nobody waits until it is ready: calls wait for it in their queues."""
    return world.start(*POOLS, **world.environment, SAGAMESH_HEALTH_INTERVAL="30", SAGAMESH_DEPENDENCY_TIMEOUT="30")


@pytest.fixture
def sagamesh(world: World, tmp_path: Path) -> CommandLine:
    """The command line of the reference application, which sends its spans, too."""
    return CommandLine(tmp_path, world.address, dict(world.environment))
