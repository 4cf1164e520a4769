"""What a task's own code gives up while it runs leaves nothing half done."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType

from sagamesh import BusinessError
from sagamesh.errors import TaskCancelled
from sagamesh.status import Stage
from tests.support import deeds, given_up
from tests.support.deeds import Plan
from tests.support.engine import Engine, eventually
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


async def test_a_step_that_is_given_up_after_the_pivot_waits_for_nobody(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("not now"))
    running = await engine.start(given_up.StepGivenUp.task, Plan(), id=task_id)

    assert (await running.done()).said == "without it"

    assert await running.found_as() == "completed"
    assert (await running.handle.timeline()).for_operator == ()


async def test_a_skipped_step_fails_the_task_also_when_it_failed_before_the_block_ended(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("not now"))
    running = await engine.start(given_up.StepLeftRunning.task, Plan(), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)
    await running.decide("works.second", "skip")

    failure = await running.failure()

    assert (failure.type, failure.step) == ("NoWay", "works.second")


async def test_a_pivot_that_is_given_up_and_then_fails_undoes_what_was_before_it(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.finish, Act(NoWay("sold out"), effect=False, before=gate))
    running = await engine.start(given_up.PivotGivenUp.task, Plan(), id=task_id)
    await gate.reached()

    async def gave_up() -> bool:
        return bool(await running.events(EventType.EVENT_TYPE_TIMER_FIRED))

    await eventually(gave_up)
    gate.open()

    assert (await running.failure()).type == "TimeoutError"
    assert script.standing == []


async def test_a_child_is_asked_to_stop_when_its_parent_fails(engine: Engine) -> None:
    task_id, gate, child_gate = engine.new_id(), Gate(), Gate()
    child = engine.script(f"{task_id}-child").on(deeds.second, Act(before=child_gate))
    engine.script(task_id).on(deeds.second, Act(NoWay("no"), effect=False, before=gate))
    running = await engine.start(given_up.ChildBeside.task, Plan(), id=task_id)
    await gate.reached()
    await child_gate.reached()
    gate.open()
    assert (await running.failure()).type == "NoWay"
    child_gate.open()

    with pytest.raises(TaskCancelled):
        await engine.client.find(f"{task_id}-child").result()
    assert child.standing == []
