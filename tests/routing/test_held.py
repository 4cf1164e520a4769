"""Queues that a breaker holds, tripped by real failures: nothing is routed there but a probe at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from temporalio import client as temporal
from temporalio.api.enums.v1 import RateLimitSource
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse

from sagamesh import Agent, Breaker, Client, Mesh, Message, Pool, Retry, TaskHandle, seconds
from sagamesh.breaker.control import decide, find_breakers, see
from sagamesh.breaker.notice import Notice, written
from sagamesh.discovery import state_of
from sagamesh.errors import TaskFailed
from sagamesh.routing import CentralRequest, CentralResult, NegotiatedRequest, central, negotiated
from sagamesh.routing.survey import figures_of
from sagamesh.testing import served
from tests.support.engine import eventually
from tests.support.routing import routing_pool
from tests.support.script import Gate

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Asked(Message):
    """Nothing."""


class Drawn(Message):
    """Where it was drawn."""

    where: str


well = Agent("well")
draw = well.capability(
    "draw",
    takes=Asked,
    returns=Drawn,
    timeout=seconds(4),
    retry=Retry(attempts=1),
    breaker=Breaker(failures=1, recovery=seconds(3)),
)
NEAR, FAR = well.in_zone("near"), well.in_zone("far")
mesh = Mesh(NEAR, FAR)


@dataclass
class Wells:
    """Both zones are served; `dry` are the queues that fail, and at `gates` calls stop."""

    client: Client
    dry: set[str] = field(default_factory=set)
    gates: dict[str, Gate] = field(default_factory=dict)

    def pool(self, agent: Agent) -> Pool:
        """A pool that serves a zone."""

        async def answer(_: Asked) -> Drawn:
            if gate := self.gates.get(agent.queue):
                await gate()
            if agent.queue in self.dry:
                raise RuntimeError("dry")
            return Drawn(where=agent.queue)

        return Pool(agent).serve(draw, answer)

    async def begin(self, id: str, *zones: str, wait_seconds: float = 0) -> TaskHandle[CentralResult]:
        """Start a call that is routed to the first of these zones that would do."""
        asked = CentralRequest.model_validate(
            {"capability": draw.type, "input": {}, "need": {"zones": zones}, "wait_seconds": wait_seconds}
        )
        return await self.client.start(central, asked, id=id)

    async def trip(self, id: str) -> None:
        """Let the near zone fail until its breaker holds the queue. Nothing waits there then: it has one attempt."""
        self.dry.add(NEAR.queue)
        with pytest.raises(TaskFailed):
            await (await self.begin(id, "near", wait_seconds=30)).result()
        await self.until("open")
        self.dry.clear()

    async def until(self, state: str) -> None:
        """Wait until the server says that of the near zone's breaker."""

        async def so() -> bool:
            [seen] = await see(self.client.temporal, find_breakers(mesh, NEAR.queue))
            return seen.state == state

        await eventually(so)


@pytest_asyncio.fixture(loop_scope="module")
async def wells(server: temporal.Client) -> AsyncIterator[Wells]:
    made = Wells(Client(server))
    async with served(server, routing_pool(), made.pool(NEAR), made.pool(FAR), mesh=mesh):
        yield made


def why_near_not(result: CentralResult) -> str:
    [near] = [each for each in result.decision.considered if each.candidate.queue == NEAR.queue]
    return near.why_not


async def test_an_open_breaker_holds_its_zone_until_a_routed_call_was_its_probe(wells: Wells) -> None:
    await wells.trip("trips")

    elsewhere = await (await wells.begin("elsewhere", "near", "far")).result()
    assert elsewhere.queue == FAR.queue
    assert why_near_not(elsewhere) == "Held: its queue is held, as by an open breaker"
    with pytest.raises(TaskFailed) as caught:
        await (await wells.begin("nowhere", "near")).result()
    assert caught.value.failure.type == "NoRoute"

    # Half-open, with nothing on the queue: a routed call must be the probe, and one at a time is enough.
    await wells.until("half-open")
    gate = wells.gates[NEAR.queue] = Gate()
    probe = await wells.begin("probe", "near", "far")
    await gate.reached()
    meanwhile = await (await wells.begin("meanwhile", "near", "far")).result()
    assert meanwhile.queue == FAR.queue
    assert why_near_not(meanwhile) == "Held: its breaker is half-open, and was sent a call to try just now"
    gate.open()
    assert (await probe.result()).queue == NEAR.queue

    await wells.until("closed")
    assert (await (await wells.begin("after", "near", "far")).result()).queue == NEAR.queue


async def test_with_nowhere_else_to_go_it_waits_for_the_breaker(wells: Wells) -> None:
    await wells.trip("trips-again")
    result = await (await wells.begin("patient", "near", wait_seconds=30)).result()
    assert result.queue == NEAR.queue
    await wells.until("closed")


async def test_a_negotiated_call_waits_for_the_probe_after_its_offer(wells: Wells) -> None:
    """The offer is a call, too: it takes what the breaker lets through just then."""
    await wells.trip("trips-once-more")
    await wells.until("half-open")
    asked = NegotiatedRequest.model_validate(
        {"capability": draw.type, "input": {}, "need": {"zones": ["near"]}, "start_seconds": 0.5, "wait_seconds": 0}
    )
    result = await (await wells.client.start(negotiated, asked, id="offered")).result()
    assert result.queue == NEAR.queue
    await wells.until("closed")


async def test_what_an_operator_opened_gets_nothing(wells: Wells) -> None:
    breakers = find_breakers(mesh, NEAR.queue)
    await decide(wells.client.temporal, breakers, "open", by="olga", reason="maintenance")
    try:
        result = await (await wells.begin("forced", "near", "far")).result()
    finally:
        await decide(wells.client.temporal, breakers, "close", by="olga", reason="done")
    assert result.queue == FAR.queue
    assert why_near_not(result) == "Held: its queue is held, as by an open breaker"


@pytest.mark.parametrize(
    ("states", "until", "held", "probe_seconds"),
    [
        (["open"], 5, True, 0),
        (["open"], -5, True, 0),
        (["open"], -15, False, 20),
        (["half-open"], None, False, 20),
        (["half-open", "open"], 5, True, 0),
        (["forced open"], None, True, 0),
        ([], None, False, 0),
    ],
)
async def test_read_from_the_queue(states: list[str], until: int | None, held: bool, probe_seconds: float) -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    ends = None if until is None else now + timedelta(seconds=until)
    answer = DescribeTaskQueueResponse(pollers=[PollerInfo(identity="17@host")])
    answer.effective_rate_limit.requests_per_second = 0.05
    answer.effective_rate_limit.rate_limit_source = RateLimitSource.RATE_LIMIT_SOURCE_API
    answer.config.queue_rate_limit.rate_limit.requests_per_second = 0.05
    answer.config.queue_rate_limit.metadata.reason = written(
        Notice(f"key-{n}", state, now - timedelta(seconds=30), ends if state == "open" else None)
        for n, state in enumerate(states)
    )
    read = figures_of(state_of(answer, now, serves="a", kind="agent", queue="a.eu"), now)
    assert (read.held, read.probe_seconds) == (held, probe_seconds)
