"""Negotiated calls: offers, bids, an award, and what happens when the winner dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.worker import Worker

from sagamesh import TaskHandle
from sagamesh.errors import TaskCancelled, TaskFailed
from sagamesh.routing import Bid, Decision, NegotiatedRequest, NegotiatedResult, Offer, Told, negotiated
from sagamesh.routing.negotiation import Negotiated
from sagamesh.routing.request import BID, TOLD
from sagamesh.status import StepState
from sagamesh.supervision import supervisor_id
from sagamesh.testing import served
from tests.routing.conftest import Depots, Started
from tests.support.engine import eventually
from tests.support.script import Gate
from tests.support.zones import EU, US

# On one server, in one process: the last test replays what the others have left there.
pytestmark = pytest.mark.asyncio(loop_scope="module")
_started = Started("negotiated")
_CHEAPEST = {"load": 0, "latency": 0, "cost": 1}


def request(**more: object) -> NegotiatedRequest:
    return NegotiatedRequest.model_validate(
        {"capability": "depot.reserve", "input": {"sku": "book"}, "wait_seconds": 60, **more}
    )


async def begin(depots: Depots, asked: NegotiatedRequest, *, supervised: bool = False) -> TaskHandle[NegotiatedResult]:
    return await depots.client.start(negotiated, asked, id=_started.new_id(), supervised=supervised)


async def start(depots: Depots, asked: NegotiatedRequest) -> NegotiatedResult:
    return await (await begin(depots, asked)).result()


@asynccontextmanager
async def hard_of_hearing(depots: Depots) -> AsyncIterator[Gate]:
    """A dearer bidder in `eu`, and where it stops when it is told that another has won."""
    gate = Gate()

    @activity.defn(name=BID)
    async def bid(offer: Offer) -> Bid:
        return Bid(queue=EU.queue, worker="deaf", in_use=0, slots=1, cost=2)

    @activity.defn(name=TOLD)
    async def told(news: Told) -> None:
        await gate()

    async with Worker(depots.temporal, task_queue=EU.queue, activities=[bid, told]):
        yield gate


async def until(handle: TaskHandle[NegotiatedResult], number: int, state: StepState) -> None:
    """Wait until one of its steps is in a state."""

    async def so() -> bool:
        steps = (await handle.status()).steps
        return len(steps) > number and steps[number].state is state

    await eventually(so)


async def terminated(depots: Depots, handle: TaskHandle[NegotiatedResult]) -> None:
    """Terminate it."""
    await depots.temporal.get_workflow_handle(handle.id).terminate(reason="the test says so")


async def undone_by_supervisor(depots: Depots, handle: TaskHandle[NegotiatedResult]) -> list[str]:
    """What its supervisor has undone, once that has ended."""
    with pytest.raises(TaskFailed) as caught:
        await depots.client.find(supervisor_id(handle.id)).result()
    assert caught.value.failure.type == "Terminated"
    return [str(step) for step in caught.value.failure.undone]


async def test_the_cheaper_bid_wins_and_the_other_is_told(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        result = await start(depots, request(weights=_CHEAPEST))
    assert result.queue == "depot.us"
    assert result.told == ("depot.eu",)
    assert [each.bid.cost for each in result.bids] == [1, 2]
    assert [each.score for each in result.bids] == [0.5, 1]
    assert depots.log == [("reserve", "depot.us", "depot.reserve")]


async def test_asked_by_its_short_name_the_loser_is_told_the_name_of_its_offer(depots: Depots) -> None:
    """Its bid counts as load no more."""
    asked = request(capability="reserve", weights=_CHEAPEST)
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        first, second = await start(depots, asked), await start(depots, asked)
    assert (first.queue, first.told) == ("depot.us", ("depot.eu",))
    assert [each.bid.offers for each in second.bids] == [0, 0]


async def test_explained(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        handle = await depots.client.start(negotiated, request(), id="explained")
        await handle.result()
    [explained] = await handle.explain()
    assert explained.state == "decided"
    assert {each.bid.queue for each in explained.bids} == {"depot.eu", "depot.us"}
    assert [(award.queue, award.state) for award in explained.awards] == [("depot.us", "done")]


async def test_who_is_too_busy_to_look_at_an_offer_does_not_get_the_call(depots: Depots) -> None:
    gate = depots.hold(US)
    async with served(depots.temporal, depots.pool(EU), depots.pool(US, slots=1)):
        first = await begin(depots, request(need={"zones": ["us"]}))
        await gate.reached()
        result = await start(depots, request(bid_seconds=0.5))
        gate.open()
        assert (await first.result()).queue == "depot.us"
    assert result.queue == "depot.eu"
    assert [each.bid.queue for each in result.bids] == ["depot.eu"]
    assert result.told == ()


async def test_when_nobody_bids_the_reasons_say_so(depots: Depots) -> None:
    gate = depots.hold(EU)
    async with served(depots.temporal, depots.pool(EU, slots=1)):
        first = await begin(depots, request(need={"zones": ["eu"]}))
        await gate.reached()
        with pytest.raises(TaskFailed) as caught:
            await start(depots, request(need={"zones": ["eu"]}, bid_seconds=0.5, wait_seconds=0))
        gate.open()
        await first.result()
    failed = caught.value.failure
    assert failed.type == "NoRoute"
    assert "depot.eu: NoBid: it did not answer the offer within 0.5 s" in failed.message
    decision = Decision.model_validate(failed.details["decision"])
    assert len(decision.refused) == 4


async def test_a_winner_that_dies_before_it_begins_is_replaced_without_an_undo(depots: Depots) -> None:
    """Nothing began, so nothing needs to be undone, although the request names an undo."""
    doomed: list[asyncio.Task[None]] = []

    @activity.defn(name="sagamesh.bid")
    async def last_bid(offer: Offer) -> Bid:
        doomed.append(asyncio.create_task(worker.shutdown()))  # asks for no more work, but lets this finish
        await asyncio.sleep(0.3)
        return Bid(queue="depot.us", worker="doomed", in_use=0, slots=1, cost=0)

    worker = Worker(
        depots.temporal,
        task_queue="depot.us",
        activities=[last_bid],
        graceful_shutdown_timeout=timedelta(seconds=5),
    )
    running = asyncio.create_task(worker.run())
    async with served(depots.temporal, depots.pool(EU)):
        result = await start(depots, request(start_seconds=1, undo="release"))
    await running
    assert result.queue == "depot.eu"
    [replaced] = result.replaced
    assert (replaced.queue, replaced.undone, replaced.failure.type) == ("depot.us", False, "TimeoutError")
    assert depots.log == [("reserve", "depot.eu", "depot.reserve#2")]


async def test_a_winner_that_dies_at_work_is_undone_there_and_replaced_meanwhile(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        async with depots.dying_at_work(US) as begun:
            handle = await begin(depots, request(start_seconds=1, undo="release"))
            await begun.wait()
        while not depots.log:  # the next bidder serves it while the undo still waits  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert depots.log == [("reserve", "depot.eu", "depot.reserve#2")]
        assert (await handle.status()).steps[0].state is StepState.UNDOING
        async with served(depots.temporal, depots.pool(US)):
            result = await handle.result()
    assert result.queue == "depot.eu"
    assert [(each.queue, each.undone) for each in result.replaced] == [("depot.us", True)]
    # The undo carries the key of the call that was lost, so it leaves its mark for an attempt that comes late.
    assert depots.log == [("reserve", "depot.eu", "depot.reserve#2"), ("release", "depot.us", "depot.reserve")]


async def test_without_an_undo_a_call_that_may_have_begun_stays_where_it_is(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        async with depots.dying_at_work(US) as begun:
            handle = await begin(depots, request(start_seconds=1))
            await begun.wait()
        await asyncio.sleep(2)  # longer than the call may wait to be begun
        assert depots.log == []
        async with served(depots.temporal, depots.pool(US)):
            result = await handle.result()
    assert result.queue == "depot.us"
    assert depots.log == [("reserve", "depot.us", "depot.reserve")]


async def test_an_answer_is_no_death(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        with pytest.raises(TaskFailed) as caught:
            await start(depots, request(input={"sku": "none"}, undo="release"))
    assert caught.value.failure.type == "SoldOut"
    # As in a saga, also the step that failed is undone: what is heard of a call is not all that may have happened.
    assert depots.log == [("release", "depot.us", "depot.reserve")]


@pytest.mark.parametrize(("undo", "kind"), [("relase", "UnknownName"), ("count", "InvalidInput")])
async def test_an_undo_that_does_not_fit_is_refused_before_any_offer(depots: Depots, undo: str, kind: str) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        with pytest.raises(TaskFailed) as caught:
            await start(depots, request(undo=undo))
    assert caught.value.failure.type == kind
    assert depots.log == []


async def test_a_cancel_while_the_call_runs_undoes_it(depots: Depots) -> None:
    gate = depots.hold(US)
    async with served(depots.temporal, depots.pool(US)):
        handle = await begin(depots, request(undo="release"))
        await gate.reached()
        await depots.temporal.get_workflow_handle(handle.id).cancel()
        gate.open()  # it finishes in spite of the request
        with pytest.raises(TaskCancelled):
            await handle.result()
    assert depots.log == [("reserve", "depot.us", "depot.reserve"), ("release", "depot.us", "depot.reserve")]


async def test_a_cancel_while_the_others_are_told_comes_too_late(depots: Depots) -> None:
    async with hard_of_hearing(depots) as gate, served(depots.temporal, depots.pool(US)):
        handle = await begin(depots, request(undo="release", weights=_CHEAPEST))
        await gate.reached()
        await until(handle, 0, StepState.DONE)
        await depots.temporal.get_workflow_handle(handle.id).cancel()
        gate.open()
        result = await handle.result()
    assert result.queue == "depot.us"
    assert depots.log == [("reserve", "depot.us", "depot.reserve")]


async def test_terminated_while_the_call_runs_it_is_undone_by_its_supervisor(depots: Depots) -> None:
    gate = depots.hold(US)
    async with served(depots.temporal, depots.pool(US)):
        handle = await begin(depots, request(undo="release"), supervised=True)
        await gate.reached()
        await terminated(depots, handle)
        gate.open()
        assert await undone_by_supervisor(depots, handle) == ["depot.reserve undone"]
    assert depots.log == [("reserve", "depot.us", "depot.reserve"), ("release", "depot.us", "depot.reserve")]


async def test_terminated_after_the_answer_it_is_undone_by_its_supervisor(depots: Depots) -> None:
    async with hard_of_hearing(depots) as gate, served(depots.temporal, depots.pool(US)):
        handle = await begin(depots, request(undo="release", weights=_CHEAPEST), supervised=True)
        await gate.reached()
        await until(handle, 0, StepState.DONE)
        await terminated(depots, handle)
        gate.open()
        assert await undone_by_supervisor(depots, handle) == ["depot.reserve undone"]
    assert depots.log == [("reserve", "depot.us", "depot.reserve"), ("release", "depot.us", "depot.reserve")]


async def test_what_it_has_undone_itself_its_supervisor_leaves(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        async with depots.dying_at_work(US) as begun:
            dies = depots.before
            gate = depots.hold(EU)
            stops = depots.before
            assert dies is not None
            assert stops is not None

            async def dies_or_stops(queue: str) -> None:
                await dies(queue)
                await stops(queue)

            depots.before = dies_or_stops
            asked = request(start_seconds=1, undo="release", weights=_CHEAPEST)
            handle = await begin(depots, asked, supervised=True)
            await begun.wait()
        await gate.reached()
        async with served(depots.temporal, depots.pool(US)):
            await until(handle, 0, StepState.UNDONE)
            await terminated(depots, handle)
            gate.open()
            assert await undone_by_supervisor(depots, handle) == ["depot.reserve#2 undone"]
    undos = [entry for entry in depots.log if entry[0] == "release"]
    assert undos == [("release", "depot.us", "depot.reserve"), ("release", "depot.eu", "depot.reserve#2")]


async def test_on_a_worker_that_keeps_nothing_in_memory(depots: Depots, caplog: pytest.LogCaptureFixture) -> None:
    """Each step replays the task from its beginning, and what leaves memory undoes nothing."""
    forgetful = replace(negotiated, queue="routing.replayed")
    hosting = Worker(depots.temporal, task_queue=forgetful.queue, workflows=[Negotiated], max_cached_workflows=0)
    async with hosting, served(depots.temporal, depots.pool(EU)):
        async with depots.dying_at_work(US) as begun:
            asked = request(start_seconds=1, undo="release")
            handle = await depots.client.start(forgetful, asked, id=_started.new_id())
            await begun.wait()
        while not depots.log:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.05)
        async with served(depots.temporal, depots.pool(US)):
            result = await handle.result()
    assert result.queue == "depot.eu"
    assert depots.log == [("reserve", "depot.eu", "depot.reserve#2"), ("release", "depot.us", "depot.reserve")]
    assert "evict" not in caplog.text.lower()
    assert "never retrieved" not in caplog.text
    history = await depots.temporal.get_workflow_handle(handle.id).fetch_history()
    assert not [event for event in history.events if event.HasField("workflow_task_failed_event_attributes")]


async def test_all_of_them_replay(depots: Depots) -> None:
    assert await _started.replay(depots, Negotiated) >= 9
