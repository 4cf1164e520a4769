"""What every task gets without writing it: findable, and ended by an error that people and programs can read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import is_cancelled_exception
from temporalio.worker import (
    ActivityInboundInterceptor,
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleUpdateInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from sagamesh.board import Board
from sagamesh.call import ACTING_FOR
from sagamesh.compatibility import VERSION, known_version, version_payload
from sagamesh.errors import InvalidInput
from sagamesh.failure import Failure, FieldProblem, failed, failure_of, small
from sagamesh.inline import runs_inline, spot
from sagamesh.naming import next_generation
from sagamesh.saga import ending
from sagamesh.status import Stage
from sagamesh.steering import TaskWorkflow
from sagamesh.supervision.headers import PIVOT, TASK, task_of, undo_headers
from sagamesh.supervision.messages import supervisor_id
from sagamesh.task import check_task_id

__all__ = ["TaskInterceptor"]


class TaskInterceptor(Interceptor):
    """Wraps the run of every `TaskWorkflow`; other workflows pass untouched."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """The inbound interceptor, made once a run."""
        return _TaskInbound

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """The interceptor of calls, made once a worker."""
        return _CallInbound(next)


class _CallInbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        task_id = task_of(input.headers)
        if not task_id:
            return await super().execute_activity(input)
        token = ACTING_FOR.set(task_id)
        try:
            return await super().execute_activity(input)
        finally:
            ACTING_FOR.reset(token)


class _TaskOutbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        """Write beside a call which version of its agent is known here, and beside a supervised task's step how it is
        undone, for its supervisor, who has no code of the task.
        """
        input.headers = _versioned(input.headers)
        instance, name = workflow.instance(), input.activity_id
        if isinstance(instance, TaskWorkflow) and name is not None:
            board, converter, headers = instance.board, workflow.payload_converter(), dict(input.headers)
            if _supervised():
                if name in board.undos:
                    headers |= undo_headers(board.undos[name], converter)
                if name.partition("~")[0] == board.pivot:
                    headers[PIVOT] = converter.to_payload(True)
            if board.acting_for:
                headers[TASK] = Payload(metadata={"encoding": b"binary/plain"}, data=board.acting_for.encode())
            input.headers = headers
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        """Write beside a call which version of its agent is known here."""
        input.headers = _versioned(input.headers)
        return super().start_local_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        """Tell the next run that it is the next, so that its effects have names of their own."""
        if isinstance(workflow.instance(), TaskWorkflow):
            input.headers = {**input.headers, **next_generation()}
        super().continue_as_new(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> workflow.ChildWorkflowHandle[Any, Any]:
        """Let a task's children end as the task does: asked to stop, they undo what they did; terminated, nothing."""
        if (
            isinstance(workflow.instance(), TaskWorkflow)
            and input.parent_close_policy == workflow.ParentClosePolicy.TERMINATE
        ):
            input.parent_close_policy = workflow.ParentClosePolicy.REQUEST_CANCEL
        return await super().start_child_workflow(input)


def _versioned(headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
    known = known_version()
    return {**headers, VERSION: version_payload(known)} if known else headers


def _supervised() -> bool:
    info = workflow.info()
    return info.parent is not None and info.parent.workflow_id == supervisor_id(info.workflow_id)


class _TaskInbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_TaskOutbound(outbound))

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        if runs_inline():
            spot().note()  # until the code rests, nobody but this process knows of the update
        return await super().handle_update_handler(input)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        instance = workflow.instance()
        if not isinstance(instance, TaskWorkflow):
            return await super().execute_workflow(input)
        try:
            _begin(instance, input.args)
            result = await _steered(super().execute_workflow(input), instance.board)
        except BaseException as error:
            reason = ending(error)
            if reason is None:
                raise  # a bug, or the engine's own business
            if is_cancelled_exception(reason) and instance.board.cancelled:
                instance.board.enter(Stage.CANCELLED)
                raise
            instance.board.enter(Stage.FAILED)
            raise failed(_failure(reason)) from small(reason.__cause__ or reason)
        instance.board.enter(Stage.COMPLETED)
        return result


async def _steered(work: Coroutine[Any, Any, Any], board: Board) -> Any:
    """Run the task's code so that a cancel request reaches it until the point of no return, and not after.

    The engine cancels whatever the code waits for. Past that point this could be anything (a sleep, several things side
    by side), and the code would have to guard each of them. In a task that runs inline the request first waits until
    nothing runs on the spot.
    """
    body = asyncio.ensure_future(work)
    asked = False
    while not body.done():
        try:
            if asked and runs_inline():
                await workflow.wait_condition(lambda: body.done() or spot().quiet)
            elif not asked:
                await workflow.wait([body])
                continue
        except asyncio.CancelledError:
            asked = True
            continue
        asked = False
        if not board.past_point_of_no_return:
            board.cancel_reached = True
            body.cancel()
    return body.result()


def _begin(instance: TaskWorkflow, args: Sequence[Any]) -> None:
    """Check what a foreign client may have got wrong, and set the search attributes that it did not set."""
    info = workflow.info()
    check_task_id(info.workflow_id)
    takes = instance.task.takes
    if len(args) != 1 or not isinstance(args[0], takes):
        problem = f"one argument of type {takes.__name__} is needed, not {len(args)} of another kind"
        raise InvalidInput(f"task {info.workflow_id}", [FieldProblem(field="", problem=problem)])
    known = info.typed_search_attributes
    missing = [pair for pair in instance.task.attributes(args[0]) if known.get(pair.key) is None]
    if missing:
        workflow.upsert_search_attributes([pair.key.value_set(pair.value) for pair in missing])


def _failure(error: BaseException) -> Failure:
    if isinstance(error, InvalidInput):
        return Failure(type="InvalidInput", message=str(error), fields=error.fields)
    return failure_of(error)
