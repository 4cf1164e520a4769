"""The workflow that watches over one task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ParentClosePolicy

from sagamesh.attributes import AGENTS, CUSTOMER, STATUS
from sagamesh.compensation import compensate
from sagamesh.failure import Failure, failed, failure_of
from sagamesh.limits.precedence import Precedence
from sagamesh.routing.terms import Json
from sagamesh.routing.undo import UndoByName
from sagamesh.saga import uninterrupted
from sagamesh.status import OperatorDecision, Stage, StepState
from sagamesh.steering import TaskWorkflow
from sagamesh.supervision.aftermath import FROM_OUTSIDE, Aftermath
from sagamesh.supervision.messages import AFTERMATH, SUPERVISOR, Examined, Supervised, Supervision
from sagamesh.system_queue import SYSTEM_QUEUE
from sagamesh.task import Task

__all__ = ["Supervisor", "supervisor"]

_ATTEMPT: Final = timedelta(minutes=2)

supervisor: Final = Task(
    SUPERVISOR,
    takes=Supervised,
    returns=Supervision,
    queue=SYSTEM_QUEUE,
    title=lambda watched: f"Supervises {watched.task} {watched.id}",
)


@workflow.defn(name=SUPERVISOR)
class Supervisor(TaskWorkflow):
    """Starts a task, waits for its end, and undoes what it left behind where its own code could not.

    The task is a child with an id of its own choosing; its result, status, cancel and decisions are its own. Ended from
    outside (terminated, or by an execution timeout) it runs no code: then the supervisor undoes, newest first, what any
    of its runs had begun, under the task's own keys, and fails with the cause. An undo that fails waits for an operator
    at the supervisor's id. A task that was reset goes on, and the supervisor with it; what the run before had begun and
    the new one never came to again is undone after the end.

    A step may still run somewhere when its task is terminated: the engine asks nobody to stop then, and drops the
    answer. So the undos begin only when every attempt that may run has timed out by its contract. A worker that is
    paused for longer can act even later; then it is the mark that the undo left by which its effect refuses itself.

    After a completed pivot nothing is undone, because the rest may have happened, too: the supervisor needs an
    operator. `resolve` or `skip` says that the task was finished by hand; `retry` looks again, for a task that was
    reset and goes on. The rule is the same for a task of several sagas, and a saga without a pivot counts as undoable
    until the task's end.

    What the server has forgotten (a run that was reset, or continued as new, longer ago than the namespace's retention)
    is not known to have come to no pivot. So for a task that was ended from outside then, an operator decides first
    about `earlier-runs`: `resolve` says that they were seen to, and what is known is undone; `skip` has nothing undone.

    It takes no cancel: cancel the task. Ended itself, it leaves the task running, unwatched.
    """

    task = supervisor

    @workflow.run
    async def run(self, watched: Supervised) -> Supervision:
        """Watch over the task until nothing is left to do."""
        # Not to be cancelled: a cancel here would leave the task unwatched.
        self.board.past_point_of_no_return = True
        await self._watch(watched)
        return await uninterrupted(self._finish(watched))

    async def _watch(self, watched: Supervised) -> None:
        pairs: list[SearchAttributePair[Any]] = [SearchAttributePair(STATUS, Stage.RUNNING.value)]
        if watched.customer:
            pairs.append(SearchAttributePair(CUSTOMER, watched.customer))
        if watched.agents:
            pairs.append(SearchAttributePair(AGENTS, list(watched.agents)))
        try:
            await workflow.execute_child_workflow(
                watched.task,
                watched.input,
                id=watched.id,
                task_queue=watched.queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                execution_timeout=watched.timeout,
                search_attributes=TypedSearchAttributes(pairs),
                static_summary=watched.title or None,
                priority=Precedence(watched.priority, watched.tenant, watched.weight).engine_priority(),
            )
        except WorkflowAlreadyStartedError:
            problem = f"the id {watched.id} belongs to a task that was started without this supervisor"
            raise failed(Failure(type="TaskConflict", message=problem)) from None
        except ChildWorkflowError:
            pass  # how it ended, the histories of all its runs tell better

    async def _finish(self, watched: Supervised) -> Supervision:
        board = self.board
        after = await self._aftermath(watched)
        while after.for_operator:
            decision = await self._decided(after)
            if decision.action == "retry":
                after = after.then(await self._aftermath(watched))
            elif decision.action == "skip" or not after.undo:
                raise failed(self._failure(watched, after))
            else:
                break
        if after.undo:
            board.acting_for = watched.id
            board.enter(Stage.COMPENSATING)
            if after.quiet_at is not None and after.quiet_at > workflow.now():
                await workflow.sleep(after.quiet_at - workflow.now(), summary="until nothing of it runs any more")
            undos = [UndoByName(b.step, b.undo.call(version=b.version), Json(b.input)) for b in after.undo]
            await compensate(undos, board)
        if after.ended in FROM_OUTSIDE:
            raise failed(self._failure(watched, after))
        if after.forgotten:
            workflow.logger.warning("%s: nobody looked what its earlier runs left: %s", watched.id, after.forgotten)
        return Supervision(ended=after.ended, forgotten=after.forgotten)

    async def _aftermath(self, watched: Supervised) -> Aftermath:
        try:
            found: Aftermath = await workflow.execute_activity(
                AFTERMATH,
                Examined(id=watched.id),
                result_type=Aftermath,
                task_queue=SYSTEM_QUEUE,
                start_to_close_timeout=_ATTEMPT,
                retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
                summary=f"What {watched.id} left behind",
            )
        except ActivityError as error:
            raise failed(failure_of(error)) from None
        return found

    async def _decided(self, after: Aftermath) -> OperatorDecision:
        """Wait for an operator's word on what nobody else can decide; `retry` is to look again."""
        board, about = self.board, after.for_operator
        kind = after.failure.type if after.failure else after.ended
        if after.pivot:
            message = (
                "ended from outside after this pivot: nothing is undone; finish it by hand, or reset the task and retry"
            )
        else:
            known = ", ".join(begun.step for begun in after.undo) or "nothing"
            message = (
                f"{after.forgotten}: what was done there, and whether a pivot was among it, is not known; see to it by "
                f"hand, then resolve (undoes what is known: {known}) or skip (undoes nothing)"
            )
        board.mark(about, StepState.FAILED, Failure(type=kind, message=message))
        board.waiting = {about}
        board.show_unfinished(about)
        board.enter(Stage.NEEDS_OPERATOR)
        await workflow.wait_condition(lambda: bool(board.decisions))
        decision = board.decisions.pop(0)
        board.show_unfinished()
        board.enter(Stage.COMPENSATING)
        if decision.action != "retry":
            board.mark(about, StepState.SKIPPED if decision.action == "skip" else StepState.RESOLVED)
        return decision

    def _failure(self, watched: Supervised, after: Aftermath) -> Failure:
        cause = after.failure or Failure(type=after.ended, message="ended from outside")
        message = f"{watched.task} {watched.id}: {cause.message}"
        if after.forgotten:
            message += f"; {after.forgotten}"
        return cause.model_copy(update={"message": message, "undone": tuple(self.board.undone)})
