"""Starting a task under a supervisor."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.errors import InvalidInput, Refused, TaskConflict
from sagamesh.failure import FieldProblem
from sagamesh.reply import reply
from sagamesh.supervision.messages import SUPERVISOR, Supervised, supervisor_id
from sagamesh.supervision.supervisor import supervisor
from sagamesh.system_queue import SYSTEM_QUEUE
from sagamesh.task import In, Out, Task, check_task_id

if TYPE_CHECKING:
    from sagamesh.limits.precedence import Precedence

__all__ = ["start_supervised"]

_BEGUN: Final = timedelta(seconds=10)
_LOOK: Final = 0.02


async def start_supervised(
    client: Client,
    task: Task[In, Out],
    arg: In,
    task_id: str,
    precedence: Precedence,
    *,
    timeout: timedelta | None,
) -> str | None:
    """Start a task under a supervisor, and wait until it has begun; its run id, or None when the id is taken.

    - `timeout`: see `Supervised`.

    Raises:
        InvalidInput: for an id that leaves no room for the supervisor's, or an input that is too large.
        TaskConflict: when the supervisor's id belongs to something else.
        Refused: `NoAnswer` when no process that hosts tasks is up; the task begins as soon as one is.
        ServerUnreachable: when the server does not answer.
    """
    check_task_id(supervisor_id(task_id))
    if await _found(client, task_id) is not None:
        return None
    watched = Supervised(
        task=task.name,
        queue=task.queue,
        id=task_id,
        input=arg.model_dump(mode="json"),
        title=(task.title(arg) if task.title else task.summary) or "",
        customer=str(getattr(arg, task.customer)) if task.customer else "",
        agents=tuple(agent.name for agent in task.uses),
        priority=precedence.priority,
        tenant=precedence.tenant,
        weight=precedence.weight,
        timeout=timeout,
    )
    try:
        watching: WorkflowHandle[Any, Any] = await reply(
            client,
            client.start_workflow(
                SUPERVISOR,
                watched,
                id=supervisor_id(task_id),
                task_queue=SYSTEM_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=TypedSearchAttributes(supervisor.attributes(watched)),
                static_summary=supervisor.title(watched) if supervisor.title else None,
            ),
        )
    except WorkflowAlreadyStartedError:
        first: WorkflowHandle[Any, Any] = client.get_workflow_handle(supervisor_id(task_id))
        kind = (await reply(client, first.describe())).workflow_type
        if kind != SUPERVISOR:
            raise TaskConflict(
                f"the supervisor of {task_id} would have the id {first.id}, which belongs to a task of type {kind}; "
                "use a new id"
            ) from None
        # Somebody was first, perhaps with another input: once it has begun the caller finds out, as for any id.
        await _begun(client, task_id, first)
        return None
    except ApplicationError as error:  # the converter's: PayloadTooLarge
        raise InvalidInput(f"the input of {task.name}", [FieldProblem(field="", problem=error.message)]) from None
    return await _begun(client, task_id, watching)


async def _begun(client: Client, task_id: str, watching: WorkflowHandle[Any, Any]) -> str | None:
    async def begun() -> tuple[str, str]:
        while (found := await _found(client, task_id)) is None:  # noqa: ASYNC110  # the server has no way to tell
            await asyncio.sleep(_LOOK)
        return found

    try:
        async with asyncio.timeout(_BEGUN.total_seconds()):
            run_id, parent = await begun()
    except TimeoutError:
        raise Refused(
            "NoAnswer",
            f"task {task_id} has not begun within {_BEGUN.total_seconds():g} s: its supervisor waits for a process "
            "that hosts tasks. It begins as soon as one is up; `sagamesh agents` shows who is alive",
        ) from None
    return run_id if parent == watching.id else None


async def _found(client: Client, task_id: str) -> tuple[str, str] | None:
    """The first run of a task, and its parent; None when there is no such task."""
    try:
        described = await reply(client, client.get_workflow_handle(task_id).describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    first = described.raw_description.workflow_execution_info.first_run_id
    return first or described.run_id, described.parent_id or ""
