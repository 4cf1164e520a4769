"""What waiting for a task tells: a line for each change, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sagamesh.cli.follow import news
from sagamesh.failure import Failure
from sagamesh.status import ApprovalStatus, Stage, StepState, StepStatus, TaskStatus

FAILURE = Failure(type="Declined", message="no money", step="payment.charge")
QUESTION = ApprovalStatus(question="Too much?", until=datetime(2100, 1, 1, tzinfo=UTC))
ANSWER = QUESTION.model_copy(update={"approved": True, "by": "boss"})


def status(stage: Stage = Stage.RUNNING, *steps: tuple[str, StepState], **more: Any) -> TaskStatus:
    made = tuple(
        StepStatus(step=name, state=state, failure=FAILURE if "failed" in state.value else None)
        for name, state in steps
    )
    return TaskStatus(stage=stage, steps=made, **more)


RESERVED = ("inventory.reserve", StepState.DONE)


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        (None, status(), []),
        (None, status(Stage.RUNNING, RESERVED), ["inventory.reserve done"]),
        (status(Stage.RUNNING, RESERVED), status(Stage.RUNNING, RESERVED), []),
        (
            status(Stage.RUNNING, ("payment.charge", StepState.RUNNING)),
            status(Stage.COMPENSATING, ("payment.charge", StepState.FAILED)),
            ["payment.charge failed: Declined: no money"],
        ),
        (
            status(Stage.COMPENSATING),
            status(Stage.NEEDS_OPERATOR, ("payment.charge", StepState.UNDO_FAILED)),
            [
                "payment.charge undo failed: Declined: no money; waits for an operator: "
                "sagamesh operator order-1 payment.charge --retry | --skip | --resolve"
            ],
        ),
        (
            status(),
            status(Stage.AWAITING_APPROVAL, approval=QUESTION),
            ["waits for approval: Too much?. sagamesh approve order-1 | reject order-1"],
        ),
        (
            status(Stage.AWAITING_APPROVAL, approval=QUESTION),
            status(Stage.RUNNING, approval=ANSWER),
            ["approved by boss"],
        ),
        (status(Stage.RUNNING, approval=ANSWER), status(Stage.COMPLETED, approval=ANSWER), []),
    ],
)
def test_lines(before: TaskStatus | None, now: TaskStatus, lines: list[str]) -> None:
    assert [line.plain for line in news("order-1", before, now)] == lines
