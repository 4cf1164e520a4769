"""The rate for each tenant's calls, which the server keeps: set once for a queue, whoever polls it."""

from __future__ import annotations

import logging

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimitConfig, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, UpdateTaskQueueConfigRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.errors import Refused
from sagamesh.limits.rate import OURS, RateInForce, needed_change
from sagamesh.reply import reply

__all__ = ["keep_tenant_rate", "rate_in_force"]

_log = logging.getLogger("sagamesh.limits")


async def keep_tenant_rate(client: Client, queue: str, rate: float | None) -> None:
    """Make the server keep this rate for each tenant's calls on the queue, or none where there is none any more.

    A rate for the whole queue is not touched.

    Raises:
        ServerUnreachable: when the server does not answer, or lets nobody in.
        Refused: `Unimplemented` when the server is too old to keep a rate for tenants, or a test server without limits.
    """
    try:
        change = needed_change(rate, await _in_force(client, queue))
        if change is None:
            return
        request = UpdateTaskQueueConfigRequest(
            namespace=client.namespace,
            identity=client.identity,
            task_queue=queue,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        update = request.update_fairness_key_rate_limit_default
        update.reason = OURS if change.rate is not None else "sagamesh: the contract declares no tenant_rate"
        if change.rate is not None:
            update.rate_limit.requests_per_second = change.rate
        await reply(client, client.workflow_service.update_task_queue_config(request, retry=True))
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise
        if rate is not None:
            raise Refused(
                "Unimplemented",
                f"the server cannot keep a tenant_rate, as the contract of queue {queue} declares ({error.message}); "
                "it takes Temporal 1.29 or later",
            ) from error
        return
    told = "no limit" if change.rate is None else f"{change.rate:g} calls a second"
    _log.info("queue %s: the server now keeps %s for each tenant", queue, told)


def rate_in_force(limit: RateLimitConfig) -> RateInForce | None:
    """A rate of a queue's configuration; None where none is set."""
    if not limit.HasField("rate_limit"):
        return None
    return RateInForce(rate=limit.rate_limit.requests_per_second, reason=limit.metadata.reason)


async def _in_force(client: Client, queue: str) -> RateInForce | None:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_config=True,
    )
    answer = await reply(client, client.workflow_service.describe_task_queue(request, retry=True))
    return rate_in_force(answer.config.fairness_keys_rate_limit_default)
