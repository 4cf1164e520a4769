"""The order, on every way that it can go."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import order
from sagamesh import BusinessError, Capability, RetryLater
from sagamesh.attributes import AGENTS, CUSTOMER
from sagamesh.failure import UndoneStep
from sagamesh.status import Stage
from tests.support.engine import Engine
from tests.support.orders import EFFECTS, LARGE, order_request
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")

DONE = ["payment.charge", "inventory.confirm", "notification.confirm_order"]


async def test_completed(engine: Engine) -> None:
    request = order_request()
    running = await engine.start(order, request)

    result = await running.done()

    assert result.order_id == running.handle.id
    assert (result.payment_id, result.reservation_id) == ("pi_1", "r-1")
    assert result.total == request.money
    assert (result.approved_by, result.notified, result.notification_problem) == ("", True, "")
    assert sorted(running.script.order[:2]) == ["accounts.validate", "inventory.reserve"]
    assert running.script.order[2:] == DONE


async def test_user_and_stock_are_asked_side_by_side(engine: Engine) -> None:
    task_id, one, other = engine.new_id(), Gate(), Gate()
    engine.script(task_id).on(accounts.validate, Act(before=one)).on(inventory.reserve, Act(before=other))
    running = await engine.start(order, order_request(), id=task_id)
    await one.reached()
    await other.reached()
    one.open()
    other.open()

    assert (await running.done()).notified


async def test_what_each_agent_is_asked(engine: Engine) -> None:
    task_id = engine.new_id()
    request = order_request()
    running = await engine.start(order, request, id=task_id)
    await running.done()

    asked = {call.capability: call for call in engine.cast.fakes.calls if call.call.task_id == task_id}

    assert asked["accounts.validate"].arg == accounts.UserRef(user_id="ada")
    assert asked["inventory.reserve"].arg == request.reservation
    assert asked["payment.charge"].arg == payment.Charge(
        money=request.money, payment_method="pm_card_visa", customer="ada"
    )
    assert asked["inventory.confirm"].arg == inventory.ConfirmReservation(reservation_id="r-1")
    assert asked["notification.confirm_order"].arg == notification.OrderConfirmation(
        to="ada@example.org", name="Ada", order_id=task_id, items=request.items, total=request.money
    )
    assert {name: call.call.key for name, call in asked.items()} == {name: f"{task_id}/{name}" for name in asked}


@pytest.mark.parametrize(
    ("refusal", "step", "undone"),
    [
        (accounts.UnknownUser("no such user", user_id="ada"), accounts.validate, ["inventory.reserve"]),
        (accounts.UserBlocked("blocked", user_id="ada", reason="debts"), accounts.validate, ["inventory.reserve"]),
        (
            inventory.UnknownSku("no such item", sku="tea-1", field="items[0].sku"),
            inventory.reserve,
            ["inventory.reserve"],
        ),
        (inventory.OutOfStock("too few", sku="tea-1", asked=1, on_hand=0), inventory.reserve, ["inventory.reserve"]),
        (payment.Declined("declined", code="card_declined"), payment.charge, ["payment.charge", "inventory.reserve"]),
        (payment.PaymentRefused("bad method", code="x"), payment.charge, ["payment.charge", "inventory.reserve"]),
        (
            inventory.ReservationGone("expired", reservation_id="r-1", state="expired"),
            inventory.confirm,
            ["payment.charge", "inventory.reserve"],
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_refused(engine: Engine, refusal: BusinessError, step: Capability[Any, Any], undone: list[str]) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(step, refusal)
    running = await engine.start(order, order_request(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step, failure.message) == (type(refusal).__name__, step.type, refusal.message)
    assert failure.details == refusal.details[0]
    assert failure.undone == tuple(UndoneStep(step=name, outcome="undone") for name in undone)
    assert [name for name in running.script.standing if name in EFFECTS] == []
    assert running.script.order.count(step.type) == 1
    assert await running.found_as() == "failed"


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "a" * 255},
        {"email": ""},
        {"name": "n" * 201},
        {"approval_limit": "NaN"},
        {"approval_limit": "Infinity"},
        {"approval_limit": "much"},
    ],
    ids=str,
)
async def test_a_user_of_whom_no_order_can_be_made(cached_engine: Engine, changes: dict[str, Any]) -> None:
    """What one agent answers the task tells the next; what that would not take is refused before any charge."""
    task_id = cached_engine.new_id()
    user: dict[str, Any] = {"user_id": "ada", "name": "Ada", "email": "ada@example.org", "approval_limit": "1"}
    answer = accounts.User.model_construct(**(user | changes))
    script = cached_engine.script(task_id).on(accounts.validate, Act(answer))
    running = await cached_engine.start(order, order_request(), id=task_id)

    failure = await running.failure()

    assert (failure.type, failure.step) == ("InvalidResult", "accounts.validate")
    assert [field.field for field in failure.fields] == list(changes)
    assert "payment.charge" not in script.order
    assert [name for name in script.standing if name in EFFECTS] == []


async def test_the_mail_cannot_be_delivered(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(
        notification.confirm_order, notification.MailRefused("550 no such mailbox", code=550, to="ada@example.org")
    )
    running = await engine.start(order, order_request(), id=task_id)

    result = await running.done()

    assert not result.notified
    assert result.notification_problem == "MailRefused: notification.confirm_order: 550 no such mailbox"
    assert await running.found_as() == "completed"


async def test_the_mail_server_is_down_for_as_long_as_we_try(engine: Engine) -> None:
    task_id = engine.new_id()
    engine.script(task_id).on(notification.confirm_order, Act(ConnectionError("connection refused"), effect=False))
    running = await engine.start(order, order_request(), id=task_id, skipping=True)

    result = await running.done()

    assert not result.notified
    assert running.script.order.count("notification.confirm_order") == 3


async def test_the_gateway_asks_to_come_back_later(engine: Engine) -> None:
    task_id = engine.new_id()
    busy = Act(RetryLater("429 too many requests", after=timedelta(hours=3)), effect=False)
    engine.script(task_id).on(payment.charge, busy, Act())
    running = await engine.start(order, order_request(), id=task_id, skipping=True)

    assert (await running.done()).notified
    assert running.script.order.count("payment.charge") == 2


async def test_above_the_limit_and_approved(engine: Engine) -> None:
    running = await engine.start(order, order_request(LARGE))
    await running.reaches(Stage.AWAITING_APPROVAL)
    assert "payment.charge" not in running.script.order
    assert await running.question() == "2500.00 EUR is above the limit of ada"

    await running.handle.approve(by="ann", reason="a good customer")

    assert (await running.done()).approved_by == "ann"


async def test_above_the_limit_and_rejected(engine: Engine) -> None:
    running = await engine.start(order, order_request(LARGE))
    await running.reaches(Stage.AWAITING_APPROVAL)

    await running.handle.reject(by="rob", reason="too dear")
    failure = await running.failure()

    assert (failure.type, failure.message) == ("Rejected", "rob rejected it: too dear")
    assert [step.step for step in failure.undone] == ["inventory.reserve"]
    assert "payment.charge" not in running.script.order


async def test_above_the_limit_and_nobody_answers(engine: Engine) -> None:
    request = order_request(LARGE, approval_timeout_seconds=3600)
    running = await engine.start(order, request, skipping=True)

    failure = await running.failure()

    assert failure.type == "ApprovalTimedOut"
    assert [step.step for step in failure.undone] == ["inventory.reserve"]


async def test_exactly_at_the_limit_needs_no_approval(engine: Engine) -> None:
    running = await engine.start(order, order_request(Decimal("100.00")))

    assert (await running.done()).approved_by == ""


async def test_its_deadline_passes(engine: Engine) -> None:
    running = await engine.start(
        order, order_request(LARGE, deadline_seconds=600, approval_timeout_seconds=3600), skipping=True
    )

    failure = await running.failure()

    assert failure.type == "DeadlineExceeded"
    assert [name for name in running.script.standing if name in EFFECTS] == []


async def test_its_refund_fails_until_an_operator_decides(engine: Engine) -> None:
    task_id = engine.new_id()
    script = engine.script(task_id).on(inventory.confirm, inventory.ReservationGone("expired"))
    script.on(payment.refund, payment.PaymentRefused("the gateway is closed"), Act())
    running = await engine.start(order, order_request(), id=task_id)
    await running.undo_failed(1)
    assert [name for name in script.standing if name in EFFECTS] == ["payment.charge"]

    await running.decide("payment.charge", "retry")
    failure = await running.failure()

    assert failure.type == "ReservationGone"
    assert [step.step for step in failure.undone] == ["inventory.reserve", "payment.charge"]
    assert [name for name in script.standing if name in EFFECTS] == []


async def test_it_is_found_by_customer_agents_and_status(engine: Engine) -> None:
    running = await engine.start(order, order_request())
    await running.done()

    described = await running.temporal.describe()
    attributes = described.typed_search_attributes

    assert attributes.get(CUSTOMER) == "ada"
    assert attributes.get(AGENTS) == ["accounts", "inventory", "payment", "notification"]
    assert await running.found_as() == "completed"
    assert await described.static_summary() == "1 item, 25.00 EUR"


async def test_priority_reaches_the_engine(cached_engine: Engine) -> None:
    handle = await cached_engine.client.start(order, order_request(), id=cached_engine.new_id(), priority=1)
    await handle.result()

    described = await cached_engine.temporal.get_workflow_handle(handle.id).describe()

    assert described.raw_description.workflow_execution_info.priority.priority_key == 1


async def test_it_is_no_step_more_than_it_needs(engine: Engine) -> None:
    """Each workflow task and each search attribute costs the server; a change that adds one is a decision."""
    running = await engine.start(order, order_request())
    await running.done()

    events = [
        EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in (await running.history()).events
    ]

    assert events.count("ACTIVITY_TASK_SCHEDULED") == 5
    assert events.count("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") == 1
    assert events.count("TIMER_STARTED") == 0
    # Five calls, of which the first two may be answered together.
    assert events.count("WORKFLOW_TASK_COMPLETED") in (5, 6)
