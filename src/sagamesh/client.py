"""Starting, watching and steering tasks from Python."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel
from temporalio import client as temporal
from temporalio.common import Priority, TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, CancelledError, WorkflowAlreadyStartedError
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.attributes import CUSTOMER, NEEDS_OPERATOR, STATUS
from sagamesh.connection import connect_temporal, unreachable
from sagamesh.errors import (
    Refused,
    TaskCancelled,
    TaskConflict,
    TaskFailed,
    TaskNotFound,
)
from sagamesh.failure import Failure, failure_of
from sagamesh.status import ApprovalStatus, Decision, OperatorDecision, TaskStatus
from sagamesh.task import In, Out, Task, check_task_id

__all__ = ["Client", "TaskHandle", "TaskSummary"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """One row of a list of tasks.

    - `execution`: the engine's status: `running`, `completed`, `failed`, `canceled`, `terminated`, `timed_out`.
    - `stage`: what the task itself said last (see `sagamesh.status.Stage`); empty for a task of another kind.
    """

    id: str
    run_id: str
    task: str
    execution: str
    stage: str
    customer: str
    needs_operator: bool
    started: datetime
    closed: datetime | None


class Client:
    """A typed client. `temporal` is the engine's own, for everything else.

    client = await Client.connect()
    handle = await client.start(order, OrderRequest(...), id="order-1")
    result = await handle.result()  # an OrderResult
    """

    def __init__(self, temporal_client: temporal.Client) -> None:
        self.temporal = temporal_client

    @classmethod
    async def connect(cls, *, plugin: SimplePlugin | None = None, address: str | None = None) -> Self:
        """Connect as the standard environment and profile file say; `address` is for when they name none.

        Raises:
            ServerUnreachable: when the server does not answer.
        """
        return cls(await connect_temporal(plugin=plugin, address=address))

    async def start(self, task: Task[In, Out], arg: In, *, id: str, priority: int | None = None) -> TaskHandle[Out]:
        """Start a task, or find the one that was started with this id and the same input.

        - `id`: names the task, and through it every effect; 1 to 200 letters, digits and `. _ : @ + -`.
        - `priority`: 1 (first) to 5 (last).

        Raises:
            InvalidInput: for an id that breaks the rule.
            TaskConflict: when the id belongs to a task with another input.
            ServerUnreachable: when the server does not answer.
        """
        check_task_id(id)
        try:
            started = await self._asked(
                self.temporal.start_workflow(
                    task.name,
                    arg,
                    id=id,
                    task_queue=task.queue,
                    result_type=task.returns,
                    # A task that has ended keeps its id: an order is charged once, not once a day.
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    search_attributes=TypedSearchAttributes(task.attributes(arg)),
                    static_summary=task.title(arg) if task.title else task.summary or None,
                    priority=Priority.default if priority is None else Priority(priority_key=priority),
                )
            )
        except WorkflowAlreadyStartedError:
            return await self._same(task, arg, id)
        return TaskHandle(self, id, task.returns, run_id=started.first_execution_run_id)

    def handle(self, task: Task[In, Out], id: str) -> TaskHandle[Out]:
        """The handle of a task that was started before; nothing is asked of the server yet."""
        return TaskHandle(self, id, task.returns)

    async def list(self, query: str = "", *, limit: int | None = None) -> AsyncIterator[TaskSummary]:
        """Tasks, newest first; `query` is the engine's list filter, such as `SagameshStatus = 'needs_operator'`.

        Raises:
            ServerUnreachable: when the server does not answer.
            Refused: `InvalidQuery` when the server does not understand the query.
        """
        found = self.temporal.list_workflows(query or None, limit=limit)
        while True:
            try:
                execution = await self._asked(anext(found))
            except StopAsyncIteration:
                return
            attributes = execution.typed_search_attributes
            yield TaskSummary(
                id=execution.id,
                run_id=execution.run_id,
                task=execution.workflow_type,
                execution=execution.status.name.lower() if execution.status else "unknown",
                stage=attributes.get(STATUS) or "",
                customer=attributes.get(CUSTOMER) or "",
                needs_operator=bool(attributes.get(NEEDS_OPERATOR)),
                started=execution.start_time,
                closed=execution.close_time,
            )

    async def _same(self, task: Task[In, Out], arg: In, task_id: str) -> TaskHandle[Out]:
        """The handle of the task that has this id, if it was started with this input."""
        handle = self.temporal.get_workflow_handle(task_id)
        first = await self._asked(anext(handle.fetch_history_events(page_size=1)))
        started = first.workflow_execution_started_event_attributes
        if started.workflow_type.name != task.name:
            raise TaskConflict(f"id {task_id} belongs to a task of type {started.workflow_type.name}, not {task.name}")
        try:
            [before] = await self.temporal.data_converter.decode(started.input.payloads, [task.takes])
        except (ApplicationError, ValueError):
            before = None  # started by a client that sent something else
        if before != arg:
            raise TaskConflict(
                f"id {task_id} belongs to an earlier {task.name} with another input; use a new id, "
                f"or look at the earlier one with `sagamesh show {task_id}`"
            )
        return TaskHandle(self, task_id, task.returns, run_id=started.first_execution_run_id)

    async def _asked(self, call: Awaitable[T]) -> T:
        """Await a call to the server; its ways of not answering become one error."""
        try:
            return await call
        except RPCError as error:
            if error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED):
                config = self.temporal.service_client.config
                raise unreachable(config.target_host, self.temporal.namespace) from error
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                raise Refused("InvalidArgument", f"the server refused the request: {error.message}") from error
            raise


class TaskHandle(Generic[Out]):
    """One task: its result, its status, and the decisions it waits for."""

    def __init__(self, client: Client, id: str, returns: type[Out], *, run_id: str | None = None) -> None:
        self.id = id
        self.run_id = run_id
        self._client = client
        self._returns: type[BaseModel] = returns
        self._temporal: temporal.WorkflowHandle[Any, Out] = client.temporal.get_workflow_handle(
            id, result_type=returns, first_execution_run_id=run_id
        )

    async def result(self, *, timeout: timedelta | None = None) -> Out:
        """Wait for the task's end and return its result; `timeout` ends the waiting, not the task.

        Raises:
            TaskFailed: with the failure; TaskCancelled when it was cancelled.
            TaskNotFound, ServerUnreachable: as they say.
            TimeoutError: when it still runs after `timeout`.
        """
        try:
            return await self._found(self._temporal.result(rpc_timeout=timeout))
        except temporal.WorkflowFailureError as error:
            if isinstance(error.cause, CancelledError):
                raise TaskCancelled(self.id, Failure(type="Cancelled", message="cancelled and undone")) from error
            raise TaskFailed(self.id, failure_of(error.cause)) from error

    async def status(self) -> TaskStatus:
        """What the task says of itself. Needs a live worker of its pool.

        Raises:
            TaskNotFound, ServerUnreachable: as they say.
            Refused: `NoAnswer` when no worker answers in time, `NoStatus` when the task is of a kind that has none.
        """
        return await self._found(self._query())

    async def cancel(self, *, reason: str = "") -> TaskStatus:
        """Ask the task to stop and undo what it did. Returns its status right after; compensation goes on.

        Raises:
            Refused: `PastPointOfNoReturn` when it can only complete, `AlreadyEnded` when it has ended.
            TaskNotFound, ServerUnreachable: as they say.
        """
        described = await self._found(self._temporal.describe())
        if described.status is not temporal.WorkflowExecutionStatus.RUNNING:
            word = described.status.name.lower() if described.status else "ended"
            raise Refused("AlreadyEnded", f"task {self.id} has ended already: {word}")
        await self._found(self._temporal.cancel(reason=reason))
        status = await self.status()
        if status.past_point_of_no_return:
            raise Refused("PastPointOfNoReturn", f"task {self.id} is past its point of no return and completes")
        return status

    async def approve(self, *, by: str, reason: str = "") -> ApprovalStatus:
        """Say yes to the task's open question.

        Raises:
            Refused: `NotAwaitingApproval` or `AlreadyDecided`.
            TaskNotFound, ServerUnreachable: as they say.
        """
        return await self._update("approve", Decision(by=by, reason=reason), ApprovalStatus)

    async def reject(self, *, by: str, reason: str = "") -> ApprovalStatus:
        """Say no to the task's open question; the task is undone and fails as `Rejected`.

        Raises:
            as `approve`.
        """
        return await self._update("reject", Decision(by=by, reason=reason), ApprovalStatus)

    async def operator(self, decision: OperatorDecision) -> TaskStatus:
        """Decide about a step whose undo failed.

        Raises:
            Refused: `NoDecisionNeeded` or `ReasonNeeded`.
            TaskNotFound, ServerUnreachable: as they say.
        """
        return await self._update("operator", decision, TaskStatus)

    async def _query(self) -> TaskStatus:
        try:
            status: TaskStatus = await self._temporal.query("status", result_type=TaskStatus, rpc_timeout=_ANSWER)
        except temporal.WorkflowQueryFailedError as error:
            raise Refused("NoStatus", f"task {self.id} cannot tell its status: {error}") from error
        except RPCError as error:
            if error.status is RPCStatusCode.DEADLINE_EXCEEDED:
                raise Refused(
                    "NoAnswer", f"task {self.id}: no worker answered within {_ANSWER}; is its pool up?"
                ) from error
            raise
        return status

    async def _update(self, name: str, arg: BaseModel, returns: type[T]) -> T:
        try:
            return await self._found(self._temporal.execute_update(name, arg, result_type=returns))
        except temporal.WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError):
                raise Refused(cause.type or "Refused", f"task {self.id}: {cause.message}") from error
            raise Refused("Refused", f"task {self.id} refused {name}: {cause}") from error

    async def _found(self, call: Awaitable[T]) -> T:
        try:
            return await self._client._asked(call)  # noqa: SLF001  # the same module's other half
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise TaskNotFound(
                    f"no task has the id {self.id}, or it has ended and its retention too: {error.message}"
                ) from error
            raise


_ANSWER = timedelta(seconds=10)
"""How long a live worker may take to answer a query."""
