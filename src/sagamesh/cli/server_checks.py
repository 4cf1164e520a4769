"""The checks of `doctor` that ask the server: its address, its namespace, the workers, the tasks."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
)
from temporalio.service import RPCError

from sagamesh.app import App, project_root
from sagamesh.attributes import SEARCH_ATTRIBUTES
from sagamesh.cli.breaker import state_text
from sagamesh.cli.filter import list_filter
from sagamesh.cli.finding import Finding
from sagamesh.cli.span import span
from sagamesh.cli.version_checks import version_checks
from sagamesh.client import Client
from sagamesh.connection import DEFAULT_ADDRESS, configured
from sagamesh.discovery import QueueState, describe_app, describe_queue
from sagamesh.errors import InvalidInput
from sagamesh.inline import inline_queue
from sagamesh.namespace import registration_command
from sagamesh.presence import with_presence
from sagamesh.reply import described_namespace

__all__ = ["address", "server_checks"]

_SKEW: Final = timedelta(seconds=2)
_PATIENCE: Final = timedelta(seconds=30)
"""For how long work may wait although there are workers."""
_SHOWN: Final = 10
_BROKEN: Final = "TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'"


def address() -> tuple[str, str]:
    """The server's address, and who says so.

    Raises:
        DefinitionError: when the environment or the profile file cannot be read.
    """
    from sagamesh.stack.state import running_address

    if named := os.environ.get("TEMPORAL_ADDRESS"):
        return named, "TEMPORAL_ADDRESS"
    if named := configured().get("target_host"):
        return named, f"the profile {os.environ.get('TEMPORAL_PROFILE', 'default')} of Temporal's configuration file"
    if named := running_address(project_root()):
        return named, "the embedded stack that runs here"
    return DEFAULT_ADDRESS, "nothing names another"


async def server_checks(client: Client, app: App | None) -> AsyncIterator[Finding]:
    """Everything about a server that answers.

    Raises:
        ServerUnreachable: when it stops answering, or has no such namespace.
    """
    description = await described_namespace(client.temporal)
    days = description.config.workflow_execution_retention_ttl.ToTimedelta()
    yield Finding.ok("namespace", f"{client.temporal.namespace}; ended tasks are kept for {span(days)}")
    attributes = await _attributes(client)
    yield attributes
    yield await _clock(client)
    if app is not None:
        for state in await with_presence(client.temporal, await describe_app(client.temporal, app)):
            yield _queue(state)
    async for finding in version_checks(client):
        yield finding
    if attributes.advice:
        return
    async for finding in _tasks(client):
        yield finding
    if app is not None:
        async for finding in _inline(client, app):
            yield finding


async def _attributes(client: Client) -> Finding:
    namespace = client.temporal.namespace
    request = ListSearchAttributesRequest(namespace=namespace)
    try:
        answer = await client.temporal.operator_service.list_search_attributes(request)
    except RPCError as error:  # a right that not every client needs
        return Finding.warn("attributes", f"not known: {error.message}", "ask an administrator of the namespace")
    known = answer.custom_attributes
    missing = [key for key in SEARCH_ATTRIBUTES if key.name not in known]
    wrong = [
        key.name
        for key in SEARCH_ATTRIBUTES
        if known.get(key.name, key.indexed_value_type) != int(key.indexed_value_type)
    ]
    if wrong:
        advice = "they belong to somebody else: use a namespace of your own (TEMPORAL_NAMESPACE)"
        return Finding.fail("attributes", f"of another type: {', '.join(wrong)}", advice)
    if missing:
        target = client.temporal.service_client.config.target_host
        command = f"{registration_command(namespace, missing)} --address {target}"
        return Finding.fail("attributes", f"not registered: {', '.join(key.name for key in missing)}", command)
    return Finding.ok("attributes", ", ".join(key.name for key in SEARCH_ATTRIBUTES))


async def _clock(client: Client) -> Finding:
    """Compare clocks: the server notes when somebody polls a queue, so poll one that nobody else knows."""
    service, namespace = client.temporal.workflow_service, client.temporal.namespace
    queue = TaskQueue(name=f"sagamesh-doctor-{uuid.uuid4()}")
    polled = PollActivityTaskQueueRequest(namespace=namespace, task_queue=queue, identity="sagamesh doctor")
    asked = DescribeTaskQueueRequest(
        namespace=namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    before = datetime.now(UTC)
    poll = asyncio.ensure_future(service.poll_activity_task_queue(polled, timeout=timedelta(seconds=5)))
    try:
        while not poll.done():
            answer = await service.describe_task_queue(asked)
            if answer.pollers:
                seen = answer.pollers[0].last_access_time.ToDatetime(tzinfo=UTC)
                return _skew(seen, before, datetime.now(UTC))
            await asyncio.sleep(0.05)
    except RPCError as error:
        return Finding.warn("clock", f"not compared: {error.message}", "compare the clocks by hand")
    finally:
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    return Finding.warn("clock", "not compared: the server did not say", "compare the clocks by hand")


def _skew(seen: datetime, before: datetime, after: datetime) -> Finding:
    """What the server's clock said must lie between the two readings of ours."""
    skew = max(before - seen, seen - after, timedelta(0))
    if skew <= _SKEW:
        return Finding.ok("clock", "agrees with the server's")
    word = "behind" if seen > after else "ahead of"
    advice = "synchronise both by NTP: times on display and deadlines of calls are wrong"
    return Finding.warn("clock", f"this machine is {span(skew)} {word} the server", advice)


