"""How a task began, how it ended, and where its own code failed in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history import v1 as history

from sagamesh.attributes import CUSTOMER
from sagamesh.failure import Failure
from sagamesh.timeline.entry import Entry, Kind, State
from sagamesh.timeline.values import Values, moment
from sagamesh.tracing.trace import trace_of

__all__ = ["Course"]

# The engine's own business: it gives the task to a worker again, and nobody has to do anything.
_HARMLESS = frozenset(
    {
        Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_FAILOVER_CLOSE_COMMAND,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
        Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_UPDATE,
    }
)


class Course:
    """Collects the task's beginning and end. A method's name is the kind of event that it reads."""

    def __init__(self, values: Values) -> None:
        self.entries: dict[int, Entry] = {}
        self.id = ""
        self.run_id = ""
        self.task = ""
        self.queue = ""
        self.title = ""
        self.trace_id = ""
        self.customer = ""
        self.input: Any = None
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.status = ""
        self.result: Any = None
        self.failure: Failure | None = None
        self._values = values
        self._bug: int | None = None

    def workflow_execution_started(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionStartedEventAttributes
    ) -> None:
        """It began."""
        self.id = attributes.workflow_id
        self.run_id = attributes.original_execution_run_id
        self.task = attributes.workflow_type.name
        self.queue = attributes.task_queue.name
        self.title = self._values.summary(event)
        self.input = self._values.first(attributes.input)
        self.trace_id = trace_of(attributes.header.fields)
        self.started = moment(event.event_time)
        self._find_customer(attributes.search_attributes)

    def upsert_workflow_search_attributes(
        self, event: history.HistoryEvent, attributes: history.UpsertWorkflowSearchAttributesEventAttributes
    ) -> None:
        """A task that a foreign client started says by itself whose it is."""
        self._find_customer(attributes.search_attributes)

    def workflow_task_failed(
        self, event: history.HistoryEvent, attributes: history.WorkflowTaskFailedEventAttributes
    ) -> None:
        """The task's own code failed, or does not fit its history."""
        if attributes.cause in _HARMLESS:
            return
        self._bug = event.event_id
        cause = Cause.Name(attributes.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_").lower().replace("_", " ")
        self.entries[event.event_id] = Entry(
            kind=Kind.BUG,
            name=cause,
            state=State.RETRYING,
            at=moment(event.event_time),
            worker=attributes.identity,
            failure=self._values.failure(attributes.failure),
        )

    def workflow_task_completed(
        self, event: history.HistoryEvent, attributes: history.WorkflowTaskCompletedEventAttributes
    ) -> None:
        """The task's own code went on, so what failed before is mended."""
        if self._bug is not None:
            entry = self.entries[self._bug]
            self.entries[self._bug] = replace(entry, state=State.DONE, ended=moment(event.event_time))
            self._bug = None

    def workflow_execution_completed(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionCompletedEventAttributes
    ) -> None:
        """It has a result."""
        self._end(event, "completed")
        self.result = self._values.first(attributes.result)

    def workflow_execution_failed(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionFailedEventAttributes
    ) -> None:
        """It failed."""
        self._end(event, "failed", self._values.failure(attributes.failure))

    def workflow_execution_canceled(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionCanceledEventAttributes
    ) -> None:
        """It was cancelled, and has undone what it did."""
        self._end(event, "cancelled")

    def workflow_execution_terminated(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionTerminatedEventAttributes
    ) -> None:
        """Somebody ended it by force: nothing was undone."""
        because = f": {attributes.reason}" if attributes.reason else ""
        message = f"terminated by {attributes.identity or 'nobody known'}{because}; nothing was undone"
        self._end(event, "terminated", Failure(type="Terminated", message=message))

    def workflow_execution_timed_out(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionTimedOutEventAttributes
    ) -> None:
        """The engine ended it, because whoever started it set a time limit there."""
        message = "ended by the engine's own time limit; nothing was undone"
        self._end(event, "timed_out", Failure(type="TimedOut", message=message))

    def workflow_execution_continued_as_new(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionContinuedAsNewEventAttributes
    ) -> None:
        """It goes on in another run, with a history of its own."""
        self._end(event, "continued")

    def _end(self, event: history.HistoryEvent, status: str, failure: Failure | None = None) -> None:
        self.status, self.ended, self.failure = status, moment(event.event_time), failure

    def _find_customer(self, attributes: SearchAttributes) -> None:
        if CUSTOMER.name in attributes.indexed_fields:
            self.customer = str(self._values.value(attributes.indexed_fields[CUSTOMER.name]))
