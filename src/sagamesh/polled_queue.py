"""One side of a task queue, and who polls it as the server knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, ListTaskQueuePartitionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

__all__ = ["Queue", "pollers_of"]

Queue: TypeAlias = tuple[str, Literal["activities", "workflows"]]
"""A task queue's name, and which of its two sides is meant."""

_SIDES: Final = {
    "activities": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    "workflows": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
}

_UNTOLD: Final = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED)


async def pollers_of(client: Client, queue: Queue, *, timeout: timedelta) -> Sequence[PollerInfo]:
    """Who polls the queue, or has done so: the server remembers pollers for minutes. In each of its partitions, so that
    one process may be there more than once.

    Raises:
        temporalio.service.RPCError: when the server does not say; each of two questions may take `timeout`.
    """
    _, side = queue
    answers = await asyncio.gather(
        *(
            client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=client.namespace, task_queue=TaskQueue(name=partition), task_queue_type=_SIDES[side]
                ),
                timeout=timeout,
            )
            for partition in await _partitions(client, queue, timeout)
        )
    )
    return [poller for answer in answers for poller in answer.pollers]


async def _partitions(client: Client, queue: Queue, timeout: timedelta) -> Sequence[str]:
    """The names of a queue's partitions; where the server does not tell them, of the first.

    A poll waits in one of them, and a cluster has four. The first is called like the queue, and hears of one poll at a
    time of each other: of many processes most are unknown there for minutes.
    """
    name, side = queue
    request = ListTaskQueuePartitionsRequest(namespace=client.namespace, task_queue=TaskQueue(name=name))
    try:
        listed = await client.workflow_service.list_task_queue_partitions(request, timeout=timeout)
    except RPCError as error:
        if error.status not in _UNTOLD:
            raise
        return [name]
    workflows = side == "workflows"
    found = listed.workflow_task_queue_partitions if workflows else listed.activity_task_queue_partitions
    return [partition.key for partition in found]
