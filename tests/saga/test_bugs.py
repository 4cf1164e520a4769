"""What ends a task is compensated; what the engine will try again is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from temporalio.api.enums.v1 import EventType

from sagamesh import BusinessError, Task
from tests.support import deeds, flows, pivots
from tests.support.deeds import Plan, Switch
from tests.support.engine import Engine, Running, eventually
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


@pytest.fixture(autouse=True)
def broken() -> Iterator[None]:
    """The bug is there at the beginning of each test."""
    Switch.broken = True
    yield
    Switch.broken = False


async def failed_tasks(running: Running[deeds.Report]) -> list[str]:
    """The messages of its workflow tasks that failed."""
    failed = await running.events(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    return [event.workflow_task_failed_event_attributes.failure.message for event in failed]


async def fails_by(running: Running[deeds.Report], message: str) -> None:
    """Wait until its code has failed by this bug; nothing was undone, and it goes on."""

    async def failed() -> bool:
        return bool(await failed_tasks(running))

    await eventually(failed)
    assert message in (await failed_tasks(running))[0]
    assert not any("undo" in name for name in running.script.order)


async def test_a_bug_undoes_nothing_and_its_fix_completes_the_task(cached_engine: Engine) -> None:
    running = await cached_engine.start(flows.Buggy.task, Plan())
    await fails_by(running, "a bug")

    Switch.broken = False
    result = await running.done(sound=False)

    assert result.said == "all"
    assert running.script.order == ["works.first", "works.second"]


async def test_an_error_that_the_workflow_declares_to_end_it_is_compensated(engine: Engine) -> None:
    running = await engine.start(flows.Unfitting.task, Plan())

    failure = await running.failure()

    assert (failure.type, failure.message) == ("Unfit", "it does not fit")
    assert running.script.order == ["works.first", "works.undo_first"]
    assert await running.found_as() == "failed"


async def test_a_timeout_in_the_tasks_own_code_is_compensated(engine: Engine) -> None:
    """The engine ends a workflow by TimeoutError too."""
    running = await engine.start(flows.Impatient.task, Plan())

    failure = await running.failure()

    assert failure.type == "TimeoutError"
    assert [step.step for step in failure.undone] == ["works.first"]
    assert running.script.standing == []


async def test_continue_as_new_undoes_nothing(engine: Engine) -> None:
    running = await engine.start(flows.Again.task, Plan(again=1))

    assert (await running.done()).said == "all"
    assert running.script.order == ["works.first", "works.first"]


async def test_each_run_of_a_task_that_continues_as_new_has_effects_of_its_own(engine: Engine) -> None:
    running = await engine.start(flows.Rounds.task, Plan(again=2))

    assert (await running.done()).said == "all"
    keys = [key.removeprefix(f"{running.handle.id}/") for key in running.script.keys]
    assert [key for key in keys if key.startswith("works")] == ["works.first", "works.first@2", "works.first@3"]
    bare = [key for key in keys if not key.startswith("works")]
    assert len(set(bare)) == 6
    assert bare[2:] == ["1@2", "2@2", "1@3", "2@3"]


async def test_a_later_run_undoes_what_it_did_itself(engine: Engine) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.finish, NoWay("no"))
    running = await engine.start(flows.Rounds.task, Plan(again=1, how="finished"), id=task_id)

    failure = await running.failure()

    assert [step.step for step in failure.undone] == ["works.first@2"]
    assert "works.first" in script.standing
    assert "works.first@2" not in script.standing
    entries = (await running.handle.timeline()).entries
    assert [entry.name for entry in entries if entry.capability == "works.first"] == ["works.first@2"]


async def test_a_saga_may_follow_another_that_has_ended(engine: Engine) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.third, NoWay("no"))
    running = await engine.start(pivots.SagaAfterSaga.task, Plan(), id=task_id)

    await running.failure()

    assert script.standing == ["works.first"]


async def test_a_saga_outside_a_task_is_refused_before_it_begins(engine: Engine) -> None:
    task = Task("Loose", takes=Plan, returns=deeds.Report, queue="deeds")
    running = await engine.start(task, Plan())

    failure = await running.failure()

    assert failure.type == "DefinitionError"
    assert "TaskWorkflow" in failure.message
    assert running.script.order == []


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (pivots.PivotBeside, "works.second still runs"),
        (pivots.AfterBlock, "block was left"),
        (pivots.TwoPivots, "a task has one pivot"),
        (pivots.TwoSagas, "past its point of no return"),
        (pivots.SagaInSaga, "a saga of this task is still open"),
        (pivots.UndoAfterPivot, "has an undo"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_could_not_be_undone_is_not_begun(
    cached_engine: Engine, flow: type[pivots.PivotBeside], message: str
) -> None:
    """Such code is wrong whatever happens, and is mended by a deployment, not by half an order."""
    running = await cached_engine.start(flow.task, Plan())

    await fails_by(running, message)

    assert "works.third" not in running.script.order
    await running.temporal.terminate()


async def test_a_task_that_leaves_the_memory_of_its_worker_undoes_nothing(engine: Engine) -> None:
    """A worker that keeps nothing drops the task after each step; what it had begun is still there afterwards."""
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.second, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()
    assert script.order == ["works.first", "works.second"]

    gate.open()

    assert (await running.done()).said == "all"
    assert script.order == ["works.first", "works.second", "works.finish", "works.extra"]


async def test_a_step_that_failed_and_was_caught_is_not_forgotten(engine: Engine) -> None:
    """The task goes on without it, and fails later: then what may have happened unheard is undone too."""
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.first, Act(NoWay("unheard"))).on(deeds.second, NoWay("no way"))
    running = await engine.start(flows.Catching.task, Plan(), id=task_id)

    await running.failure()

    assert script.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert script.standing == []
