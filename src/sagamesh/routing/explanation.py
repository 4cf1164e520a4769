"""Why a task's calls went where they went, read from its history. Pure: no clock, no connection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.failure.v1 import Failure as EngineFailure
from temporalio.api.history import v1 as history
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.converter import DataConverter

from sagamesh.converter import data_converter
from sagamesh.failure import Failure
from sagamesh.routing.bid import Bid, Offer, Scored, Weights, choose
from sagamesh.routing.decision import Decision
from sagamesh.routing.request import BID, MATCH, ROUTE
from sagamesh.timeline.values import Values, moment

__all__ = ["Award", "Explanation", "explain"]

Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Award:
    """A call that followed from a decision: where it went, and what came of it."""

    capability: str
    queue: str
    at: datetime
    state: str = "running"
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision of a task.

    - `state`: `decided`, `waiting` (nobody would do yet; the last reasons are known), `asking` (no answer yet), or
      `failed`.
    - `decision`: with all candidates, figures and reasons; None where there is none (yet).
    - `bids`: for a negotiated call, by score. `silent`: the queues that made none in time.
    - `awards`: the calls that followed.
    """

    capability: str
    at: datetime
    state: str = "asking"
    decision: Decision | None = None
    failure: Failure | None = None
    bids: tuple[Scored, ...] = ()
    silent: tuple[str, ...] = ()
    awards: tuple[Award, ...] = ()


@dataclass
class _Open:
    """What is known of one decision while the history is read."""

    explanation: Explanation
    salt: str
    weights: Weights | None = None
    bids: list[Bid] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    awards: dict[int, Award] = field(default_factory=dict)

    def closed(self) -> Explanation:
        scored = choose(self.bids, self.weights, salt=self.salt) if self.weights is not None else ()
        return replace(self.explanation, bids=scored, silent=tuple(self.silent), awards=tuple(self.awards.values()))


def explain(
    task_id: str,
    events: Iterable[history.HistoryEvent],
    *,
    description: DescribeWorkflowExecutionResponse | None = None,
    converter: DataConverter = data_converter,
) -> tuple[Explanation, ...]:
    """The routing decisions of a task, in their order. Payloads must be decoded already.

    - `description`: what the server says of the task; it knows the reasons for which a decision still waits.
    """
    reader = _Reader(task_id, Values(converter))
    for event in events:
        reader.read(event)
    if description is not None:
        for pending in description.pending_activities:
            reader.pending(pending.activity_id, pending.last_failure if pending.HasField("last_failure") else None)
    return tuple(each.closed() for each in reader.decisions)


class _Reader:
    def __init__(self, task_id: str, values: Values) -> None:
        self.decisions: list[_Open] = []
        self._task = task_id
        self._values = values
        self._scheduled: dict[int, history.ActivityTaskScheduledEventAttributes] = {}
        self._of: dict[int, _Open] = {}

    def read(self, event: history.HistoryEvent) -> None:
        kind = event.WhichOneof("attributes")
        if kind == "activity_task_scheduled_event_attributes":
            self._schedule(event, event.activity_task_scheduled_event_attributes)
        elif kind == "activity_task_completed_event_attributes":
            done = event.activity_task_completed_event_attributes
            self._answer(done.scheduled_event_id, self._values.first(done.result))
        elif kind == "activity_task_failed_event_attributes":
            self._fail(
                event.activity_task_failed_event_attributes.scheduled_event_id,
                event.activity_task_failed_event_attributes.failure,
            )
        elif kind == "activity_task_timed_out_event_attributes":
            self._fail(
                event.activity_task_timed_out_event_attributes.scheduled_event_id,
                event.activity_task_timed_out_event_attributes.failure,
            )
        elif kind == "activity_task_canceled_event_attributes":
            self._state(event.activity_task_canceled_event_attributes.scheduled_event_id, "cancelled")

    def pending(self, activity_id: str, failure: EngineFailure | None) -> None:
        """What the server knows of a call that goes on."""
        for number, scheduled in self._scheduled.items():
            known = self._of.get(number)
            if scheduled.activity_id != activity_id or known is None or known.explanation.state != "asking":
                continue
            if scheduled.activity_type.name in (ROUTE, MATCH) and failure is not None:
                self._refuse(known, failure, "waiting")

    def _schedule(self, event: history.HistoryEvent, scheduled: history.ActivityTaskScheduledEventAttributes) -> None:
        number, name, queue = event.event_id, scheduled.activity_type.name, scheduled.task_queue.name
        if name in (ROUTE, MATCH):
            asked = self._values.first(scheduled.input)
            need = asked.get("need", {}) if isinstance(asked, dict) else {}
            known = _Open(Explanation(str(need.get("capability", "")), moment(event.event_time)), self._task)
            self.decisions.append(known)
        elif name == BID:
            if not self.decisions:
                return
            known = self.decisions[-1]
            offer = _as(Offer, self._values.first(scheduled.input))
            known.weights = known.weights or (None if offer is None else offer.weights)
        else:
            led = self._led_to(name, queue)
            if led is None:
                return
            known = led
            known.awards[number] = Award(name, queue, moment(event.event_time))
        self._scheduled[number] = scheduled
        self._of[number] = known

    def _led_to(self, capability: str, queue: str) -> _Open | None:
        """The last decision that allows this call: its agent's queue, and a capability of that agent."""
        for known in reversed(self.decisions):
            decision = known.explanation.decision
            for candidate in decision.ranked if decision is not None else ():
                if candidate.queue == queue and candidate.agent == capability.partition(".")[0]:
                    return known
        return None

    def _answer(self, number: int, value: Any) -> None:
        known = self._of.get(number)
        if known is None:
            return
        name = self._scheduled[number].activity_type.name
        if name in (ROUTE, MATCH):
            if name == MATCH and isinstance(value, dict):
                value = value.get("decision")
            known.explanation = replace(known.explanation, state="decided", decision=_as(Decision, value))
        elif name == BID:
            bid = _as(Bid, value)
            if bid is not None:
                known.bids.append(bid)
        else:
            self._state(number, "done")

    def _fail(self, number: int, failure: EngineFailure) -> None:
        known = self._of.get(number)
        if known is None:
            return
        scheduled = self._scheduled[number]
        if scheduled.activity_type.name in (ROUTE, MATCH):
            self._refuse(known, failure, "failed")
        elif scheduled.activity_type.name == BID:
            known.silent.append(scheduled.task_queue.name)
        else:
            self._state(number, "failed", self._values.failure(failure, step=scheduled.activity_type.name))

    def _refuse(self, known: _Open, failure: EngineFailure, state: str) -> None:
        details = failure.application_failure_info.details
        told = self._values.first(details)
        decision = _as(Decision, told.get("decision")) if isinstance(told, dict) else None
        known.explanation = replace(
            known.explanation, state=state, decision=decision, failure=self._values.failure(failure)
        )

    def _state(self, number: int, state: str, failure: Failure | None = None) -> None:
        known = self._of.get(number)
        if known is not None and number in known.awards:
            known.awards[number] = replace(known.awards[number], state=state, failure=failure)


def _as(model: type[Read], value: Any) -> Read | None:
    """The value as a model; None where another version of the framework wrote something else."""
    try:
        return model.model_validate(value)
    except ValidationError:
        return None
