"""Undoing the steps of a saga, and waiting for a person where that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import FailureError

from sagamesh.board import Board
from sagamesh.call import UNDO
from sagamesh.capability import Capability
from sagamesh.failure import UndoneStep, failure_of
from sagamesh.status import Stage, StepState

__all__ = ["Undo", "compensate"]


@dataclass(frozen=True, slots=True)
class Undo:
    """How to undo one step: the capability, and the input that the step had."""

    step: str
    capability: Capability[Any, Any]
    arg: BaseModel

    async def call(self) -> None:
        """Have it undone.

        Raises:
            temporalio.exceptions.FailureError: when the agent refuses, or does not answer within its policy.
        """
        handle = self.capability.schedule(self.arg, activity_id=UNDO + self.step, summary=f"Undo {self.step}")
        self.capability.read(await handle)


async def compensate(undos: Sequence[Undo], board: Board) -> None:
    """Try every undo, newest first; then wait for an operator's decision about each that failed.

    Returns when each step is undone, skipped or resolved. It waits for as long as that takes: giving up would leave a
    customer charged without anybody knowing.
    """
    failed = [undo for undo in reversed(undos) if not await _tried(undo, board)]
    while failed:
        decided = {decision.step for decision in board.decisions}
        board.waiting = {undo.step for undo in failed} - decided
        board.enter(Stage.NEEDS_OPERATOR)
        await workflow.wait_condition(lambda: bool(board.decisions))
        decision = board.decisions.pop(0)
        undo = next(undo for undo in failed if undo.step == decision.step)
        if decision.action == "retry":
            board.enter(Stage.COMPENSATING)
            if not await _tried(undo, board):
                continue
        else:
            skipped = decision.action == "skip"
            board.mark(undo.step, StepState.SKIPPED if skipped else StepState.RESOLVED)
            outcome = "skipped" if skipped else "resolved"
            board.undone.append(UndoneStep(step=undo.step, outcome=outcome, by=decision.by, reason=decision.reason))
        failed.remove(undo)
    board.waiting = set()
    board.enter(Stage.COMPENSATING)


async def _tried(undo: Undo, board: Board) -> bool:
    board.mark(undo.step, StepState.UNDOING)
    try:
        await undo.call()
    except FailureError as error:
        board.mark(undo.step, StepState.UNDO_FAILED, failure_of(error))
        return False
    board.mark(undo.step, StepState.UNDONE)
    board.undone.append(UndoneStep(step=undo.step, outcome="undone"))
    return True
