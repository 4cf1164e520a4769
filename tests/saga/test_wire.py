"""What does not fit through the wire, or comes out of it as something else."""

from __future__ import annotations

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from sagamesh.converter import LARGEST_PAYLOAD
from sagamesh.errors import InvalidInput
from tests.support import deeds, flows
from tests.support.deeds import Deed, Done, Plan
from tests.support.engine import Engine, eventually
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")

FITS = LARGEST_PAYLOAD - 100
TOO_LARGE = LARGEST_PAYLOAD + 1


async def test_an_input_that_just_fits(engine: Engine) -> None:
    running = await engine.start(flows.Large.task, Plan(size=FITS))

    assert (await running.done()).said == "all"


async def test_an_input_that_is_too_large_is_a_typed_failure(engine: Engine) -> None:
    running = await engine.start(flows.Large.task, Plan(size=TOO_LARGE))

    failure = await running.failure()

    assert failure.type == "PayloadTooLarge"
    assert failure.details["bytes"] > failure.details["limit"] == LARGEST_PAYLOAD
    assert [step.step for step in failure.undone] == ["works.first"]
    assert running.script.order == ["works.first", "works.undo_first"]


async def test_an_answer_that_is_too_large_is_a_typed_failure_after_one_attempt(engine: Engine) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(deeds.extra, Act(Done(what="x", blob="x" * TOO_LARGE)))
    script.on(deeds.second, Act(Done(what="x", blob="x" * TOO_LARGE)))
    running = await engine.start(flows.NoPivot.task, Plan(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step) == ("PayloadTooLarge", "works.second")
    assert script.order == ["works.first", "works.extra", "works.second", "works.undo_second", "works.undo_first"]
    assert script.standing == ["works.extra"]


async def test_a_result_that_is_too_large_is_a_typed_failure(engine: Engine) -> None:
    running = await engine.start(flows.LargeEnd.task, Plan(size=TOO_LARGE))

    failure = await running.failure()

    assert failure.type == "PayloadTooLarge"


async def test_a_task_that_is_too_large_is_refused_before_it_starts(engine: Engine) -> None:
    with pytest.raises(InvalidInput) as refused:
        await engine.start(flows.Texts.task, deeds.Text(text="x" * TOO_LARGE))

    assert f"{LARGEST_PAYLOAD:,}" in str(refused.value)


@pytest.mark.parametrize("size", [10_000, 700_000, 1_500_000])
async def test_an_enormous_error_message_does_not_keep_the_task_from_ending(engine: Engine, size: int) -> None:
    """Such as the whole error page of a service."""
    task_id = engine.new_id()
    script = engine.script(task_id)
    script.on(deeds.second, ApplicationError("x" * size, {"page": "y" * size}, type="Verbose", non_retryable=True))
    running = await engine.start(flows.Chain.task, Plan(), id=task_id)

    failure = await running.failure()

    assert failure.step == "works.second"
    assert len(failure.message) < 5_000
    assert [step.step for step in failure.undone] == ["works.second", "works.first"]
    assert script.standing == []


async def test_an_unknown_capability_on_a_live_queue(engine: Engine) -> None:
    running = await engine.start(flows.Misspelled.task, Plan())

    failure = await running.failure()

    assert (failure.type, failure.step) == ("UnknownName", "works.frist")
    assert failure.details["nearest"][0] == "works.first"
    assert "did you mean" in failure.message
    assert running.script.order == ["works.first", "works.undo_first"]


@pytest.mark.parametrize(
    "answer",
    [{"what": 7}, {}, {"what": "w", "extra": 1}, "text", 5, None, [1], {"what": None}],
    ids=str,
)
@pytest.mark.parametrize("pivot", [False, True])
async def test_an_agent_that_answers_another_shape(cached_engine: Engine, answer: object, pivot: bool) -> None:
    """An agent of another team, on another version, in another language: its answer is data, not code that we type."""
    engine = cached_engine
    queue = f"odd-{engine.new_id()}"

    @activity.defn(name="odd.answer")
    async def odd(_: Deed) -> object:
        return answer

    @activity.defn(name="odd.undo")
    async def undo(_: Deed) -> Done:
        undone.append(activity.info().activity_id)
        return Done(what="undone")

    undone: list[str] = []
    async with Worker(engine.temporal, task_queue=queue, activities=[odd, undo]):
        running = await engine.start(flows.Odd.task, deeds.OddPlan(queue=queue, pivot=pivot))
        failure = await running.failure()

    assert (failure.type, failure.step) == ("InvalidResult", "odd.answer")
    assert "contract" in failure.message
    assert undone == ([] if pivot else ["undo:odd.answer"])
    assert running.script.order == ["works.first", "works.undo_first"]


async def test_a_step_that_is_given_up_and_happens_later_comes_after_its_undo(engine: Engine) -> None:
    """The engine gives up on an attempt; the attempt does not know. The undo's mark is what the agent goes by."""
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(deeds.hasty, Act(before=gate))
    running = await engine.start(flows.Late.task, Plan(), id=task_id)
    failure = await running.failure(races=True)

    assert (failure.type, failure.step) == ("TimeoutError", "works.hasty")
    assert [step.step for step in failure.undone] == ["works.hasty", "works.first"]
    keys = {call.call.key for call in engine.cast.fakes.calls if call.call.task_id == task_id}
    assert keys == {f"{task_id}/works.first", f"{task_id}/works.hasty"}
    gate.open()

    async def late() -> bool:
        return "works.hasty ends" in script.log

    await eventually(late)
