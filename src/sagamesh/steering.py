"""How a running task is looked at and decided about: the base of every task's workflow class."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from sagamesh.board import Board
from sagamesh.completion import check_result
from sagamesh.errors import DefinitionError
from sagamesh.message import Message
from sagamesh.status import ApprovalStatus, Decision, OperatorDecision, TaskStatus
from sagamesh.task import Task

__all__ = ["TaskWorkflow", "board_of"]


class TaskWorkflow:
    """Base of a task's workflow class. It answers the query `status` and the updates `approve`, `reject`, `operator`.

        @workflow.defn(name=order.name)
        class Order(TaskWorkflow):
            task = order

            @workflow.run
            async def run(self, request: OrderRequest) -> OrderResult: ...

    Any Temporal client can send these by name, with the JSON of `Decision` or `OperatorDecision`. An update is refused
    (and leaves no trace in the history) unless the task waits for just that decision.

    A child workflow that would be terminated with the task is asked to stop instead, so that it undoes what it did.
    """

    task: ClassVar[Task[Any, Any]]

    @cached_property
    def board(self) -> Board:
        """What the task shows of itself."""
        return Board()

    @workflow.query(name="status", description="Stage, steps, open question, and what was undone")
    def status(self) -> TaskStatus:
        """Where the task is."""
        return self.board.status()

    @workflow.update(name="approve", description="Say yes to the open question. Once.")
    async def approve(self, decision: Decision) -> ApprovalStatus:
        """Say yes to the open question."""
        return self.board.answer(decision, approved=True)

    @approve.validator
    def _check_approve(self, decision: Decision) -> None:
        _check_kind(decision, Decision)
        self._check_asking()

    @workflow.update(name="reject", description="Say no to the open question. Once.")
    async def reject(self, decision: Decision) -> ApprovalStatus:
        """Say no to the open question; the task is then undone and fails as `Rejected`."""
        return self.board.answer(decision, approved=False)

    @reject.validator
    def _check_reject(self, decision: Decision) -> None:
        _check_kind(decision, Decision)
        self._check_asking()

    @workflow.update(name="operator", description="Decide about a step that waits for it: retry, skip or resolve.")
    async def operator(self, decision: OperatorDecision) -> TaskStatus:
        """Decide about a step whose undo failed, or that failed after the pivot."""
        self.board.decisions.append(decision)
        self.board.note(f"operator {decision.action}", decision.step, decision)
        self.board.waiting.discard(decision.step)
        return self.board.status()

    @operator.validator
    def _check_operator(self, decision: OperatorDecision) -> None:
        _check_kind(decision, OperatorDecision)
        if decision.step not in self.board.waiting:
            waiting = ", ".join(sorted(self.board.waiting)) or "none"
            raise _refused("NoDecisionNeeded", f"{decision.step} waits for no decision; waiting: {waiting}")
        if decision.action != "retry" and not decision.reason.strip():
            raise _refused("ReasonNeeded", f"to {decision.action} a step needs a reason")
        check_result(decision, self.board)

    def _check_asking(self) -> None:
        approval = self.board.approval
        if approval is not None and approval.approved is not None:
            word = "approved" if approval.approved else "rejected"
            raise _refused("AlreadyDecided", f"{approval.by} has {word} it already")
        if not self.board.asking:
            raise _refused("NotAwaitingApproval", "the task waits for no approval")


def board_of(instance: object) -> Board:
    """The board of a workflow instance.

    Raises:
        DefinitionError: when its class is not derived from `TaskWorkflow`.
    """
    if not isinstance(instance, TaskWorkflow):
        raise DefinitionError(f"{type(instance).__name__} uses a Saga, so derive it from sagamesh.TaskWorkflow")
    return instance.board


def _check_kind(decision: object, kind: type[Message]) -> None:
    # A JSON null reaches the task as None, whatever the handler's signature says; once accepted, it would be a bug that
    # the engine retries for ever.
    if not isinstance(decision, kind):
        raise _refused("InvalidInput", f"one {kind.__name__} is needed, not {type(decision).__name__}")


def _refused(kind: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True)
