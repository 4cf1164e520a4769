"""A cancel request at every point of a saga: either everything is undone, or it is refused and everything is done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from temporalio.api.enums.v1 import EventType

from sagamesh import BusinessError, Capability
from sagamesh.errors import Refused
from sagamesh.status import OperatorDecision, Stage
from tests.support import deeds, flows, pivots, questions
from tests.support.deeds import Plan
from tests.support.engine import Engine, Running, eventually, serving
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


BEFORE_PIVOT = [deeds.first, deeds.second]


async def held(
    engine: Engine, capability: Capability[deeds.Deed, deeds.Done], *, at: str, act: Act | None = None
) -> tuple[Running[deeds.Report], Gate]:
    """A chain that stands `before` or `after` the effect of one of its calls."""
    task_id, gate = engine.new_id(), Gate()
    answer = None if act is None else act.answer
    engine.script(task_id).on(
        capability, Act(answer, before=gate if at == "before" else None, after=gate if at == "after" else None)
    )
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()
    return running, gate


@pytest.mark.parametrize("at", ["before", "after"])
@pytest.mark.parametrize("capability", BEFORE_PIVOT, ids=lambda capability: capability.name)
async def test_during_a_step_that_finishes_anyway(
    engine: Engine, capability: Capability[deeds.Deed, deeds.Done], at: str
) -> None:
    running, gate = await held(engine, capability, at=at)
    await running.handle.cancel()
    begun = list(running.script.order)

    gate.open()
    await running.cancelled()

    undos = [f"works.undo_{name.removeprefix('works.')}" for name in reversed(begun)]
    assert running.script.order == begun + undos
    assert running.script.standing == []
    assert await running.found_as() == "cancelled"


async def test_during_a_step_that_fails_anyway(engine: Engine) -> None:
    """The customer's cancel was first, so that is how it ended."""
    running, gate = await held(engine, deeds.second, at="after", act=Act(NoWay("no way")))
    await running.handle.cancel()

    gate.open()
    await running.cancelled()

    assert running.script.standing == []
    assert "works.finish" not in running.script.order


async def test_while_no_agent_serves_the_step(engine: Engine) -> None:
    """The step waits in its queue, so it never happens; its undo copes with that."""
    running = await engine.start(flows.Unmanned.task, Plan())
    await running.scheduled("idle.work")

    await running.handle.cancel()
    await running.cancelled()

    assert running.script.order == ["works.first", "works.undo_second", "works.undo_first"]


async def test_while_a_step_waits_for_its_next_attempt(engine: Engine) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.stubborn, Act(ConnectionError("later")))
    running = await engine.start(flows.Stubborn.task, Plan(), id=task_id)

    async def failed_once() -> bool:
        pending = (await running.temporal.describe()).raw_description.pending_activities
        return [activity.attempt for activity in pending] == [2]

    await eventually(failed_once)
    await running.handle.cancel()
    await running.cancelled()

    assert script.order == ["works.first", "works.stubborn", "works.undo_stubborn", "works.undo_first"]
    assert script.standing == []


async def test_before_the_first_step(engine: Engine) -> None:
    """Nobody hosts the task yet; when somebody does, nothing is begun."""
    unhosted = replace(flows.Chain.task, queue=f"unhosted-{engine.new_id()}")
    running = await engine.start(unhosted, Plan())
    await running.temporal.cancel()

    async with serving(engine.temporal, unhosted.queue, [flows.Chain]):
        await running.cancelled()

    assert running.script.order == []
    assert await running.found_as() == "cancelled"


@pytest.mark.parametrize("at", ["before", "after"])
async def test_during_the_pivot_is_refused(engine: Engine, at: str) -> None:
    running, gate = await held(engine, deeds.finish, at=at)

    with pytest.raises(Refused) as refused:
        await running.handle.cancel()
    assert refused.value.reason == "PastPointOfNoReturn"
    gate.open()

    assert (await running.done()).said == "all"
    assert running.script.order == ["works.first", "works.second", "works.finish", "works.extra"]
    assert (await running.handle.status()).cancel_refused


@pytest.mark.parametrize("at", ["before", "after"])
async def test_after_the_pivot_is_refused(engine: Engine, at: str) -> None:
    running, gate = await held(engine, deeds.extra, at=at)

    with pytest.raises(Refused) as refused:
        await running.handle.cancel()
    assert refused.value.reason == "PastPointOfNoReturn"
    gate.open()

    assert (await running.done()).said == "all"


async def test_during_a_pivot_that_then_fails(engine: Engine) -> None:
    running, gate = await held(engine, deeds.finish, at="after", act=Act(NoWay("sold out")))
    with pytest.raises(Refused):
        await running.handle.cancel()

    gate.open()
    failure = await running.failure()

    assert failure.type == "NoWay"
    assert running.script.standing == ["works.finish"]  # the pivot's own effect is for the undos to cope with
    assert running.script.order[-2:] == ["works.undo_second", "works.undo_first"]


@pytest.mark.parametrize("flow", [pivots.AfterPivot, pivots.SleepsAfterPivot, pivots.GathersAfterPivot])
async def test_whatever_comes_after_the_pivot_is_not_reached_by_a_cancel(
    engine: Engine, flow: type[pivots.AfterPivot]
) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.second, Act(before=gate))
    running = await engine.start(flow.task, Plan(), id=task_id)
    await gate.reached()
    with pytest.raises(Refused):
        await running.handle.cancel()

    gate.open()

    assert (await running.done()).said == "all"
    assert set(running.script.standing) == {"works.first", "works.finish", "works.second"}


