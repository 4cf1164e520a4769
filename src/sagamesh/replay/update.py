"""Answers to updates, as the code gives them and as a history records them."""

from __future__ import annotations

from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import UpdateResponse

from sagamesh.replay import plain
from sagamesh.replay.command import Command, Kind

__all__ = ["asked", "recorded_accepted", "recorded_answer"]


def asked(response: UpdateResponse, task: int) -> Command:
    """What the code does with an update. One that it refuses is answered without having been accepted."""
    update = response.protocol_instance_id
    match response.WhichOneof("response"):
        case "accepted":
            return Command(Kind.UPDATE_ACCEPTED, id=update, task=task)
        case "completed":
            return Command(Kind.UPDATE_ANSWER, id=update, data=plain.values("result", [response.completed]), task=task)
        case _:
            data = {"failure": (plain.failure(response.rejected),)}
            return Command(Kind.UPDATE_ANSWER, id=update, data=data, task=task)


def recorded_accepted(event: HistoryEvent, task: int) -> Command:
    """The update that a WorkflowExecutionUpdateAccepted event records."""
    accepted = event.workflow_execution_update_accepted_event_attributes
    return Command(
        Kind.UPDATE_ACCEPTED,
        name=accepted.accepted_request.input.name,
        id=accepted.protocol_instance_id,
        task=task,
        event=event.event_id,
    )


def recorded_answer(event: HistoryEvent, accepted: Command, task: int) -> Command:
    """The answer that a WorkflowExecutionUpdateCompleted event records for an accepted update."""
    outcome = event.workflow_execution_update_completed_event_attributes.outcome
    data = plain.values("result", outcome.success.payloads)
    if outcome.HasField("failure"):
        data = {"failure": (plain.failure(outcome.failure),)}
    return Command(Kind.UPDATE_ANSWER, name=accepted.name, id=accepted.id, data=data, task=task, event=event.event_id)
