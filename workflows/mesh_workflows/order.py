"""The order task: reserve, charge, confirm, notify; and, where that cannot be, as if it had never been."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import OrderRequest, OrderResult, order
from sagamesh import Saga, TaskWorkflow


@workflow.defn(name=order.name)
class Order(TaskWorkflow):
    """One order of one customer."""

    task = order

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderResult:
        """Complete the order, or undo it and fail with the reason."""
        async with Saga(deadline=request.deadline) as saga:
            return await complete(saga, request)


async def complete(saga: Saga, request: OrderRequest) -> OrderResult:
    """The steps of an order, of whichever task: up to the pivot the saga can undo them, then it is sold.

    The order's id is the task's. Of a saga's steps before it none may still run.
    """
    order_id, approved_by = workflow.info().workflow_id, ""
    user, reservation = await asyncio.gather(
        saga.step(accounts.validate, request.user),
        saga.step(inventory.reserve, request.reservation, undo=inventory.release),
    )
    if request.total > user.approval_limit:
        question = f"{request.money} is above the limit of {user.user_id}"
        approved_by = (await saga.approval(question, within=request.approval_timeout)).by
    receipt = await saga.step(payment.charge, request.charge, undo=payment.refund)
    await saga.pivot(inventory.confirm, inventory.ConfirmReservation(reservation_id=reservation.reservation_id))
    mail = await saga.attempt(notification.confirm_order, request.confirmation(order_id, user))
    return OrderResult(
        order_id=order_id,
        payment_id=receipt.payment_id,
        reservation_id=reservation.reservation_id,
        total=request.money,
        approved_by=approved_by,
        notified=mail.ok,
        notification_problem="" if mail.failure is None else str(mail.failure),
    )
