"""An undo that fails waits for a person."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from sagamesh import BusinessError
from sagamesh.attributes import NEEDS_OPERATOR
from sagamesh.errors import InvalidInput, Refused
from sagamesh.failure import UndoneStep
from sagamesh.status import OperatorDecision, Stage, StepState, TaskStatus
from tests.support import deeds, flows
from tests.support.deeds import Done, Plan
from tests.support.engine import Engine, Running, eventually
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


async def stuck(engine: Engine, *, first: bool = True, second: bool = True) -> Running[deeds.Report]:
    """A chain whose pivot failed, and of whose undos those asked for fail the first time."""
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.finish, NoWay("sold out"))
    if first:
        script.on(deeds.undo_first, NoWay("cannot undo first"), Done(what="undone"))
    if second:
        script.on(deeds.undo_second, NoWay("cannot undo second"), Done(what="undone"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)
    return running


async def test_it_is_visible_everywhere(engine: Engine) -> None:
    running = await stuck(engine, second=False)

    status = await running.handle.status()
    described = await running.temporal.describe()

    assert [(step.step, step.state) for step in status.steps][:2] == [
        ("works.first", StepState.UNDO_FAILED),
        ("works.second", StepState.UNDONE),
    ]
    failed = status.steps[0].failure
    assert failed is not None
    assert failed.message == "cannot undo first"
    assert await running.found_as() == "needs_operator"
    assert described.typed_search_attributes.get(NEEDS_OPERATOR) is True

    async def listed() -> bool:
        query = f"SagameshNeedsOperator = true AND WorkflowId = '{running.handle.id}'"
        return [row.id async for row in engine.client.list(query)] == [running.handle.id]

    await eventually(listed)
    await running.decide("works.first", "retry")
    await running.failure()
    described = await running.temporal.describe()
    assert described.typed_search_attributes.get(NEEDS_OPERATOR) is False


async def test_retry(engine: Engine) -> None:
    running = await stuck(engine, second=False)

    await running.decide("works.first", "retry", reason="")
    failure = await running.failure()

    assert failure.type == "NoWay"
    assert failure.undone == (
        UndoneStep(step="works.second", outcome="undone"),
        UndoneStep(step="works.first", outcome="undone"),
    )
    assert running.script.standing == []


@pytest.mark.parametrize(("action", "outcome"), [("skip", "skipped"), ("resolve", "resolved")])
async def test_skip_and_resolve_are_kept_with_who_and_why(engine: Engine, action: str, outcome: str) -> None:
    running = await stuck(engine, second=False)

    await running.decide("works.first", action, reason="sent a cheque")
    failure = await running.failure()

    assert failure.undone[-1] == UndoneStep(step="works.first", outcome=outcome, by="olga", reason="sent a cheque")
    assert f"works.first {outcome} by olga (sent a cheque)" in failure.sentence
    assert running.script.standing == ["works.first"]


async def test_a_retry_that_fails_waits_again(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(deeds.second, NoWay("no way"))
    engine.script(task_id).on(deeds.undo_first, NoWay("once"), NoWay("twice"), Done(what="undone"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    for times in (1, 2):
        await running.undo_failed(times)
        await running.decide("works.first", "retry")

    failure = await running.failure()

    assert [step.step for step in failure.undone] == ["works.second", "works.first"]
    assert running.script.standing == []


@pytest.mark.parametrize(
    "actions", [list(zip(order, ("retry", "resolve"), strict=True)) for order in itertools.permutations((1, 2))]
)
async def test_two_that_failed_are_decided_in_either_order(engine: Engine, actions: list[tuple[int, str]]) -> None:
    running = await stuck(engine)
    names = {1: "works.first", 2: "works.second"}
    for number, action in actions:
        await running.decide(names[number], action)

    failure = await running.failure()

    assert {(step.step, step.outcome) for step in failure.undone} == {
        (names[number], "undone" if action == "retry" else "resolved") for number, action in actions
    }


async def test_two_decisions_in_one_batch(engine: Engine) -> None:
    """Both are accepted before the task looks at either."""
    running = await stuck(engine)

    await asyncio.gather(running.decide("works.first", "retry"), running.decide("works.second", "retry"))
    failure = await running.failure()

    assert {step.step for step in failure.undone} == {"works.first", "works.second"}
    assert running.script.standing == []


async def test_two_decisions_about_one_step_count_once(engine: Engine) -> None:
    running = await stuck(engine)

    found = await asyncio.gather(
        running.decide("works.first", "resolve"),
        running.decide("works.first", "skip"),
        running.decide("works.first", "retry"),
        return_exceptions=True,
    )

    assert sum(isinstance(each, TaskStatus) for each in found) == 1
    assert [each.reason for each in found if isinstance(each, Refused)] == ["NoDecisionNeeded"] * 2
    await running.decide("works.second", "skip")
    failure = await running.failure()
    assert len(failure.undone) == 2


async def test_one_that_is_being_tried_again_takes_no_decision_but_the_other_does(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.finish, NoWay("sold out"))
    script.on(deeds.undo_first, NoWay("cannot"), Act(before=gate)).on(deeds.undo_second, NoWay("cannot either"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await running.reaches(Stage.NEEDS_OPERATOR)
    await running.decide("works.first", "retry")
    await gate.reached()

    with pytest.raises(Refused) as refused:
        await running.decide("works.first", "skip")
    assert refused.value.reason == "NoDecisionNeeded"
    await running.decide("works.second", "skip")
    gate.open()
    failure = await running.failure()

    assert [(step.step, step.outcome) for step in failure.undone] == [
        ("works.first", "undone"),
        ("works.second", "skipped"),
    ]


@pytest.mark.parametrize("step", ["works.second", "works.third", "works.finish", "nonsense"])
async def test_the_wrong_step_is_refused(engine: Engine, step: str) -> None:
    running = await stuck(engine, second=False)

    with pytest.raises(Refused) as refused:
        await running.decide(step, "retry")

    assert refused.value.reason == "NoDecisionNeeded"
    assert "works.first" in str(refused.value)
    await running.decide("works.first", "retry")
    await running.failure()


@pytest.mark.parametrize("action", ["skip", "resolve"])
@pytest.mark.parametrize("reason", ["", "  \n"])
async def test_a_reason_is_needed(engine: Engine, action: str, reason: str) -> None:
    running = await stuck(engine, second=False)

    with pytest.raises(Refused) as refused:
        await running.decide("works.first", action, reason=reason)

    assert refused.value.reason == "ReasonNeeded"
    assert (await running.handle.status()).stage is Stage.NEEDS_OPERATOR
    await running.temporal.terminate()


async def test_before_anything_failed(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.first, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()

    with pytest.raises(Refused) as refused:
        await running.decide("works.first", "skip")

    assert refused.value.reason == "NoDecisionNeeded"
    gate.open()
    await running.done()


@pytest.mark.parametrize(
    "decision",
    [
        {"step": "works.first", "action": "forget", "by": "olga", "reason": "r"},
        {"step": "works.first", "action": "skip", "by": "", "reason": "r"},
        {"step": "", "action": "skip", "by": "olga", "reason": "r"},
        {"action": "skip", "by": "olga", "reason": "r"},
        "skip",
    ],
    ids=str,
)
async def test_a_foreign_decision_that_is_none_is_refused(engine: Engine, decision: object) -> None:
    running = await stuck(engine, second=False)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await running.temporal.execute_update("operator", decision)

    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "InvalidInput"
    assert (await running.handle.status()).stage is Stage.NEEDS_OPERATOR
    await running.temporal.terminate()


async def test_after_a_cancel_too(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.second, Act(before=gate)).on(deeds.undo_first, NoWay("no idea"))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()
    await running.handle.cancel()
    gate.open()
    await running.reaches(Stage.NEEDS_OPERATOR)

    await running.decide("works.first", "skip")
    await running.cancelled()

    assert running.script.standing == ["works.first"]


async def test_a_made_up_decision_is_refused_before_it_is_sent(engine: Engine) -> None:
    with pytest.raises(InvalidInput):
        await engine.client.handle(flows.Chain.task, "whatever").approve(by="")
    with pytest.raises(ValueError, match="action"):
        OperatorDecision.model_validate({"step": "s", "action": "forget", "by": "olga"})
