"""One call that was given to one agent, and what may be said of it when it fails."""

from __future__ import annotations

from temporalio.exceptions import ActivityError, FailureError, TimeoutError, TimeoutType

from sagamesh.board import Board
from sagamesh.failure import failure_of
from sagamesh.routing.terms import AnyCapability, Json
from sagamesh.status import StepState

__all__ = ["award", "lost", "never_started", "step_name"]


async def award(board: Board, step: str, call: AnyCapability, arg: Json) -> Json:
    """Make the call under a step's name, which is also its key, and return the answer.

    Raises:
        temporalio.exceptions.FailureError: as a capability does.
    """
    board.mark(step, StepState.RUNNING)
    try:
        answer = call.read(await call.schedule(arg, activity_id=step, summary=f"{call.type} at {call.queue}"))
    except FailureError as error:
        board.mark(step, StepState.FAILED, failure_of(error))
        raise
    board.mark(step, StepState.DONE)
    return answer


def never_started(error: BaseException) -> bool:
    """Whether certainly no attempt of the call began.

    The server hands an attempt to a worker before it notes anything else, and when a later attempt finds no worker it
    gives the failure of the one before as the cause. So only a timeout without a cause says that there was none.
    """
    cause = _timeout(error)
    return cause is not None and cause.type is TimeoutType.SCHEDULE_TO_START and cause.__cause__ is None


def lost(error: BaseException) -> bool:
    """Whether nobody answered although an attempt began, or may have: its worker is dead, cut off or far too slow."""
    return _timeout(error) is not None and not never_started(error)


def step_name(board: Board, capability: str) -> str:
    """A name for the next call of a capability: its type, from the second on with a number."""
    before = sum(1 for step in board.steps if step.partition("#")[0] == capability)
    return capability if not before else f"{capability}#{before + 1}"


def _timeout(error: BaseException) -> TimeoutError | None:
    cause = error.__cause__ if isinstance(error, ActivityError) else None
    return cause if isinstance(cause, TimeoutError) else None
