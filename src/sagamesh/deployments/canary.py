"""A canary: one task that runs on a version before anybody else's does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from temporalio.common import (
    PinnedVersioningOverride,
    TypedSearchAttributes,
    WorkerDeploymentVersion,
    WorkflowIDReusePolicy,
)

from sagamesh.client import Client
from sagamesh.deployments.build import canonical
from sagamesh.errors import TaskFailed
from sagamesh.reply import reply
from sagamesh.task import Task

__all__ = ["run_canary"]


async def run_canary(
    client: Client,
    task: Task[Any, Any],
    arg: BaseModel,
    version: WorkerDeploymentVersion,
    task_id: str,
    within: timedelta,
) -> str:
    """Run a task on a version, whatever gets the others; what is wrong with it, empty when it succeeded.

    One that does not end in time is asked to stop, so that it undoes what it did.

    Raises:
        Refused: when the server does not take it, such as for a version that does not host this task.
        ServerUnreachable: when the server does not answer.
    """
    await reply(
        client.temporal,
        client.temporal.start_workflow(
            task.name,
            arg,
            id=task_id,
            task_queue=task.queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=TypedSearchAttributes(task.attributes(arg)),
            static_summary=f"canary of {canonical(version)}",
            versioning_override=PinnedVersioningOverride(version),
        ),
    )
    handle = client.handle(task, task_id)
    try:
        await handle.result(timeout=within)
    except TaskFailed as error:
        return f"failed: {error.failure.type}: {error.failure.message}"
    except TimeoutError:
        await reply(client.temporal, client.temporal.get_workflow_handle(task_id).cancel(reason="the canary is late"))
        return f"did not end within {within.total_seconds():g} s, and was asked to stop"
    return ""
