"""One call that was given to one agent, and what may be said of it when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutError, TimeoutType

from sagamesh.board import Board
from sagamesh.failure import failure_of
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.routing.terms import AnyCapability, Json, Terms
from sagamesh.status import StepState

__all__ = ["award", "lost", "never_started", "stay"]

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 600.0


async def award(board: Board, step: str, call: AnyCapability, arg: Json) -> Json:
    """Make the call under a step's name, which is also its key, and return the answer.

    Raises:
        temporalio.exceptions.FailureError: as a capability does.
        asyncio.CancelledError: that the task was cancelled.
    """
    board.mark(step, StepState.RUNNING)
    try:
        answer = call.read(await call.schedule(arg, activity_id=step, summary=f"{call.type} at {call.queue}"))
    except FailureError as error:
        board.mark(step, StepState.FAILED, failure_of(error))
        if _unanswered(error) and board.cancelled:
            # It was asked to stop, and failed in another way, which hides the request.
            raise asyncio.CancelledError from error
        raise
    board.mark(step, StepState.DONE)
    return answer


async def stay(board: Board, step: str, terms: Terms, arg: Json) -> Json:
    """Make a call again that was lost, under the same key and at the same agent, until somebody answers.

    What the contract allows for a call to wait does not count: to give up would leave an effect that nobody knows of.

    Raises:
        temporalio.exceptions.FailureError: what the agent failed with, or that the task was cancelled.
        asyncio.CancelledError: that the task was cancelled.
    """
    unbounded = terms.model_copy(update={"queue_timeout": None, "total": None})
    pause = _FIRST_PAUSE
    while True:
        try:
            return await award(board, step, unbounded.call(), arg)
        except FailureError as error:
            if not _unanswered(error):
                raise
        # Its attempts took too long or were refused. The history has an end, so it is asked more and more rarely.
        await workflow.sleep(pause, summary="ask it again")
        pause = min(2 * pause, _LONGEST_PAUSE)


def never_started(error: BaseException) -> bool:
    """Whether certainly no attempt of the call began: no worker took one, or a breaker kept all of them back.

    The server hands an attempt to a worker before it notes anything else, and when a later attempt finds no worker it
    gives the failure of the one before as the cause. So only a timeout without a cause says that there was none. A
    breaker's refusal, also as that cause, says itself whether an attempt was made before it.
    """
    cause = _cause(error)
    if isinstance(cause, TimeoutError) and cause.type is TimeoutType.SCHEDULE_TO_START:
        return cause.__cause__ is None or _nothing_called(cause.__cause__)
    return _nothing_called(cause)


def lost(error: BaseException) -> bool:
    """Whether nobody answered although an attempt began, or may have.

    Its worker is dead, cut off or far too slow; a breaker may have refused the attempts that came after it.
    """
    return _unanswered(error) and not never_started(error)


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, ActivityError) else None


def _unanswered(error: BaseException) -> bool:
    cause = _cause(error)
    return isinstance(cause, TimeoutError) or _refusal(cause) is not None


def _nothing_called(cause: BaseException | None) -> bool:
    """Whether it is a breaker's refusal that says so. One that does not say it may come after a lost attempt."""
    refusal = _refusal(cause)
    return refusal is not None and any(
        isinstance(told, Mapping) and told.get("called") is False for told in refusal.details
    )


def _refusal(cause: BaseException | None) -> ApplicationError | None:
    return cause if isinstance(cause, ApplicationError) and cause.type == BREAKER_OPEN else None
