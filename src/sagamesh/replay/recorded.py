"""Commands as a history recorded them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from temporalio.api.history.v1 import HistoryEvent

from sagamesh.replay import activity, child, ending, outward, plain, update
from sagamesh.replay.command import Command, Kind

__all__ = ["last_task", "recorded_commands"]


def recorded_commands(events: Iterable[HistoryEvent]) -> list[Command]:
    """Read the events that answer commands, in their order. Payloads must be decoded already."""
    reader = _Reader()
    found = []
    for event in events:
        made = reader.read(event)
        if made is not None:
            found.append(made)
    return found


def last_task(events: Iterable[HistoryEvent]) -> int:
    """The id of the event that started the last completed workflow task; 0 when none is completed.

    What replay makes the code do after that is not recorded yet.
    """
    started, last = 0, 0
    for event in events:
        if event.HasField("workflow_task_started_event_attributes"):
            started = event.event_id
        elif event.HasField("workflow_task_completed_event_attributes"):
            last = started  # not as the event says: the time-skipping test server leaves that out
    return last


class _Reader:
    """Reads one history. Later events refer to earlier ones by event id, so it remembers what each was."""

    def __init__(self) -> None:
        self._task = 0
        self._by_event: dict[int, Command] = {}
        self._children: dict[str, Command] = {}

    def read(self, event: HistoryEvent) -> Command | None:
        if event.HasField("workflow_task_started_event_attributes"):
            self._task = event.event_id
            return None
        made = self._started(event) or self._referring(event) or self._single(event)
        return made or ending.recorded(event, self._task)

    def _started(self, event: HistoryEvent) -> Command | None:
        """What later events may refer to."""
        match event.WhichOneof("attributes"):
            case "activity_task_scheduled_event_attributes":
                made = activity.recorded(event, self._task)
            case "timer_started_event_attributes":
                timer = event.timer_started_event_attributes
                options = plain.options({"duration": plain.duration(timer.start_to_fire_timeout)})
                made = self._made(event, Kind.TIMER, id=timer.timer_id, options=options)
            case "start_child_workflow_execution_initiated_event_attributes":
                made = child.recorded(event, self._task)
                self._children[made.id] = made
            case "nexus_operation_scheduled_event_attributes":
                made = outward.recorded_nexus(event, self._task)
            case "workflow_execution_update_accepted_event_attributes":
                made = update.recorded_accepted(event, self._task)
            case _:
                return None
        self._by_event[event.event_id] = made
        return made

    def _referring(self, event: HistoryEvent) -> Command | None:
        match event.WhichOneof("attributes"):
            case "activity_task_cancel_requested_event_attributes":
                target = self._by_event[event.activity_task_cancel_requested_event_attributes.scheduled_event_id]
                return self._made(event, Kind.CANCEL_ACTIVITY, name=target.name, id=target.id)
            case "timer_canceled_event_attributes":
                return self._made(event, Kind.CANCEL_TIMER, id=event.timer_canceled_event_attributes.timer_id)
            case "nexus_operation_cancel_requested_event_attributes":
                target = self._by_event[event.nexus_operation_cancel_requested_event_attributes.scheduled_event_id]
                return self._made(event, Kind.CANCEL_NEXUS, name=target.name, id=target.id)
            case "request_cancel_external_workflow_execution_initiated_event_attributes":
                asked = event.request_cancel_external_workflow_execution_initiated_event_attributes
                target_id = asked.workflow_execution.workflow_id
                if asked.child_workflow_only and target_id in self._children:
                    return self._made(event, Kind.CANCEL_CHILD, name=self._children[target_id].name, id=target_id)
                return self._made(event, Kind.CANCEL_EXTERNAL, name=target_id)
            case "workflow_execution_update_completed_event_attributes":
                accepted_id = event.workflow_execution_update_completed_event_attributes.accepted_event_id
                return update.recorded_answer(event, self._by_event[accepted_id], self._task)
            case _:
                return None

    def _single(self, event: HistoryEvent) -> Command | None:
        match event.WhichOneof("attributes"):
            case "upsert_workflow_search_attributes_event_attributes":
                upsert = event.upsert_workflow_search_attributes_event_attributes
                attributes = plain.without_patches(upsert.search_attributes.indexed_fields)
                if not attributes:
                    return None
                return self._made(event, Kind.SEARCH_ATTRIBUTES, data=plain.fields("search attribute", attributes))
            case "workflow_properties_modified_event_attributes":
                memo = event.workflow_properties_modified_event_attributes.upserted_memo.fields
                return self._made(event, Kind.MEMO, data=plain.fields("memo", memo))
            case "signal_external_workflow_execution_initiated_event_attributes":
                return outward.recorded_signal(event, self._task)
            case "marker_recorded_event_attributes":
                marker = event.marker_recorded_event_attributes
                if marker.marker_name == "core_local_activity":
                    return activity.recorded_local(event, self._task)
                if marker.marker_name == "core_patch":
                    data = json.loads(marker.details["patch-data"].payloads[0].data)
                    return self._made(event, Kind.PATCH, name=data["id"])
                return None
            case _:
                return None

    def _made(
        self,
        event: HistoryEvent,
        kind: Kind,
        *,
        name: str = "",
        id: str = "",
        options: dict[str, str] | None = None,
        data: plain.Data | None = None,
    ) -> Command:
        return Command(
            kind, name=name, id=id, options=options or {}, data=data or {}, task=self._task, event=event.event_id
        )
