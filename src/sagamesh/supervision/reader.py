"""From the events of one history to a run. Pure: no clock, no connection."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history import v1 as history

from sagamesh.call import UNDO
from sagamesh.compatibility import UNDO_VERSION, version_of
from sagamesh.failure import Failure
from sagamesh.supervision.aftermath import Begun, Run
from sagamesh.supervision.headers import is_pivot, undo_of
from sagamesh.timeline.values import moment

__all__ = ["Reading", "read"]

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_ENDS = {
    "workflow_execution_completed": "completed",
    "workflow_execution_failed": "failed",
    "workflow_execution_canceled": "cancelled",
    "workflow_execution_terminated": "terminated",
    "workflow_execution_timed_out": "timed_out",
    "workflow_execution_continued_as_new": "continued",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A run, and those that it comes from: `before` continued as new, or `base` was reset; empty for none."""

    run: Run
    before: str = ""
    base: str = ""


@dataclass(slots=True)
class _Call:
    """One call of the run. The attempt of a call without an end may still run."""

    id: str
    timeout: float
    undo: Begun | None
    pivot: bool


@dataclass(slots=True)
class _Notes:
    run_id: str = ""
    before: str = ""
    base: str = ""
    ended: str = ""
    ended_at: datetime | None = None
    failure: Failure | None = None
    open: dict[int, _Call] = field(default_factory=dict)
    begun: dict[str, Begun] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    pivots: set[str] = field(default_factory=set)
    pivot: str = ""


def read(events: Iterable[history.HistoryEvent]) -> Reading:
    """Read a history. Its payloads must be decoded already (see `sagamesh.timeline.opened`).

    Raises:
        ValueError: for a step whose undo or input cannot be read.
    """
    notes = _Notes()
    for event in events:
        _note(notes, event)
    quiet = None
    if notes.ended_at is not None and notes.open:
        quiet = max(notes.ended_at.timestamp() + call.timeout for call in notes.open.values())
    run = Run(
        run_id=notes.run_id,
        ended=notes.ended or "running",
        failure=notes.failure,
        begun=tuple(notes.begun.values()),
        undone=frozenset(notes.undone),
        pivot=notes.pivot,
        quiet_at=None
        if quiet is None or notes.ended_at is None
        else datetime.fromtimestamp(quiet, notes.ended_at.tzinfo),
    )
    return Reading(run, before=notes.before, base=notes.base)


def _note(notes: _Notes, event: history.HistoryEvent) -> None:
    kind = (event.WhichOneof("attributes") or "").removesuffix("_event_attributes")
    if kind == "workflow_execution_started":
        started = event.workflow_execution_started_event_attributes
        notes.run_id, notes.before = started.original_execution_run_id, started.continued_execution_run_id
    elif kind == "workflow_task_failed":
        failed = event.workflow_task_failed_event_attributes
        if failed.cause == _RESET:
            notes.base, notes.run_id = failed.base_run_id, failed.new_run_id
    elif kind == "activity_task_scheduled":
        call = _call(event)
        notes.open[event.event_id] = call
        if call.undo is not None:
            notes.begun[call.undo.step] = call.undo
        if call.pivot:
            notes.pivots.add(call.id)
    elif kind.startswith("activity_task_") and kind not in ("activity_task_started", "activity_task_cancel_requested"):
        ended = notes.open.pop(getattr(event, f"{kind}_event_attributes").scheduled_event_id)
        if kind == "activity_task_completed":
            _completed(notes, ended)
    elif kind == "workflow_execution_update_accepted":
        _decided(notes, event.workflow_execution_update_accepted_event_attributes.accepted_request.input)
    elif kind in _ENDS:
        notes.ended, notes.ended_at = _ENDS[kind], moment(event.event_time)
        notes.failure = _failure(kind, event)


def _completed(notes: _Notes, call: _Call) -> None:
    if call.id.startswith(UNDO):
        notes.undone.add(call.id.removeprefix(UNDO))
    name = call.id.partition("~")[0]  # a fallback of the pivot is the pivot
    if name in notes.pivots:
        notes.pivot = name


def _decided(notes: _Notes, told: Any) -> None:
    if told.name != "operator" or not told.args.payloads:
        return
    decision = json.loads(told.args.payloads[0].data)
    if decision.get("action") in ("skip", "resolve"):
        notes.undone.add(decision["step"])


def _call(event: history.HistoryEvent) -> _Call:
    scheduled = event.activity_task_scheduled_event_attributes
    headers = scheduled.header.fields
    undo = undo_of(headers)
    begun = None
    if undo is not None:
        value = json.loads(scheduled.input.payloads[0].data)
        if not isinstance(value, dict):
            raise ValueError(f"{scheduled.activity_id}: its input is no JSON object")
        version = version_of(headers, UNDO_VERSION)
        begun = Begun(step=scheduled.activity_id, undo=undo, version=version, input=value)
    timeout = scheduled.start_to_close_timeout.ToTimedelta().total_seconds()
    return _Call(scheduled.activity_id, timeout, begun, is_pivot(headers))


def _failure(kind: str, event: history.HistoryEvent) -> Failure | None:
    if kind == "workflow_execution_terminated":
        by = event.workflow_execution_terminated_event_attributes
        why = f": {by.reason}" if by.reason else ""
        return Failure(type="Terminated", message=f"terminated by {by.identity or 'somebody'}{why}")
    if kind == "workflow_execution_timed_out":
        return Failure(type="TimedOut", message="ended by the engine's execution timeout")
    return None
