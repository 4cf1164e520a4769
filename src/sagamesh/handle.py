"""One task: its result, its status, and the decisions it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import client as temporal
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.breaker.held import with_holds
from sagamesh.errors import InvalidInput, Refused, SagameshError, TaskCancelled, TaskFailed, TaskNotFound
from sagamesh.failure import Failure, failure_of, field_problems
from sagamesh.reply import OVERDUE, reply
from sagamesh.routing.explanation import Explanation
from sagamesh.routing.history import load_explanations
from sagamesh.status import ApprovalStatus, Decision, OperatorDecision, TaskStatus
from sagamesh.task import Out, check_no_part
from sagamesh.timeline import Timeline, load_timeline

__all__ = ["TaskHandle"]

T = TypeVar("T")

_ANSWER = timedelta(seconds=10)
"""How long a live worker may take to answer."""

_CANCELLED = "cancelled; its status and timeline tell what was undone"
"""The engine keeps nothing else with a cancel, and an operator may have decided to leave a step as it is."""


class TaskHandle(Generic[Out]):
    """A task that was started: its result, its status, and the decisions it waits for.

    - `run_id`: the engine's id of its first run, where that is known.
    - `found`: True when `Client.start` found it, started earlier with the same id and input.
    """

    def __init__(
        self,
        client: temporal.Client,
        id: str,
        returns: type[Out] | None,
        *,
        run_id: str | None = None,
        found: bool = False,
        started: temporal.WorkflowHandle[Any, Out] | None = None,
    ) -> None:
        self.id = id
        self.run_id = run_id
        self.found = found
        self._client = client
        # The handle that the engine gave at the start may know more than one made from the id: in a test environment it
        # lets time pass while the result is waited for.
        self._temporal: temporal.WorkflowHandle[Any, Out] = started or client.get_workflow_handle(
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
            async with asyncio.timeout(None if timeout is None else timeout.total_seconds()):
                return await self._ask(self._temporal.result())
        except temporal.WorkflowFailureError as error:
            if isinstance(error.cause, CancelledError):
                raise TaskCancelled(self.id, Failure(type="Cancelled", message=_CANCELLED)) from error
            raise TaskFailed(self.id, failure_of(error.cause)) from error

    async def timeline(self) -> Timeline:
        """What happened in the task, from its history. Needs no worker.

        Raises:
            TaskNotFound, ServerUnreachable: as they say.
        """
        found = await self._ask(load_timeline(self._temporal, self._client.data_converter))
        return await self._ask(with_holds(self._client, found))

    async def explain(self) -> tuple[Explanation, ...]:
        """Why its calls went where they went: each routing decision, in their order. Needs no worker.

        Raises:
            TaskNotFound, ServerUnreachable: as they say.
        """
        return await self._ask(load_explanations(self._temporal, self._client.data_converter))

    async def status(self) -> TaskStatus:
        """What the task says of itself. Needs a live worker of its pool.

        Raises:
            TaskNotFound, ServerUnreachable: as they say.
            InvalidInput: when the id is not a task's, but one of the framework's own workflows.
            Refused: `NoAnswer` when no worker answers in time, `NoStatus` when the task is of a kind that has none.
        """
        check_no_part(self.id)
        return await self._ask(self._query())

    async def cancel(self, *, reason: str = "") -> TaskStatus:
        """Ask the task to stop and undo what it did. Returns its status right after; compensation goes on.

        Raises:
            InvalidInput: when the id is not a task's, but one of the framework's own workflows.
            Refused: `PastPointOfNoReturn` when it can only complete, `AlreadyEnded` when it has ended; `NoAnswer` when
                no worker answers in time: the request is kept, and counts as soon as one does.
            TaskNotFound, ServerUnreachable: as they say.
        """
        check_no_part(self.id)
        described = await self._ask(self._temporal.describe())
        if described.status is not temporal.WorkflowExecutionStatus.RUNNING:
            raise _ended(described)
        await self._ask(self._temporal.cancel(reason=reason))
        try:
            status = await self.status()
        except Refused as error:
            if error.reason != "NoAnswer":
                raise
            raise Refused(
                "NoAnswer",
                f"task {self.id} was asked to stop, and will as soon as a worker of its pool is up; none has answered "
                f"within {_ANSWER.total_seconds():g} s. `sagamesh agents` shows who is alive",
            ) from error
        if status.past_point_of_no_return:
            raise Refused("PastPointOfNoReturn", f"task {self.id} is past its point of no return and completes")
        return status

    async def approve(self, *, by: str, reason: str = "") -> ApprovalStatus:
        """Say yes to the task's open question.

        Raises:
            Refused: `NotAwaitingApproval` or `AlreadyDecided`; `AlreadyEnded` when the task has ended; `NoAnswer` when
                no worker answers in time.
            InvalidInput: without a name, or with a reason that is too long; when the id is not a task's, but one of the
                framework's own workflows.
            TaskNotFound, ServerUnreachable: as they say.
        """
        return await self._update("approve", _decision(by, reason), ApprovalStatus)

    async def reject(self, *, by: str, reason: str = "") -> ApprovalStatus:
        """Say no to the task's open question; the task is undone and fails as `Rejected`.

        Raises:
            as `approve`.
        """
        return await self._update("reject", _decision(by, reason), ApprovalStatus)

    async def operator(self, decision: OperatorDecision) -> TaskStatus:
        """Decide about a step whose undo failed, or that failed after the pivot.

        Raises:
            InvalidInput: when the id is not a task's, but one of the framework's own workflows.
            Refused: `NoDecisionNeeded`, `ReasonNeeded`, `ResultNeeded` or `InvalidResult`; `AlreadyEnded` and
                `NoAnswer` as for `approve`.
            TaskNotFound, ServerUnreachable: as they say.
        """
        return await self._update("operator", decision, TaskStatus)

    async def _query(self) -> TaskStatus:
        try:
            status: TaskStatus = await self._temporal.query("status", result_type=TaskStatus, rpc_timeout=_ANSWER)
        except temporal.WorkflowQueryFailedError as error:
            raise Refused("NoStatus", f"task {self.id} cannot tell its status: {error}") from error
        except RPCError as error:
            if error.status in OVERDUE:
                raise self._unanswered() from error
            if error.status is RPCStatusCode.FAILED_PRECONDITION:
                raise Refused("NoStatus", f"task {self.id} cannot tell its status: {error.message}") from error
            raise
        return status

    async def _update(self, name: str, arg: BaseModel, returns: type[T]) -> T:
        check_no_part(self.id)
        update = self._temporal.execute_update(name, arg, result_type=returns, rpc_timeout=_ANSWER)
        try:
            return await self._ask(update)
        except temporal.WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError):
                raise Refused(cause.type or "Refused", f"task {self.id}: {cause.message}") from error
            raise Refused("Refused", f"task {self.id} refused {name}: {cause}") from error
        except temporal.WorkflowUpdateRPCTimeoutOrCancelledError as error:
            if not isinstance(error.__cause__, RPCError):
                raise asyncio.CancelledError from error  # the caller's own cancel, which the SDK dresses as this
            raise self._unanswered() from error

    async def _ask(self, call: Awaitable[T]) -> T:
        try:
            return await reply(self._client, call)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise await self._absent() from error
            raise

    async def _absent(self) -> SagameshError:
        """Why the server found no task to ask: there was none, or it has ended."""
        try:
            described = await reply(self._client, self._temporal.describe())
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return TaskNotFound(
                f"no task has the id {self.id}, or it ended so long ago that the server has forgotten it; "
                "`sagamesh list` shows those that it knows"
            )
        if described.status is temporal.WorkflowExecutionStatus.RUNNING:
            return Refused("NoAnswer", f"task {self.id} was just being started; ask again")
        return _ended(described)

    def _unanswered(self) -> Refused:
        return Refused(
            "NoAnswer",
            f"task {self.id}: no worker answered within {_ANSWER.total_seconds():g} s; is its pool up? "
            "`sagamesh agents` shows who is alive",
        )


def _ended(described: temporal.WorkflowExecutionDescription) -> Refused:
    word = described.status.name.lower().replace("_", " ") if described.status else "unknown"
    return Refused("AlreadyEnded", f"task {described.id} has ended already: {word}")


def _decision(by: str, reason: str) -> Decision:
    try:
        return Decision(by=by, reason=reason)
    except ValidationError as error:
        raise InvalidInput("the decision", field_problems(error)) from None
