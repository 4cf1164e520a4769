"""Starting, watching and steering tasks from Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from temporalio import client as temporal
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.attributes import CUSTOMER, NEEDS_OPERATOR, STATUS
from sagamesh.connection import connect_temporal
from sagamesh.errors import InvalidInput, Refused, TaskConflict
from sagamesh.failure import FieldProblem
from sagamesh.handle import TaskHandle
from sagamesh.inline import inline_queue
from sagamesh.reply import reply
from sagamesh.supervision.start import start_supervised
from sagamesh.task import In, Out, Task, check_task_id

__all__ = ["Client", "TaskHandle", "TaskSummary"]


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
    async def connect(
        cls, *, plugin: SimplePlugin | None = None, address: str | None = None, identity: str | None = None
    ) -> Self:
        """Connect as the standard environment and profile file say.

        - `address`: `host:port` for when they name none.
        - `identity`: who this is, in the history of the tasks that it starts and cancels; default `<pid>@<host>`.

        Raises:
            ServerUnreachable: when the server does not answer.
        """
        return cls(await connect_temporal(plugin=plugin, address=address, identity=identity))

    async def start(
        self,
        task: Task[In, Out],
        arg: In,
        *,
        id: str,
        priority: int | None = None,
        weight: float | None = None,
        inline: bool = False,
        supervised: bool = False,
        timeout: timedelta | None = None,
    ) -> TaskHandle[Out]:
        """Start a task, or find the one that was started with this id and the same input.

        - `id`: names the task, and through it every effect; 1 to 200 letters, digits and `. _ : @ + -`, not
          beginning with `sagamesh.`.
        - `priority`: 1 (first) to 5 (last), for the task and all its calls; None for what its contract says.
        - `weight`: its tenant's share against the others', 0.001 to 1000; None for what its contract says.
        - `inline`: on the process that hosts the task and its agents together (see `sagamesh.inline`); there must be
          one.
        - `supervised`: under a supervisor, which undoes what the task leaves behind when it is terminated, times out or
          is reset (see `sagamesh.supervision`). Not inline: what runs on the spot leaves too little in the history.
        - `timeout`: the engine ends the task after so long, wherever it is. Only for a supervised one, which is undone
          then; otherwise a deadline belongs to the task's saga.

        The handle's `found` tells which of the two it was.

        Raises:
            InvalidInput: for an id, priority, weight or timeout that breaks the rule, or an input that is larger than
                the server takes.
            TypeError: when the input is no model of the task's contract.
            TaskConflict: when the id belongs to a task with another input.
            ServerUnreachable: when the server does not answer.
            Refused: `MissingSearchAttributes` when the namespace was not prepared for Sagamesh; `NoAnswer` when a
                supervised task has not begun in time.
        """
        check_task_id(id)
        if not isinstance(arg, task.takes):
            raise TypeError(f"{task.name} takes {task.takes.__name__}, not {type(arg).__name__}")
        precedence = task.precedence(arg, priority=priority, weight=weight)
        if timeout is not None and (timeout <= timedelta(0) or not supervised):
            problem = "must be longer than 0" if supervised else "only for a supervised task: no other is undone then"
            raise InvalidInput("the start", [FieldProblem(field="timeout", problem=problem)])
        if supervised:
            if inline:
                problem = "not inline, too: what runs on the spot leaves too little behind to undo it by"
                raise InvalidInput("the start", [FieldProblem(field="supervised", problem=problem)])
            run_id = await start_supervised(self.temporal, task, arg, id, precedence, timeout=timeout)
            if run_id is None:
                return await self._same(task, arg, id)
            return TaskHandle(self.temporal, id, task.returns, run_id=run_id)
        try:
            started = await reply(
                self.temporal,
                self.temporal.start_workflow(
                    task.name,
                    arg,
                    id=id,
                    task_queue=inline_queue(task.queue) if inline else task.queue,
                    result_type=task.returns,
                    # A task that has ended keeps its id: an order is charged once, not once a day.
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    search_attributes=TypedSearchAttributes(task.attributes(arg)),
                    static_summary=task.title(arg) if task.title else task.summary or None,
                    priority=precedence.engine_priority(),
                    # Where this very process hosts the queue, the answer to the start is the task's first turn.
                    request_eager_start=inline,
                ),
            )
        except WorkflowAlreadyStartedError:
            return await self._same(task, arg, id)
        except ApplicationError as error:  # the converter's: PayloadTooLarge
            raise InvalidInput(f"the input of {task.name}", [FieldProblem(field="", problem=error.message)]) from None
        return TaskHandle(self.temporal, id, task.returns, run_id=started.first_execution_run_id, started=started)

    def handle(self, task: Task[In, Out], id: str) -> TaskHandle[Out]:
        """The handle of a task that was started before; nothing is asked of the server yet."""
        return TaskHandle(self.temporal, id, task.returns)

    def find(self, id: str) -> TaskHandle[Any]:
        """As `handle`, for a task of whatever type; its result is the JSON value."""
        return TaskHandle(self.temporal, id, None)

    async def list(self, query: str = "", *, limit: int | None = None) -> AsyncIterator[TaskSummary]:
        """Tasks: those that run, newest first, then those that ended, the last one first.

        - `query`: the engine's list filter, such as `SagameshStatus = 'needs_operator'`.

        Raises:
            ServerUnreachable: when the server does not answer.
            InvalidInput: when the server does not understand the query.
            Refused: `MissingSearchAttributes` when the namespace was not prepared for Sagamesh.
        """
        found = self.temporal.list_workflows(query or None, limit=limit)
        while True:
            try:
                execution = await reply(self.temporal, anext(found))
            except StopAsyncIteration:
                return
            except Refused as error:
                if error.reason != "InvalidArgument":
                    raise
                problem = str(error.__cause__).removeprefix("invalid query: ")
                raise InvalidInput("the query", [FieldProblem(field="", problem=problem)]) from error
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
        started = await self._started(task_id)
        if started.first_execution_run_id != started.original_execution_run_id:
            # It has continued as new since, with another input; what counts is how it began.
            started = await self._started(task_id, started.first_execution_run_id)
        if started.workflow_type.name != task.name:
            raise TaskConflict(f"id {task_id} belongs to a task of type {started.workflow_type.name}, not {task.name}")
        before = None
        if len(started.input.payloads) == 1:
            # A client that sent something else is no reason to fail here: that is another input.
            with suppress(ApplicationError, ValueError):
                [before] = await self.temporal.data_converter.decode(started.input.payloads, [task.takes])
        if before != arg:
            raise TaskConflict(
                f"id {task_id} belongs to an earlier {task.name} with another input; use a new id, "
                f"or look at the earlier one with `sagamesh show {task_id}`"
            )
        return TaskHandle(self.temporal, task_id, task.returns, run_id=started.first_execution_run_id, found=True)

    async def _started(self, task_id: str, run_id: str | None = None) -> WorkflowExecutionStartedEventAttributes:
        """How a task began: the first event of one of its runs, of the newest unless told otherwise."""
        handle = self.temporal.get_workflow_handle(task_id, run_id=run_id)
        try:
            first = await reply(self.temporal, anext(handle.fetch_history_events(page_size=1)))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            problem = f"id {task_id} is taken, but the server has forgotten how that task began; use a new id"
            raise TaskConflict(problem) from error
        return first.workflow_execution_started_event_attributes
