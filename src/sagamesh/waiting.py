"""Who waits in a queue: the open tasks whose call no worker has taken yet."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from temporalio.api.enums.v1 import PendingActivityState, PendingWorkflowTaskState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.attributes import CUSTOMER
from sagamesh.reply import reply

__all__ = ["LOOKED_AT", "WaitingCall", "WaitingCalls", "waiting_calls"]

LOOKED_AT: Final = 1000
"""Open tasks that are looked at, the newest. Each is a question to the server."""

_AT_A_TIME: Final = 20
_MIDDLE: Final = 3
"""The server's priority for what has none."""


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """One call, or one task that begins or goes on, that waits for a worker.

    - `customer`: whose task it is; `tenant`: by whom it waits fairly; empty for none.
    - `capability`: its activity type; empty where the task itself waits.
    - `attempt`: 1, or more where it is being repeated.
    """

    task_id: str
    task: str
    customer: str
    tenant: str
    capability: str
    queue: str
    priority: int
    attempt: int
    since: datetime


@dataclass(frozen=True, slots=True)
class WaitingCalls:
    """The waiting calls that were found, longest first, in how many of the open tasks."""

    calls: tuple[WaitingCall, ...]
    looked_at: int
    open: int

    @property
    def complete(self) -> bool:
        """Whether every open task was looked at."""
        return self.looked_at >= self.open


async def waiting_calls(client: Client, queues: Collection[str], *, most: int = LOOKED_AT) -> WaitingCalls:
    """What waits in these queues, as the server knows it: no worker is asked.

    - `most`: open tasks to look at, the newest ones.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    running = "ExecutionStatus = 'Running'"
    found = client.list_workflows(running, limit=most)
    executions = []
    while True:
        try:
            executions.append(await reply(client, anext(found)))
        except StopAsyncIteration:
            break
    count = len(executions)
    if count == most:
        count = max(count, (await reply(client, client.count_workflows(running))).count)
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def look(execution: WorkflowExecution) -> list[WaitingCall]:
        async with turn:
            return await _waiting_in(client, execution, queues)

    calls = [call for calls in await asyncio.gather(*map(look, executions)) for call in calls]
    return WaitingCalls(tuple(sorted(calls, key=lambda call: (call.since, call.task_id))), len(executions), count)


async def _waiting_in(client: Client, execution: WorkflowExecution, queues: Collection[str]) -> list[WaitingCall]:
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    try:
        described = (await reply(client, handle.describe())).raw_description
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # deleted since it was listed
            return []
        raise
    customer = execution.typed_search_attributes.get(CUSTOMER) or ""
    return list(_waiting(described, customer, queues))


def _waiting(
    described: DescribeWorkflowExecutionResponse, customer: str, queues: Collection[str]
) -> Iterable[WaitingCall]:
    info = described.workflow_execution_info
    own = described.pending_workflow_task
    queued = own.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
    if queued and info.task_queue in queues:
        yield WaitingCall(
            task_id=info.execution.workflow_id,
            task=info.type.name,
            customer=customer,
            tenant=info.priority.fairness_key,
            capability="",
            queue=info.task_queue,
            priority=info.priority.priority_key or _MIDDLE,
            attempt=own.attempt,
            since=own.scheduled_time.ToDatetime(tzinfo=UTC),
        )
    for call in described.pending_activities:
        queue = call.activity_options.task_queue.name
        if queue in queues and _is_queued(call):
            yield WaitingCall(
                task_id=info.execution.workflow_id,
                task=info.type.name,
                customer=customer,
                # The server tells what the call itself was given; the rest it has from its task.
                tenant=call.priority.fairness_key or info.priority.fairness_key,
                capability=call.activity_type.name,
                queue=queue,
                priority=call.priority.priority_key or info.priority.priority_key or _MIDDLE,
                attempt=call.attempt,
                since=call.scheduled_time.ToDatetime(tzinfo=UTC),
            )


def _is_queued(call: PendingActivityInfo) -> bool:
    """Whether it waits for a worker, not for the end of a pause between two attempts."""
    scheduled = call.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return scheduled and not call.HasField("next_attempt_schedule_time")
