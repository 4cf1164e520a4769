"""Central calls: anyone who can start a task can have one routed."""

from __future__ import annotations

import asyncio
import re

import pytest

from sagamesh import TaskHandle
from sagamesh.errors import TaskFailed
from sagamesh.failure import Failure
from sagamesh.routing import CentralRequest, CentralResult, Decision, Reason, central
from sagamesh.routing.coordinator import Central
from sagamesh.routing.explanation import Explanation
from sagamesh.testing import served
from tests.routing import depot
from tests.routing.conftest import Depots, Started, ask_for_work, eventually_backlog, set_rate
from tests.support.zones import ASIA, EU, MOON, US

# On one server, in one process: the last test replays what the others have left there.
pytestmark = pytest.mark.asyncio(loop_scope="module")
_started = Started("central")


def request(capability: str = "depot.reserve", **more: object) -> CentralRequest:
    return CentralRequest.model_validate({"capability": capability, "input": {"sku": "book"}, **more})


async def begin(depots: Depots, asked: CentralRequest) -> TaskHandle[CentralResult]:
    return await depots.client.start(central, asked, id=_started.new_id())


async def start(depots: Depots, asked: CentralRequest) -> CentralResult:
    return await (await begin(depots, asked)).result()


async def failure(depots: Depots, asked: CentralRequest) -> Failure:
    with pytest.raises(TaskFailed) as caught:
        await start(depots, asked)
    return caught.value.failure


async def test_served_where_somebody_is_alive(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(US)):
        result = await start(depots, request(wait_seconds=30))
    assert (result.agent, result.queue) == ("depot", "depot.us")
    assert result.result == {"where": "depot.us", "key": "depot.reserve"}
    assert {each.candidate.queue for each in result.decision.refused} == {"depot.asia", "depot.eu", "depot.moon"}
    for dead in result.decision.refused:
        assert [refusal.reason for refusal in dead.refusals] == [Reason.NOBODY_ALIVE]


async def test_an_input_that_nobody_takes_is_refused_with_its_fields_before_anything_happens(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        failed = await failure(depots, request(input={"sku": "book", "quantitty": 2}))
    assert failed.type == "InvalidInput"
    assert [(field.field, field.problem) for field in failed.fields] == [
        ("input.quantitty", "Extra inputs are not permitted")
    ]
    assert depots.log == []


async def test_a_capability_that_nobody_has(depots: Depots) -> None:
    failed = await failure(depots, request("depot.reserv"))
    assert failed.type == "UnknownName"
    assert failed.details == {"nearest": ["depot.reserve", "depot.release", "shed.reserve"]}


async def test_a_short_name_means_whoever_takes_the_input(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(US)):
        result = await start(depots, request("reserve", wait_seconds=30))
    assert result.queue.startswith("depot.")
    [barn] = [each for each in result.decision.refused if each.candidate.agent == "barn"]
    assert str(barn.refusals[0]) == (
        "WrongInput: input.crate: Field required; input.sku: Extra inputs are not permitted"
    )


async def test_while_all_are_busy_it_waits_in_line(depots: Depots) -> None:
    """One slot, one call in it, and more that wait: the server's own backlog says that there is no room."""
    room = depots.hold(EU)
    need = {"zones": ["eu"], "most_waiting": 1000}
    async with served(depots.temporal, depots.pool(EU, slots=1)):
        crowd = [
            await depots.client.start(central, request(need=need, start_seconds=600), id=f"crowd-{n}") for n in range(4)
        ]
        await room.reached()
        await eventually_backlog(depots, "depot.eu", 3)
        only = {"zones": ["eu"], "most_waiting": 0}
        refused = await failure(depots, request(need=only, wait_seconds=1))
        waiting = await begin(depots, request(need=only, wait_seconds=120))
        explained: tuple[Explanation, ...] = ()
        while not explained or explained[0].state != "waiting":
            explained = await waiting.explain()
            await asyncio.sleep(0.05)
        room.open()
        result = await waiting.result()
        for each in crowd:
            await each.result()
    assert refused.type == "NoRoute"
    assert "nobody can serve depot.reserve within 1 s" in refused.message
    # The server counts a call that was just handed out for a while longer, so 3 or 4.
    assert re.search("depot.eu: Busy: [34] calls wait for each worker, allowed are 0", refused.message)
    assert explained[0].decision is not None
    assert "Busy" in str(explained[0].decision.explain())
    assert result.queue == "depot.eu"
    assert result.decision.considered[0].figures.backlog == 0


async def test_a_queue_that_an_operator_has_stopped_gets_nothing(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(US)):
        await set_rate(depots, "depot.us", 0)
        try:
            refused = await failure(depots, request(need={"zones": ["us"]}, wait_seconds=0))
        finally:
            await set_rate(depots, "depot.us", None)
        result = await start(depots, request(need={"zones": ["us"]}))
    assert "depot.us: Held: its queue is held, as by an open breaker" in refused.message
    assert result.queue == "depot.us"


async def test_a_call_that_nobody_begins_is_routed_again(depots: Depots) -> None:
    """The server takes a worker for alive for a minute after its last question; the call finds that out earlier."""
    doomed = await depot.started(depots, US)
    try:
        await start(depots, request(need={"zones": ["us"]}, wait_seconds=60, start_seconds=60))
    finally:
        doomed.kill()  # one that stops in order would say so
        await doomed.wait()
    async with served(depots.temporal, depots.pool(EU)):
        result = await start(depots, request(need={"zones": ["us", "eu"]}, start_seconds=0.5))
    assert result.queue == "depot.eu"
    assert depots.log[-1] == ("reserve", "depot.eu", "depot.reserve#2")
    [passed] = [each for each in result.decision.refused if each.candidate.queue == "depot.us"]
    assert passed.refusals[0].reason is Reason.NO_ANSWER


@pytest.mark.parametrize("wait_seconds", [0, 1])
async def test_what_nobody_began_in_time_has_no_route(depots: Depots, wait_seconds: float) -> None:
    """Whoever asked can tell it from a call that may have had an effect. All who look alive were asked before."""
    await ask_for_work(depots, ASIA.queue)
    await ask_for_work(depots, MOON.queue)
    asked = request(need={"zones": ["asia", "moon"]}, start_seconds=0.7, wait_seconds=wait_seconds)
    async with asyncio.timeout(30):
        failed = await failure(depots, asked)
    assert failed.type == "NoRoute"
    for queue in ("depot.asia", "depot.moon"):
        assert f"{queue}: NoAnswer: it did not begin a call that it was given just now" in failed.message
    decision = Decision.model_validate(failed.details["decision"])
    tried = [each for each in decision.refused if each.candidate.zone in ("asia", "moon")]
    assert [[refusal.reason for refusal in each.refusals] for each in tried] == [[Reason.NO_ANSWER]] * 2
    assert depots.log == []


async def test_a_call_that_may_have_begun_stays_with_its_agent(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        async with depots.dying_at_work(US) as begun:
            asked = request(need={"zones": ["us", "eu"]}, start_seconds=1)
            handle = await begin(depots, asked)
            await begun.wait()
        await asyncio.sleep(2)  # longer than the call may wait to be begun
        assert depots.log == []
        async with served(depots.temporal, depots.pool(US)):
            result = await handle.result()
    assert result.queue == "depot.us"
    assert depots.log == [("reserve", "depot.us", "depot.reserve")]


async def test_all_of_them_replay(depots: Depots) -> None:
    assert await _started.replay(depots, Central) >= 5
