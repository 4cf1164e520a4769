"""A process is known as a poller whichever partition of the queue its poll waits in, as on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.health.engine import polled
from sagamesh.health.watch import Problem
from sagamesh.polled_queue import Queue, pollers_of
from sagamesh.testing import dev_server
from tests.support.engine import eventually

SETTINGS = [f"matching.numTaskqueue{way}Partitions=4" for way in ("Read", "Write")]
PROCESSES = 16
SOON = timedelta(seconds=5)
QUEUES: list[Queue] = [("stock", "activities"), ("orders", "workflows")]


@asynccontextmanager
async def asking(client: Client, queue: Queue) -> AsyncIterator[None]:
    """One poll of each of many processes is open while the block runs."""
    name, side = queue

    async def ask(identity: str) -> None:
        asked: dict[str, Any] = {
            "namespace": client.namespace,
            "task_queue": TaskQueue(name=name),
            "identity": identity,
        }
        service, long = client.workflow_service, timedelta(minutes=2)
        if side == "activities":
            await service.poll_activity_task_queue(PollActivityTaskQueueRequest(**asked), timeout=long)
        else:
            await service.poll_workflow_task_queue(PollWorkflowTaskQueueRequest(**asked), timeout=long)

    asks = [asyncio.create_task(ask(f"{number}@pod")) for number in range(PROCESSES)]
    try:
        yield
    finally:
        for each in asks:
            each.cancel()
        with suppress(asyncio.CancelledError, RPCError):
            await asyncio.gather(*asks)


@pytest.mark.asyncio
async def test_of_many_processes_with_one_poll_each_every_one_is_known() -> None:
    started = datetime.now(UTC)
    async with dev_server(settings=SETTINGS) as server:
        address = server.client.service_client.config.target_host
        processes = [await Client.connect(address, identity=f"{number}@pod") for number in range(PROCESSES)]
        stranger = await Client.connect(address, identity="stranger@pod")
        for queue in QUEUES:
            async with asking(server.client, queue):

                async def all_are_there(queue: Queue = queue) -> bool:
                    found = {each.identity for each in await pollers_of(server.client, queue, timeout=SOON)}
                    return len(found) == PROCESSES

                await eventually(all_are_there)
                for process in processes:
                    await polled(process, queue, started)
                with pytest.raises(Problem, match="not polled by this process"):
                    await polled(stranger, queue, started)
                # What this test is about: the partition that is called like the queue does not know them all.
                assert len(await _at_the_first(server.client, queue)) < PROCESSES


async def _at_the_first(client: Client, queue: Queue) -> set[str]:
    name, side = queue
    of = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY if side == "activities" else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=of)
    return {each.identity for each in (await client.workflow_service.describe_task_queue(request)).pollers}


@pytest.mark.asyncio
async def test_where_the_server_tells_no_partitions_the_first_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")

    started = datetime.now(UTC)
    async with dev_server() as server:
        process = await Client.connect(server.client.service_client.config.target_host, identity="0@pod")
        monkeypatch.setattr(process.workflow_service, "list_task_queue_partitions", refused)
        async with asking(server.client, ("stock", "activities")):

            async def is_known() -> bool:
                try:
                    await polled(process, ("stock", "activities"), started)
                except Problem:
                    return False
                return True

            await eventually(is_known)
        with pytest.raises(Problem, match="not polled"):
            await polled(process, ("orders", "workflows"), started)