def _queue(state: QueueState) -> Finding:
    check = f"queue {state.queue}"
    waiting = f"{state.backlog} waiting, the first for {span(state.oldest)}" if state.backlog else "nothing waiting"
    if not state.alive:
        seen = f"last seen {span(datetime.now(UTC) - state.last_seen)} ago" if state.last_seen else "never seen"
        advice = f"start it: sagamesh worker {state.serves}, or `sagamesh up` for everything"
        return Finding.fail(check, f"no worker ({seen}); {waiting}", advice)
    workers = f"{len(state.workers)} worker{'' if len(state.workers) == 1 else 's'}"
    if state.breakers:
        held = ", ".join(state_text(notice) for notice in state.breakers)
        advice = "`sagamesh breaker list` says since when, why and by whom; calls wait meanwhile"
        return Finding.warn(check, f"{workers}, held by a breaker: {held}; {waiting}", advice)
    if state.backlog and state.oldest > _PATIENCE and state.limited:
        advice = f"`sagamesh agents {state.queue} --waiting` shows who waits; the contract or an operator set the limit"
        return Finding.warn(check, f"{workers}, held back by a limit: {waiting}", advice)
    if state.backlog and state.oldest > _PATIENCE:
        advice = f"start more (sagamesh worker {state.serves}), or raise SAGAMESH_SLOTS"
        return Finding.warn(check, f"{workers} cannot keep up: {waiting}", advice)
    return Finding.ok(check, f"{workers}, {waiting}")


async def _tasks(client: Client) -> AsyncIterator[Finding]:
    ids = [task.id async for task in client.list(list_filter(needs_operator=True), limit=_SHOWN)]
    if ids:
        advice = f"sagamesh operator {ids[0]} shows what failed and how to decide"
        yield Finding.warn("operator", f"a failed undo waits for a decision in {', '.join(ids)}", advice)
    else:
        yield Finding.ok("operator", "no task waits for one")
    try:
        ids = [task.id async for task in client.list(_BROKEN, limit=_SHOWN)]
    except InvalidInput:  # a server that does not keep count of this yet
        return
    if ids:
        advice = f"sagamesh show {ids[0]} says how; deploy code that mends it, and they go on"
        yield Finding.fail("code", f"their own code fails, again and again: {', '.join(ids)}", advice)
    else:
        yield Finding.ok("code", "of no running task fails")


async def _inline(client: Client, app: App) -> AsyncIterator[Finding]:
    """Tasks that were started inline go on only where they are hosted so."""
    for queue in dict.fromkeys(inline_queue(task.queue) for task in app.tasks):
        described = await describe_queue(client.temporal, queue, "tasks", queue)
        [state] = await with_presence(client.temporal, [described])
        if state.alive:
            continue
        running = f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'"
        ids = [task.id async for task in client.list(running, limit=_SHOWN)]
        if ids:
            advice = "`sagamesh up --inline`, or a process that serves all of it: sagamesh worker --inline AGENT..."
            yield Finding.fail(f"queue {queue}", f"no process hosts tasks inline; waiting: {', '.join(ids)}", advice)
