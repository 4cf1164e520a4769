"""Child workflows and continue-as-new, as the code asks for them and as a history records them."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.api.common.v1 import Payload, RetryPolicy
from temporalio.api.enums.v1 import ParentClosePolicy, WorkflowIdReusePolicy
from temporalio.api.history.v1 import HistoryEvent, StartChildWorkflowExecutionInitiatedEventAttributes
from temporalio.bridge.proto.workflow_commands import ContinueAsNewWorkflowExecution, StartChildWorkflowExecution

from sagamesh.replay import defaults, plain
from sagamesh.replay.command import Command, Kind
from sagamesh.replay.origin import Origin

_Close = ParentClosePolicy.ValueType

__all__ = ["asked", "asked_again", "recorded", "recorded_again"]


def asked(wanted: StartChildWorkflowExecution, origin: Origin, task: int) -> Command:
    """The child workflow that the code asks for, with what the server will fill in."""
    policy = wanted.retry_policy if wanted.HasField("retry_policy") else None
    said = _timeouts(wanted)
    filled = _timeouts(defaults.child(wanted)) | plain.retry(policy and defaults.retry(policy))
    return Command(
        Kind.CHILD,
        name=wanted.workflow_type,
        id=wanted.workflow_id,
        options=_options(wanted) | {"queue": wanted.task_queue or origin.queue} | filled,
        allowed=defaults.differing(said | plain.retry(policy), filled),
        data=plain.values("argument", wanted.input)
        | plain.fields("memo", wanted.memo)
        | plain.fields("search attribute", wanted.search_attributes.indexed_fields)
        | plain.header(wanted.headers),
        task=task,
    )


def recorded(event: HistoryEvent, task: int) -> Command:
    """The child workflow that a StartChildWorkflowExecutionInitiated event records."""
    done = event.start_child_workflow_execution_initiated_event_attributes
    policy: RetryPolicy | None = done.retry_policy if done.HasField("retry_policy") else None
    return Command(
        Kind.CHILD,
        name=done.workflow_type.name,
        id=done.workflow_id,
        options=_options(done) | {"queue": done.task_queue.name} | _timeouts(done) | plain.retry(policy),
        data=plain.values("argument", done.input.payloads)
        | plain.fields("memo", done.memo.fields)
        | plain.fields("search attribute", done.search_attributes.indexed_fields)
        | plain.header(done.header.fields),
        task=task,
        event=event.event_id,
    )


def asked_again(
    wanted: ContinueAsNewWorkflowExecution, origin: Origin, attributes: Mapping[str, Payload], task: int
) -> Command:
    """The next run that the code asks for; what it does not say is carried over from this one.

    That is the memo with which this run began (not what it added), and its search attributes as they are by now.
    """
    options = {
        "queue": wanted.task_queue or origin.queue,
        "run timeout": plain.duration(wanted.workflow_run_timeout) or plain.duration(origin.run_timeout),
        "task timeout": plain.duration(wanted.workflow_task_timeout) or plain.duration(origin.task_timeout),
    }
    return Command(
        Kind.CONTINUE_AS_NEW,
        name=wanted.workflow_type or origin.workflow_type,
        options=plain.options(options),
        data=plain.values("argument", wanted.arguments)
        | plain.fields("memo", wanted.memo or origin.memo)
        | plain.fields("search attribute", wanted.search_attributes.indexed_fields or attributes),
        task=task,
    )


def recorded_again(event: HistoryEvent, task: int) -> Command:
    """The next run that a WorkflowExecutionContinuedAsNew event records."""
    done = event.workflow_execution_continued_as_new_event_attributes
    options = {
        "queue": done.task_queue.name,
        "run timeout": plain.duration(done.workflow_run_timeout),
        "task timeout": plain.duration(done.workflow_task_timeout),
    }
    return Command(
        Kind.CONTINUE_AS_NEW,
        name=done.workflow_type.name,
        options=plain.options(options),
        data=plain.values("argument", done.input.payloads)
        | plain.fields("memo", done.memo.fields)
        | plain.fields("search attribute", plain.without_patches(done.search_attributes.indexed_fields)),
        task=task,
        event=event.event_id,
    )


def _options(
    source: StartChildWorkflowExecution | StartChildWorkflowExecutionInitiatedEventAttributes,
) -> dict[str, str]:
    # The SDK has its own copy of this enum, with the same numbers.
    close = ParentClosePolicy.Name(_Close(int(source.parent_close_policy))).removeprefix("PARENT_CLOSE_POLICY_")
    reuse = WorkflowIdReusePolicy.Name(source.workflow_id_reuse_policy).removeprefix("WORKFLOW_ID_REUSE_POLICY_")
    return plain.options(
        {"parent close policy": close.lower(), "id reuse policy": reuse.lower(), "cron": source.cron_schedule}
    ) | plain.priority(source.priority)


def _timeouts(
    source: StartChildWorkflowExecution | StartChildWorkflowExecutionInitiatedEventAttributes,
) -> dict[str, str]:
    return plain.options(
        {
            "execution timeout": plain.duration(source.workflow_execution_timeout),
            "run timeout": plain.duration(source.workflow_run_timeout),
            "task timeout": plain.duration(source.workflow_task_timeout),
        }
    )
