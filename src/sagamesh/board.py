"""The state of a running task that people may look at and decide about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow

from sagamesh.attributes import NEEDS_OPERATOR, STATUS, UNFINISHED
from sagamesh.degraded import Degradation
from sagamesh.failure import Failure, UndoneStep
from sagamesh.inline import runs_inline
from sagamesh.status import (
    ApprovalStatus,
    Decided,
    Decision,
    OperatorDecision,
    Stage,
    StepState,
    StepStatus,
    TaskStatus,
)

__all__ = ["Board"]

_MARKS: Mapping[StepState, str] = {
    StepState.RUNNING: "⏳",
    StepState.DONE: "✅",
    StepState.FAILED: "❌",
    StepState.UNDOING: "↩️",
    StepState.UNDONE: "↩️",
    StepState.UNDO_FAILED: "🛑",
    StepState.SKIPPED: "⏭️",
    StepState.RESOLVED: "🖐️",
}


class Board:
    """Steps, stage, open questions and decisions of one task; shown by query, search attributes and the Web UI.

    Only workflow code writes to it, so it replays.
    """

    def __init__(self) -> None:
        self.stage = Stage.RUNNING
        self.steps: dict[str, StepStatus] = {}
        self.undone: list[UndoneStep] = []
        self.approval: ApprovalStatus | None = None
        self.asking = False
        self.past_point_of_no_return = False
        self.cancel_reached = False
        """Whether a cancel request has been let through to the task's code."""
        self.waiting: set[str] = set()
        """Steps about which an operator has to decide: their undo failed, or they failed after the pivot."""
        self.unfinished: dict[str, type[BaseModel]] = {}
        """Of these, those that failed after the pivot, and what their result must be."""
        self.decisions: list[OperatorDecision] = []
        self.decided: list[Decided] = []
        self.undos: dict[str, object] = {}
        """The capability that undoes a step, for those that are about to be scheduled; written beside the call."""
        self.in_saga = False
        """Whether a saga of the task is open."""
        self.pivot = ""
        """The step that is the pivot, once it is about to be scheduled."""
        self.acting_for = ""
        """The task whose steps are undone here; empty for its own."""

    @property
    def cancelled(self) -> bool:
        """Whether a cancel request counts by now. In a task that runs inline it has to wait (see `sagamesh.inline`)."""
        return workflow.cancellation_reason() is not None and (self.cancel_reached or not runs_inline())

    def enter(self, stage: Stage) -> None:
        """Move to a stage and make it findable."""
        if stage is self.stage:
            return
        # The engine writes one more event for each of these, hence only for what its own status cannot say.
        updates = [STATUS.value_set(stage.value)]
        if (stage is Stage.NEEDS_OPERATOR) or (self.stage is Stage.NEEDS_OPERATOR):
            updates_operator = NEEDS_OPERATOR.value_set(stage is Stage.NEEDS_OPERATOR)
            workflow.upsert_search_attributes([*updates, updates_operator])
        else:
            workflow.upsert_search_attributes(updates)
        self.stage = stage
        self._show()

    def mark(
        self,
        step: str,
        state: StepState,
        failure: Failure | None = None,
        *,
        degraded: Degradation | None = None,
    ) -> None:
        """Note the state of a step."""
        self.steps[step] = StepStatus(step=step, state=state, failure=failure, degraded=degraded)
        self._show()

    def ask(self, question: str, within: timedelta) -> None:
        """Open a question to an approver."""
        self.approval = ApprovalStatus(question=question, until=workflow.now() + within)
        self.asking = True
        self.enter(Stage.AWAITING_APPROVAL)

    def answer(self, decision: Decision, *, approved: bool) -> ApprovalStatus:
        """Record the answer to the open question."""
        if self.approval is None:
            raise RuntimeError("nothing was asked")
        self.approval = self.approval.model_copy(
            update={"approved": approved, "by": decision.by, "reason": decision.reason}
        )
        self.note("approve" if approved else "reject", self.approval.question, decision)
        return self.approval

    def note(self, what: str, about: str, decision: Decision | OperatorDecision) -> None:
        """Remember a decision, for the status."""
        told = Decided(at=workflow.now(), what=what, about=about, by=decision.by, reason=decision.reason)
        self.decided.append(told)

    def show_unfinished(self, *of_another: str) -> None:
        """Note which steps wait to be finished where it is seen without a worker.

        - `of_another`: steps of the task that this one watches.
        """
        workflow.upsert_memo({UNFINISHED: [*self.unfinished, *of_another]})

    def status(self) -> TaskStatus:
        """Everything, as the query `status` answers it."""
        return TaskStatus(
            stage=self.stage,
            steps=tuple(self.steps.values()),
            approval=self.approval,
            undone=tuple(self.undone),
            decisions=tuple(self.decided),
            past_point_of_no_return=self.past_point_of_no_return,
            cancel_refused=self.past_point_of_no_return and workflow.cancellation_reason() is not None,
        )

    def _show(self) -> None:
        lines = [f"**{self.stage.value.replace('_', ' ')}**"]
        if self.stage is Stage.AWAITING_APPROVAL and self.approval is not None:
            lines.append(f"{self.approval.question} (until {self.approval.until:%Y-%m-%d %H:%M} UTC)")
        for step in self.steps.values():
            problem = f": {step.failure.type}: {step.failure.message}" if step.failure else ""
            problem += f", {step.degraded}" if step.degraded else ""
            lines.append(f"- {_MARKS[step.state]} {step.step} {step.state.value.replace('_', ' ')}{problem}")
        workflow.set_current_details("\n".join(lines))
