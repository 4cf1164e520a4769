"""Activities, as the code asks for them and as a history records them."""

from __future__ import annotations

import json

from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.history.v1 import ActivityTaskScheduledEventAttributes, HistoryEvent
from temporalio.bridge.proto.workflow_commands import ScheduleActivity, ScheduleLocalActivity

from sagamesh.replay import defaults, plain
from sagamesh.replay.command import Command, Kind
from sagamesh.replay.origin import Origin

__all__ = ["asked", "asked_local", "recorded", "recorded_local"]


def asked(wanted: ScheduleActivity, origin: Origin, task: int) -> Command:
    """The activity that the code asks for, with what the server will fill in."""
    said = _options(wanted, wanted.retry_policy if wanted.HasField("retry_policy") else None)
    filled = _options(defaults.activity(wanted, origin.run_timeout), defaults.retry(wanted.retry_policy))
    return Command(
        Kind.ACTIVITY,
        name=wanted.activity_type,
        id=wanted.activity_id,
        options={"queue": wanted.task_queue} | filled | plain.priority(wanted.priority),
        allowed=defaults.differing(said, filled),
        data=plain.values("argument", wanted.arguments) | plain.header(wanted.headers),
        task=task,
    )


def recorded(event: HistoryEvent, task: int) -> Command:
    """The activity that an ActivityTaskScheduled event records."""
    done = event.activity_task_scheduled_event_attributes
    options = _options(done, done.retry_policy if done.HasField("retry_policy") else None)
    return Command(
        Kind.ACTIVITY,
        name=done.activity_type.name,
        id=done.activity_id,
        options={"queue": done.task_queue.name} | options | plain.priority(done.priority),
        data=plain.values("argument", done.input.payloads) | plain.header(done.header.fields),
        task=task,
        event=event.event_id,
    )


def asked_local(wanted: ScheduleLocalActivity, task: int) -> Command:
    """The local activity that the code asks for. Its arguments and timeouts are not part of a history."""
    return Command(Kind.LOCAL_ACTIVITY, name=wanted.activity_type, id=wanted.activity_id, task=task)


def recorded_local(event: HistoryEvent, task: int) -> Command:
    """The local activity whose result a marker records."""
    data = json.loads(event.marker_recorded_event_attributes.details["data"].payloads[0].data)
    return Command(
        Kind.LOCAL_ACTIVITY, name=data["activity_type"], id=data["activity_id"], task=task, event=event.event_id
    )


def _options(
    source: ScheduleActivity | ActivityTaskScheduledEventAttributes, retry: RetryPolicy | None
) -> dict[str, str]:
    return plain.options(
        {
            "schedule-to-close timeout": plain.duration(source.schedule_to_close_timeout),
            "schedule-to-start timeout": plain.duration(source.schedule_to_start_timeout),
            "start-to-close timeout": plain.duration(source.start_to_close_timeout),
            "heartbeat timeout": plain.duration(source.heartbeat_timeout),
        }
    ) | plain.retry(retry)
