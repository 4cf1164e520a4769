"""Spans of tasks and calls: those of the engine's own tracing, with what Sagamesh knows beside it."""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.trace import get_current_span
from temporalio import client, worker
from temporalio.contrib.opentelemetry import OpenTelemetryInterceptor

from sagamesh.failure import failure_of
from sagamesh.tracing.spans import REASON
from sagamesh.tracing.trace import MEMO, TRACE, SpanIds, trace_link

__all__ = ["Outcomes", "Starts", "Tracing"]


class Tracing(OpenTelemetryInterceptor):
    """Spans of starts, tasks, updates and calls.

    A query alone makes no trace: whoever watches a task asks all the time. The engine calls its own part experimental;
    nothing else here knows of it.
    """

    def __init__(self) -> None:
        super().__init__(add_temporal_spans=True)

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """As the base class says."""
        return _Client(super().intercept_client(next), next)

    def workflow_interceptor_class(self, input: worker.WorkflowInterceptorClassInput) -> Any:
        """As the base class says."""
        traced: Any = super().workflow_interceptor_class(input)

        class Workflow(traced):  # type: ignore[misc]  # made by the engine's library
            async def handle_query(self, input: worker.HandleQueryInput) -> Any:
                if not input.headers:
                    return await self.next.handle_query(input)
                return await super().handle_query(input)

        return Workflow


class Starts(client.Interceptor):
    """As `Tracing`, for the client alone."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """As the base class says."""
        return Tracing().intercept_client(next)


class _Client(client.OutboundInterceptor):
    def __init__(self, traced: client.OutboundInterceptor, plain: client.OutboundInterceptor) -> None:
        super().__init__(traced)
        self._plain = plain

    async def query_workflow(self, input: client.QueryWorkflowInput) -> Any:
        if not get_current_span().get_span_context().is_valid:
            return await self._plain.query_workflow(input)
        return await super().query_workflow(input)


class Outcomes(client.Interceptor, worker.Interceptor):
    """Inside the spans: writes the trace's id on each task that is started, and on a failed span the failure's type."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """As the base class says."""
        return _Starting(next)

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        """As the base class says."""
        return _Call(next)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """As the base class says."""
        return _Task


class _Starting(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        context = get_current_span().get_span_context()
        if context.is_valid and context.trace_flags.sampled:
            trace_id = f"{context.trace_id:032x}"
            input.memo = {**(input.memo or {}), MEMO: trace_id}
            if not input.static_details and (link := trace_link(trace_id, os.environ)):
                input.static_details = f"[Trace]({link})"
        return await super().start_workflow(input)


class _Call(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        _enter()
        try:
            return await super().execute_activity(input)
        except Exception as error:
            _note(error)
            raise


class _Task(worker.WorkflowInboundInterceptor):
    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        _enter()
        try:
            return await super().execute_workflow(input)
        except Exception as error:
            _note(error)
            raise

    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        _enter()
        await super().handle_signal(input)

    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        _enter()
        return await super().handle_update_handler(input)


def _enter() -> None:
    # Never left: each of these has a context of its own, and the engine logs in it what became of the call.
    context = get_current_span().get_span_context()
    if context.is_valid:
        TRACE.set(SpanIds(f"{context.trace_id:032x}", f"{context.span_id:016x}"))


def _note(error: Exception) -> None:
    get_current_span().set_attribute(REASON, failure_of(error).type)
