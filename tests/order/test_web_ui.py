"""What the Temporal Web UI shows of an order: fields that it reads, and current details that it asks the task for."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionStatus

from mesh_agents import inventory, payment
from mesh_agents.order import OrderResult, order
from sagamesh.attributes import AGENTS, CUSTOMER, NEEDS_OPERATOR, STATUS
from tests.support.engine import Engine, Running
from tests.support.orders import order_request
from tests.support.script import Act

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def summaries(engine: Engine, running: Running[OrderResult]) -> dict[str, str]:
    """Step to the line that stands beside it."""
    converter = engine.temporal.data_converter
    found = {}
    for event in await running.events(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED):
        [line] = await converter.decode([event.user_metadata.summary], [str])
        found[event.activity_task_scheduled_event_attributes.activity_id] = line
    return found


async def test_an_order_that_somebody_must_look_at(cached_engine: Engine) -> None:
    task_id = cached_engine.new_id()
    script = cached_engine.script(task_id)
    script.on(inventory.confirm, inventory.ReservationGone("too late"))
    script.on(payment.refund, payment.PaymentRefused("the gateway is closed"), Act())
    running = await cached_engine.start(order, order_request(), id=task_id)
    await running.undo_failed(1)

    described = await running.temporal.describe()
    shown: WorkflowMetadata = await running.temporal.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)

    assert described.status is WorkflowExecutionStatus.RUNNING
    assert await described.static_summary() == "1 item, 25.00 EUR"
    attributes = described.typed_search_attributes
    assert (attributes.get(STATUS), attributes.get(NEEDS_OPERATOR)) == ("needs_operator", True)
    assert (attributes.get(CUSTOMER), attributes.get(AGENTS)) == (
        "ada",
        ["accounts", "inventory", "payment", "notification"],
    )
    title, *lines = shown.current_details.splitlines()
    assert title == "**needs operator**"
    assert any("payment.charge" in line and "the gateway is closed" in line for line in lines), lines
    assert {query.name for query in shown.definition.query_definitions} >= {"status"}
    assert await summaries(cached_engine, running) == {
        "accounts.validate": "May this user order?",
        "inventory.reserve": "Set the items aside",
        "payment.charge": "Take the money",
        "inventory.confirm": "The items are sold",
        "undo:payment.charge": "Undo payment.charge",
        "undo:inventory.reserve": "Undo inventory.reserve",
    }

    await running.decide("payment.charge", "retry")
    await running.failure()
    assert (await running.temporal.describe()).typed_search_attributes.get(NEEDS_OPERATOR) is False
