"""Opening the payloads of a history: what a codec encoded or external storage holds, as the code once wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.common import RawValue
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    WorkflowSerializationContext,
)

from sagamesh.replay.origin import Origin

__all__ = ["decoded"]

_NEVER_ENCODED = frozenset({"header", "search_attributes", "user_metadata"})
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
    if converter.payload_codec is None and converter.external_storage is None:
        return list(events)
    found = []
    for event in events:
        if event.WhichOneof("attributes") not in _COMPARED:
            found.append(event)
            continue
        copy = HistoryEvent()
        copy.CopyFrom(event)
        reader = converter.with_context(_context(event, origin, namespace))
        for payload in _payloads(copy):
            [raw] = await reader.decode([payload], [RawValue])
            payload.CopyFrom(raw.payload)
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


def _payloads(message: Message) -> Iterator[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None or descriptor.name in _NEVER_ENCODED:
            continue
        held: Iterable[Any]
        if descriptor.message_type.GetOptions().map_entry:
            held = value.values()
        elif isinstance(value, Message):
            held = (value,)
        else:
            held = value
        for inner in held:
            if isinstance(inner, Message):
                yield from _payloads(inner)
