"""What a task waits for and what it is told: questions, timers, cancel requests, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from temporalio.api.history import v1 as history

from sagamesh.attributes import STATUS, UNFINISHED
from sagamesh.status import Stage
from sagamesh.timeline.entry import Entry, Kind, State
from sagamesh.timeline.values import Values, moment

__all__ = ["Messages"]

_ANSWERS = {"approve": State.APPROVED, "reject": State.REJECTED}
_APPROVAL = "approval"
"""The summary of the timer that ends a question."""


class Messages:
    """Collects the entries of waits and messages. A method's name is the kind of event that it reads."""

    def __init__(self, values: Values) -> None:
        self.entries: dict[int, Entry] = {}
        self.stage = Stage.RUNNING.value
        self.unfinished: tuple[str, ...] = ()
        self.unfinished_since: datetime | None = None
        self._values = values
        self._question: int | None = None
        self._about: dict[int, int] = {}
        """Which question a timer or an update belongs to, by their events."""

    def upsert_workflow_search_attributes(
        self, event: history.HistoryEvent, attributes: history.UpsertWorkflowSearchAttributesEventAttributes
    ) -> None:
        """The task moved to another stage; `awaiting_approval` opens a question."""
        fields = attributes.search_attributes.indexed_fields
        if STATUS.name not in fields:
            return
        self.stage = str(self._values.value(fields[STATUS.name]))
        if self.stage == Stage.AWAITING_APPROVAL:
            self._question = event.event_id
            self.entries[event.event_id] = Entry(
                kind=Kind.APPROVAL, name=_APPROVAL, state=State.WAITING, at=moment(event.event_time)
            )

    def workflow_properties_modified(
        self, event: history.HistoryEvent, attributes: history.WorkflowPropertiesModifiedEventAttributes
    ) -> None:
        """The task told which steps wait to be finished."""
        if UNFINISHED in attributes.upserted_memo.fields:
            self.unfinished = tuple(self._values.value(attributes.upserted_memo.fields[UNFINISHED]))
            self.unfinished_since = moment(event.event_time)

    def timer_started(self, event: history.HistoryEvent, attributes: history.TimerStartedEventAttributes) -> None:
        """A wait for a time began; the one for the end of a question belongs to the question."""
        at = moment(event.event_time)
        until = at + attributes.start_to_fire_timeout.ToTimedelta()
        summary = self._values.summary(event)
        question = self._open_question()
        if summary == _APPROVAL and question is not None:
            self._about[event.event_id] = question
            self.entries[question] = replace(self.entries[question], until=until)
            return
        self.entries[event.event_id] = Entry(
            kind=Kind.TIMER, name=summary or f"timer {attributes.timer_id}", state=State.WAITING, at=at, until=until
        )

    def timer_fired(self, event: history.HistoryEvent, attributes: history.TimerFiredEventAttributes) -> None:
        """A time has come."""
        self._stop(event, attributes.started_event_id, question=State.EXPIRED, otherwise=State.DONE)

    def timer_canceled(self, event: history.HistoryEvent, attributes: history.TimerCanceledEventAttributes) -> None:
        """Nobody waits for that time any more."""
        self._stop(event, attributes.started_event_id, question=State.CANCELLED, otherwise=State.CANCELLED)

    def workflow_execution_update_accepted(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionUpdateAcceptedEventAttributes
    ) -> None:
        """Somebody decided something, and the task agreed that it was theirs to decide."""
        told = attributes.accepted_request.input
        value = self._values.first(told.args)
        decision: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        by = str(decision.get("by") or attributes.accepted_request.meta.identity)
        at, reason = moment(event.event_time), str(decision.get("reason") or "")
        question = self._open_question()
        if told.name in _ANSWERS and question is not None:
            self._about[event.event_id] = question
            self.entries[question] = replace(
                self.entries[question], state=_ANSWERS[told.name], ended=at, by=by, reason=reason
            )
        elif told.name == "operator":
            self.entries[event.event_id] = Entry(
                kind=Kind.DECISION,
                name=str(decision.get("step", "")),
                state=State.DONE,
                at=at,
                summary=str(decision.get("action", "")),
                by=by,
                reason=reason,
            )
        else:
            self.entries[event.event_id] = Entry(kind=Kind.MESSAGE, name=told.name, state=State.DONE, at=at, by=by)

    def workflow_execution_update_completed(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionUpdateCompletedEventAttributes
    ) -> None:
        """The answer to a decision repeats the question."""
        question = self._about.get(attributes.accepted_event_id)
        answer = self._values.first(attributes.outcome.success)
        if question is not None and isinstance(answer, Mapping):
            self.entries[question] = replace(self.entries[question], summary=str(answer.get("question", "")))

    def workflow_execution_signaled(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionSignaledEventAttributes
    ) -> None:
        """Somebody told the task something."""
        self.entries[event.event_id] = Entry(
            kind=Kind.MESSAGE,
            name=attributes.signal_name,
            state=State.DONE,
            at=moment(event.event_time),
            by=attributes.identity,
        )

    def workflow_execution_cancel_requested(
        self, event: history.HistoryEvent, attributes: history.WorkflowExecutionCancelRequestedEventAttributes
    ) -> None:
        """Somebody asked the task to stop."""
        self.entries[event.event_id] = Entry(
            kind=Kind.CANCEL,
            name="cancel",
            state=State.DONE,
            at=moment(event.event_time),
            by=attributes.identity,
            reason=attributes.cause,
        )

    def _open_question(self) -> int | None:
        number = self._question
        return number if number is not None and self.entries[number].open else None

    def _stop(self, event: history.HistoryEvent, timer: int, *, question: State, otherwise: State) -> None:
        number = self._about.get(timer)
        if number is None:
            self.entries[timer] = replace(self.entries[timer], state=otherwise, ended=moment(event.event_time))
        elif self.entries[number].open:
            self.entries[number] = replace(self.entries[number], state=question, ended=moment(event.event_time))
