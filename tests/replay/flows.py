"""Small workflows that together issue every sort of command. The tests record them, change this text, and replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType, ParentClosePolicy

from sagamesh.attributes import STATUS

NEXUS_ENDPOINT = "replay-flows"


class Money(BaseModel):
    amount: str
    currency: str


class Charge(BaseModel):
    money: Money
    items: list[str]
    express: bool = False


CHARGE = Charge(money=Money(amount="12.50", currency="EUR"), items=["a", "b"])


@activity.defn(name="payment.charge")
async def charge(wanted: Charge) -> str:
    return f"pi_{wanted.money.amount}"


@activity.defn(name="stock.reserve")
async def reserve(sku: str, quantity: int) -> str:
    return f"{quantity} of {sku}"


@activity.defn(name="stock.slow")
async def slow() -> str:
    await asyncio.sleep(1.3)
    return "done"


@activity.defn(name="stock.endless")
async def endless() -> str:
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


@activity.defn(name="payment.decline")
async def decline(wanted: Charge) -> str:
    raise ApplicationError("declined", {"code": "card"}, type="Declined", non_retryable=True)


@nexusrpc.service
class Shipping:
    quote: nexusrpc.Operation[Money, Money]


@nexusrpc.handler.service_handler(service=Shipping)
class ShippingHandler:
    @nexusrpc.handler.sync_operation
    async def quote(self, _context: nexusrpc.handler.StartOperationContext, money: Money) -> Money:
        return money


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, request: Charge) -> dict[str, Any]:
        workflow.upsert_search_attributes([STATUS.value_set("charging")])
        workflow.upsert_memo({"note": {"stage": 1}})
        receipt = await workflow.execute_activity(
            "payment.charge",
            request,
            activity_id="charge",
            task_queue=workflow.info().task_queue,
            start_to_close_timeout=timedelta(seconds=15),
            schedule_to_close_timeout=timedelta(minutes=5),
            schedule_to_start_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=2),
                backoff_coefficient=1.5,
                maximum_interval=timedelta(seconds=20),
                maximum_attempts=30,
                non_retryable_error_types=["Declined"],
            ),
            priority=Priority(priority_key=2),
        )
        reserved = await workflow.execute_activity(
            "stock.reserve", args=["sku-1", 2], start_to_close_timeout=timedelta(seconds=10)
        )
        await workflow.sleep(0.01)
        return {"receipt": receipt, "reserved": reserved}


@workflow.defn
class Unset:
    """Leaves to the server what it can; run with and without a run timeout."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("payment.charge", CHARGE, schedule_to_close_timeout=timedelta(seconds=50))
        await workflow.execute_activity(
            "payment.charge",
            CHARGE,
            schedule_to_close_timeout=timedelta(minutes=10),
            schedule_to_start_timeout=timedelta(minutes=20),
            heartbeat_timeout=timedelta(minutes=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=3)),
        )
        await workflow.execute_activity("payment.charge", CHARGE, start_to_close_timeout=timedelta(minutes=40))
        await workflow.execute_activity(
            "payment.charge",
            CHARGE,
            start_to_close_timeout=timedelta(seconds=5),
            schedule_to_start_timeout=timedelta(minutes=40),
        )


