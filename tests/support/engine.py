"""A real server, the faked agents on it, and tasks that are followed to their end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel
from temporalio import client as temporal
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import WorkflowHistory
from temporalio.testing import TimeSkipper, WorkflowEnvironment
from temporalio.worker import Worker

from sagamesh import Client, Task, TaskHandle
from sagamesh.attributes import SEARCH_ATTRIBUTES, STATUS
from sagamesh.errors import TaskCancelled, TaskFailed
from sagamesh.failure import Failure
from sagamesh.plugin import SagameshPlugin
from sagamesh.stack.dynamic_config import DYNAMIC_CONFIG
from sagamesh.status import OperatorDecision, Stage, TaskStatus
from sagamesh.testing.environment import binary
from tests.support.script import PATIENCE, Cast, Script

__all__ = ["Engine", "Running", "eventually", "open_engine", "serving"]

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)

REPLAYED = ".replayed"
"""Ending of the queues whose workers keep nothing in memory."""

_counter = itertools.count()


async def eventually(what: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is true on the server, which has no way to tell."""
    async with asyncio.timeout(PATIENCE):
        while not await what():  # noqa: ASYNC110  # nobody here could set an event
            await asyncio.sleep(0.02)


async def _caught(result: Awaitable[Out]) -> Out | TaskFailed:
    try:
        return await result
    except TaskFailed as error:
        return error


