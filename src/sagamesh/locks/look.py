"""Looking at locks from outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.errors import Refused
from sagamesh.locks.messages import LOCK, STATUS, LockStatus, lock_id
from sagamesh.reply import OVERDUE, reply

__all__ = ["look"]

_ANSWER: Final = timedelta(seconds=10)


async def look(client: Client, name: str | None = None) -> list[LockStatus]:
    """How the locks in use stand, by name; or the one of this name, if it is in use.

    Raises:
        Refused: `NoAnswer` when no process that hosts tasks answers in time.
        ServerUnreachable: when the server does not answer.
    """
    if name is not None:
        found = [lock_id(name)]
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
