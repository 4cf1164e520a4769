"""One id is one order, however often it is sent."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from temporalio import client as temporal

from mesh_agents import payment
from mesh_agents.order import order
from sagamesh.errors import TaskConflict, TaskFailed
from tests.support import flows
from tests.support.deeds import Plan
from tests.support.engine import Engine
from tests.support.orders import order_json, order_request
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_same_order_while_it_runs(cached_engine: Engine) -> None:
    task_id, gate = cached_engine.new_id(), Gate()
    cached_engine.script(task_id).on(payment.charge, Act(before=gate))
    first = await cached_engine.start(order, order_request(), id=task_id)
    await gate.reached()

    again = await cached_engine.client.start(order, order_request(), id=task_id)
    gate.open()

    assert again.run_id == first.handle.run_id
    assert (first.handle.found, again.found) == (False, True)
    assert await again.result() == await first.done()
    assert first.script.order.count("payment.charge") == 1


async def test_the_same_order_after_it_completed(cached_engine: Engine) -> None:
    first = await cached_engine.start(order, order_request())
    result = await first.done()

    again = await cached_engine.client.start(order, order_request(), id=first.handle.id)

    assert await again.result() == result
    assert first.script.order.count("payment.charge") == 1


async def test_the_same_order_after_it_failed(cached_engine: Engine) -> None:
    """It is not tried again: who wants another attempt says so with another id."""
    task_id = cached_engine.new_id()
    cached_engine.script(task_id).on(payment.charge, payment.Declined("declined"))
    first = await cached_engine.start(order, order_request(), id=task_id)
    await first.failure()

    again = await cached_engine.client.start(order, order_request(), id=task_id)

    with pytest.raises(TaskFailed) as caught:
        await again.result()
    assert caught.value.failure.type == "Declined"
    assert first.script.order.count("payment.charge") == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_another_order_under_the_same_id(cached_engine: Engine, ended: bool) -> None:
    task_id, gate = cached_engine.new_id(), Gate()
    cached_engine.script(task_id).on(payment.charge, Act(before=gate))
    first = await cached_engine.start(order, order_request(), id=task_id)
    await gate.reached()
    if ended:
        gate.open()
        await first.done()

    for other in (order_request(Decimal("26.00")), order_request(payment_method="pm_other")):
        with pytest.raises(TaskConflict, match=task_id):
            await cached_engine.client.start(order, other, id=task_id)
    gate.open()

    assert (await first.done()).total.amount == Decimal("25.00")


async def test_the_same_order_written_otherwise(cached_engine: Engine) -> None:
    """25 is 25.00, whoever writes it; and a field that has its default may be left out."""
    foreign = await temporal.Client.connect(cached_engine.address)
    task_id = cached_engine.new_id()
    body = order_json(
        lines=[{"quantity": 1, "unit_price": 25, "sku": "tea-1"}], total=25.0, approval_timeout_seconds=24 * 3600
    )
    handle = await foreign.start_workflow("Order", body, id=task_id, task_queue="orders")

    again = await cached_engine.client.start(order, order_request(), id=task_id)

    assert (await again.result()).payment_id == (await handle.result())["payment_id"]


async def test_a_task_of_another_type_under_the_same_id(cached_engine: Engine) -> None:
    running = await cached_engine.start(flows.Chain.task, Plan())

    with pytest.raises(TaskConflict, match="Chain"):
        await cached_engine.client.start(order, order_request(), id=running.handle.id)
    await running.done()


async def test_something_unreadable_under_the_same_id(cached_engine: Engine) -> None:
    foreign = await temporal.Client.connect(cached_engine.address)
    task_id = cached_engine.new_id()
    for arguments in ([{"not": "an order"}],):
        handle = await foreign.start_workflow("Order", args=arguments, id=task_id, task_queue="orders")
        with pytest.raises(temporal.WorkflowFailureError):
            await handle.result()

    with pytest.raises(TaskConflict):
        await cached_engine.client.start(order, order_request(), id=task_id)


@pytest.mark.parametrize("arguments", [[], [None], [1, 2]], ids=str)
async def test_something_else_than_one_argument_under_the_same_id(
    cached_engine: Engine, arguments: list[object]
) -> None:
    foreign = await temporal.Client.connect(cached_engine.address)
    task_id = cached_engine.new_id()
    await foreign.start_workflow("Order", args=arguments, id=task_id, task_queue="orders")

    with pytest.raises(TaskConflict):
        await cached_engine.client.start(order, order_request(), id=task_id)


async def test_a_task_that_continued_as_new_is_still_the_one_that_was_started(cached_engine: Engine) -> None:
    running = await cached_engine.start(flows.Again.task, Plan(again=1))
    await running.done()

    again = await cached_engine.client.start(flows.Again.task, Plan(again=1), id=running.handle.id)

    assert again.found
    with pytest.raises(TaskConflict):
        await cached_engine.client.start(flows.Again.task, Plan(again=0), id=running.handle.id)


async def test_twenty_at_once(cached_engine: Engine) -> None:
    task_id = cached_engine.new_id()

    handles = await asyncio.gather(*(cached_engine.client.start(order, order_request(), id=task_id) for _ in range(20)))
    results = await asyncio.gather(*(handle.result() for handle in handles))

    assert len({handle.run_id for handle in handles}) == 1
    assert sum(not handle.found for handle in handles) == 1
    assert len({result.model_dump_json() for result in results}) == 1
    assert cached_engine.script(task_id).order.count("payment.charge") == 1


async def test_twenty_different_ones_at_once(cached_engine: Engine) -> None:
    task_id = cached_engine.new_id()

    found = await asyncio.gather(
        *(cached_engine.client.start(order, order_request(Decimal(n + 1)), id=task_id) for n in range(20)),
        return_exceptions=True,
    )

    assert sum(isinstance(each, TaskConflict) for each in found) == 19
    [handle] = [each for each in found if not isinstance(each, BaseException)]
    await handle.result()
    assert cached_engine.script(task_id).order.count("payment.charge") == 1
