"""How a workflow ends, as the code asks for it and as a history records it."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from sagamesh.replay import child, plain
from sagamesh.replay.command import Command, Kind
from sagamesh.replay.origin import Origin

__all__ = ["asked", "recorded"]


def asked(command: WorkflowCommand, origin: Origin, attributes: Mapping[str, Payload], task: int) -> Command | None:
    """The end that the code asks for; None when the command is no end. `attributes`: all that are set by now."""
    match command.WhichOneof("variant"):
        case "complete_workflow_execution":
            complete = command.complete_workflow_execution
            result = [complete.result] if complete.HasField("result") else []
            return Command(Kind.COMPLETE, data=plain.values("result", result), task=task)
        case "fail_workflow_execution":
            failure = plain.failure(command.fail_workflow_execution.failure)
            return Command(Kind.FAIL, data={"failure": (failure,)}, task=task)
        case "cancel_workflow_execution":
            details = command.cancel_workflow_execution.details.payloads
            return Command(Kind.CANCELLED, data=plain.values("details", details), task=task)
        case "continue_as_new_workflow_execution":
            return child.asked_again(command.continue_as_new_workflow_execution, origin, attributes, task)
        case _:
            return None


def recorded(event: HistoryEvent, task: int) -> Command | None:
    """The end that an event records; None when the event is no end, or one that no code asked for."""
    match event.WhichOneof("attributes"):
        case "workflow_execution_completed_event_attributes":
            result = event.workflow_execution_completed_event_attributes.result.payloads
            data = plain.values("result", result)
            return Command(Kind.COMPLETE, data=data, task=task, event=event.event_id)
        case "workflow_execution_failed_event_attributes":
            failure = plain.failure(event.workflow_execution_failed_event_attributes.failure)
            return Command(Kind.FAIL, data={"failure": (failure,)}, task=task, event=event.event_id)
        case "workflow_execution_canceled_event_attributes":
            details = event.workflow_execution_canceled_event_attributes.details.payloads
            data = plain.values("details", details)
            return Command(Kind.CANCELLED, data=data, task=task, event=event.event_id)
        case "workflow_execution_continued_as_new_event_attributes":
            return child.recorded_again(event, task)
        case _:
            return None
