"""However the task's code waits for a step, the step is not lost."""

from __future__ import annotations

import pytest

from sagamesh import BusinessError
from tests.support import deeds, flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = ["plainly", "task", "shield", "gather", "group", "wait", "wait for", "timeout", "condition"]
"""Ways of waiting that let through what happens."""

each_way = pytest.mark.parametrize("how", [*LONG, "gather with errors"])
each_side = pytest.mark.parametrize("side", ["before", "after"])


class NoWay(BusinessError):
    """A final answer."""


def held(gate: Gate, side: str) -> Act:
    return Act(before=gate if side == "before" else None, after=gate if side == "after" else None)


@each_way
async def test_it_succeeds(engine: Engine, how: str) -> None:
    running = await engine.start(flows.Awaiting.task, Plan(how=how, deadline_seconds=3600))

    assert (await running.done()).said == "all"
    assert running.script.standing == ["works.first", "works.second", "works.finish"]


@each_side
@each_way
async def test_it_is_cancelled(engine: Engine, how: str, side: str) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.second, held(gate, side))
    running = await engine.start(flows.Awaiting.task, Plan(how=how), id=task_id)
    await gate.reached()
    await running.handle.cancel()

    gate.open()
    await running.cancelled()

    assert script.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert script.standing == []


@each_way
async def test_its_deadline_passes(cached_engine: Engine, how: str) -> None:
    task_id, gate = cached_engine.new_id(), Gate()
    script = cached_engine.script(task_id).on(deeds.second, Act(before=gate))
    running = await cached_engine.start(flows.Awaiting.task, Plan(how=how, deadline_seconds=0.05), id=task_id)
    await gate.reached()
    await running.deadline_passed()

    gate.open()
    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert script.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert script.standing == []


@pytest.mark.parametrize("how", [how for how in LONG if how not in ("wait", "condition")])
async def test_it_fails(engine: Engine, how: str) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.second, Act(NoWay("no way")))
    running = await engine.start(flows.Awaiting.task, Plan(how=how), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step) == ("NoWay", "works.second")
    assert script.standing == []
    assert "works.finish" not in script.order


@pytest.mark.parametrize("how", ["wait", "condition", "gather with errors"])
async def test_a_failure_that_the_code_does_not_look_at_is_the_codes_decision(engine: Engine, how: str) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way"))
    running = await engine.start(flows.Awaiting.task, Plan(how=how), id=task_id)

    assert (await running.done()).said == "all"


@each_side
@pytest.mark.parametrize("how", ["short wait for", "short timeout"])
async def test_it_takes_longer_than_the_code_waits(engine: Engine, how: str, side: str) -> None:
    """The step finishes in spite of it, and is undone like everything else."""
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.second, held(gate, side))
    running = await engine.start(flows.Awaiting.task, Plan(how=how), id=task_id)
    await gate.reached()
    await running.deadline_passed()

    gate.open()
    failure = await running.failure()

    assert failure.type == "TimeoutError"
    assert script.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert script.standing == []


@pytest.mark.parametrize("deadline", [0.0, -1.0, -3600.0])
async def test_a_deadline_that_has_passed_already(engine: Engine, deadline: float) -> None:
    """Such as one that was counted from when the customer clicked."""
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.first, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(deadline_seconds=deadline), id=task_id)
    gate.open()

    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert script.standing == []
    assert "works.second" not in script.order
