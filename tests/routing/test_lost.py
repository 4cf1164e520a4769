"""Calls that may have begun, and that nobody answered: they stay with their agent, whatever their contract allows."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio import client as temporal

from sagamesh import Agent, Capability, Client, Mesh, Message, Pool, Retry, TaskHandle, milliseconds
from sagamesh.routing import CentralRequest, CentralResult, NegotiatedRequest, NegotiatedResult, central, negotiated
from sagamesh.routing.terms import Terms
from sagamesh.testing import served
from tests.support.routing import routing_pool

pytestmark = pytest.mark.asyncio(loop_scope="module")
kinds = pytest.mark.parametrize("kind", ["central", "negotiated"])


class Letter(Message):
    """What is posted."""


class Posted(Message):
    """How often it was begun until then."""

    begun: int


post = Agent("post")
_ONCE = Retry(attempts=1)
_AGAIN = Retry(attempts=9, first=milliseconds(50), most=milliseconds(50))
hurried = post.capability(
    "hurried", takes=Letter, returns=Posted, timeout=milliseconds(500), queue_timeout=milliseconds(500), retry=_AGAIN
)
bounded = post.capability(
    "bounded", takes=Letter, returns=Posted, timeout=milliseconds(500), total=milliseconds(900), retry=_AGAIN
)
hanging = post.capability("hanging", takes=Letter, returns=Posted, timeout=milliseconds(500), retry=_ONCE)
mesh = Mesh(post)

Handle = TaskHandle[CentralResult] | TaskHandle[NegotiatedResult]


class Clerk:
    """Serves all of them; the first `hangs` attempts never answer."""

    def __init__(self, hangs: int) -> None:
        self.begun = 0
        self.at_work = asyncio.Event()
        self._hangs = hangs

    def pool(self) -> Pool:
        """A pool that may be stopped at once."""

        async def answer(_: Letter) -> Posted:
            self.begun += 1
            self.at_work.set()
            if self.begun <= self._hangs:
                await asyncio.sleep(60)
            return Posted(begun=self.begun)

        pool = Pool(post).serve(hurried, answer).serve(bounded, answer).serve(hanging, answer)
        pool.configure(slots=10, grace=timedelta(0))
        return pool


async def begin(client: Client, kind: str, capability: str) -> Handle:
    asked = {"capability": f"post.{capability}", "input": {}, "wait_seconds": 30, "start_seconds": 1}
    if kind == "central":
        return await client.start(central, CentralRequest.model_validate(asked), id=f"{capability}-{kind}")
    return await client.start(negotiated, NegotiatedRequest.model_validate(asked), id=f"{capability}-{kind}")


@kinds
@pytest.mark.parametrize("capability", ["hurried", "bounded"])
async def test_it_outlasts_what_the_contract_allows(server: temporal.Client, kind: str, capability: str) -> None:
    client, clerk = Client(server), Clerk(hangs=1)
    async with served(server, routing_pool(), mesh=mesh):
        async with served(server, clerk.pool()):
            handle = await begin(client, kind, capability)
            await clerk.at_work.wait()
        await asyncio.sleep(2.5)  # the second of the caller, then what the contract allows
        async with served(server, clerk.pool()):
            result = await handle.result()
    assert result.result == {"begun": 2}


@kinds
async def test_it_is_asked_again_until_it_answers(server: temporal.Client, kind: str) -> None:
    clerk = Clerk(hangs=2)
    async with served(server, routing_pool(), clerk.pool(), mesh=mesh):
        result = await (await begin(Client(server), kind, "hanging")).result()
    assert result.result == {"begun": 3}


@pytest.mark.parametrize(
    ("capability", "start_within", "waits"),
    [(bounded, 1000, 450), (bounded, 100, 100), (hurried, 1000, 1000), (hurried, None, 500), (bounded, None, None)],
)
async def test_a_wait_for_a_worker_ends_before_its_total(
    capability: Capability[Letter, Posted], start_within: int | None, waits: int | None
) -> None:
    """Only that says that nobody began it."""
    call = Terms.of(capability).call(start_within=None if start_within is None else milliseconds(start_within))
    assert call.policy.queue_timeout == (None if waits is None else milliseconds(waits))
    assert call.policy.total == capability.policy.total
