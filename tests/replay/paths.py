"""The paths of an order: how the agents answer, what people do meanwhile, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from temporalio import activity
from temporalio.api.enums.v1 import EventType

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import OrderLine, OrderRequest, OrderResult, order
from sagamesh import Client, TaskHandle, current_call
from sagamesh.status import OperatorDecision, Stage
from sagamesh.testing import Fakes

__all__ = ["PATHS", "OrderPath", "agents", "request"]

_CUSTOMER = accounts.User(user_id="ada", name="Ada", email="ada@example.org", approval_limit=Decimal(100))
_RESERVATION = inventory.Reservation(reservation_id="r-1", expires_at=datetime(2100, 1, 1, tzinfo=UTC))
_PATIENCE = 60  # seconds; far more than anything takes

Steer = Callable[[TaskHandle[OrderResult]], Awaitable[object]]
Act = Callable[[Fakes, Client], Fakes]


@dataclass(frozen=True)
class OrderPath:
    """One way through an order.

    - `ends`: a line of its fingerprint that says how it ends.
    - `unit_price`: of two pieces; above 50.00 the customer's limit asks for an approver.
    - `act`: changes how the agents answer. They have all they need, and the mail goes out, unless told otherwise.
    - `steer`: what people do while the order runs.
    """

    name: str
    ends: str
    unit_price: Decimal = Decimal("12.50")
    act: Act = lambda fakes, _: fakes
    steer: Steer | None = None
    deadline_seconds: int | None = None
    approval_timeout_seconds: int = 24 * 3600


def request(path: OrderPath) -> OrderRequest:
    """What the customer of this path orders."""
    return OrderRequest(
        customer=_CUSTOMER.user_id,
        currency="EUR",
        lines=(OrderLine(sku="tea-1", quantity=2, unit_price=path.unit_price),),
        total=2 * path.unit_price,
        payment_method="pm_card_visa",
        deadline_seconds=path.deadline_seconds,
        approval_timeout_seconds=path.approval_timeout_seconds,
    )


def agents(path: OrderPath, client: Client) -> Fakes:
    """The agents as this path has them."""
    fakes = (
        Fakes(accounts.accounts, inventory.inventory, payment.payment, notification.notification)
        .on(accounts.validate, _CUSTOMER)
        .on(inventory.reserve, _RESERVATION)
        .on(inventory.release, lambda wanted: inventory.Released(reservation_id="r-1", items=wanted.items))
        .on(inventory.confirm, lambda wanted: inventory.Confirmed(reservation_id=wanted.reservation_id))
        .on(payment.charge, lambda wanted: payment.Receipt(payment_id="pi_1", money=wanted.money))
        .on(payment.refund, payment.Refunded(payment_id="pi_1", refund_id="re_1"))
        .on(notification.confirm_order, notification.Delivery(message_id="<m-1@example.org>"))
    )
    return path.act(fakes, client)


def _out_of_stock(fakes: Fakes, client: Client) -> Fakes:
    async def refuse(_: inventory.ReserveItems) -> inventory.Reservation:
        # Beside it runs the validation. Which of the two ends first must not be left to chance in a golden.
        if activity.info().is_local:
            await asyncio.sleep(0.5)  # on the spot, no history tells of the other
        else:
            await _answered(client, current_call().task_id)
        raise inventory.OutOfStock("1 of tea-1 is left, 2 were asked for", sku="tea-1", asked=2, on_hand=1)

    return fakes.on(inventory.reserve, refuse)


def _cancelled_while_charging(fakes: Fakes, client: Client) -> Fakes:
    async def charge(wanted: payment.Charge) -> payment.Receipt:
        await client.handle(order, current_call().task_id).cancel(reason="changed my mind")
        return payment.Receipt(payment_id="pi_1", money=wanted.money)

    return fakes.on(payment.charge, charge)


def _refund_fails_once(fakes: Fakes, _: Client) -> Fakes:
    gone = inventory.ReservationGone("it has expired", reservation_id="r-1", state="expired")
    refused = payment.PaymentRefused("the account is locked", code="account_locked", status=400)
    return fakes.on(inventory.confirm, gone).on(
        payment.refund, refused, payment.Refunded(payment_id="pi_1", refund_id="re_1")
    )


def _declined(fakes: Fakes, _: Client) -> Fakes:
    declined = payment.Declined("the card was declined", code="card_declined", decline_code="generic_decline")
    return fakes.on(payment.charge, declined)


def _no_mail(fakes: Fakes, _: Client) -> Fakes:
    return fakes.on(notification.confirm_order, notification.MailRefused("no such mailbox", code=550, to="ada"))


async def _approve(handle: TaskHandle[OrderResult]) -> None:
    await _at(handle, Stage.AWAITING_APPROVAL)
    await handle.approve(by="grace", reason="a good customer")


async def _reject(handle: TaskHandle[OrderResult]) -> None:
    await _at(handle, Stage.AWAITING_APPROVAL)
    await handle.reject(by="grace", reason="too much")


async def _cancel(handle: TaskHandle[OrderResult]) -> None:
    await _at(handle, Stage.AWAITING_APPROVAL)
    await handle.cancel(reason="changed my mind")


async def _retry(handle: TaskHandle[OrderResult]) -> None:
    await _at(handle, Stage.NEEDS_OPERATOR)
    await handle.operator(OperatorDecision(step="payment.charge", action="retry", by="grace"))


async def _at(handle: TaskHandle[OrderResult], stage: Stage) -> None:
    async with asyncio.timeout(_PATIENCE):
        while (await handle.status()).stage is not stage:  # noqa: ASYNC110  # the server does not push
            await asyncio.sleep(0.02)


async def _answered(client: Client, task_id: str) -> None:
    async with asyncio.timeout(_PATIENCE):
        while True:
            history = await client.temporal.get_workflow_handle(task_id).fetch_history()
            if any(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED for event in history.events):
                return
            await asyncio.sleep(0.02)


_COSTLY = Decimal("75.00")

PATHS = (
    OrderPath("done", "result {"),
    OrderPath("approved", "result {", unit_price=_COSTLY, steer=_approve),
    OrderPath("rejected", "failure Rejected", unit_price=_COSTLY, steer=_reject),
    OrderPath("approval-timed-out", "failure ApprovalTimedOut", unit_price=_COSTLY, approval_timeout_seconds=1),
    OrderPath("deadline-passed", "failure DeadlineExceeded", unit_price=_COSTLY, deadline_seconds=1),
    OrderPath("out-of-stock", "failure OutOfStock", act=_out_of_stock),
    OrderPath("declined", "failure Declined", act=_declined),
    OrderPath("cancelled-before-charge", "end as cancelled", unit_price=_COSTLY, steer=_cancel),
    OrderPath("cancelled-after-charge", "end as cancelled", act=_cancelled_while_charging),
    OrderPath("compensation-retried", "failure ReservationGone", act=_refund_fails_once, steer=_retry),
    OrderPath("not-notified", "result {", act=_no_mail),
)
"""Every path that an order can take, one of each kind."""
