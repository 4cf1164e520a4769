"""A cancel at every point of the order: as if it had never been, or refused and complete. Never half."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import OrderResult, order
from sagamesh import Capability
from sagamesh.errors import Refused
from sagamesh.status import Stage
from tests.support.engine import Engine, Running
from tests.support.orders import EFFECTS, LARGE, order_request
from tests.support.script import Act, Gate, Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS: list[Capability[Any, Any]] = [
    accounts.validate,
    inventory.reserve,
    payment.charge,
    inventory.confirm,
    notification.confirm_order,
]
BEFORE_PIVOT = STEPS[:3]
UNDO = {"inventory.reserve": "inventory.release", "payment.charge": "payment.refund"}

each_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.type)
each_side = pytest.mark.parametrize("side", ["before", "after"])


def held(gate: Gate, side: str, answer: Exception | None = None) -> Act:
    """A call that stands before or after its effect."""
    return Act(answer, before=gate if side == "before" else None, after=gate if side == "after" else None)


def undone_exactly(script: Script) -> None:
    """What was begun was undone once, after it had stopped, newest first; and nothing else was undone."""
    assert [step for step in script.standing if step in EFFECTS] == []
    assert "inventory.confirm" not in script.order
    begun = [name for name in script.order if name in UNDO]
    undos = [name for name in script.order if name in UNDO.values()]
    assert undos == [UNDO[name] for name in reversed(begun)]
    for name in begun:
        assert script.log.index(f"{name} ends") < script.log.index(f"{UNDO[name]} begins")


def done_exactly(script: Script, result: OrderResult) -> None:
    """Everything was done once and nothing undone."""
    assert sorted(script.order) == sorted(step.type for step in STEPS)
    assert sorted(script.standing) == sorted(step.type for step in STEPS)
    assert result.notified


async def ends_right(running: Running[OrderResult], *, cancelled: bool) -> None:
    """It ends the one way or the other, and all the way."""
    if cancelled:
        await running.cancelled()
        undone_exactly(running.script)
        assert await running.found_as() == "cancelled"
    else:
        done_exactly(running.script, await running.done())
        assert await running.found_as() == "completed"


@each_side
@each_step
async def test_during_a_call(engine: Engine, step: Capability[Any, Any], side: str) -> None:
    """The task knows of the request while the call stands; then the call goes on and succeeds."""
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(step, held(gate, side))
    running = await engine.start(order, order_request(), id=task_id)
    await gate.reached()

    if step in BEFORE_PIVOT:
        status = await running.handle.cancel()
        assert not status.past_point_of_no_return
    else:
        with pytest.raises(Refused) as refused:
            await running.handle.cancel()
        assert refused.value.reason == "PastPointOfNoReturn"
    gate.open()

    await ends_right(running, cancelled=step in BEFORE_PIVOT)


@each_side
@each_step
async def test_together_with_an_answer(engine: Engine, step: Capability[Any, Any], side: str) -> None:
    """The request is recorded before the answer is, and the task sees both at once or one shortly after the other."""
    task_id = engine.new_id()

    async def cancel() -> None:
        await engine.temporal.get_workflow_handle(task_id).cancel()

    act = Act(before=cancel) if side == "before" else Act(after=cancel)
    engine.script(task_id).on(step, act)
    running = await engine.start(order, order_request(), id=task_id)

    await ends_right(running, cancelled=step in BEFORE_PIVOT)


@each_side
@pytest.mark.parametrize("step", BEFORE_PIVOT, ids=lambda step: step.type)
async def test_during_a_call_whose_answer_is_lost(engine: Engine, step: Capability[Any, Any], side: str) -> None:
    """It is not tried again, and may have happened."""
    task_id, gate = engine.new_id(), Gate()
    engine.script(task_id).on(step, held(gate, side, ConnectionError("the line broke")))
    running = await engine.start(order, order_request(), id=task_id)
    await gate.reached()
    await running.handle.cancel()

    gate.open()

    await ends_right(running, cancelled=True)


@pytest.mark.parametrize("first", [accounts.validate, inventory.reserve], ids=lambda step: step.type)
@each_side
async def test_while_one_of_two_calls_side_by_side_has_answered(
    engine: Engine, first: Capability[Any, Any], side: str
) -> None:
    task_id, gate = engine.new_id(), Gate()
    other = inventory.reserve if first is accounts.validate else accounts.validate
    engine.script(task_id).on(other, held(gate, side))
    running = await engine.start(order, order_request(), id=task_id)
    await gate.reached()
    await running.answered(first.type)
    await running.handle.cancel()

    gate.open()

    await ends_right(running, cancelled=True)
    assert "payment.charge" not in running.script.order


@each_side
async def test_while_neither_has_answered(engine: Engine, side: str) -> None:
    task_id, one, two = engine.new_id(), Gate(), Gate()
    engine.script(task_id).on(accounts.validate, held(one, side)).on(inventory.reserve, held(two, side))
    running = await engine.start(order, order_request(), id=task_id)
    await one.reached()
    await two.reached()
    await running.handle.cancel()

    two.open()
    one.open()

    await ends_right(running, cancelled=True)


async def test_during_the_approval(engine: Engine) -> None:
    running = await engine.start(order, order_request(LARGE))
    await running.reaches(Stage.AWAITING_APPROVAL)

    await running.handle.cancel()

    await ends_right(running, cancelled=True)


async def test_right_after_the_approval(engine: Engine) -> None:
    running = await engine.start(order, order_request(LARGE))
    await running.reaches(Stage.AWAITING_APPROVAL)

    await running.handle.approve(by="ann")
    await running.temporal.cancel()
    cancelled = await running.outcome() == "CANCELED"

    await ends_right(running, cancelled=cancelled)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("undo", [inventory.release, payment.refund], ids=lambda undo: undo.type)
@each_side
async def test_during_the_undoing(engine: Engine, undo: Capability[Any, Any], side: str, times: int) -> None:
    task_id, gate = engine.new_id(), Gate()
    script = engine.script(task_id).on(inventory.confirm, inventory.ReservationGone("expired"))
    script.on(undo, held(gate, side))
    running = await engine.start(order, order_request(), id=task_id)
    await gate.reached()
    for _ in range(times):
        await running.handle.cancel()

    gate.open()
    failure = await running.failure()

    assert failure.type == "ReservationGone"
    assert [step for step in script.standing if step in EFFECTS] == []
    assert script.order[-2:] == ["payment.refund", "inventory.release"]


@pytest.mark.parametrize("undo", [inventory.release, payment.refund], ids=lambda undo: undo.type)
@each_side
async def test_twice_the_second_during_the_undoing(engine: Engine, undo: Capability[Any, Any], side: str) -> None:
    task_id, step, gate = engine.new_id(), Gate(), Gate()
    engine.script(task_id).on(payment.charge, held(step, "after")).on(undo, held(gate, side))
    running = await engine.start(order, order_request(), id=task_id)
    await step.reached()
    await running.handle.cancel()
    step.open()
    await gate.reached()
    await running.handle.cancel()

    gate.open()

    await ends_right(running, cancelled=True)


@pytest.mark.parametrize("undo", [inventory.release, payment.refund], ids=lambda undo: undo.type)
async def test_and_the_undo_loses_its_answer(engine: Engine, undo: Capability[Any, Any]) -> None:
    """It is tried again until it answers."""
    task_id, step = engine.new_id(), Gate()
    script = engine.script(task_id).on(payment.charge, held(step, "after"))
    script.on(undo, Act(ConnectionError("the line broke")), Act())
    running = await engine.start(order, order_request(), id=task_id)
    await step.reached()
    await running.handle.cancel()
    step.open()

    await running.cancelled()

    assert [name for name in script.standing if name in EFFECTS] == []
    assert script.order.count(undo.type) == 2


async def test_before_it_began_and_after_it_ended(engine: Engine) -> None:
    running = await engine.start(order, order_request())
    await running.done()

    with pytest.raises(Refused) as refused:
        await running.handle.cancel()

    assert refused.value.reason == "AlreadyEnded"
    assert not await running.events(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
