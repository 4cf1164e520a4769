"""Steps that run at the same time, when one of them fails."""

from __future__ import annotations

import pytest

from sagamesh import BusinessError, Task
from tests.support import deeds, flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


FLOWS = pytest.mark.parametrize("task", [flows.Beside.task, flows.Grouped.task], ids=lambda task: task.name)


@FLOWS
async def test_both_branches_succeed(engine: Engine, task: Task[Plan, deeds.Report]) -> None:
    running = await engine.start(task, Plan())

    assert (await running.done()).said == "all"
    assert set(running.script.standing) == {"works.first", "works.second", "works.third"}


@FLOWS
async def test_the_other_branch_is_waited_for_before_anything_is_undone(
    engine: Engine, task: Task[Plan, deeds.Report]
) -> None:
    """Second fails while first runs; first goes on to its end, and only then is anything undone."""
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.second, NoWay("no way")).on(deeds.first, Act(before=gate))
    running = await engine.start(task, Plan(), id=task_id)
    await gate.reached()
    await running.refused("works.second")
    assert "works.undo_second" not in script.order

    gate.open()
    failure = await running.failure()

    assert (failure.type, failure.step) == ("NoWay", "works.second")
    assert script.standing == []
    assert script.log.index("works.first ends") < script.log.index("works.undo_second begins")


@FLOWS
async def test_a_branch_begins_nothing_new_after_another_failed(engine: Engine, task: Task[Plan, deeds.Report]) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.second, NoWay("no way")).on(deeds.first, Act(before=gate))
    running = await engine.start(task, Plan(), id=task_id)
    await gate.reached()
    await running.refused("works.second")

    gate.open()
    await running.failure()

    assert "works.third" not in script.order
    assert "works.undo_third" not in script.order


@FLOWS
async def test_two_branches_that_fail_are_both_undone(engine: Engine, task: Task[Plan, deeds.Report]) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id)
    script.on(deeds.second, Act(NoWay("no way"))).on(deeds.first, Act(NoWay("nor this")))
    running = await engine.start(task, Plan(), id=task_id)

    failure = await running.failure()

    assert failure.type == "NoWay"
    assert {step.step for step in failure.undone} == {"works.first", "works.second"}
    assert script.standing == []


@FLOWS
async def test_a_cancel_stops_both_branches(engine: Engine, task: Task[Plan, deeds.Report]) -> None:
    task_id, one, other = engine.new_id(), Gate(), Gate()
    script = engine.script(task_id).on(deeds.first, Act(before=one)).on(deeds.second, Act(before=other))
    running = await engine.start(task, Plan(), id=task_id)
    await one.reached()
    await other.reached()

    await running.handle.cancel()
    one.open()
    other.open()
    await running.cancelled()

    assert script.standing == []
    assert script.order[2:] in (
        ["works.undo_first", "works.undo_second"],
        ["works.undo_second", "works.undo_first"],
    )


@FLOWS
async def test_the_deadline_stops_both_branches(engine: Engine, task: Task[Plan, deeds.Report]) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.first, Act(before=gate)).on(deeds.second, Act(before=gate))
    running = await engine.start(task, Plan(deadline_seconds=0.2), id=task_id)
    await gate.reached()
    await running.deadline_passed()

    gate.open()
    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert script.standing == []
