"""Commands as the replayed code issues them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from temporalio.bridge.proto.child_workflow import ChildWorkflowCancellationType
from temporalio.bridge.proto.workflow_commands import ActivityCancellationType, WorkflowCommand

from sagamesh.replay import activity, child, ending, outward, plain, update
from sagamesh.replay.command import Command, Kind
from sagamesh.replay.origin import Origin

__all__ = ["issued_commands"]


def issued_commands(commands: Iterable[tuple[int, WorkflowCommand]], origin: Origin) -> list[Command]:
    """Read what the code asked for; each command comes with the id of the event that started its workflow task.

    Answers to queries and cancels of what was abandoned are left out: they reach no history.
    """
    reader = _Reader(origin)
    for task, command in commands:
        reader.read(command, task)
    return reader.found


class _Reader:
    """Reads one run. Later commands refer to earlier ones by number, so it remembers where each stands."""

    def __init__(self, origin: Origin) -> None:
        self.found: list[Command] = []
        self._origin = origin
        self._attributes = dict(plain.without_patches(origin.search_attributes))
        self._places: dict[tuple[Kind, int], int] = {}
        self._abandoned: set[tuple[Kind, int]] = set()

    def read(self, command: WorkflowCommand, task: int) -> None:
        if not self._started(command, task) and not self._cancelled(command, task):
            self._attributes |= command.upsert_workflow_search_attributes.search_attributes.indexed_fields
            made = _single(command, task) or ending.asked(command, self._origin, self._attributes, task)
            if made is not None:
                self.found.append(made)

    def _started(self, command: WorkflowCommand, task: int) -> bool:
        """What later commands may refer to."""
        match command.WhichOneof("variant"):
            case "schedule_activity":
                wanted = command.schedule_activity
                abandon = wanted.cancellation_type == ActivityCancellationType.ABANDON
                self._start(wanted.seq, activity.asked(wanted, self._origin, task), abandon=abandon)
            case "start_child_workflow_execution":
                started = command.start_child_workflow_execution
                abandon = started.cancellation_type == ChildWorkflowCancellationType.ABANDON
                self._start(started.seq, child.asked(started, self._origin, task), abandon=abandon)
            case "start_timer":
                timer = command.start_timer
                options = plain.options({"duration": plain.duration(timer.start_to_fire_timeout)})
                self._start(timer.seq, Command(Kind.TIMER, id=str(timer.seq), options=options, task=task))
            case "signal_external_workflow_execution":
                signal = command.signal_external_workflow_execution
                self._start(signal.seq, outward.asked_signal(signal, task))
            case "schedule_nexus_operation":
                operation = command.schedule_nexus_operation
                self._start(operation.seq, outward.asked_nexus(operation, task))
            case _:
                return False
        return True

    def _start(self, seq: int, made: Command, *, abandon: bool = False) -> None:
        self._places[made.kind, seq] = len(self.found)
        self.found.append(made)
        if abandon:
            self._abandoned.add((made.kind, seq))

    def _cancelled(self, command: WorkflowCommand, task: int) -> bool:
        """What refers to an earlier command."""
        match command.WhichOneof("variant"):
            case "cancel_timer":
                self._cancel(Kind.CANCEL_TIMER, Kind.TIMER, command.cancel_timer.seq, task)
            case "request_cancel_activity":
                self._cancel(Kind.CANCEL_ACTIVITY, Kind.ACTIVITY, command.request_cancel_activity.seq, task)
            case "cancel_child_workflow_execution":
                seq = command.cancel_child_workflow_execution.child_workflow_seq
                self._cancel(Kind.CANCEL_CHILD, Kind.CHILD, seq, task)
            case "request_cancel_nexus_operation":
                self._cancel(Kind.CANCEL_NEXUS, Kind.NEXUS, command.request_cancel_nexus_operation.seq, task)
            case "cancel_signal_workflow":
                self._cancel(None, Kind.SIGNAL, command.cancel_signal_workflow.seq, task)
            case _:
                return False
        return True

    def _cancel(self, kind: Kind | None, of: Kind, seq: int, task: int) -> None:
        place = self._places.get((of, seq))
        if place is None or (of, seq) in self._abandoned:
            return
        target = self.found[place]
        if target.task == task:
            self.found[place] = replace(target, called_off=True)
        if kind is not None:
            self.found.append(Command(kind, name=target.name, id=target.id, task=task))


def _single(command: WorkflowCommand, task: int) -> Command | None:
    """What stands for itself."""
    match command.WhichOneof("variant"):
        case "schedule_local_activity":
            return activity.asked_local(command.schedule_local_activity, task)
        case "upsert_workflow_search_attributes":
            attributes = command.upsert_workflow_search_attributes.search_attributes.indexed_fields
            return Command(Kind.SEARCH_ATTRIBUTES, data=plain.fields("search attribute", attributes), task=task)
        case "modify_workflow_properties":
            memo = command.modify_workflow_properties.upserted_memo.fields
            return Command(Kind.MEMO, data=plain.fields("memo", memo), task=task)
        case "request_cancel_external_workflow_execution":
            target = command.request_cancel_external_workflow_execution.workflow_execution.workflow_id
            return Command(Kind.CANCEL_EXTERNAL, name=target, task=task)
        case "update_response":
            return update.asked(command.update_response, task)
        case "set_patch_marker":
            return Command(Kind.PATCH, name=command.set_patch_marker.patch_id, task=task)
        case _:
            return None
