"""Routed calls that a breaker refuses in the worker, before the queue is held: nobody here keeps breakers."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio import client as temporal
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from sagamesh import Agent, Breaker, Client, Default, Degradable, Mesh, Message, Pool, Retry, TaskHandle, seconds
from sagamesh.errors import TaskCancelled, TaskFailed
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.routing import CentralRequest, CentralResult, NegotiatedRequest, NegotiatedResult, central, negotiated
from sagamesh.routing.router import Router
from sagamesh.system_queue import SYSTEM_QUEUE
from sagamesh.testing import served
from tests.support.routing import routing_pool
from tests.support.script import Gate

pytestmark = pytest.mark.asyncio(loop_scope="module")
kinds = pytest.mark.parametrize("kind", ["central", "negotiated"])
_counter = itertools.count()


class Asked(Message):
    """Nothing."""


class Drawn(Degradable):
    """Where it was drawn."""

    where: str


_LONG = Breaker(failures=1, recovery=seconds(3600))
_ONCE = Retry(attempts=1)
spring = Agent("spring")
draw = spring.capability("draw", takes=Asked, returns=Drawn, retry=_ONCE, breaker=_LONG)
sip = spring.capability("sip", takes=Asked, returns=Drawn, breaker=_LONG, fallback=Default(Drawn(where="bottle")))
dip = spring.capability(
    "dip", takes=Asked, returns=Drawn, retry=_ONCE, breaker=Breaker(failures=1, recovery=seconds(1))
)
_SHARED = Breaker(failures=1, recovery=seconds(1), key="well")
fill = spring.capability("fill", takes=Asked, returns=Drawn, retry=_ONCE, breaker=_SHARED)
empty = spring.capability("empty", takes=Asked, returns=Drawn, retry=_ONCE, breaker=_SHARED)
pump = spring.capability(
    "pump",
    takes=Asked,
    returns=Drawn,
    timeout=seconds(0.5),
    retry=Retry(attempts=2, first=seconds(0.3), most=seconds(0.3)),
    breaker=Breaker(failures=1, recovery=seconds(2)),
)
NEAR, FAR = spring.in_zone("near", cost=1), spring.in_zone("far", cost=2)
mesh = Mesh(NEAR, FAR)

Handle = TaskHandle[CentralResult] | TaskHandle[NegotiatedResult]


@dataclass
class Springs:
    """Both zones are served; what the near one does first can be said. `calls`: by queue, those that were made."""

    client: Client
    first: Callable[[], Awaitable[None]] | None = None
    calls: Counter[str] = field(default_factory=Counter)

    def pool(self, agent: Agent) -> Pool:
        """A pool that serves a zone."""

        async def answer(_: Asked) -> Drawn:
            self.calls[agent.queue] += 1
            if agent is NEAR and self.first is not None:
                first, self.first = self.first, None
                await first()
            return Drawn(where=agent.queue)

        pool = Pool(agent, grace=timedelta(0))
        for capability in (draw, sip, dip, fill, empty, pump):
            pool.serve(capability, answer)
        return pool

    async def begin(self, kind: str, capability: str, *zones: str, **more: str) -> Handle:
        """Start a call that goes to the first of these zones."""
        need = {"zones": zones}
        asked = {"capability": f"spring.{capability}", "input": {}, "need": need, "wait_seconds": 30, **more}
        task_id = f"{kind}-{next(_counter)}"
        if kind == "central":
            return await self.client.start(central, CentralRequest.model_validate(asked), id=task_id)
        cheapest = {"weights": {"load": 0, "latency": 0, "cost": 1}}
        return await self.client.start(negotiated, NegotiatedRequest.model_validate(asked | cheapest), id=task_id)

    async def trip(self, kind: str, capability: str) -> None:
        """Let the near zone fail once, which opens the breaker of that process."""
        self.first = dry
        with pytest.raises(TaskFailed):
            await (await self.begin(kind, capability, "near")).result()


async def dry() -> None:
    raise RuntimeError("dry")


async def hang() -> None:
    await asyncio.sleep(60)


@pytest_asyncio.fixture(loop_scope="module")
async def springs(server: temporal.Client) -> AsyncIterator[Springs]:
    made = Springs(Client(server))
    router = Worker(server, task_queue=SYSTEM_QUEUE, activities=Router(server, mesh).activities)
    async with router, served(server, routing_pool(), made.pool(NEAR), made.pool(FAR)):
        yield made


@kinds
@pytest.mark.parametrize("capability", ["draw", "sip"])
async def test_where_nothing_was_called_another_gets_it(springs: Springs, kind: str, capability: str) -> None:
    """Also where callers who have the contract would fall back on something else."""
    await springs.trip(kind, capability)

    result = await (await springs.begin(kind, capability, "near", "far")).result()

    assert result.queue == FAR.queue
    assert springs.calls == {NEAR.queue: 1, FAR.queue: 1}
    if isinstance(result, NegotiatedResult):
        assert [(each.queue, each.failure.type, each.undone) for each in result.replaced] == [
            (NEAR.queue, BREAKER_OPEN, False)
        ]


@kinds
async def test_with_nowhere_else_to_go_it_is_made_later(springs: Springs, kind: str) -> None:
    await springs.trip(kind, "dip")

    result = await (await springs.begin(kind, "dip", "near")).result()

    assert result.queue == NEAR.queue
    assert springs.calls == {NEAR.queue: 2}


@kinds
async def test_one_that_may_have_begun_stays_with_its_agent(springs: Springs, kind: str) -> None:
    """Its first attempt is lost, which opens the breaker, and the other one that it has is refused."""
    springs.first = hang

    result = await (await springs.begin(kind, "pump", "near", "far")).result()

    assert result.queue == NEAR.queue
    assert springs.calls == {NEAR.queue: 2}


@kinds
async def test_a_refusal_does_not_hide_that_the_task_was_cancelled(springs: Springs, kind: str) -> None:
    gate = Gate()

    async def refuse() -> None:
        await gate()
        raise ApplicationError("open", {"called": False}, type=BREAKER_OPEN, non_retryable=True)

    springs.first = refuse
    handle = await springs.begin(kind, "draw", "near", "far")
    await gate.reached()
    await handle.cancel()
    gate.open()

    with pytest.raises(TaskCancelled):
        await handle.result()
    assert springs.calls == {NEAR.queue: 1}


async def test_an_undo_waits_for_the_breaker_that_its_call_has_opened(springs: Springs) -> None:
    """As a refund, at the gateway that has failed to charge: no operator is needed."""
    springs.first = dry
    handle = await springs.begin("negotiated", "fill", "near", undo="empty")

    with pytest.raises(TaskFailed) as caught:
        await handle.result()
    assert caught.value.failure.type == "RuntimeError"
    assert springs.calls == {NEAR.queue: 2}
    assert [str(step) for step in (await handle.status()).undone] == ["spring.fill undone"]
