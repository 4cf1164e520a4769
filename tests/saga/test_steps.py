"""What a saga does with steps that succeed, fail, or are never heard of."""

from __future__ import annotations

import pytest
from temporalio.exceptions import ApplicationError

from sagamesh import BusinessError, RetryLater
from sagamesh.failure import UndoneStep
from sagamesh.status import Stage, StepState
from tests.support import deeds, flows
from tests.support.deeds import Done, Plan
from tests.support.engine import Engine
from tests.support.script import Act

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


async def test_all_steps_and_nothing_undone(engine: Engine) -> None:
    running = await engine.start(flows.Chain.task, Plan())

    assert (await running.done()).said == "all"
    assert running.script.order == ["works.first", "works.second", "works.finish", "works.extra"]
    assert running.script.standing == running.script.order
    assert await running.found_as() == "completed"


async def test_a_step_that_refuses_is_undone_like_those_before_it_newest_first(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way", left=3))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step, failure.message) == ("NoWay", "works.second", "no way")
    assert failure.details == {"left": 3}
    assert failure.undone == (
        UndoneStep(step="works.second", outcome="undone"),
        UndoneStep(step="works.first", outcome="undone"),
    )
    assert running.script.order == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert running.script.standing == []
    assert await running.found_as() == "failed"


async def test_a_step_whose_answer_was_lost_is_undone_after_it_happened(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, Act(ConnectionError("the line broke")))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step) == ("ConnectionError", "works.second")
    assert running.script.happened == ["works.first", "works.second", "works.undo_second", "works.undo_first"]
    assert running.script.standing == []


async def test_a_pivot_that_fails_undoes_what_was_before_it(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.finish, NoWay("sold out"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step) == ("NoWay", "works.finish")
    assert running.script.standing == []
    assert running.script.order[-2:] == ["works.undo_second", "works.undo_first"]
    assert not (await running.handle.status()).past_point_of_no_return


async def test_what_the_task_can_do_without_becomes_an_outcome(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.extra, NoWay("not today"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    assert (await running.done()).said == "without extra: NoWay: works.extra: not today"
    assert running.script.standing == ["works.first", "works.second", "works.finish"]


async def test_an_attempt_that_fails_before_a_failing_step_is_not_undone(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.extra, NoWay("not today")).on(deeds.second, NoWay("no way"))
    running = await engine.start(flows.NoPivot.task, Plan(), id=task_id)

    failure = await running.failure()

    assert failure.step == "works.second"
    assert [step.step for step in failure.undone] == ["works.second", "works.first"]


async def test_a_retried_step_keeps_its_key(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.extra, RetryLater("busy"), RetryLater("still busy"), Done(what="third time"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    assert (await running.done()).said == "all"
    calls = [call.call for call in engine.cast.fakes.called(deeds.extra) if call.call.task_id == task_id]
    assert [(call.key, call.attempt) for call in calls] == [(f"{task_id}/works.extra", n) for n in (1, 2, 3)]


async def test_an_undo_has_the_key_and_the_input_of_its_step(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way"))
    running = await engine.start(flows.Twice.task, Plan(), id=task_id)

    await running.failure()

    calls = [call for call in engine.cast.fakes.calls if call.call.task_id == task_id]
    steps = {call.call.key: call.arg for call in calls if not call.call.undo}
    undos = {call.call.key: call.arg for call in calls if call.call.undo}
    assert list(steps) == [f"{task_id}/works.{name}" for name in ("first", "first#2", "second")]
    assert list(undos) == list(reversed(steps))
    assert undos == steps
    assert running.script.standing == []


async def test_a_step_left_running_is_waited_for(engine: Engine) -> None:
    running = await engine.start(flows.LeftBehind.task, Plan())

    assert (await running.done()).said == "second"


async def test_a_step_left_running_that_fails_undoes_everything(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way"))
    running = await engine.start(flows.LeftBehind.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step) == ("NoWay", "works.second")
    assert running.script.standing == []


async def test_the_status_tells_each_step(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.finish, NoWay("sold out"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await running.failure()

    status = await running.handle.status()

    assert status.stage is Stage.FAILED
    assert [(step.step, step.state) for step in status.steps] == [
        ("works.first", StepState.UNDONE),
        ("works.second", StepState.UNDONE),
        ("works.finish", StepState.FAILED),
    ]
    assert [step.step for step in status.undone] == ["works.second", "works.first"]


async def test_a_capability_called_without_a_saga(engine: Engine) -> None:
    running = await engine.start(flows.Bare.task, Plan())

    assert (await running.done()).said == "first"


async def test_a_failing_call_without_a_saga_is_a_typed_failure(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.first, NoWay("no way"))
    running = await engine.start(flows.Bare.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step, failure.undone) == ("NoWay", "works.first", ())


async def test_a_failed_task_is_a_failed_workflow_with_a_readable_cause(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way", left=3))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await running.failure()

    last = (await running.history()).events[-1].workflow_execution_failed_event_attributes.failure

    assert last.application_failure_info.type == "NoWay"
    assert last.application_failure_info.non_retryable
    assert last.message == "works.second: no way; works.second undone, works.first undone"
    assert last.cause.activity_failure_info.activity_type.name == "works.second"


async def test_an_error_whose_details_look_like_a_failure_is_still_the_agents(engine: Engine) -> None:
    """Agents may be written in any language, with any details."""
    task_id = engine.new_id()
    lookalike = ApplicationError("odd", {"type": 7, "message": "of its own", "fields": ["x"]}, type="Odd")
    engine.script(task_id).on(deeds.second, lookalike)
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step, failure.message) == ("Odd", "works.second", "odd")
    assert running.script.standing == []


async def test_a_failure_carried_by_an_agents_error_does_not_hide_the_step(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, ApplicationError("odd", {"type": "Other", "message": "m"}, type="Odd"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step, failure.details) == ("Odd", "works.second", {"type": "Other", "message": "m"})