async def test_beside_a_pivot_is_refused(engine: Engine) -> None:
    """The attempt that runs beside the pivot is no way in for the cancel either."""
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.finish, Act(before=gate)).on(deeds.extra, Act(before=gate))
    running = await engine.start(pivots.AttemptBesidePivot.task, Plan(), id=task_id)
    await gate.reached()
    await running.scheduled("works.finish")
    with pytest.raises(Refused):
        await running.handle.cancel()

    gate.open()

    assert (await running.done()).said == "all"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("undo", [deeds.undo_second, deeds.undo_first], ids=lambda capability: capability.name)
async def test_during_compensation_everything_is_undone_all_the_same(
    engine: Engine, undo: Capability[deeds.Deed, deeds.Done], times: int
) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.finish, NoWay("sold out")).on(undo, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()
    for _ in range(times):
        await running.handle.cancel()

    gate.open()
    failure = await running.failure()

    assert failure.type == "NoWay"
    assert [step.step for step in failure.undone] == ["works.second", "works.first"]
    assert running.script.standing == []
    assert running.script.order.count(undo.type) == 1


async def test_twice(engine: Engine) -> None:
    running, gate = await held(engine, deeds.second, at="before")
    await running.handle.cancel(reason="once")
    await running.handle.cancel(reason="and again")

    gate.open()
    await running.cancelled()

    assert running.script.standing == []
    assert running.script.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]


async def test_then_again_while_it_is_undone(engine: Engine) -> None:
    task_id, step, undo = engine.new_id(), Gate(), Gate()
    engine.script(task_id).on(deeds.second, Act(before=step)).on(deeds.undo_second, Act(before=undo))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await step.reached()
    await running.handle.cancel()
    step.open()
    await undo.reached()
    await running.handle.cancel()

    undo.open()
    await running.cancelled()

    assert running.script.standing == []


async def test_while_an_operator_is_waited_for(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.finish, NoWay("sold out")).on(deeds.undo_first, NoWay("no idea how"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)

    await running.handle.cancel()
    assert (await running.handle.status()).stage is Stage.NEEDS_OPERATOR
    await running.handle.operator(
        OperatorDecision(step="works.first", action="resolve", by="olga", reason="done by hand")
    )
    failure = await running.failure()

    assert failure.type == "NoWay"
    assert [(step.step, step.outcome) for step in failure.undone] == [
        ("works.second", "undone"),
        ("works.first", "resolved"),
    ]


async def test_during_an_approval(engine: Engine) -> None:
    running = await engine.start(questions.Asking.task, Plan())
    await running.reaches(Stage.AWAITING_APPROVAL)

    await running.handle.cancel()
    await running.cancelled()

    assert running.script.order == ["works.first", "works.undo_first"]
    with pytest.raises(Refused):
        await running.handle.approve(by="ann")


async def test_after_the_end(engine: Engine) -> None:
    running = await engine.start(flows.Chain.task, Plan())
    await running.done()

    with pytest.raises(Refused) as refused:
        await running.handle.cancel()

    assert refused.value.reason == "AlreadyEnded"


async def test_during_an_attempt_before_the_pivot(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.extra, Act(before=gate))
    running = await engine.start(flows.NoPivot.task, Plan(), id=task_id)
    await gate.reached()
    await running.handle.cancel()

    gate.open()
    await running.cancelled()

    assert "works.second" not in running.script.order
    assert running.script.order[-1] == "works.undo_first"


async def test_during_the_last_step_of_a_saga_without_a_pivot(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.second, Act(after=gate))
    running = await engine.start(flows.NoPivot.task, Plan(), id=task_id)
    await gate.reached()
    await running.handle.cancel()

    gate.open()
    await running.cancelled()

    assert "works.second" not in running.script.standing
    assert "works.first" not in running.script.standing


@pytest.mark.parametrize("capability", [deeds.first, deeds.second, deeds.finish, deeds.extra], ids=lambda c: c.name)
async def test_in_the_same_moment_as_an_answer(engine: Engine, capability: Capability[deeds.Deed, deeds.Done]) -> None:
    """The request and the answer reach the task together; whichever way it goes, it goes all the way."""
    task_id = engine.new_id()
    script = engine.script(task_id)

    async def cancel() -> None:
        await engine.temporal.get_workflow_handle(task_id).cancel()

    script.on(capability, Act(after=cancel))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    outcome = await running.outcome()

    requested = await running.events(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
    assert len(requested) == 1
    if outcome == "CANCELED":
        assert script.standing == []
        assert "works.finish" not in script.order
    else:
        assert outcome == "COMPLETED"
        assert script.order == ["works.first", "works.second", "works.finish", "works.extra"]
    assert outcome == ("CANCELED" if capability in BEFORE_PIVOT else "COMPLETED")


async def test_of_a_parent_undoes_the_child_first(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    child = engine.script(f"{task_id}-child").on(deeds.second, Act(before=gate))
    running = await engine.start(flows.Parent.task, Plan(), id=task_id)
    await gate.reached()
    await running.handle.cancel()

    gate.open()
    await running.cancelled()

    assert child.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert running.script.order == ["works.third", "works.undo_third"]
