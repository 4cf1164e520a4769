"""A step that fails after the pivot waits for a person: nothing is undone any more."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from sagamesh import BusinessError
from sagamesh.errors import Refused
from sagamesh.failure import Failure
from sagamesh.status import Stage, StepState
from sagamesh.timeline import Kind
from tests.support import deeds, flows, pivots
from tests.support.deeds import Done, Plan
from tests.support.engine import Engine, Running, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


async def unfinished(engine: Engine, *times: Exception, beside: bool = False) -> Running[deeds.Report]:
    """A task that waits for an operator to finish its step after the pivot."""
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.second, *(times or (NoWay("not now"),)), Done(what="second"))
    if beside:
        script.on(deeds.third, NoWay("nor this"), Done(what="third"))
    running = await engine.start(pivots.Finishing.task, Plan(again=int(beside)), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)
    return running


async def test_it_is_visible_everywhere(engine: Engine) -> None:
    running = await unfinished(engine)

    status = await running.handle.status()
    timeline = await running.handle.timeline()

    assert [(s.step, s.state) for s in status.steps][-1] == ("works.second", StepState.FAILED)
    assert status.past_point_of_no_return
    assert await running.found_as() == "needs_operator"
    assert [(e.kind, e.name) for e in timeline.for_operator] == [(Kind.STEP, "works.second")]
    await running.decide("works.second", "retry")
    await running.done()
    assert (await running.handle.timeline()).for_operator == ()
    assert await running.found_as() == "completed"


async def test_retry_calls_it_again_under_the_same_key(engine: Engine) -> None:
    running = await unfinished(engine, NoWay("once"), NoWay("twice"))
    await running.decide("works.second", "retry", reason="")
    await running.reaches(Stage.NEEDS_OPERATOR)
    await running.decide("works.second", "retry", reason="")

    assert (await running.done()).said == "second"
    scheduled = await running.events(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    ids = [event.activity_task_scheduled_event_attributes.activity_id for event in scheduled]
    assert ids == ["works.first", "works.finish", *["works.second"] * 3]


async def test_resolve_brings_the_result(engine: Engine) -> None:
    running = await unfinished(engine)
    await running.decide("works.second", "resolve", reason="by phone", result={"what": "by hand"})

    assert (await running.done()).said == "by hand"
    [*_, last] = (await running.handle.status()).steps
    assert (last.step, last.state) == ("works.second", StepState.RESOLVED)


async def test_skip_lets_the_task_fail_with_nothing_undone(engine: Engine) -> None:
    running = await unfinished(engine)
    await running.decide("works.second", "skip", reason="cannot be done")

    failure: Failure = await running.failure()

    assert (failure.type, failure.step, failure.undone) == ("NoWay", "works.second", ())
    assert running.script.standing == ["works.first", "works.finish"]


async def test_two_side_by_side_are_decided_one_by_one(engine: Engine) -> None:
    running = await unfinished(engine, beside=True)

    async def both() -> bool:
        return len((await running.handle.timeline()).for_operator) == 2

    await eventually(both)
    await running.decide("works.third", "retry")
    await running.decide("works.second", "resolve", result={"what": "by hand"})

    assert (await running.done()).said == "by hand third"


@pytest.mark.parametrize(
    ("action", "result", "reason"),
    [
        ("resolve", None, "ResultNeeded"),
        ("resolve", {"whta": "by hand"}, "InvalidResult"),
        ("retry", {"what": "by hand"}, "InvalidResult"),
        ("skip", {"what": "by hand"}, "InvalidResult"),
    ],
)
async def test_a_decision_that_the_task_cannot_go_on_with_is_refused(
    engine: Engine, action: str, result: dict[str, Any] | None, reason: str
) -> None:
    running = await unfinished(engine)

    with pytest.raises(Refused) as caught:
        await running.decide("works.second", action, result=result)

    assert caught.value.reason == reason
    await running.decide("works.second", "retry")
    await running.done()


async def test_a_result_is_no_way_to_undo_something(engine: Engine) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.finish, NoWay("sold out"))
    script.on(deeds.undo_first, NoWay("cannot"), Done(what="undone"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)

    with pytest.raises(Refused, match="a result goes with resolving a step that was not finished"):
        await running.decide("works.first", "resolve", result={"what": "by hand"})

    await running.decide("works.first", "retry")
    await running.failure()


async def test_a_cancel_meanwhile_is_refused(engine: Engine) -> None:
    running = await unfinished(engine)
    await running.temporal.cancel()
    await running.decide("works.second", "retry")

    assert (await running.done()).said == "second"
