"""A real server with the embedded stack's settings, and agents that note who was served when."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio import client as temporal
from temporalio.common import Priority
from temporalio.testing import WorkflowEnvironment

from sagamesh import Agent, Client, Pool, SagameshPlugin, TaskHandle
from sagamesh.discovery import describe_queue
from sagamesh.testing import dev_server
from sagamesh.waiting import WaitingCalls, waiting_calls
from tests.limits import shops
from tests.support.engine import eventually

_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Served:
    """One call that an agent was given."""

    at: float
    capability: str
    tenant: str
    priority: Priority


@dataclass
class Book:
    """What the agents were given, in order. A call takes `seconds`."""

    seconds: float = 0.0
    served: list[Served] = field(default_factory=list)

    def pool(self, agent: Agent, *, slots: int = 10) -> Pool:
        """A pool that serves an agent and notes it here."""

        async def serve(call: shops.Call) -> shops.Done:
            info = activity.info()
            self.served.append(Served(time.monotonic(), info.activity_type, call.tenant, info.priority))
            await asyncio.sleep(self.seconds)
            return shops.Done()

        pool = Pool(agent, slots=slots)
        for capability in agent.capabilities.values():
            pool.serve(capability, serve)
        return pool

    def tenants(self) -> list[str]:
        """Whose calls they were, in order."""
        return [each.tenant for each in self.served]

    def rate(self, *, of: str | None = None, after: int) -> float:
        """Calls a second, of one tenant or all, without the first ones, which the server lets through at once."""
        times = [each.at for each in self.served if of in (None, each.tenant)]
        return (len(times) - 1 - after) / (times[-1] - times[after])

    def counts(self) -> Counter[str]:
        """How many calls each tenant had."""
        return Counter(self.tenants())


@dataclass
class Hall:
    """The server, and whoever is started on it."""

    environment: WorkflowEnvironment

    @property
    def temporal(self) -> temporal.Client:
        return self.environment.client

    @property
    def client(self) -> Client:
        return Client(self.temporal)

    async def start(
        self,
        capability: str,
        *,
        tenant: str = "",
        count: int = 1,
        priority: int | None = None,
        weight: float | None = None,
    ) -> TaskHandle[shops.Done]:
        """Start a task that makes so many calls at once."""
        calls = shops.Calls(tenant=tenant, capability=capability, count=count)
        return await self.client.start(shops.crowd, calls, id=f"c-{next(_counter)}", priority=priority, weight=weight)

    async def waiting(self, queue: str, count: int) -> WaitingCalls:
        """Wait until so many calls wait in a queue, and return them. The server's list of tasks is a moment late."""
        found = await waiting_calls(self.temporal, [queue])

        async def so() -> bool:
            nonlocal found
            found = await waiting_calls(self.temporal, [queue])
            return len(found.calls) >= count

        await eventually(so)
        return found

    async def backlog(self, queue: str, count: int) -> None:
        """Wait until so many calls wait in a queue by its statistics, which may be five seconds old."""

        async def so() -> bool:
            return (await describe_queue(self.temporal, queue, "agent", queue)).backlog >= count

        await eventually(so)

    @asynccontextmanager
    async def serving(self, *pools: Pool) -> AsyncIterator[None]:
        """Each pool as a process would run it: with a connection of its own, its limits told to the server."""
        async with AsyncExitStack() as stack:
            for pool in pools:
                target = self.temporal.service_client.config.target_host
                client = await temporal.Client.connect(target, plugins=[SagameshPlugin()])
                await pool.keep_limits(client)
                await stack.enter_async_context(pool.serving(client))
            yield


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def open_hall() -> AsyncIterator[Hall]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as environment:
        hall = Hall(environment)
        async with hall.serving(Pool("crowds").host(shops.crowd, shops.Crowd)):
            yield hall


@pytest.fixture
def hall(open_hall: Hall) -> Hall:
    """A server on which tasks are hosted, and no agent is served yet."""
    return open_hall
