"""From the events of a history to a timeline. Pure: no clock, no connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import PendingWorkflowTaskState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.converter import DataConverter

from sagamesh.converter import data_converter
from sagamesh.failure import Failure
from sagamesh.status import StepState
from sagamesh.timeline.calls import Calls
from sagamesh.timeline.course import Course
from sagamesh.timeline.entry import Entry, Kind, State
from sagamesh.timeline.messages import Messages
from sagamesh.timeline.values import Values, moment

__all__ = ["Timeline", "timeline"]

_UNDOING = {State.DONE: StepState.UNDONE, State.FAILED: StepState.UNDO_FAILED}
_DECIDED = {"skip": StepState.SKIPPED, "resolve": StepState.RESOLVED}


@dataclass(frozen=True, slots=True)
class Timeline:
    """A task, from its beginning until its end or until now.

    - `status`: the stage that the task gave itself (`running`, `awaiting_approval`, `compensating`, `needs_operator`),
      or how it ended: `completed`, `failed`, `cancelled`, `terminated`, `timed_out`, `continued`.
    - `entries`: in the order in which they began.
    - `input`, `result`: the JSON values. `failure`: why there is no result, and what was undone.
    - `trace_id`: of the trace that it belongs to, 32 hexadecimal digits; empty where it was not traced.
    - `unfinished`: the steps that failed after the pivot and wait for an operator; a supervisor's are its task's.
    - `worker_wait`: for how long its own code has been waiting for a worker of `queue`; None when it does not.
    """

    id: str
    run_id: str
    task: str
    queue: str
    status: str
    title: str
    customer: str
    started: datetime
    ended: datetime | None
    now: datetime
    entries: tuple[Entry, ...]
    input: Any = None
    result: Any = None
    failure: Failure | None = None
    worker_wait: timedelta | None = None
    trace_id: str = ""
    unfinished: tuple[str, ...] = ()

    @property
    def duration(self) -> timedelta:
        """Until its end, or until now."""
        return (self.ended or self.now) - self.started

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Who approved it."""
        return tuple(e.by for e in self.entries if e.kind is Kind.APPROVAL and e.state is State.APPROVED)

    @property
    def for_operator(self) -> tuple[Entry, ...]:
        """What waits for an operator, each the last try of its step.

        Undos that failed, steps that failed after the pivot, and the pivot after which a supervised task was ended, or
        its earlier runs where that is not known.
        """
        last = {entry.name: entry for entry in self.entries if entry.kind is Kind.UNDO}
        decided = {entry.name for entry in self.entries if entry.undone in _DECIDED.values()}
        if self.ended is not None:
            return ()
        undos = [e for e in last.values() if e.state is State.FAILED and e.name not in decided]
        waiting = (Kind.STEP, Kind.PIVOT)
        steps = {e.name: e for e in self.entries if e.kind in waiting and e.name in self.unfinished}
        return (*undos, *steps.values())


def timeline(
    events: Iterable[HistoryEvent],
    now: datetime,
    *,
    description: DescribeWorkflowExecutionResponse | None = None,
    converter: DataConverter = data_converter,
) -> Timeline:
    """Read a history. Its payloads must be decoded already (see `opened`).

    - `description`: what the server says of the task; without it the attempts of calls that still run are not known.

    Raises:
        ValueError: when the events do not begin with the start of a task.
    """
    values = Values(converter)
    course, calls, messages = Course(values), Calls(values), Messages(values)
    for event in events:
        kind = (event.WhichOneof("attributes") or "").removesuffix("_event_attributes")
        for part in (course, calls, messages):
            method = getattr(part, kind, None)
            if method is not None:
                method(event, getattr(event, f"{kind}_event_attributes"))
    if course.started is None:
        raise ValueError("a history begins with the start of a task; this one does not")
    if description is not None:
        calls.pending(description.pending_activities)
    entries = {**course.entries, **calls.entries, **messages.entries}
    ordered = _compensated([entry for _, entry in sorted(entries.items())]) + _pivots(messages, entries.values())
    ended = course.ended is not None
    if course.status == "completed":
        ordered = [replace(e, state=State.REFUSED) if e.kind is Kind.CANCEL else e for e in ordered]
    return Timeline(
        id=course.id,
        run_id=course.run_id,
        task=course.task,
        queue=course.queue,
        status=course.status if ended else messages.stage,
        title=course.title,
        customer=course.customer,
        started=course.started,
        ended=course.ended,
        now=now,
        entries=tuple(_closed(entry, course.ended) for entry in ordered),
        input=course.input,
        result=course.result,
        failure=course.failure,
        trace_id=course.trace_id,
        unfinished=messages.unfinished,
        worker_wait=None if ended or description is None else _worker_wait(description, now),
    )


def _pivots(messages: Messages, entries: Iterable[Entry]) -> list[Entry]:
    """The steps that wait to be finished and are not the task's own: then it is a supervisor."""
    own = {entry.name for entry in entries if entry.kind is Kind.STEP}
    since = messages.unfinished_since
    if since is None:
        return []
    return [Entry(Kind.PIVOT, name, State.WAITING, since) for name in messages.unfinished if name not in own]


def _compensated(entries: Sequence[Entry]) -> list[Entry]:
    """Tell each step what became of it in compensation."""
    undone: dict[str, StepState] = {}
    for entry in entries:
        if entry.kind is Kind.UNDO:
            undone[entry.name] = _UNDOING.get(entry.state, StepState.UNDOING)
        elif entry.kind is Kind.DECISION and entry.summary in _DECIDED:
            undone[entry.name] = _DECIDED[entry.summary]
    return [replace(e, undone=undone.get(e.name)) if e.kind is Kind.STEP else e for e in entries]


def _closed(entry: Entry, ended: datetime | None) -> Entry:
    """What was open when the task ended (by a termination, or a timer that nobody waited for) ended with it."""
    return replace(entry, state=State.CANCELLED, ended=ended) if entry.open and ended is not None else entry


def _worker_wait(description: DescribeWorkflowExecutionResponse, now: datetime) -> timedelta | None:
    task = description.pending_workflow_task
    if not description.HasField("pending_workflow_task") or task.state != _TASK_SCHEDULED:
        return None
    return now - moment(task.scheduled_time)


_TASK_SCHEDULED = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
