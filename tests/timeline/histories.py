"""Histories written by hand, event by event, on a clock that the test sets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.history import v1 as events
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from sagamesh.attributes import UNFINISHED
from sagamesh.timeline import Entry, Kind, Timeline, timeline

BEGIN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


class Script:
    """A history in the making. Times are seconds since its beginning."""

    def __init__(self) -> None:
        self.events: list[events.HistoryEvent] = []
        self.description = DescribeWorkflowExecutionResponse()
        self.now = 0.0

    @staticmethod
    def time(seconds: float) -> datetime:
        """So many seconds after the beginning."""
        return BEGIN + timedelta(seconds=seconds)

    def add(self, kind: str, at: float, *, summary: str = "", **attributes: Any) -> int:
        """An event of any kind; returns its id."""
        event = events.HistoryEvent(event_id=len(self.events) + 1)
        event.event_time.FromDatetime(self.time(at))
        part = getattr(event, f"{kind}_event_attributes")
        part.SetInParent()
        part.MergeFrom(type(part)(**attributes))
        if summary:
            event.user_metadata.summary.CopyFrom(payload(summary))
        self.events.append(event)
        self.now = max(self.now, at)
        return event.event_id

    def start(self, *, customer: str | None = "ada") -> None:
        """The task begins."""
        self.add(
            "workflow_execution_started",
            0,
            summary="2 items",
            workflow_id="order-1",
            original_execution_run_id="run-1",
            workflow_type={"name": "Order"},
            task_queue={"name": "orders"},
            input=Payloads(payloads=[payload({"customer": "ada"})]),
            search_attributes=None if customer is None else _attributes(SagameshCustomer=customer),
        )

    def stage(self, stage: str, at: float) -> int:
        """The task moves to a stage."""
        return self.add("upsert_workflow_search_attributes", at, search_attributes=_attributes(SagameshStatus=stage))

    def unfinished(self, *steps: str, at: float) -> int:
        """The task tells which steps failed after the pivot and wait."""
        memo = {"fields": {UNFINISHED: payload(list(steps))}}
        return self.add("workflow_properties_modified", at, upserted_memo=memo)

    def schedule(self, name: str, at: float, *, capability: str = "") -> int:
        """A call is put on its queue."""
        return self.add(
            "activity_task_scheduled",
            at,
            activity_id=name,
            activity_type={"name": capability or name.partition("#")[0]},
        )

    def take(self, scheduled: int, at: float, *, attempt: int = 1, before: Failure | None = None) -> None:
        """A worker takes it."""
        self.add(
            "activity_task_started",
            at,
            scheduled_event_id=scheduled,
            attempt=attempt,
            identity="7@box",
            last_failure=before,
        )

    def step(
        self, name: str, at: float, took: float = 1, *, capability: str = "", failure: Failure | None = None
    ) -> int:
        """A whole call: one second in the queue, then it works."""
        scheduled = self.schedule(name, at, capability=capability)
        self.take(scheduled, at + 1)
        if failure is None:
            self.add("activity_task_completed", at + 1 + took, scheduled_event_id=scheduled)
        else:
            self.add("activity_task_failed", at + 1 + took, scheduled_event_id=scheduled, failure=failure)
        return scheduled

    def timer(self, seconds: float, at: float, *, summary: str = "") -> int:
        """A wait for a time begins."""
        return self.add(
            "timer_started", at, summary=summary, timer_id="1", start_to_fire_timeout=timedelta(seconds=seconds)
        )

    def update(self, name: str, at: float, answer: Any = None, **decision: Any) -> None:
        """Somebody decides."""
        request = {
            "meta": {"identity": "9@desk"},
            "input": {"name": name, "args": Payloads(payloads=[payload(decision)] if decision else [])},
        }
        accepted = self.add("workflow_execution_update_accepted", at, accepted_request=request)
        outcome = {"success": Payloads(payloads=[payload(answer)])}
        self.add("workflow_execution_update_completed", at, accepted_event_id=accepted, outcome=outcome)

    def pending(self, name: str, state: str, *, attempt: int = 1, **more: Any) -> None:
        """What the server says of a call that goes on."""
        info = PendingActivityInfo(
            activity_id=name,
            state=PendingActivityState.Value(f"PENDING_ACTIVITY_STATE_{state}"),
            attempt=attempt,
            last_worker_identity="7@box",
        )
        for key, value in more.items():
            if isinstance(value, (int, float)):
                getattr(info, key).FromDatetime(self.time(value))
            else:
                getattr(info, key).CopyFrom(value)
        self.description.pending_activities.append(info)

    def end(self, at: float, how: str = "completed", **attributes: Any) -> None:
        """The task ends."""
        self.add(f"workflow_execution_{how}", at, **attributes)

    def read(self, *, now: float | None = None) -> Timeline:
        """The timeline of what was written."""
        return timeline(self.events, self.time(self.now if now is None else now), description=self.description)

    def entry(self, kind: Kind, name: str | None = None, *, now: float | None = None) -> Entry:
        """The only entry of a kind, and name."""
        [found] = [e for e in self.read(now=now).entries if e.kind is kind and name in (None, e.name)]
        return found


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def payload(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


def _attributes(**values: str) -> dict[str, Any]:
    return {"indexed_fields": {name: payload(value) for name, value in values.items()}}
