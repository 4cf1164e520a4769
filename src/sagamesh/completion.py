"""Finishing a task that is past its point of no return: what it cannot do without waits for a person when it fails."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from sagamesh.board import Board
from sagamesh.failure import field_problems
from sagamesh.status import OperatorDecision, Stage

__all__ = ["check_result", "decided"]


async def decided(step: str, returns: type[BaseModel], board: Board) -> OperatorDecision:
    """Wait for an operator's decision about a step that failed, for as long as that takes.

    Failing instead would leave, for instance, a customer charged for something that nobody goes on with: after the
    pivot nothing is undone any more.

    - `returns`: what the step's result must be, should the operator bring it.
    """
    board.unfinished[step] = returns
    board.waiting.add(step)
    board.show_unfinished()
    board.enter(Stage.NEEDS_OPERATOR)
    try:
        await workflow.wait_condition(lambda: any(decision.step == step for decision in board.decisions))
    except asyncio.CancelledError:
        # The task's own code gave up on this branch (a timeout, a task group): nobody would read a decision.
        _settle(step, board)
        raise
    decision = next(decision for decision in board.decisions if decision.step == step)
    board.decisions.remove(decision)
    _settle(step, board)
    return decision


def _settle(step: str, board: Board) -> None:
    del board.unfinished[step]
    board.waiting.discard(step)
    board.show_unfinished()
    if not board.unfinished:
        board.enter(Stage.RUNNING)


def check_result(decision: OperatorDecision, board: Board) -> None:
    """Refuse a decision to resolve without the result that the task goes on with, and a result for anything else.

    Raises:
        ApplicationError: `ResultNeeded` or `InvalidResult`.
    """
    returns = board.unfinished.get(decision.step)
    if decision.action != "resolve" or returns is None:
        if decision.result is not None:
            problem = "a result goes with resolving a step that was not finished"
            raise ApplicationError(problem, type="InvalidResult", non_retryable=True)
        return
    if decision.result is None:
        problem = f"the task goes on with the result of {decision.step}: give it, as the JSON of {returns.__name__}"
        raise ApplicationError(problem, type="ResultNeeded", non_retryable=True)
    try:
        returns.model_validate(decision.result)
    except ValidationError as error:
        problems = "; ".join(str(problem) for problem in field_problems(error))
        raise ApplicationError(
            f"that is no {returns.__name__}: {problems}", type="InvalidResult", non_retryable=True
        ) from None
