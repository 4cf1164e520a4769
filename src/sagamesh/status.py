"""What a task tells about itself while it runs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from sagamesh.degraded import Degradation
from sagamesh.failure import Failure, UndoneStep
from sagamesh.message import Message

__all__ = [
    "ApprovalStatus",
    "Decided",
    "Decision",
    "OperatorDecision",
    "Stage",
    "StepState",
    "StepStatus",
    "TaskStatus",
]

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Reason = Annotated[str, Field(max_length=2000)]


class Stage(StrEnum):
    """Where a task is. The same words stand in the search attribute SagameshStatus."""

    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    COMPENSATING = "compensating"
    NEEDS_OPERATOR = "needs_operator"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """Where a step of a saga is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"
    SKIPPED = "skipped"
    RESOLVED = "resolved"


class StepStatus(Message):
    """One step: its name (`payment.charge`), its state, what went wrong last, and why its result is degraded, if so."""

    step: str
    state: StepState
    failure: Failure | None = None
    degraded: Degradation | None = None


class ApprovalStatus(Message):
    """A question to a person, and the answer once there is one. `until` is when it answers itself with no."""

    question: str
    until: datetime
    approved: bool | None = None
    by: str = ""
    reason: str = ""


class Decided(Message):
    """What a person has decided about a task: `what` is `approve`, `reject` or `operator <action>`, `about` the step or
    the question."""

    at: datetime
    what: str
    about: str = ""
    by: str = ""
    reason: str = ""


class TaskStatus(Message):
    """The answer to the query `status`.

    - `past_point_of_no_return`: from here on the task can only complete; a cancel is refused.
    - `cancel_refused`: a cancel came after that point.
    - `undone`: what compensation has done so far.
    - `decisions`: what people have decided, in order.
    """

    stage: Stage
    steps: tuple[StepStatus, ...] = ()
    approval: ApprovalStatus | None = None
    undone: tuple[UndoneStep, ...] = ()
    decisions: tuple[Decided, ...] = ()
    past_point_of_no_return: bool = False
    cancel_refused: bool = False


class Decision(Message):
    """What an approver decides: the argument of the updates `approve` and `reject`."""

    by: Name
    reason: Reason = ""


class OperatorDecision(Message):
    """What an operator decides about a step: the argument of the update `operator`.

    - Its undo failed: `retry` tries the undo again; `skip` leaves the step as it is; `resolve` says that it was undone
      by hand.
    - It failed after the pivot: `retry` calls it again; `skip` lets the task fail; `resolve` says that it was done by
      hand, with the `result` that the task goes on with, as the capability returns it.

    `skip` and `resolve` need a reason, because they end the machine's responsibility for it.
    """

    step: Name
    action: Literal["retry", "skip", "resolve"]
    by: Name
    reason: Reason = ""
    result: dict[str, Any] | None = None
