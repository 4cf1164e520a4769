"""What reaches beyond the workflow without being its child: signals, cancel requests, Nexus operations."""

from __future__ import annotations

from temporalio.api.history.v1 import HistoryEvent, NexusOperationScheduledEventAttributes
from temporalio.bridge.proto.workflow_commands import ScheduleNexusOperation, SignalExternalWorkflowExecution

from sagamesh.replay import plain
from sagamesh.replay.command import Command, Kind

__all__ = ["asked_nexus", "asked_signal", "recorded_nexus", "recorded_signal"]


def asked_signal(wanted: SignalExternalWorkflowExecution, task: int) -> Command:
    """The signal that the code sends, to a child by its id or to any other workflow."""
    return Command(
        Kind.SIGNAL,
        name=wanted.child_workflow_id or wanted.workflow_execution.workflow_id,
        options=plain.options({"signal": wanted.signal_name}),
        data=plain.values("argument", wanted.args) | plain.header(wanted.headers),
        task=task,
    )


def recorded_signal(event: HistoryEvent, task: int) -> Command:
    """The signal that a SignalExternalWorkflowExecutionInitiated event records."""
    done = event.signal_external_workflow_execution_initiated_event_attributes
    return Command(
        Kind.SIGNAL,
        name=done.workflow_execution.workflow_id,
        options=plain.options({"signal": done.signal_name}),
        data=plain.values("argument", done.input.payloads) | plain.header(done.header.fields),
        task=task,
        event=event.event_id,
    )


def asked_nexus(wanted: ScheduleNexusOperation, task: int) -> Command:
    """The Nexus operation that the code asks for."""
    return Command(
        Kind.NEXUS,
        name=f"{wanted.service}.{wanted.operation}",
        options=_nexus_options(wanted),
        data=plain.values("argument", [wanted.input]),
        task=task,
    )


def recorded_nexus(event: HistoryEvent, task: int) -> Command:
    """The Nexus operation that a NexusOperationScheduled event records."""
    done = event.nexus_operation_scheduled_event_attributes
    return Command(
        Kind.NEXUS,
        name=f"{done.service}.{done.operation}",
        options=_nexus_options(done),
        data=plain.values("argument", [done.input]),
        task=task,
        event=event.event_id,
    )


def _nexus_options(source: ScheduleNexusOperation | NexusOperationScheduledEventAttributes) -> dict[str, str]:
    return plain.options(
        {
            "endpoint": source.endpoint,
            "schedule-to-close timeout": plain.duration(source.schedule_to_close_timeout),
            "schedule-to-start timeout": plain.duration(source.schedule_to_start_timeout),
            "start-to-close timeout": plain.duration(source.start_to_close_timeout),
        }
    )
