"""A task that has a task of its own."""

from __future__ import annotations

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sagamesh import BusinessError
from sagamesh.failure import failure_of
from tests.support import deeds, flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


async def test_a_child_that_completes(engine: Engine) -> None:
    running = await engine.start(flows.Parent.task, Plan())

    assert (await running.done()).said == "all"


async def test_a_child_that_fails_is_a_typed_failure_of_its_parent(engine: Engine) -> None:
    task_id = engine.new_id()
    child = engine.script(f"{task_id}-child").on(deeds.second, NoWay("no way", left=3))
    running = await engine.start(flows.Parent.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step, failure.details) == ("NoWay", "works.second", {"left": 3})
    assert child.standing == []
    assert running.script.order == ["works.third", "works.undo_third"]
    assert [step.step for step in failure.undone] == ["works.third"]


async def test_a_foreign_parent_sees_the_type_and_can_read_the_failure(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way", left=3))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    with pytest.raises(WorkflowFailureError) as caught:
        await running.temporal.result()

    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("NoWay", True)
    assert cause.details[0]["step"] == "works.second"
    assert failure_of(caught.value).details == {"left": 3}


async def test_a_child_that_is_terminated_is_a_typed_failure_of_its_parent(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(f"{task_id}-child").on(deeds.first, Act(before=gate))
    running = await engine.start(flows.Parent.task, Plan(), id=task_id)
    await gate.reached()

    await engine.temporal.get_workflow_handle(f"{task_id}-child").terminate("by hand")
    failure = await running.failure()
    gate.open()

    assert failure.type == "TerminatedError"
    assert running.script.standing == []
