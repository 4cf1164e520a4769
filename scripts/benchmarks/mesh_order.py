"""Through Sagamesh: the order."""

from __future__ import annotations

from temporalio import workflow

from benchmarks.mesh_contracts import charge, order, refund, release, reserve, send, validate
from benchmarks.models import Mail, OrderRequest, OrderResult
from sagamesh import Saga, TaskWorkflow

__all__ = ["MeshOrder"]


@workflow.defn(name=order.name)
class MeshOrder(TaskWorkflow):
    """One order: validate, reserve, charge, notify."""

    task = order

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderResult:
        """Complete the order, or undo it and fail."""
        async with Saga() as saga:
            user = await saga.step(validate, request.user)
            reservation = await saga.step(reserve, request.items, undo=release)
            receipt = await saga.step(charge, request.charge, undo=refund)
            sent = await saga.step(send, Mail(to=user.email, subject=f"Your order of {request.items.sku}"))
        return OrderResult(
            email=user.email,
            reservation_id=reservation.reservation_id,
            payment_id=receipt.payment_id,
            message_id=sent.message_id,
        )
