"""A deadline: before the pivot it ends the task like a cancel, from the pivot on it counts no more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from sagamesh import BusinessError, Capability
from sagamesh.status import Stage
from tests.support import deeds, flows, questions
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


@pytest.mark.parametrize("at", ["before", "after"])
async def test_passing_during_a_step(engine: Engine, at: str) -> None:
    task_id, gate = engine.new_id(), Gate()
    act = Act(before=gate if at == "before" else None, after=gate if at == "after" else None)
    script = engine.script(task_id).on(deeds.second, act)
    running = await engine.start(flows.Chain.task, Plan(deadline_seconds=0.1), id=task_id)
    await gate.reached()
    await running.deadline_passed()

    gate.open()
    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert str(timedelta(seconds=0.1)) in failure.message
    assert [step.step for step in failure.undone] == ["works.second", "works.first"]
    assert script.standing == []
    assert "works.finish" not in script.order


async def test_passing_during_an_attempt(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.extra, Act(before=gate))
    running = await engine.start(flows.NoPivot.task, Plan(deadline_seconds=0.1), id=task_id)
    await gate.reached()
    await running.deadline_passed()

    gate.open()
    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert script.order == ["works.first", "works.extra", "works.undo_first"]


async def test_passing_while_a_step_waits_for_its_next_attempt(engine: Engine) -> None:
    """Days go by at once: the next attempt would come in an hour, the deadline comes first."""
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.stubborn, Act(ConnectionError("later")))
    running = await engine.start(flows.Stubborn.task, Plan(deadline_seconds=1800), id=task_id, skipping=True)

    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert running.script.standing == []
    assert running.script.order == ["works.first", "works.stubborn", "works.undo_stubborn", "works.undo_first"]


async def test_passing_while_an_approval_is_waited_for(engine: Engine) -> None:
    plan = Plan(deadline_seconds=3600, approval_seconds=7200)
    running = await engine.start(questions.Asking.task, plan, skipping=True)

    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert running.script.order == ["works.first", "works.undo_first"]


async def test_at_the_very_moment_of_the_approvals_own_end(engine: Engine) -> None:
    plan = Plan(deadline_seconds=3600, approval_seconds=3600)
    running = await engine.start(questions.Asking.task, plan, skipping=True)

    failure = await running.failure()

    assert failure.type in ("DeadlineExceeded", "ApprovalTimedOut")
    assert running.script.order == ["works.first", "works.undo_first"]


@pytest.mark.parametrize("held", [deeds.finish, deeds.extra], ids=lambda capability: capability.name)
async def test_passing_at_or_after_the_pivot_counts_no_more(
    engine: Engine, held: Capability[deeds.Deed, deeds.Done]
) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(held, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(deadline_seconds=3600), id=task_id)
    await gate.reached()

    assert len(await running.events(EventType.EVENT_TYPE_TIMER_CANCELED)) == 1
    gate.open()

    assert (await running.done()).said == "all"


async def test_passing_during_compensation_changes_nothing(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.second, NoWay("no way")).on(deeds.undo_second, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(deadline_seconds=3600), id=task_id)
    await gate.reached()

    assert len(await running.events(EventType.EVENT_TYPE_TIMER_CANCELED)) == 1
    gate.open()
    failure = await running.failure()

    assert failure.type == "NoWay"
    assert running.script.standing == []


async def test_passing_after_a_cancel_that_still_stops_something(engine: Engine) -> None:
    """The customer's cancel was first, so that is how it ended."""
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.second, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(deadline_seconds=0.3), id=task_id)
    await gate.reached()
    await running.handle.cancel()
    await running.deadline_passed()

    gate.open()
    outcome = await running.outcome()

    requested = await running.events(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
    fired = await running.events(EventType.EVENT_TYPE_TIMER_FIRED)
    assert outcome == ("CANCELED" if requested[0].event_id < fired[0].event_id else "FAILED")
    assert running.script.standing == []


async def test_that_does_not_pass_leaves_no_timer_behind(engine: Engine) -> None:
    running = await engine.start(flows.NoPivot.task, Plan(deadline_seconds=3600))

    await running.done()

    assert len(await running.events(EventType.EVENT_TYPE_TIMER_CANCELED)) == 1
    assert await running.events(EventType.EVENT_TYPE_TIMER_FIRED) == []


async def test_passing_while_an_operator_is_waited_for(engine: Engine) -> None:
    """Compensation takes as long as it takes."""
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way")).on(
        deeds.undo_first, NoWay("no idea"), deeds.Done(what="x")
    )
    running = await engine.start(flows.Chain.task, Plan(deadline_seconds=3600), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)
    await engine.pass_time(running, timedelta(days=30))

    assert (await running.handle.status()).stage is Stage.NEEDS_OPERATOR
    await running.decide("works.first", "retry")
    failure = await running.failure()

    assert failure.type == "NoWay"
    assert running.script.standing == []