@dataclass
class Running(Generic[Out]):
    """A task that was started, and the script by which its agents play."""

    engine: Engine
    handle: TaskHandle[Out]
    script: Script

    @property
    def temporal(self) -> temporal.WorkflowHandle[Any, Any]:
        """The engine's own handle."""
        return self.engine.temporal.get_workflow_handle(self.handle.id)

    async def done(self, *, sound: bool = True) -> Out:
        """Its result; `sound` says that its code never failed on the way."""
        result = await self._ended(sound=sound)
        if sound:
            await self.sound()
        return result

    async def failure(self, *, races: bool = False) -> Failure:
        """Why it failed; `races` says that an effect may come after its undo."""
        with pytest.raises(TaskFailed) as caught:
            await self._ended()
        assert not isinstance(caught.value, TaskCancelled), caught.value
        await self.sound(races=races)
        return caught.value.failure

    async def cancelled(self) -> None:
        """It ends because it was cancelled."""
        with pytest.raises(TaskCancelled):
            await self._ended()
        await self.sound()

    async def outcome(self) -> str:
        """The engine's word for how it ended, whatever that is."""
        with suppress(TaskFailed):
            await self._ended()
        await self.sound()
        status = (await self.temporal.describe()).status
        assert status is not None
        return status.name

    async def _ended(self, *, sound: bool = True) -> Out:
        """Its result; a workflow task that fails over and over is no reason to wait for it."""
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            waiting = group.create_task(_caught(self.handle.result()))
            while not (await asyncio.wait([waiting], timeout=1))[0]:
                if sound:
                    await self.sound(races=True)
        result = waiting.result()
        if isinstance(result, TaskFailed):
            raise result
        return result

    # A query to a task that is just being replayed can cost the server ten seconds, so waiting looks at what the server
    # itself knows.

    async def reaches(self, stage: Stage) -> TaskStatus:
        """Wait until it is at a stage."""

        async def there() -> bool:
            at_rest = not (await self._described()).HasField("pending_workflow_task")
            return at_rest and await self.found_as() == stage

        await eventually(there)
        return await self.handle.status()

    async def scheduled(self, step: str) -> None:
        """Wait until the task has begun one of its steps."""
        await self._has_event(step, "activity_task_scheduled_event_attributes")

    async def answered(self, step: str) -> None:
        """Wait until the task has seen one of its steps succeed."""
        await self._has_event(step, "activity_task_completed_event_attributes")

    async def refused(self, step: str) -> None:
        """Wait until the task has seen one of its steps fail."""
        await self._has_event(step, "activity_task_failed_event_attributes")

    async def _has_event(self, step: str, kind: str) -> None:
        async def so() -> bool:
            steps: dict[int, str] = {}
            found = False
            for event in (await self.history()).events:
                if event.HasField("activity_task_scheduled_event_attributes"):
                    steps[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
                if event.WhichOneof("attributes") == kind:
                    about = getattr(getattr(event, kind), "scheduled_event_id", event.event_id)
                    found = found or steps[about] == step
            return found and not (await self._described()).HasField("pending_workflow_task")

        await eventually(so)

    async def deadline_passed(self) -> None:
        """Wait until its deadline's timer has fired."""

        async def fired() -> bool:
            return bool(await self.events(EventType.EVENT_TYPE_TIMER_FIRED))

        await eventually(fired)

    async def undo_failed(self, times: int) -> None:
        """Wait until undos have failed so often, and an operator may decide."""

        async def so() -> bool:
            stuck = await self._settled() and await self.found_as() == Stage.NEEDS_OPERATOR
            return stuck and self.script.failures_of_undos == times

        await eventually(so)

    async def asked(self, times: int) -> None:
        """Wait until it has asked for approval so often; each question has its timer."""

        async def so() -> bool:
            asked = await self.events(EventType.EVENT_TYPE_TIMER_STARTED)
            return len(asked) == times and await self._settled()

        await eventually(so)

    async def _settled(self) -> bool:
        """Whether it waits for somebody outside."""
        described = await self._described()
        return not described.pending_activities and not described.HasField("pending_workflow_task")

    async def _described(self) -> DescribeWorkflowExecutionResponse:
        return (await self.temporal.describe()).raw_description

    async def question(self) -> str:
        """What it asks."""
        approval = (await self.handle.status()).approval
        assert approval is not None
        return approval.question

    async def decide(
        self, step: str, action: str, *, reason: str = "because", result: dict[str, Any] | None = None
    ) -> TaskStatus:
        """Decide as the operator Olga."""
        decision = {"step": step, "action": action, "by": "olga", "reason": reason, "result": result}
        return await self.handle.operator(OperatorDecision.model_validate(decision))

    async def found_as(self) -> str | None:
        """The stage by which it is found."""
        return (await self.temporal.describe()).typed_search_attributes.get(STATUS)

    async def history(self) -> WorkflowHistory:
        """Its history so far."""
        return await self.temporal.fetch_history()

    async def events(self, kind: EventType.ValueType) -> list[HistoryEvent]:
        """Its events of one kind so far."""
        return [event for event in (await self.history()).events if event.event_type == kind]

    async def sound(self, *, races: bool = False) -> None:
        """No workflow task failed, and, unless `races`, no undo ran beside its step."""
        failed = await self.events(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        # Something came in while the task ended: the engine has its code look again, and nothing is wrong.
        again = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
        failed = [event for event in failed if event.workflow_task_failed_event_attributes.cause != again]
        # Messages of their own, since pytest looks into the asserts of tests only.
        messages = [event.workflow_task_failed_event_attributes.failure.message for event in failed]
        assert not messages, messages
        assert races or not self.script.races, self.script.races


@dataclass
class Engine:
    """A real server on which the faked agents serve.

    - `replayed`: whether tasks are hosted by a worker that keeps none in memory, and so replays each from the beginning
      for every step.
    """

    environment: WorkflowEnvironment
    temporal: temporal.Client
    cast: Cast
    replayed: bool = False

    @property
    def client(self) -> Client:
        """The typed client. Time is real."""
        return Client(self.temporal)

    @property
    def skipping(self) -> Client:
        """A typed client whose tasks skip the time in which nothing is under way."""
        return Client(self.environment.client)

    @property
    def address(self) -> str:
        """Where the server listens."""
        return self.temporal.service_client.config.target_host

    def new_id(self) -> str:
        """An id that no other test uses."""
        return f"t-{next(_counter)}"

    def script(self, task_id: str) -> Script:
        """What the agents will do for a task; write it before the task starts."""
        return self.cast.script(task_id)

    def hosted(self, task: Task[In, Out]) -> Task[In, Out]:
        """The task, on the queue of the worker that is asked for."""
        return replace(task, queue=task.queue + REPLAYED) if self.replayed else task

    async def start(
        self, task: Task[In, Out], arg: In, *, id: str | None = None, skipping: bool = False
    ) -> Running[Out]:
        """Start a task."""
        task_id = id or self.new_id()
        client = self.skipping if skipping else self.client
        handle = await client.start(self.hosted(task), arg, id=task_id)
        return Running(self, handle, self.script(task_id))

    async def pass_time(self, running: Running[Any], time: timedelta) -> None:
        """Let the clock of one task go on by so much at once."""
        async with asyncio.timeout(PATIENCE):
            await TimeSkipper(self.temporal).fast_forward(running.temporal, time)


@asynccontextmanager
async def open_engine(cast: Cast, plugin: SagameshPlugin) -> AsyncIterator[Engine]:
    """The server and the agents, without anybody who hosts tasks."""
    settings = ("frontend.WorkflowTimeSkippingEnabled=true", *DYNAMIC_CONFIG)
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=binary("temporal", "sagamesh[stack]"),
        dev_server_log_level="error",
        dev_server_extra_args=[word for value in settings for word in ("--dynamic-config-value", value)],
        ip="127.0.0.1",
        plugins=[plugin],
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment, AsyncExitStack() as stack:
        target = environment.client.service_client.config.target_host
        client = await temporal.Client.connect(target, plugins=[plugin])
        for pool in cast.fakes.pools():
            pool.configure(slots=100, grace=timedelta(0))
            await stack.enter_async_context(pool.serving(client))
        yield Engine(environment, client, cast)


@asynccontextmanager
async def serving(client: temporal.Client, queue: str, workflows: Iterable[type]) -> AsyncIterator[None]:
    """Workers that host tasks: one that keeps them in memory, one that keeps none."""
    workflows = list(workflows)
    async with (
        Worker(client, task_queue=queue, workflows=workflows),
        Worker(client, task_queue=queue + REPLAYED, workflows=workflows, max_cached_workflows=0),
    ):
        yield
