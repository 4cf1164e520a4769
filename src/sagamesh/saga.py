"""A saga: steps of a task that know how to be undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from sagamesh.board import Board
from sagamesh.capability import Capability, In, Out
from sagamesh.compensation import Undo, compensate
from sagamesh.completion import decided
from sagamesh.degraded import Degradable
from sagamesh.errors import DefinitionError
from sagamesh.failure import Failure, failed, failure_of, small
from sagamesh.inline import catch_up, runs_inline, spot
from sagamesh.naming import step_name
from sagamesh.status import ApprovalStatus, Stage, StepState
from sagamesh.steering import board_of

__all__ = ["Outcome", "Saga"]

T = TypeVar("T")
AnyOut = TypeVar("AnyOut", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Out]):
    """What came of a step that the task can do without: a result, or the failure that explains its absence."""

    result: Out | None = None
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.failure is None


class Saga:
    """Runs steps and, when the task cannot go on, undoes them, newest first.

        async with Saga() as saga:
            reservation = await saga.step(inventory.reserve, items, undo=inventory.release)
            receipt = await saga.step(payment.charge, charge, undo=payment.refund)
            await saga.pivot(inventory.confirm, confirmation)

    Steps may run side by side in `asyncio.gather`. Leaving the block by an error that ends the task (a failed step, a
    cancel request, the deadline) first stops what still runs, then undoes every step that was begun, also the one that
    failed: a step whose answer was lost may have happened. An undo that fails waits for an operator. Then the task
    fails, its error saying what failed and what was undone. Bugs (any other exception) compensate nothing: the engine
    retries them after the next deployment. Which errors are bugs is the engine's rule: all but its own, `TimeoutError`,
    and those that the workflow's definition names.

    Cancel requests count until `pivot` begins. From there on the task can only complete: nothing is undone any more, no
    cancel reaches the task's code, and no second saga may begin.

    - `deadline`: how long the block may take until the pivot; None for no limit. It is a timer of the task, because
      the engine's own execution timeout would end the task without compensation. One that has passed already lets
      nothing begin.

    Must be used in a workflow class derived from `TaskWorkflow`.
    """

    def __init__(self, *, deadline: timedelta | None = None) -> None:
        self._board: Board = board_of(workflow.instance())
        self._deadline = deadline
        self._undos: list[Undo] = []
        # By step name, in order: what is cancelled must be cancelled in the same order on replay.
        self._running: dict[str, asyncio.Task[RawValue]] = {}
        self._dispensable: set[str] = set()
        self._failures: dict[str, FailureError] = {}
        self._expired = False
        self._closed = False
        self._pivoting = False
        self._succeeded = False
        self._body: asyncio.Task[Any] | None = None
        self._timer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._board.past_point_of_no_return:
            raise RuntimeError("the task is past its point of no return: a saga that begins now could not be undone")
        if self._board.in_saga:
            raise RuntimeError(
                "a saga of this task is still open, and would neither undo this one's steps nor wait for them: "
                "make them steps of the one saga, side by side where they may be"
            )
        self._board.in_saga = True
        self._body = asyncio.current_task()
        if self._deadline is not None and self._deadline <= timedelta(0):
            self._expired = True  # the engine has no timer for the past
        elif self._deadline is not None:
            self._timer = asyncio.create_task(self._expire(self._deadline))
        return self

    async def step(
        self,
        capability: Capability[In, Out],
        arg: In,
        *,
        undo: Capability[In, AnyOut] | None = None,
        summary: str | None = None,
    ) -> Out:
        """Call a capability and return its answer; `undo` takes the same input, should the task fail later.

        After the pivot a failure waits for an operator, who has it called again, brings its result, or lets the task
        fail: nothing is undone any more, so there is no other way to end it well.

        Raises:
            temporalio.exceptions.ActivityError: when the agent refuses, or does not answer within its policy.
            temporalio.exceptions.ApplicationError: `InvalidResult` or `PayloadTooLarge`.
            asyncio.CancelledError: when the task was cancelled or its deadline passed.
        """
        self._stop_if_asked()
        if undo is not None and self._board.past_point_of_no_return:
            raise RuntimeError(f"{capability.type} has an undo, but after the pivot nothing is undone")
        if undo is not None and undo.fallback:
            raise DefinitionError(
                f"{undo.type} undoes {capability.type} and has a fallback: what falls back has undone nothing"
            )
        if undo is not None and capability.fallback:
            raise DefinitionError(
                f"{capability.type} has a fallback, and {undo.type} would not undo what that did; "
                "catch the failure of the step, and make the fallback a step of its own with its own undo"
            )
        name = self._name(capability)
        # Recorded before it is scheduled: from then on it may have happened, whatever we hear of it.
        if undo is not None:
            self._undos.append(Undo(name, undo, arg))
            self._board.undos[name] = undo
        try:
            handle = capability.schedule(arg, activity_id=name, summary=summary)
        except ApplicationError:
            # It never reached the engine (its input is too large), and neither would its undo.
            self._undos = [known for known in self._undos if known.step != name]
            raise
        while True:
            self._board.mark(name, StepState.RUNNING)
            try:
                result = await self._answer(name, capability, handle)
                break
            except FailureError:
                # A step that was asked to stop and fails in another way (its worker was lost) hides the request.
                self._stop_if_asked()
                if not self._board.past_point_of_no_return:
                    raise
                decision = await decided(name, capability.returns, self._board)
                if decision.action == "skip":
                    raise
                self._failures.pop(name)
                if decision.action == "resolve":
                    self._board.mark(name, StepState.RESOLVED)
                    return capability.returns.model_validate(decision.result)
                handle = capability.schedule(arg, activity_id=name, summary=summary)
        # A step that finishes in spite of a cancel request swallows it, so look again.
        self._stop_if_asked()
        return result

    async def pivot(self, capability: Capability[In, Out], arg: In, *, summary: str | None = None) -> Out:
        """The step after which the task can only complete. Cancel requests are refused from here on.

        When it fails, everything before it is undone; the undos must cope with a pivot that happened unheard. No step
        may run beside it (an `attempt` may): that step could still fail, and then it would be too late to undo.

        Raises:
            as `step`.
        """
        self._stop_if_asked()
        if self._board.past_point_of_no_return:
            raise RuntimeError("a task has one pivot")
        beside = [name for name in self._running if name not in self._dispensable]
        if beside:
            raise RuntimeError(f"{capability.type} is the pivot, but {', '.join(beside)} still runs")
        self._stop_timer()
        name = self._board.pivot = self._name(capability)
        handle = capability.schedule(arg, activity_id=name, summary=summary)
        self._board.past_point_of_no_return = True
        self._board.mark(name, StepState.RUNNING)
        self._pivoting = True
        try:
            answer = await uninterrupted(self._answer(name, capability, handle))
        except FailureError:
            self._board.past_point_of_no_return = False
            raise
        finally:
            self._pivoting = False
        if runs_inline():
            # Should this process die now, the code begins again before the pivot, is given the same answer under the
            # same key, and comes here again: no other way is left, so what follows need not wait for the history.
            spot().unrecorded = False
        return answer

    async def attempt(self, capability: Capability[In, Out], arg: In, *, summary: str | None = None) -> Outcome[Out]:
        """Call a capability that the task can do without. A failure is an outcome, not an error."""
        self._stop_if_asked()
        name = self._name(capability)
        self._dispensable.add(name)
        handle = capability.schedule(arg, activity_id=name, summary=summary)
        self._board.mark(name, StepState.RUNNING)
        answer = self._answer(name, capability, handle)
        past = self._board.past_point_of_no_return
        try:
            return Outcome(result=await (uninterrupted(answer) if past else answer))
        except FailureError as error:
            self._stop_if_asked()
            return Outcome(failure=failure_of(error))

    async def approval(self, question: str, *, within: timedelta) -> ApprovalStatus:
        """Wait for a person to answer through the updates `approve` or `reject`; returns who approved and why.

        Questions that are asked side by side are put one after the other.

        Raises:
            ApplicationError: `Rejected` with who and why, or `ApprovalTimedOut` after `within`.
            asyncio.CancelledError: when the task was cancelled or its deadline passed.
        """
        self._stop_if_asked()
        board = self._board
        # Nothing may be awaited between the last look and the question: another branch would ask meanwhile.
        while board.asking or (runs_inline() and spot().unrecorded):
            if board.asking:
                await workflow.wait_condition(lambda: not board.asking)
            else:
                # The clock of a task stands still between its turns; after a call on the spot a replay reads another.
                await catch_up()
            self._stop_if_asked()
        board.ask(question, within)
        try:
            await workflow.wait_condition(
                lambda: board.approval is not None and board.approval.approved is not None,
                timeout=within,
                timeout_summary="approval",
            )
        except TimeoutError:
            pass  # An answer that was accepted in the same moment counts; the next lines tell.
        finally:
            board.asking = False
        answer = board.approval
        if answer is None or answer.approved is None:
            raise ApplicationError(
                f"nobody answered within {within}: {question}", type="ApprovalTimedOut", non_retryable=True
            )
        if not answer.approved:
            details = {"by": answer.by, "reason": answer.reason}
            because = f": {answer.reason}" if answer.reason else ""
            raise ApplicationError(f"{answer.by} rejected it{because}", details, type="Rejected", non_retryable=True)
        self._stop_if_asked()
        board.enter(Stage.RUNNING)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._close(error)
        finally:
            self._board.in_saga = False

    async def _close(self, error: BaseException | None) -> None:
        board = self._board
        reason = ending(error)
        if error is not None and reason is None:
            # A bug, continue-as-new, or the task leaves this process's memory; there may be no workflow to act in.
            return
        if error is None:
            try:
                await self._finish_running()
                self._stop_if_asked()
            except (FailureError, asyncio.CancelledError) as late:
                reason = late
        self._stop_timer()
        if error is not None and self._pivoting:
            # The block was left while another branch waits for the pivot: whether all is undone depends on that.
            await uninterrupted(workflow.wait_condition(lambda: not self._pivoting))
        self._closed = True
        if reason is None:
            self._succeeded = True
            return
        if board.past_point_of_no_return:
            if error is None:
                raise reason
            return
        # Whoever still waits for an answer in another branch will not use it.
        board.asking = False
        await uninterrupted(self._compensate())
        final = self._final(reason)
        if final is not reason:
            raise final from small(reason)
        if reason is not error:
            raise reason

    async def _answer(self, name: str, capability: Capability[In, Out], handle: asyncio.Task[RawValue]) -> Out:
        self._running[name] = handle
        try:
            result = capability.read(await handle)
        except FailureError as error:
            self._failures[name] = error
            self._board.mark(name, StepState.FAILED, failure_of(error))
            raise
        finally:
            if handle.done():
                self._running.pop(name, None)
        degraded = result.degraded if isinstance(result, Degradable) else None
        self._board.mark(name, StepState.DONE, degraded=degraded)
        return result

    async def _finish_running(self) -> None:
        """Wait for what the block left running, and fail as that fails."""
        # What waits for an operator has failed before, but how it ends is decided from now on.
        before = set(self._failures) - set(self._board.unfinished)
        await workflow.wait_condition(lambda: not self._running and not self._board.unfinished)
        for name, error in self._failures.items():
            if name not in before and name not in self._dispensable:
                raise error

    async def _compensate(self) -> None:
        # A step and its undo never race: ask what still runs to stop, and wait until it has.
        while pending := [handle for handle in self._running.values() if not handle.done()]:
            for handle in pending:
                handle.cancel()
            await workflow.wait(pending)
        if self._undos:
            self._board.enter(Stage.COMPENSATING)
            await compensate(self._undos, self._board)

    def _final(self, error: BaseException) -> BaseException:
        undone = tuple(self._board.undone)
        if self._expired and is_cancelled_exception(error):
            failure = Failure(type="DeadlineExceeded", message=f"not done within {self._deadline}", undone=undone)
        elif is_cancelled_exception(error) and self._board.cancelled:
            return error
        else:
            failure = failure_of(error).model_copy(update={"undone": undone})
        return failed(failure)

    def _name(self, capability: Capability[Any, Any]) -> str:
        return step_name(capability.type, self._board.steps)

    def _stop_if_asked(self) -> None:
        if self._closed:
            if self._succeeded or asyncio.current_task() is self._body:
                raise RuntimeError("the saga's block was left; what begins now could not be undone any more")
            # A branch that runs beside the one that failed must not begin anything that nobody would undo.
            raise asyncio.CancelledError
        if self._board.past_point_of_no_return:
            return
        # Also the branch alone may have been asked to stop: by its task group, of which another branch failed, or by a
        # timeout.
        branch = asyncio.current_task()
        stopped = branch is not None and branch.cancelling() > 0
        if stopped or self._expired or self._board.cancelled:
            raise asyncio.CancelledError

    async def _expire(self, deadline: timedelta) -> None:
        await workflow.sleep(deadline, summary="deadline")
        if runs_inline():
            await workflow.wait_condition(lambda: spot().quiet)
        if self._board.cancelled:
            return  # it stops already, and that is the reason
        self._expired = True
        if self._body is not None:
            self._body.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None and not self._timer.done():
            self._timer.cancel()


async def uninterrupted(work: Awaitable[T]) -> T:
    """Wait for work to its end, whatever is cancelled meanwhile.

    Shielding once is not enough: the second cancel of the waiting task would get through. Who needs to know that there
    was a cancel request asks `workflow.cancellation_reason()`.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await workflow.wait([task])
        except asyncio.CancelledError:
            continue
    return task.result()


def ending(error: BaseException | None) -> BaseException | None:
    """The error by which a task ends; None for none, a bug, or the engine's own business.

    Of several that came side by side (an exception group) it is the first that is not just a branch being stopped.
    """
    if isinstance(error, BaseExceptionGroup):
        found = [ending(each) for each in error.exceptions]
        if None in found:
            return None
        return next((each for each in found if each is not None and not is_cancelled_exception(each)), found[0])
    if isinstance(error, asyncio.CancelledError):
        return error
    # Nothing else that is no Exception is asked about: it may come when there is no workflow any more.
    return error if isinstance(error, Exception) and workflow.is_failure_exception(error) else None
