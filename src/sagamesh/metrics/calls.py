"""Counts and times the calls of agents, as an interceptor of the worker.

Metric names and labels are an interface: alerts and dashboards are written against them. No label ever holds an id of a
task, a run or a customer: each of its values would be a time series for ever.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, is_cancelled_exception
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sagamesh.agent import Agent
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.routing.request import BID, TOLD

__all__ = ["CallMeter", "CallMetrics", "Status", "status_of"]

Status: TypeAlias = Literal["completed", "declined", "failed", "refused", "cancelled"]

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds: from a read in a near database to a long step."""

UNDECLARED: Final = "undeclared"
"""Stands for what no contract declares: others choose those names, and each would be a time series."""


def status_of(error: BaseException) -> Status:
    """How an attempt ended that raised this.

    `declined` is a final answer of the agent, `refused` a call that was not made because a breaker was open; a `failed`
    attempt may be followed by another.
    """
    if isinstance(error, asyncio.CancelledError) or (isinstance(error, Exception) and is_cancelled_exception(error)):
        return "cancelled"
    if isinstance(error, ApplicationError):
        if error.type == BREAKER_OPEN:
            return "refused"
        if error.non_retryable and error.category is ApplicationErrorCategory.BENIGN:
            return "declined"
    return "failed"


class CallMetrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tasks = Counter(
            "agent_tasks_total",
            "Attempts of calls that ended in this process, by how they ended",
            ("agent_id", "task_type", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "agent_task_duration_seconds",
            "How long attempts took in this process; those that a breaker refused are not in it",
            ("agent_id", "task_type"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.sent = Counter(
            "agent_messages_sent_total", "Answers and failures that the agent sent", ("agent_id",), registry=registry
        )
        self.received = Counter(
            "agent_messages_received_total",
            "Calls, offers and news of offers that reached the agent",
            ("agent_id",),
            registry=registry,
        )


@dataclass(frozen=True, slots=True)
class _Series:
    ended: dict[str, Counter]
    seconds: Histogram


class CallMeter(Interceptor):
    """Measures one agent. Its series exist from the start, so that the first failure is an increase, too."""

    def __init__(self, agent: Agent, metrics: CallMetrics) -> None:
        self._agent = agent.name
        self._prefix = f"{agent.name}."
        self._metrics = metrics
        self._series = {capability.type: self._series_of(capability.type) for capability in agent.capabilities.values()}
        self.sent = metrics.sent.labels(agent.name)
        self.received = metrics.received.labels(agent.name)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """As the base class says."""
        type = activity.info().activity_type
        if type in (BID, TOLD):
            return _Metered(next, self, None)
        if not type.startswith(self._prefix):
            return next  # another agent's, which inline hosting has in the same process
        return _Metered(next, self, self._series.get(type) or self._series_of(UNDECLARED))

    def _series_of(self, type: str) -> _Series:
        return _Series(
            {status: self._metrics.tasks.labels(self._agent, type, status) for status in get_args(Status)},
            self._metrics.seconds.labels(self._agent, type),
        )


class _Metered(ActivityInboundInterceptor):
    """Made once an attempt."""

    def __init__(self, next: ActivityInboundInterceptor, meter: CallMeter, series: _Series | None) -> None:
        super().__init__(next)
        self._meter = meter
        self._series = series

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self._meter.received.inc()
        began = time.perf_counter()
        status: Status = "completed"
        try:
            return await super().execute_activity(input)
        except BaseException as error:
            status = status_of(error)
            raise
        finally:
            self._meter.sent.inc()
            if self._series is not None:
                self._series.ended[status].inc()
                if status != "refused":
                    self._series.seconds.observe(time.perf_counter() - began)