@workflow.defn
class Decided:
    """Waits for updates beside a timer that is cancelled, and drops a timer before it reaches the engine."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    @workflow.update
    async def answer(self, n: int) -> Money:
        await workflow.sleep(0.01)
        if n == 7:
            raise ApplicationError("not seven", n, type="Seven")
        self.answers.append(n)
        return Money(amount=str(n), currency="EUR")

    @answer.validator
    def _check(self, n: int) -> None:
        if n == 0:
            raise ValueError("zero")

    @workflow.run
    async def run(self) -> int:
        dropped = asyncio.create_task(asyncio.sleep(900))
        await asyncio.sleep(0)
        dropped.cancel()
        await workflow.wait_condition(lambda: len(self.answers) == 2, timeout=timedelta(hours=1))
        return sum(self.answers)


@workflow.defn
class Child:
    def __init__(self) -> None:
        self.released = False

    @workflow.signal
    def release(self, money: Money) -> None:
        self.released = True

    @workflow.run
    async def run(self, money: Money) -> Money:
        await workflow.wait_condition(lambda: self.released)
        return money


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, money: Money) -> Money:
        me = workflow.info().workflow_id
        child = await workflow.start_child_workflow(
            Child.run,
            money,
            id=f"{me}-child",
            execution_timeout=timedelta(minutes=9),
            task_timeout=timedelta(seconds=7),
            retry_policy=RetryPolicy(maximum_attempts=2),
            parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
            memo={"of": "parent"},
            search_attributes=None,
        )
        await child.signal(Child.release, money)
        result = await child
        other = await workflow.start_child_workflow(Child.run, money, id=f"{me}-other")
        await workflow.get_external_workflow_handle_for(Child.run, f"{me}-other").signal(Child.release, money)
        await other
        lost = await workflow.start_child_workflow(Child.run, money, id=f"{me}-lost")
        lost.cancel()
        await workflow.wait([lost])
        stray = await workflow.start_child_workflow(Child.run, money, id=f"{me}-stray")
        await workflow.get_external_workflow_handle(f"{me}-stray").cancel()
        await workflow.wait([stray])
        return result


@workflow.defn
class Failing:
    @workflow.run
    async def run(self, request: Charge) -> None:
        try:
            await workflow.execute_activity("payment.decline", request, start_to_close_timeout=timedelta(seconds=5))
        except FailureError as error:
            raise ApplicationError("no money", {"tried": 1}, type="OrderFailed", non_retryable=True) from error


@workflow.defn
class Cancelled:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            "stock.endless",
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=2),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Abandoning:
    @workflow.run
    async def run(self) -> str:
        left = workflow.start_activity(
            "stock.endless",
            start_to_close_timeout=timedelta(seconds=1),
            cancellation_type=ActivityCancellationType.ABANDON,
        )
        await workflow.sleep(0.01)
        left.cancel()
        await workflow.sleep(0.01)
        return "left"


@workflow.defn
class Again:
    @workflow.run
    async def run(self, left: int) -> int:
        if left == 1:
            workflow.continue_as_new(left - 1, memo={"left": left}, run_timeout=timedelta(minutes=4))
        if left == 2:
            workflow.upsert_memo({"note": "carried over"})
            workflow.upsert_search_attributes([STATUS.value_set("again")])
            workflow.continue_as_new(0)
        return left


@workflow.defn
class Local:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_local_activity(
            "stock.reserve", args=["sku-1", 1], start_to_close_timeout=timedelta(seconds=5)
        )
        pause = asyncio.create_task(asyncio.sleep(600))
        await asyncio.sleep(0)
        # Longer than the workflow task may take: the engine then records in the middle of it.
        await workflow.execute_local_activity("stock.slow", start_to_close_timeout=timedelta(seconds=5))
        pause.cancel()
        await workflow.sleep(0.01)
        return "done"


@workflow.defn
class Versioned:
    @workflow.run
    async def run(self) -> str:
        if workflow.patched("pause-first"):
            await workflow.sleep(0.01)
        await workflow.execute_activity("payment.charge", CHARGE, start_to_close_timeout=timedelta(seconds=5))
        return "done"


@workflow.defn
class Waiting:
    """Never ends by itself; its histories are open."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("payment.charge", CHARGE, start_to_close_timeout=timedelta(seconds=5))
        await workflow.sleep(3600)


@workflow.defn
class Foreign:
    @workflow.run
    async def run(self, money: Money) -> Money:
        client = workflow.create_nexus_client(service=Shipping, endpoint=NEXUS_ENDPOINT)
        return await client.execute_operation(Shipping.quote, money, schedule_to_close_timeout=timedelta(seconds=30))


WORKFLOWS = [
    Steps, Unset, Decided, Child, Parent, Failing, Cancelled, Abandoning, Again, Local, Versioned, Waiting, Foreign,
]  # fmt: skip
ACTIVITIES: list[Callable[..., Any]] = [charge, reserve, slow, endless, decline]
