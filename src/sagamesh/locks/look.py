"""Looking at locks from outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.errors import Refused
from sagamesh.locks.messages import LOCK, STATUS, LockStatus, lock_id
from sagamesh.reply import OVERDUE, reply

__all__ = ["look"]

_ANSWER: Final = timedelta(seconds=10)


async def look(client: Client, name: str | None = None) -> list[LockStatus]:
    """How the locks in use stand, by name; or the one of this name, if it is in use.

    Raises:
        Refused: `NoAnswer` when no process that hosts tasks answers in time, `NoLock` when something else has taken the
            id of the lock.
        ServerUnreachable: when the server does not answer.
    """
    if name is not None:
        found = [lock_id(name)] if await _is_kept(client, name) else []
    else:
        found = []
        listed = client.list_workflows(f"WorkflowType = '{LOCK}' AND ExecutionStatus = 'Running'")
        while True:
            try:
                found.append((await reply(client, anext(listed))).id)
            except StopAsyncIteration:
                break
    stand = [status for each in sorted(found) if (status := await _one(client, each)) is not None]
    return [status for status in stand if status.holder is not None or status.waiting]


async def _is_kept(client: Client, name: str) -> bool:
    """Whether a workflow keeps the lock of this name."""
    try:
        described = await reply(client, client.get_workflow_handle(lock_id(name)).describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    if described.status is not WorkflowExecutionStatus.RUNNING:
        return False
    if described.workflow_type != LOCK:
        raise Refused(
            "NoLock",
            f"the lock {name} cannot be had: a workflow of type {described.workflow_type} has taken its id, "
            f"{described.id}; terminate that one",
        )
    return True


async def _one(client: Client, workflow_id: str) -> LockStatus | None:
    try:
        status: LockStatus = await client.get_workflow_handle(workflow_id).query(
            STATUS, result_type=LockStatus, rpc_timeout=_ANSWER
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        if error.status in OVERDUE:
            raise Refused("NoAnswer", f"{workflow_id}: no process that hosts tasks answered in time") from error
        raise
    return status
