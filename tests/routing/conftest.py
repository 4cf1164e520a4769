"""A real server for the tests of routing: its figures are the server's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest_asyncio
from temporalio import client as temporal
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit, TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, UpdateTaskQueueConfigRequest
from temporalio.worker import Replayer

from sagamesh import Agent, BusinessError, Client, Pool, SagameshPlugin, current_call
from sagamesh.discovery import describe_queue
from sagamesh.testing import dev_server, served
from tests.support.routing import routing_pool
from tests.support.script import Gate
from tests.support.zones import Count, Empty, Goods, Routed, Taken, count, counted, mesh, release, reserve, routed


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

    def hold(self, agent: Agent) -> Gate:
        """Where the calls of this zone stop before they take anything."""
        gate = Gate()

        async def stop(queue: str) -> None:
            if queue == agent.queue:
                await gate()

        self.before = stop
        return gate

    @asynccontextmanager
    async def dying_at_work(self, agent: Agent) -> AsyncIterator[asyncio.Event]:
        """Serve this zone until a call has begun there, which the event says: then the process is as good as dead."""
        pool = self.pool(agent)
        pool.configure(slots=10, grace=timedelta(0))
        workers = pool.workers(self.temporal)
        begun = asyncio.Event()
        dying: list[asyncio.Task[None]] = []

        async def die_in(queue: str) -> None:
            if queue == agent.queue and not begun.is_set():
                begun.set()
                dying.extend(asyncio.create_task(worker.shutdown()) for worker in workers)
                await asyncio.sleep(60)

        self.before = die_in
        running = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            yield begun
        finally:
            await asyncio.gather(*dying, *(worker.shutdown() for worker in workers))
            await asyncio.gather(*running)


@dataclass
class Started:
    """The ids of a module's tasks, which its last test replays. By their ids, since the server's list lags behind."""

    kind: str
    ids: list[str] = field(default_factory=list)

    def new_id(self) -> str:
        """The id of one more."""
        self.ids.append(f"{self.kind}-{len(self.ids)}")
        return self.ids[-1]

    async def replay(self, depots: Depots, workflow: type) -> int:
        """Replay all of them; how many they were."""
        replayer = Replayer(workflows=[workflow], plugins=[SagameshPlugin(passthrough=("tests",))])
        for task_id in self.ids:
            await replayer.replay_workflow(await depots.temporal.get_workflow_handle(task_id).fetch_history())
        return len(self.ids)


async def eventually_backlog(depots: Depots, queue: str, count: int) -> None:
    """Wait until the server says that at least so many calls wait; its figures are up to five seconds old."""
    while (await describe_queue(depots.temporal, queue, "agent", queue)).backlog < count:  # noqa: ASYNC110
        await asyncio.sleep(0.1)  # the server has no way to tell


async def ask_for_work(depots: Depots, queue: str) -> None:
    """Ask once and go away, as a worker does that is killed: the server takes it for alive for a minute."""
    request = PollActivityTaskQueueRequest(
        namespace=depots.temporal.namespace, task_queue=TaskQueue(name=queue), identity="gone"
    )
    asking = asyncio.create_task(depots.temporal.workflow_service.poll_activity_task_queue(request))
    while not (await describe_queue(depots.temporal, queue, "agent", queue)).workers:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.05)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking


async def set_rate(depots: Depots, queue: str, rate: float | None) -> None:
    """Set a queue's own rate, as an operator does, and wait until the server says so."""
    request = UpdateTaskQueueConfigRequest(
        namespace=depots.temporal.namespace,
        identity="test",
        task_queue=queue,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        update_queue_rate_limit=UpdateTaskQueueConfigRequest.RateLimitUpdate(
            rate_limit=None if rate is None else RateLimit(requests_per_second=rate), reason="test"
        ),
    )
    await depots.temporal.workflow_service.update_task_queue_config(request)
    while True:
        limit = (await describe_queue(depots.temporal, queue, "agent", queue)).limit
        if (None if limit is None else limit.rate) == rate:
            return
        await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[temporal.Client]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as environment:
        yield environment.client


@pytest_asyncio.fixture(loop_scope="module")
async def depots(server: temporal.Client) -> AsyncIterator[Depots]:
    """Nobody serves the zones yet; whoever hosts tasks does."""
    async with served(server, Pool(routed.queue).host(routed, Routed).host(counted, Count), routing_pool(), mesh=mesh):
        yield Depots(Client(server))
