"""A central call that nobody begins for long: it is asked more and more rarely, so its history has an end."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio import client as temporal
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from sagamesh import Agent, Capability, Client, Message, milliseconds, seconds
from sagamesh.errors import TaskFailed
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.routing import Candidate, CentralRequest, Considered, Decision, Figures, central
from sagamesh.routing.request import MATCH, NO_ROUTE, Matched, MatchRequest, Offered
from sagamesh.routing.terms import Terms
from sagamesh.system_queue import SYSTEM_QUEUE
from sagamesh.testing import served
from tests.support.routing import routing_pool

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Wish(Message):
    """Nothing."""


oracle = Agent("oracle")
grant = oracle.capability("grant", takes=Wish, returns=Wish)
hurry = oracle.capability("hurry", takes=Wish, returns=Wish, total=milliseconds(20))
refuse = Agent("sphinx").capability("refuse", takes=Wish, returns=Wish)

_MOST = 60
"""More rounds than this are without end."""


class Matcher:
    """Finds that the agent looks alive, for as long as the call may wait."""

    def __init__(self, capability: Capability[Wish, Wish]) -> None:
        self._capability = capability
        self._asked = 0

    @activity.defn(name=MATCH)
    async def match(self, request: MatchRequest) -> Matched:
        self._asked += 1
        if not request.wait_seconds or self._asked > _MOST:
            raise ApplicationError("nobody", type=NO_ROUTE, non_retryable=True)
        called = self._capability
        candidate = Candidate(capability=called.type, agent=called.agent, queue=called.queue)
        considered = Considered(candidate=candidate, figures=Figures(workers=1), rank=1)
        decision = Decision(need=request.need, considered=(considered,))
        return Matched(decision=decision, offered=(Offered(call=Terms.of(called)),))


@activity.defn(name=refuse.type)
async def refused(_: Wish) -> Wish:
    """As by a worker whose breaker is open, on a server that cannot hold the queue."""
    raise ApplicationError("open", {"called": False}, type=BREAKER_OPEN, non_retryable=True)


async def waits(
    server: temporal.Client, capability: Capability[Wish, Wish], start_seconds: float = 0.02
) -> list[timedelta]:
    """How long each call of a task that waits for five seconds could wait for a worker; the first one as said."""
    asked = CentralRequest(capability=capability.type, input={}, wait_seconds=5, start_seconds=start_seconds)
    async with AsyncExitStack() as stack:
        matcher = Worker(server, task_queue=SYSTEM_QUEUE, activities=[Matcher(capability).match])
        refuser = Worker(server, task_queue=refuse.queue, activities=[refused])
        for each in (matcher, refuser, served(server, routing_pool())):
            await stack.enter_async_context(each)
        handle = await Client(server).start(central, asked, id=capability.name)
        with pytest.raises(TaskFailed) as caught:
            await handle.result()
    assert caught.value.failure.type == NO_ROUTE
    events = (await server.get_workflow_handle(capability.name).fetch_history()).events
    calls = [event.activity_task_scheduled_event_attributes for event in events]
    return [
        call.schedule_to_start_timeout.ToTimedelta() for call in calls if call.activity_type.name == capability.type
    ]


async def test_who_does_not_begin_has_twice_the_time_in_the_next_round(server: temporal.Client) -> None:
    given = await waits(server, grant, 1)

    assert given[:2] == [seconds(1), seconds(2)]
    assert all(wait < seconds(2) for wait in given[2:])  # no longer than what is left of the time


async def test_where_the_total_ends_each_call_early_the_rest_of_the_round_is_a_pause(server: temporal.Client) -> None:
    given = await waits(server, hurry)

    assert set(given) == {milliseconds(10)}
    assert len(given) <= 6


async def test_where_each_call_is_refused_at_once_the_rest_of_the_round_is_a_pause(server: temporal.Client) -> None:
    assert len(await waits(server, refuse)) <= 6
