"""What every task gets without writing it: findable, and ended by an error that people and programs can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from sagamesh.errors import InvalidInput, SagameshError
from sagamesh.failure import Failure, FieldProblem, failure_of
from sagamesh.saga import failed
from sagamesh.status import Stage
from sagamesh.steering import TaskWorkflow
from sagamesh.task import check_task_id

__all__ = ["TaskInterceptor"]


class TaskInterceptor(Interceptor):
    """Wraps the run of every `TaskWorkflow`; other workflows pass untouched."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """The inbound interceptor, made once a run."""
        return _TaskInbound


class _TaskInbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        instance = workflow.instance()
        if not isinstance(instance, TaskWorkflow):
            return await super().execute_workflow(input)
        try:
            _begin(instance, input.args)
            result = await super().execute_workflow(input)
        except BaseException as error:
            if is_cancelled_exception(error):
                instance.board.enter(Stage.CANCELLED)
                raise
            if not isinstance(error, (FailureError, SagameshError)):
                raise  # a bug, or the engine's own business
            instance.board.enter(Stage.FAILED)
            raise failed(_failure(error)) from error.__cause__ or error
        instance.board.enter(Stage.COMPLETED)
        return result


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
