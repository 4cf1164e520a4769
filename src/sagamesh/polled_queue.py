"""One side of a task queue, and who polls it as the server knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

__all__ = ["Queue", "pollers_of"]

Queue: TypeAlias = tuple[str, Literal["activities", "workflows"]]
"""A task queue's name, and which of its two sides is meant."""

_SIDES: Final = {
    "activities": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    "workflows": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
}


async def pollers_of(client: Client, queue: Queue, *, timeout: timedelta) -> Sequence[PollerInfo]:
    """Who polls the queue, or has done so: the server remembers pollers for minutes.

    Raises:
        temporalio.service.RPCError: when the server does not say within `timeout`.
    """
    name, side = queue
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=_SIDES[side]
    )
    return (await client.workflow_service.describe_task_queue(request, timeout=timeout)).pollers
