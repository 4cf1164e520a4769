"""A real server for the tests of routing: its figures are the server's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest_asyncio
from temporalio import client as temporal

from sagamesh import Agent, BusinessError, Client, Pool, SagameshPlugin, current_call
from sagamesh.testing import dev_server, served
from tests.support.routing import routing_pool
from tests.support.zones import Goods, Routed, Taken, mesh, release, reserve, routed


class SoldOut(BusinessError):
    """Nothing of it is there."""


@dataclass
class Depots:
    """Pools for the zones, and what they did: `(what, queue, key)`."""

    client: Client
    log: list[tuple[str, str, str]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """Calls wait for this before they take anything."""

    @property
    def temporal(self) -> temporal.Client:
        return self.client.temporal

    def pool(self, agent: Agent, *, slots: int | None = None) -> Pool:
        """A pool that serves the depot in a zone."""

        async def take(goods: Goods) -> Taken:
            key = current_call().key.rpartition("/")[2]
            if self.hold is not None:
                await self.hold.wait()
            if goods.sku == "none":
                raise SoldOut("sold out")
            self.log.append(("reserve", agent.queue, key))
            return Taken(where=agent.queue, key=key)

        async def give_back(_: Goods) -> Taken:
            key = current_call().key.rpartition("/")[2]
            self.log.append(("release", agent.queue, key))
            return Taken(where=agent.queue, key=key)

        return Pool(agent, slots=slots).serve(reserve, take).serve(release, give_back)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[temporal.Client]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as environment:
        yield environment.client


@pytest_asyncio.fixture(loop_scope="module")
async def depots(server: temporal.Client) -> AsyncIterator[Depots]:
    """Nobody serves the zones yet; whoever hosts tasks does."""
    async with served(server, Pool(routed.queue).host(routed, Routed), routing_pool(), mesh=mesh):
        yield Depots(Client(server))
