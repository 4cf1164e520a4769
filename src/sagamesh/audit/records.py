"""From the events of a history to the decisions of people in it. Pure: no clock, no connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from sagamesh.converter import data_converter
from sagamesh.timeline.values import Values, moment

__all__ = ["Record", "records"]

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_RESETTER = "history-resetter"
_OWN_WORDS = ("by", "reason")


@dataclass(frozen=True, slots=True)
class Record:
    """One decision.

    - `what`: `approve`, `reject`, `operator retry|skip|resolve`, `cancel`, `terminate`, `reset`, or the name of another
      update or signal that says by whom it is.
    - `about`: what was decided about: the step, or what the message says otherwise.
    - `by`: who it was by their own word; `identity`: which client sent it, as the server noted. Neither is proof of a
      person: that is for the server's authentication.
    """

    at: datetime
    task_id: str
    run_id: str
    task: str
    what: str
    about: str
    by: str
    identity: str
    reason: str


def records(events: Iterable[HistoryEvent], task_id: str, *, converter: DataConverter = data_converter) -> list[Record]:
    """The decisions in one history, in their order. Its payloads must be decoded already (see `timeline.opened`).

    Refused decisions leave no trace there.
    """
    values = Values(converter)
    found: list[Record] = []
    run_id = task = ""

    def note(
        event: HistoryEvent, what: str, *, about: str = "", by: str = "", identity: str = "", reason: str = ""
    ) -> None:
        at = moment(event.event_time)
        found.append(Record(at, task_id, run_id, task, what, about, by or identity, identity, reason))

    for event in events:
        kind = event.WhichOneof("attributes")
        if kind == "workflow_execution_started_event_attributes":
            started = event.workflow_execution_started_event_attributes
            run_id, task = started.original_execution_run_id, started.workflow_type.name
        elif kind == "workflow_execution_update_accepted_event_attributes":
            request = event.workflow_execution_update_accepted_event_attributes.accepted_request
            told = _told(values.first(request.input.args))
            action = str(told.get("action") or "")
            note(
                event,
                f"{request.input.name} {action}".strip(),
                about=str(told.get("step") or ""),
                by=str(told.get("by") or ""),
                identity=request.meta.identity,
                reason=str(told.get("reason") or ""),
            )
        elif kind == "workflow_execution_signaled_event_attributes":
            signal = event.workflow_execution_signaled_event_attributes
            told = _told(values.first(signal.input))
            if told.get("by"):  # the others are how workflows talk to each other
                rest = {
                    word: value for word, value in told.items() if word not in _OWN_WORDS and value not in ("", None)
                }
                note(
                    event,
                    signal.signal_name,
                    about=", ".join(f"{word} {value}" for word, value in rest.items()),
                    by=str(told["by"]),
                    identity=signal.identity,
                    reason=str(told.get("reason") or ""),
                )
        elif kind == "workflow_execution_cancel_requested_event_attributes":
            asked = event.workflow_execution_cancel_requested_event_attributes
            parent = asked.external_workflow_execution.workflow_id
            note(event, "cancel", by=parent, identity=asked.identity, reason=asked.cause)
        elif kind == "workflow_execution_terminated_event_attributes":
            ended = event.workflow_execution_terminated_event_attributes
            if ended.identity != _RESETTER:  # the end of a run that was reset; the next run tells of that
                note(event, "terminate", identity=ended.identity, reason=ended.reason)
        elif kind == "workflow_task_failed_event_attributes":
            failed = event.workflow_task_failed_event_attributes
            if failed.cause == _RESET:
                run_id = failed.new_run_id
                # The server notes itself here, not who asked it.
                note(event, "reset", about=f"run {failed.base_run_id}", by="(unknown)", reason=failed.failure.message)
    return found


def _told(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
