"""Histories of tasks that a server knows."""

from __future__ import annotations

from collections.abc import AsyncIterator

from temporalio.client import WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.client import Client
from sagamesh.connection import unreachable
from sagamesh.errors import TaskNotFound

__all__ = ["fetched"]


async def fetched(client: Client, query: str, limit: int) -> AsyncIterator[WorkflowHistory]:
    """The histories of the newest tasks that match, running ones as far as they are.

    Raises:
        ServerUnreachable: when the server does not answer.
        Refused: when it does not understand the query.
        TaskNotFound: when a task's retention ends between being listed and being read.
    """
    async for task in client.list(query, limit=limit):
        try:
            yield await client.temporal.get_workflow_handle(task.id, run_id=task.run_id).fetch_history()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise TaskNotFound(f"the history of {task.id} is gone; its retention has ended") from error
            target = client.temporal.service_client.config.target_host
            raise unreachable(target, client.temporal.namespace) from error
