"""An order from any Temporal client: by its type name, with plain JSON, without our code."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from temporalio import client as temporal

from mesh_agents import payment
from mesh_agents.order import order
from sagamesh.attributes import AGENTS, CUSTOMER, STATUS
from sagamesh.failure import failure_of
from sagamesh.status import Stage
from sagamesh.testing.environment import binary
from tests.support.engine import Engine, Running, eventually
from tests.support.orders import LARGE, order_json, order_request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def tool(engine: Engine, *words: str) -> tuple[int, str]:
    """Run the `temporal` tool; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        binary("temporal", "sagamesh[stack]"),
        *words,
        "--address",
        engine.address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def started_by_tool(engine: Engine, *inputs: Any) -> Running[Any]:
    """Start an order with the tool."""
    task_id = engine.new_id()
    words = [word for each in inputs for word in ("--input", json.dumps(each))]
    code, printed = await tool(
        engine, "workflow", "start", "--type", "Order", "--task-queue", "orders", "--workflow-id", task_id, *words
    )
    assert code == 0, printed
    return Running(engine, engine.client.handle(order, task_id), engine.script(task_id))


async def test_a_client_without_our_plugin(cached_engine: Engine) -> None:
    foreign = await temporal.Client.connect(cached_engine.address)
    task_id = cached_engine.new_id()
    handle = await foreign.start_workflow("Order", order_json(), id=task_id, task_queue="orders")

    result = await handle.result()

    assert result == {
        "order_id": task_id,
        "payment_id": "pi_1",
        "reservation_id": "r-1",
        "total": {"amount": "25.00", "currency": "EUR"},
        "approved_by": "",
        "notified": True,
        "notification_problem": "",
    }


async def test_it_is_as_findable_as_one_of_ours(cached_engine: Engine) -> None:
    foreign = await temporal.Client.connect(cached_engine.address)
    handle = await foreign.start_workflow("Order", order_json(), id=cached_engine.new_id(), task_queue="orders")
    await handle.result()

    attributes = (await handle.describe()).typed_search_attributes

    assert attributes.get(STATUS) == "completed"
    assert attributes.get(CUSTOMER) == "ada"
    assert attributes.get(AGENTS) == ["accounts", "inventory", "payment", "notification"]


async def test_it_sees_the_type_of_a_failure_and_its_details(cached_engine: Engine) -> None:
    task_id = cached_engine.new_id()
    cached_engine.script(task_id).on(payment.charge, payment.Declined("declined", code="card_declined"))
    foreign = await temporal.Client.connect(cached_engine.address)
    handle = await foreign.start_workflow("Order", order_json(), id=task_id, task_queue="orders")

    with pytest.raises(temporal.WorkflowFailureError) as caught:
        await handle.result()

    failure = failure_of(caught.value)
    assert (failure.type, failure.step, failure.details) == ("Declined", "payment.charge", {"code": "card_declined"})
    assert [step.step for step in failure.undone] == ["payment.charge", "inventory.reserve"]


async def test_it_asks_for_the_status_and_approves(cached_engine: Engine) -> None:
    foreign = await temporal.Client.connect(cached_engine.address)
    body = order_request(LARGE).model_dump(mode="json")
    handle = await foreign.start_workflow("Order", body, id=cached_engine.new_id(), task_queue="orders")

    async def asking() -> bool:
        status: dict[str, object] = await handle.query("status")
        return status["stage"] == "awaiting_approval"

    await eventually(asking)
    answer = await handle.execute_update("approve", {"by": "ann", "reason": ""})

    assert answer["approved"] is True
    assert (await handle.result())["approved_by"] == "ann"


async def test_the_temporal_tool(cached_engine: Engine) -> None:
    running = await started_by_tool(cached_engine, order_json())

    result = await running.done()

    assert result.total.amount == Decimal("25.00")
    code, printed = await tool(cached_engine, "workflow", "result", "--workflow-id", running.handle.id)
    assert code == 0
    assert "pi_1" in printed


async def test_the_temporal_tool_approves_asks_and_cancels(cached_engine: Engine) -> None:
    running = await started_by_tool(cached_engine, order_request(LARGE).model_dump(mode="json"))
    await running.reaches(Stage.AWAITING_APPROVAL)
    about = ("--workflow-id", running.handle.id)

    code, printed = await tool(cached_engine, "workflow", "query", *about, "--type", "status")
    assert (code, "awaiting_approval" in printed) == (0, True)
    code, printed = await tool(
        cached_engine, "workflow", "update", "execute", *about, "--name", "approve", "--input", '{"by": ""}'
    )
    assert code != 0
    assert "by" in printed
    code, printed = await tool(cached_engine, "workflow", "cancel", *about)
    assert code == 0

    await running.cancelled()
    assert "payment.charge" not in running.script.order


@pytest.mark.parametrize(
    ("inputs", "field"),
    [([order_json(total="1.00")], "total"), ([{}], "customer"), ([], "OrderRequest"), ([1, 2], "OrderRequest")],
    ids=["wrong total", "empty", "none", "two"],
)
async def test_the_temporal_tool_is_refused(cached_engine: Engine, inputs: list[Any], field: str) -> None:
    running = await started_by_tool(cached_engine, *inputs)

    failure = await running.failure()

    assert failure.type == "InvalidInput"
    assert field in failure.message
    assert running.script.log == []
    code, printed = await tool(cached_engine, "workflow", "result", "--workflow-id", running.handle.id)
    assert code != 0
    assert field in printed
