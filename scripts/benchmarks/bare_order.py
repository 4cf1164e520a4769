"""The hand-written variant: the order as an engineer writes it who follows the SDK's documentation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from benchmarks.bare_activities import (
        ACCOUNTS,
        INVENTORY,
        NOTIFICATION,
        PAYMENT,
        charge,
        refund,
        release,
        reserve,
        send,
        validate,
    )
    from benchmarks.models import Mail, OrderRequest, OrderResult

__all__ = ["BareOrder"]

TIMEOUT = timedelta(seconds=30)
RETRIES = RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=20)


@workflow.defn
class BareOrder:
    """One order: validate, reserve, charge, notify; undone by hand when a step fails."""

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderResult:
        """Complete the order, or undo it and fail."""
        compensations: list[tuple[Callable[[Any], Awaitable[Any]], Any, str]] = []
        try:
            user = await workflow.execute_activity(
                validate,
                request.user,
                task_queue=ACCOUNTS,
                start_to_close_timeout=TIMEOUT,
                retry_policy=RETRIES,
            )
            compensations.append((release, request.items, INVENTORY))
            reservation = await workflow.execute_activity(
                reserve,
                request.items,
                task_queue=INVENTORY,
                start_to_close_timeout=TIMEOUT,
                retry_policy=RETRIES,
            )
            compensations.append((refund, request.charge, PAYMENT))
            receipt = await workflow.execute_activity(
                charge,
                request.charge,
                task_queue=PAYMENT,
                start_to_close_timeout=TIMEOUT,
                retry_policy=RETRIES,
            )
            sent = await workflow.execute_activity(
                send,
                Mail(to=user.email, subject=f"Your order of {request.items.sku}"),
                task_queue=NOTIFICATION,
                start_to_close_timeout=TIMEOUT,
                retry_policy=RETRIES,
            )
        except (FailureError, asyncio.CancelledError):
            for undo, arg, queue in reversed(compensations):
                await workflow.execute_activity(
                    undo,
                    arg,
                    task_queue=queue,
                    start_to_close_timeout=TIMEOUT,
                    retry_policy=RETRIES,
                )
            raise
        return OrderResult(
            email=user.email,
            reservation_id=reservation.reservation_id,
            payment_id=receipt.payment_id,
            message_id=sent.message_id,
        )
