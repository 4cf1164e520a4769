"""The calls of a task: steps, undos, and tasks that it started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.history import v1 as history
from temporalio.api.workflow.v1 import PendingActivityInfo

from sagamesh.call import UNDO
from sagamesh.naming import capability_of
from sagamesh.timeline.entry import Entry, Kind, State
from sagamesh.timeline.values import Values, moment

__all__ = ["Calls"]

_WAITING = (
    PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED,
    PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED,
)


class Calls:
    """Collects the entries of calls. A method's name is the kind of event that it reads."""

    def __init__(self, values: Values) -> None:
        self.entries: dict[int, Entry] = {}
        self._ids: dict[int, str] = {}
        self._inline: dict[str, int] = {}
        self._values = values

    def pending(self, infos: Iterable[PendingActivityInfo]) -> None:
        """Add what the server knows of calls that go on: the history learns of attempts only when a call ends."""
        by_id = {info.activity_id: info for info in infos}
        for number, entry in self.entries.items():
            info = by_id.get(self._ids.get(number, ""))
            if entry.open and info is not None:
                self.entries[number] = self._still(entry, info)

    def activity_task_scheduled(
        self, event: history.HistoryEvent, attributes: history.ActivityTaskScheduledEventAttributes
    ) -> None:
        """A call was put on its queue."""
        self._ids[event.event_id] = attributes.activity_id
        self.entries[event.event_id] = self._call(
            attributes.activity_id,
            attributes.activity_type.name,
            state=State.WAITING,
            at=moment(event.event_time),
            summary=self._values.summary(event),
            queue=attributes.task_queue.name,
        )

    def activity_task_started(
        self, event: history.HistoryEvent, attributes: history.ActivityTaskStartedEventAttributes
    ) -> None:
        """A worker took the last attempt. The engine writes this when the attempt has ended, with the right time."""
        failed_before = attributes.HasField("last_failure")
        entry = self.entries[attributes.scheduled_event_id]
        self.entries[attributes.scheduled_event_id] = replace(
            entry,
            state=State.RUNNING,
            started=moment(event.event_time),
            attempts=attributes.attempt,
            worker=attributes.identity,
            failure=self._values.failure(attributes.last_failure, step=entry.capability) if failed_before else None,
        )

    def activity_task_completed(
        self, event: history.HistoryEvent, attributes: history.ActivityTaskCompletedEventAttributes
    ) -> None:
        """A call was answered. What went wrong before that stays on its line."""
        self._end(event, attributes.scheduled_event_id, State.DONE)

    def activity_task_failed(
        self, event: history.HistoryEvent, attributes: history.ActivityTaskFailedEventAttributes
    ) -> None:
        """A call failed for good."""
        self._fail(event, attributes)

    def activity_task_timed_out(
        self, event: history.HistoryEvent, attributes: history.ActivityTaskTimedOutEventAttributes
    ) -> None:
        """A call was not answered in time, and is not tried again."""
        self._fail(event, attributes)

    def activity_task_canceled(
        self, event: history.HistoryEvent, attributes: history.ActivityTaskCanceledEventAttributes
    ) -> None:
        """A call stopped because it was asked to."""
        self._end(event, attributes.scheduled_event_id, State.CANCELLED)

    def marker_recorded(self, event: history.HistoryEvent, attributes: history.MarkerRecordedEventAttributes) -> None:
        """A call that ran inline has ended, or one more of its attempts. Before that a history knows nothing of it."""
        if attributes.marker_name != "core_local_activity":
            return
        data = self._values.first(attributes.details["data"])
        began = _instant(data["original_schedule_time"])
        name, capability = data["activity_id"], data["activity_type"]
        known = self._inline.setdefault(name, event.event_id)
        failed = attributes.HasField("failure")
        state = State.DONE
        if failed:
            cancelled = attributes.failure.HasField("canceled_failure_info")
            state = State.RETRYING if data["backoff"] else State.CANCELLED if cancelled else State.FAILED
        self.entries[known] = self._call(
            name,
            capability,
            state=state,
            at=began,
            started=began,
            # The engine takes the two times from different clocks.
            ended=None if state is State.RETRYING else max(began, _instant(data["complete_time"])),
            attempts=data["attempt"],
            summary=self._values.summary(event),
            failure=self._values.failure(attributes.failure, step=capability) if failed else None,
        )

    def start_child_workflow_execution_initiated(
        self, event: history.HistoryEvent, attributes: history.StartChildWorkflowExecutionInitiatedEventAttributes
    ) -> None:
        """A task was started by this one."""
        self.entries[event.event_id] = Entry(
            kind=Kind.CHILD,
            name=attributes.workflow_id,
            state=State.WAITING,
            at=moment(event.event_time),
            capability=attributes.workflow_type.name,
            summary=self._values.summary(event),
        )

    def child_workflow_execution_started(
        self, event: history.HistoryEvent, attributes: history.ChildWorkflowExecutionStartedEventAttributes
    ) -> None:
        """The engine has taken it."""
        number = attributes.initiated_event_id
        self.entries[number] = replace(
            self.entries[number], state=State.RUNNING, started=moment(event.event_time), attempts=1
        )

    def child_workflow_execution_completed(
        self, event: history.HistoryEvent, attributes: history.ChildWorkflowExecutionCompletedEventAttributes
    ) -> None:
        """It has a result."""
        self._end(event, attributes.initiated_event_id, State.DONE)

    def child_workflow_execution_canceled(
        self, event: history.HistoryEvent, attributes: history.ChildWorkflowExecutionCanceledEventAttributes
    ) -> None:
        """It was cancelled."""
        self._end(event, attributes.initiated_event_id, State.CANCELLED)

    def child_workflow_execution_failed(
        self, event: history.HistoryEvent, attributes: history.ChildWorkflowExecutionFailedEventAttributes
    ) -> None:
        """It failed."""
        self._end(event, attributes.initiated_event_id, State.FAILED)
        entry = self.entries[attributes.initiated_event_id]
        self.entries[attributes.initiated_event_id] = replace(entry, failure=self._values.failure(attributes.failure))

    def child_workflow_execution_terminated(
        self, event: history.HistoryEvent, attributes: history.ChildWorkflowExecutionTerminatedEventAttributes
    ) -> None:
        """It was ended by force."""
        self._end(event, attributes.initiated_event_id, State.FAILED)

    def child_workflow_execution_timed_out(
        self, event: history.HistoryEvent, attributes: history.ChildWorkflowExecutionTimedOutEventAttributes
    ) -> None:
        """It took longer than the engine was told to allow."""
        self._end(event, attributes.initiated_event_id, State.FAILED)

    def start_child_workflow_execution_failed(
        self, event: history.HistoryEvent, attributes: history.StartChildWorkflowExecutionFailedEventAttributes
    ) -> None:
        """Its id is taken."""
        self._end(event, attributes.initiated_event_id, State.FAILED)

    @staticmethod
    def _call(name: str, capability: str, **known: Any) -> Entry:
        undo = name.startswith(UNDO)
        name = name.removeprefix(UNDO)
        if not undo and capability_of(name) != capability:
            name = capability  # called without a saga, under a number of the engine's
        return Entry(kind=Kind.UNDO if undo else Kind.STEP, name=name, capability=capability, **known)

    def _end(self, event: history.HistoryEvent, number: int, state: State) -> None:
        self.entries[number] = replace(self.entries[number], state=state, ended=moment(event.event_time))

    def _fail(
        self,
        event: history.HistoryEvent,
        attributes: history.ActivityTaskFailedEventAttributes | history.ActivityTaskTimedOutEventAttributes,
    ) -> None:
        self._end(event, attributes.scheduled_event_id, State.FAILED)
        entry = self.entries[attributes.scheduled_event_id]
        failure = self._values.failure(attributes.failure, step=entry.capability)
        self.entries[attributes.scheduled_event_id] = replace(entry, failure=failure)

    def _still(self, entry: Entry, info: PendingActivityInfo) -> Entry:
        waits = info.state in _WAITING
        failed_before = info.HasField("last_failure")
        retries = failed_before and waits
        return replace(
            entry,
            state=State.RETRYING if retries else State.WAITING if waits else State.RUNNING,
            started=moment(info.last_started_time) if info.HasField("last_started_time") and not waits else None,
            # The engine counts the attempt that it waits to begin; people count those that there were.
            attempts=info.attempt - 1 if waits else info.attempt,
            worker=info.last_worker_identity,
            failure=self._values.failure(info.last_failure, step=entry.capability) if failed_before else None,
            next_attempt=moment(info.next_attempt_schedule_time)
            if waits and info.HasField("next_attempt_schedule_time")
            else None,
        )


def _instant(stamp: dict[str, int]) -> datetime:
    """A time as the engine notes it in its own records."""
    return datetime.fromtimestamp(stamp["seconds"], UTC) + timedelta(microseconds=stamp["nanos"] // 1000)
