"""Opening the payloads of a history: what a codec encoded or external storage holds, as the code once wrote it."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    WorkflowSerializationContext,
)

from sagamesh.payloads import NEVER_ENCODED, decode_payloads, encodes
from sagamesh.replay.origin import Origin

__all__ = ["decoded"]

_NOT_COMPARED = NEVER_ENCODED | {"user_metadata"}
# Not among them: the engine's own notes (markers), which nobody encodes, and the answers of others.
_COMPARED = frozenset(
    f"{name}_event_attributes"
    for name in (
        "activity_task_scheduled",
        "nexus_operation_scheduled",
        "signal_external_workflow_execution_initiated",
        "start_child_workflow_execution_initiated",
        "workflow_execution_canceled",
        "workflow_execution_completed",
        "workflow_execution_continued_as_new",
        "workflow_execution_failed",
        "workflow_execution_started",
        "workflow_execution_update_completed",
        "workflow_properties_modified",
    )
)


async def decoded(
    events: Iterable[HistoryEvent], origin: Origin, converter: DataConverter, namespace: str
) -> list[HistoryEvent]:
    """The events with their payloads decoded, as copies where anything had to be."""
    if not encodes(converter):
        return list(events)
    found = []
    for event in events:
        if event.WhichOneof("attributes") not in _COMPARED:
            found.append(event)
            continue
        copy = HistoryEvent()
        copy.CopyFrom(event)
        reader = converter.with_context(_context(event, origin, namespace))
        await decode_payloads(copy, reader, leaving=_NOT_COMPARED)
        found.append(copy)
    return found


def _context(
    event: HistoryEvent, origin: Origin, namespace: str
) -> ActivitySerializationContext | WorkflowSerializationContext:
    match event.WhichOneof("attributes"):
        case "activity_task_scheduled_event_attributes":
            scheduled = event.activity_task_scheduled_event_attributes
            return ActivitySerializationContext(
                namespace=namespace,
                activity_id=scheduled.activity_id,
                activity_type=scheduled.activity_type.name,
                activity_task_queue=scheduled.task_queue.name,
                workflow_id=origin.workflow_id,
                workflow_type=origin.workflow_type,
                is_local=False,
            )
        case "start_child_workflow_execution_initiated_event_attributes":
            workflow_id = event.start_child_workflow_execution_initiated_event_attributes.workflow_id
        case "signal_external_workflow_execution_initiated_event_attributes":
            signalled = event.signal_external_workflow_execution_initiated_event_attributes
            workflow_id = signalled.workflow_execution.workflow_id
        case _:
            workflow_id = origin.workflow_id
    return WorkflowSerializationContext(namespace=namespace, workflow_id=workflow_id)
