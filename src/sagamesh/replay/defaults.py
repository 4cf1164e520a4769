"""What the server fills in where a command says nothing (measured on server 1.32)."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import RetryPolicy
from temporalio.bridge.proto.workflow_commands import ScheduleActivity, StartChildWorkflowExecution

__all__ = ["activity", "child", "differing", "retry"]

_SECOND = 1_000_000_000
_FIRST_INTERVAL = _SECOND
_FACTOR = 2.0
_LONGEST_IN_FIRST = 100  # the longest interval is so many times the first
_WORKFLOW_TASK = 10 * _SECOND


def activity(wanted: ScheduleActivity, run_timeout: Duration) -> ScheduleActivity:
    """An activity's timeouts as its event shows them, capped by the workflow's own run timeout."""
    total = wanted.schedule_to_close_timeout.ToNanoseconds()
    queue = wanted.schedule_to_start_timeout.ToNanoseconds()
    attempt = wanted.start_to_close_timeout.ToNanoseconds()
    limit = run_timeout.ToNanoseconds()
    if total:
        queue = min(queue or total, total)
        attempt = min(attempt or total, total)
    else:
        total = limit
        queue = queue or limit
    if limit:
        total, queue, attempt = min(total, limit), min(queue, limit), min(attempt, limit)
    filled = ScheduleActivity()
    filled.schedule_to_close_timeout.FromNanoseconds(total)
    filled.schedule_to_start_timeout.FromNanoseconds(queue)
    filled.start_to_close_timeout.FromNanoseconds(attempt)
    filled.heartbeat_timeout.FromNanoseconds(min(wanted.heartbeat_timeout.ToNanoseconds(), attempt))
    return filled


def child(wanted: StartChildWorkflowExecution) -> StartChildWorkflowExecution:
    """A child workflow's timeouts as its event shows them."""
    execution = wanted.workflow_execution_timeout.ToNanoseconds()
    run = wanted.workflow_run_timeout.ToNanoseconds() or execution
    task = wanted.workflow_task_timeout.ToNanoseconds() or _WORKFLOW_TASK
    if execution:
        run = min(run, execution)
    if run:
        task = min(task, run)
    filled = StartChildWorkflowExecution()
    filled.workflow_execution_timeout.FromNanoseconds(execution)
    filled.workflow_run_timeout.FromNanoseconds(run)
    filled.workflow_task_timeout.FromNanoseconds(task)
    return filled


def retry(policy: RetryPolicy) -> RetryPolicy:
    """A retry policy as the event of an activity shows it."""
    filled = RetryPolicy()
    filled.CopyFrom(policy)
    if not filled.initial_interval.ToNanoseconds():
        filled.initial_interval.FromNanoseconds(_FIRST_INTERVAL)
    if not filled.backoff_coefficient:
        filled.backoff_coefficient = _FACTOR
    if not filled.maximum_interval.ToNanoseconds():
        filled.maximum_interval.FromNanoseconds(filled.initial_interval.ToNanoseconds() * _LONGEST_IN_FIRST)
    return filled


def differing(said: Mapping[str, str], filled: Mapping[str, str]) -> dict[str, str | None]:
    """For `Command.allowed`: what was said, where the server makes something else of it (and another may not)."""
    return {word: said.get(word) for word in {**said, **filled} if said.get(word) != filled.get(word)}
