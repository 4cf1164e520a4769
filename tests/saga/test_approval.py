"""Waiting for a person's yes or no."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from sagamesh import BusinessError
from sagamesh.errors import InvalidInput, Refused
from sagamesh.status import ApprovalStatus, Stage, StepState
from tests.support import deeds, flows, questions
from tests.support.deeds import Plan
from tests.support.engine import Engine, Running
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


class NoWay(BusinessError):
    """A final answer."""


async def waiting(engine: Engine, **plan: float) -> Running[deeds.Report]:
    running = await engine.start(questions.Asking.task, Plan.model_validate(plan))
    await running.reaches(Stage.AWAITING_APPROVAL)
    return running


async def test_the_question_is_shown_and_findable(engine: Engine) -> None:
    running = await waiting(engine)

    approval = (await running.handle.status()).approval

    assert approval is not None
    assert (approval.question, approval.approved) == ("may I?", None)
    assert await running.found_as() == "awaiting_approval"
    described = await running.temporal.describe()
    assert approval.until - described.start_time >= timedelta(hours=1)
    await running.temporal.terminate()


async def test_approved(engine: Engine) -> None:
    running = await waiting(engine)

    answer = await running.handle.approve(by="ann", reason="fine with me")

    assert (answer.approved, answer.by, answer.reason) == (True, "ann", "fine with me")
    assert (await running.done()).said == "ann: fine with me"
    assert running.script.standing == ["works.first", "works.finish"]


async def test_rejected(engine: Engine) -> None:
    running = await waiting(engine)

    answer = await running.handle.reject(by="rob", reason="too dear")
    failure = await running.failure()

    assert answer.approved is False
    assert (failure.type, failure.message) == ("Rejected", "rob rejected it: too dear")
    assert failure.details == {"by": "rob", "reason": "too dear"}
    assert running.script.order == ["works.first", "works.undo_first"]


async def test_unanswered(engine: Engine) -> None:
    running = await engine.start(questions.Asking.task, Plan(approval_seconds=86400), skipping=True)

    failure = await running.failure()

    assert failure.type == "ApprovalTimedOut"
    assert "may I?" in failure.message
    assert running.script.order == ["works.first", "works.undo_first"]


async def test_unanswered_until_just_before_the_end(engine: Engine) -> None:
    running = await waiting(engine, approval_seconds=7200)
    await engine.pass_time(running, timedelta(seconds=7100))

    await running.handle.approve(by="ann")

    assert (await running.done()).said == "ann: "


@pytest.mark.parametrize(("first", "second"), [("approve", "reject"), ("reject", "approve"), ("approve", "approve")])
async def test_answered_twice(engine: Engine, first: str, second: str) -> None:
    """The step after the answer is held, so the task still runs when the second answer comes."""
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.finish, Act(before=gate)).on(deeds.undo_first, Act(before=gate))
    running = await engine.start(questions.Asking.task, Plan(), id=task_id)
    await running.reaches(Stage.AWAITING_APPROVAL)
    await getattr(running.handle, first)(by="ann")

    with pytest.raises(Refused) as refused:
        await getattr(running.handle, second)(by="bob")

    assert refused.value.reason == "AlreadyDecided"
    assert "ann" in str(refused.value)
    gate.open()
    assert await running.outcome() == ("COMPLETED" if first == "approve" else "FAILED")


async def test_answered_by_many_at_once_counts_one(engine: Engine) -> None:
    running = await waiting(engine)

    answers = await asyncio.gather(
        *(running.handle.approve(by=f"a{n}") if n % 2 else running.handle.reject(by=f"r{n}") for n in range(8)),
        return_exceptions=True,
    )

    counted = [answer for answer in answers if isinstance(answer, ApprovalStatus)]
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert (len(counted), len(refused)) == (1, 7)
    assert {answer.reason for answer in refused} <= {"AlreadyDecided", "AlreadyEnded"}
    assert await running.outcome() == ("COMPLETED" if counted[0].approved else "FAILED")


@pytest.mark.parametrize("answer", ["approve", "reject"])
async def test_nobody_asked_yet(engine: Engine, answer: str) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.first, Act(before=gate))
    running = await engine.start(questions.Asking.task, Plan(), id=task_id)
    await gate.reached()

    with pytest.raises(Refused) as refused:
        await getattr(running.handle, answer)(by="ann")

    assert refused.value.reason == "NotAwaitingApproval"
    gate.open()
    await running.reaches(Stage.AWAITING_APPROVAL)
    await running.handle.approve(by="ann")
    await running.done()


async def test_a_task_that_never_asks(engine: Engine) -> None:
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(deeds.first, Act(before=gate))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()

    with pytest.raises(Refused) as refused:
        await running.handle.approve(by="ann")

    assert refused.value.reason == "NotAwaitingApproval"
    gate.open()
    await running.done()


async def test_a_task_that_has_ended(engine: Engine) -> None:
    running = await engine.start(flows.Chain.task, Plan())
    await running.done()

    with pytest.raises(Refused) as refused:
        await running.handle.approve(by="ann")

    assert refused.value.reason == "AlreadyEnded"


@pytest.mark.parametrize("by", ["", "   ", "x" * 201])
async def test_an_approver_without_a_name_is_refused(engine: Engine, by: str) -> None:
    running = await waiting(engine)

    with pytest.raises(InvalidInput) as refused:
        await running.handle.approve(by=by)

    assert [field.field for field in refused.value.fields] == ["by"]
    assert (await running.handle.status()).stage is Stage.AWAITING_APPROVAL
    await running.temporal.terminate()


@pytest.mark.parametrize(
    "arguments",
    [[{"by": ""}], [{"by": "  "}], [{"reason": "because"}], [{"by": "ann", "rank": 1}], ["ann"], [None], [], [1, 2]],
    ids=str,
)
async def test_a_foreign_answer_that_is_none_is_refused(engine: Engine, arguments: list[object]) -> None:
    """As another SDK could send it; the task goes on waiting."""
    running = await waiting(engine)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await running.temporal.execute_update("approve", args=arguments)

    cause = refused.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type in ("InvalidInput", "TypeError")
    assert (await running.handle.status()).stage is Stage.AWAITING_APPROVAL
    await running.handle.approve(by="ann")
    await running.done()


async def test_a_question_that_nobody_waits_for_any_more(engine: Engine) -> None:
    """It was asked beside a step that failed; while that is undone, an answer would be for nothing."""
    task_id, step, undo = engine.new_id(), Gate(), Gate()
    script = engine.script(task_id).on(deeds.first, Act(NoWay("no way"), before=step))
    script.on(deeds.undo_first, Act(before=undo))
    running = await engine.start(questions.AskingBeside.task, Plan(), id=task_id)
    await step.reached()
    await running.reaches(Stage.AWAITING_APPROVAL)
    step.open()
    await undo.reached()

    with pytest.raises(Refused) as refused:
        await running.handle.approve(by="ann")

    assert refused.value.reason == "NotAwaitingApproval"
    undo.open()
    assert (await running.failure()).type == "NoWay"


async def test_two_questions_one_after_the_other(engine: Engine) -> None:
    running = await engine.start(questions.AskingTwice.task, Plan())
    await running.asked(1)
    await running.handle.approve(by="ann")
    await running.asked(2)
    await running.handle.approve(by="bob")

    assert (await running.done()).said == "ann, bob"


async def test_two_questions_at_once_are_put_one_after_the_other(engine: Engine) -> None:
    """One answer must not serve two questions, of which the approver saw one."""
    running = await engine.start(questions.AskingTwiceAtOnce.task, Plan())
    await running.asked(1)
    assert await running.question() == "may I?"
    await running.handle.approve(by="ann")
    await running.asked(2)
    assert await running.question() == "and this?"
    await running.handle.reject(by="bob")

    failure = await running.failure()

    assert (failure.type, failure.details["by"]) == ("Rejected", "bob")
    assert running.script.standing == []


async def test_an_approval_and_a_cancel_together_never_charge(engine: Engine) -> None:
    running = await waiting(engine)

    await asyncio.gather(running.temporal.cancel(), running.handle.approve(by="ann"), return_exceptions=True)
    outcome = await running.outcome()

    if outcome == "CANCELED":
        assert running.script.order == ["works.first", "works.undo_first"]
    else:
        assert running.script.order == ["works.first", "works.finish"]


async def test_the_step_states_during_an_approval(engine: Engine) -> None:
    running = await waiting(engine)

    assert [(step.step, step.state) for step in (await running.handle.status()).steps] == [
        ("works.first", StepState.DONE)
    ]
    await running.temporal.terminate()
