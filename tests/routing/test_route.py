"""A task that routes, on a real server with real workers."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from temporalio.worker import Replayer

from sagamesh import SagameshPlugin, TaskHandle
from sagamesh.errors import DefinitionError, TaskCancelled, TaskFailed
from sagamesh.routing import Decision, Need, Reason, gather_parts
from sagamesh.routing.explanation import Explanation
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.zones import ASIA, EU, US, Asked, Empty, Routed, Zones, count, counted, reserve, routed

pytestmark = pytest.mark.asyncio(loop_scope="module")
_ids = (f"routed-{n}" for n in itertools.count())


def need(**more: object) -> Need:
    return Need.model_validate({"capability": reserve.type, **more})


async def test_the_nearest_zone_serves_step_and_undo(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        handle = await depots.client.start(
            routed, Asked(need=need(zones=["us", "eu"]), fails=True, wait_seconds=30), id=next(_ids)
        )
        with pytest.raises(TaskFailed) as caught:
            await handle.result()
    assert caught.value.failure.type == "SoldOut"
    # The step that failed is undone, too, before the one that succeeded; all of it in the zone that was chosen.
    assert depots.log == [
        ("reserve", "depot.us", "depot.reserve"),
        ("release", "depot.us", "depot.reserve"),
    ]


async def test_what_nobody_would_ever_do_fails_at_once_with_every_reason(depots: Depots) -> None:
    handle = await depots.client.start(
        routed, Asked(need=need(required=["warm"], version="<1"), wait_seconds=3600), id=next(_ids)
    )
    async with asyncio.timeout(20):
        with pytest.raises(TaskFailed) as caught:
            await handle.result()
    failed = caught.value.failure
    assert failed.type == "NoRoute"
    decision = Decision.model_validate(failed.details["decision"])
    assert {each.candidate.queue for each in decision.refused} == {"depot.asia", "depot.eu", "depot.moon", "depot.us"}
    for each in decision.refused:
        assert {Reason.MISSING_TAG, Reason.WRONG_VERSION} <= {refusal.reason for refusal in each.refusals}
        assert f"{each.candidate.queue}: MissingTag: it lacks warm, WrongVersion:" in failed.message


async def test_what_may_pass_is_waited_for_without_a_trace_in_the_history(depots: Depots) -> None:
    asked = Asked(need=need(zones=["asia"]), wait_seconds=60)
    handle = await depots.client.start(routed, asked, id=next(_ids))
    explained = await explained_as(handle, "waiting")
    assert explained.failure is not None
    assert "depot.asia: NobodyAlive" in explained.failure.message
    async with served(depots.temporal, depots.pool(ASIA)):
        assert (await handle.result()).where == "depot.asia"
        explained = await explained_as(handle, "decided")
    history = await depots.temporal.get_workflow_handle(handle.id).fetch_history()
    calls = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    assert len(calls) == 2  # the decision and the call, however often the first was repeated
    assert explained.decision is not None
    assert explained.decision.chosen is not None
    assert explained.decision.chosen.queue == "depot.asia"
    await Replayer(workflows=[Routed], plugins=[SagameshPlugin(passthrough=("tests",))]).replay_workflow(history)


async def test_scopes_of_the_caller(depots: Depots) -> None:
    handle = await depots.client.start(
        routed, Asked(need=Need(capability="shed.reserve", scopes=("other",))), id=next(_ids)
    )
    with pytest.raises(TaskFailed, match="shed: NotAllowed: the caller lacks the scope shed:use"):
        await handle.result()


async def test_a_capability_that_nobody_has(depots: Depots) -> None:
    handle = await depots.client.start(
        routed, Asked(need=Need(capability="depot.reserv"), wait_seconds=3600), id=next(_ids)
    )
    with pytest.raises(TaskFailed, match=r"no capability is called 'depot\.reserv'; did you mean depot\.reserve"):
        await handle.result()


async def test_a_cancel_while_it_waits(depots: Depots) -> None:
    handle = await depots.client.start(routed, Asked(need=need(zones=["moon"]), wait_seconds=3600), id=next(_ids))
    await explained_as(handle, "waiting")
    await handle.cancel()
    with pytest.raises(TaskCancelled):
        await handle.result()


async def test_parts_of_all_zones_none_left_out(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        handle = await depots.client.start(counted, Zones(zones=("eu", "moon", "nowhere"), sku="book"), id=next(_ids))
        answer = await handle.result()
    assert answer.complete is False
    assert answer.results == ("depot.eu",)
    assert answer.failures == (
        "depot.moon: TimeoutError: depot.count: no answer in time (schedule to start timeout)",
        "depot.nowhere: TimeoutError: depot.count: no answer in time (schedule to start timeout)",
    )


async def test_the_same_is_not_asked_twice() -> None:
    with pytest.raises(DefinitionError, match=r"asked twice: depot\.count at depot\.eu"):
        await gather_parts([count.in_zone("eu"), count.in_zone("us"), count.in_zone("eu")], Empty())


async def explained_as(handle: TaskHandle[Any], state: str) -> Explanation:
    """The task's only decision, as soon as it is in this state."""
    while True:
        explained = await handle.explain()
        if explained and explained[0].state == state:
            return explained[0]
        await asyncio.sleep(0.05)
