"""A real server for the tests of routing: its figures are the server's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest_asyncio
from temporalio import client as temporal

from sagamesh import Agent, BusinessError, Client, Pool, SagameshPlugin, current_call
from sagamesh.testing import dev_server, served
from tests.support.routing import routing_pool
from tests.support.zones import Empty, Goods, Routed, Taken, count, mesh, release, reserve, routed


class SoldOut(BusinessError):
    """Nothing of it is there."""


@dataclass
class Depots:
    """Pools for the zones, and what they did: `(what, queue, key)`."""

    client: Client
    log: list[tuple[str, str, str]] = field(default_factory=list)
    before: Callable[[str], Awaitable[None]] | None = None
    """Awaited, with the queue, before a call takes anything."""

    @property
    def temporal(self) -> temporal.Client:
        return self.client.temporal

    def pool(self, agent: Agent, *, slots: int | None = None) -> Pool:
        """A pool that serves the depot in a zone."""

        async def take(goods: Goods) -> Taken:
            key = current_call().key.rpartition("/")[2]
            if self.before is not None:
                await self.before(agent.queue)
            if goods.sku == "none":
                raise SoldOut("sold out")
            self.log.append(("reserve", agent.queue, key))
            return Taken(where=agent.queue, key=key)

        async def give_back(_: Goods) -> Taken:
            key = current_call().key.rpartition("/")[2]
            self.log.append(("release", agent.queue, key))
            return Taken(where=agent.queue, key=key)

        async def tell(_: Empty) -> Taken:
            return Taken(where=agent.queue)

        return Pool(agent, slots=slots).serve(reserve, take).serve(release, give_back).serve(count, tell)

    @asynccontextmanager
    async def mortal(self, pool: Pool) -> AsyncIterator[Callable[[], None]]:
        """Serve while the block runs, or until the function is called: then the process is as good as dead."""
        pool.configure(slots=10, grace=timedelta(0))
        workers = pool.workers(self.temporal)
        dying: list[asyncio.Task[None]] = []

        def die() -> None:
            dying.extend(asyncio.create_task(worker.shutdown()) for worker in workers)

        running = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            yield die
        finally:
            await asyncio.gather(*dying, *(worker.shutdown() for worker in workers))
            await asyncio.gather(*running)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[temporal.Client]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as environment:
        yield environment.client


@pytest_asyncio.fixture(loop_scope="module")
async def depots(server: temporal.Client) -> AsyncIterator[Depots]:
    """Nobody serves the zones yet; whoever hosts tasks does."""
    async with served(server, Pool(routed.queue).host(routed, Routed), routing_pool(), mesh=mesh):
        yield Depots(Client(server))
