"""What the server's own data say of a version's calls and tasks, look by look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import client as temporal
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from sagamesh import Client
from sagamesh.deployments import evidence
from sagamesh.deployments.evidence import CallsSeen, figures_of_tasks
from sagamesh.deployments.judgement import Figures
from sagamesh.deployments.routing import set_current
from tests.deployments.parcels import COURIERS, PARCELS, Courier, hosting, serving
from tests.deployments.releasing import polled, send, start
from tests.support.engine import eventually
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_A_LOOK = 4
TASKS = 10


async def test_what_one_look_does_not_read_the_next_one_does(post: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_READ", AT_A_LOOK)
    client, began = post.temporal, datetime.now(UTC)

    async def shown(count: int, query: str) -> None:
        async def so() -> bool:
            return (await client.count_workflows(query)).count == count

        await eventually(so)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(PATIENCE))
        carrier = Courier("a")
        await stack.enter_async_context(hosting(client, "v1"))
        await set_current(client, await polled(post, PARCELS, "v1"), "v1")
        await stack.enter_async_context(serving(client, carrier))
        await set_current(client, await polled(post, COURIERS, "a"), "a")
        patient = await start(post, "patient")
        await send(post, TASKS)
        # As open as a task, and newer: they must not take its place.
        for kind in ("sagamesh.Breaker", "sagamesh.Lock", "sagamesh.Supervisor"):
            await client.start_workflow(kind, id=f"{kind}.test", task_queue="nobody")
        await shown(TASKS, "ExecutionStatus = 'Completed' AND WorkflowType = 'Parcel'")
        await shown(4, "ExecutionStatus = 'Running' AND StartTime >= '" + began.isoformat() + "'")

        seen = CallsSeen(client, ("courier",), began)
        # One of the four is the task that is open.
        assert [(await seen.look())["a"].ended for _ in range(5)] == [3, 6, 9, 10, 10]
        carrier.arrived.set()
        await patient.result()
        await shown(TASKS + 1, "ExecutionStatus = 'Completed' AND WorkflowType = 'Parcel'")
        found = (await seen.look())["a"]
        assert (found.ended, found.failed, len(found.seconds)) == (11, 0, 11)
        assert [(await CallsSeen(client, ("courier",), began).look())["a"].ended] == [AT_A_LOOK]
        monkeypatch.setattr(evidence, "_KEPT", 5)
        assert (await seen.look())["a"].ended == 5


class Old:
    """A client of a server that does not know which tasks' code fails."""

    service_client = SimpleNamespace(config=SimpleNamespace(target_host="old:7233"))
    namespace = "default"

    def list_workflows(self, query: str, limit: int) -> AsyncIterator[temporal.WorkflowExecution]:
        async def listed() -> AsyncIterator[temporal.WorkflowExecution]:
            if "TemporalReportedProblems" in query:
                raise RPCError("invalid query: no such search attribute", RPCStatusCode.INVALID_ARGUMENT, b"")
            for each in list[temporal.WorkflowExecution]():
                yield each

        return listed()


async def test_a_server_that_does_not_count_broken_tasks_is_no_reason_to_stop() -> None:
    version = WorkerDeploymentVersion(PARCELS, "v1")
    found = await figures_of_tasks(cast("Any", Old()), version, datetime.now(UTC))
    assert found == Figures()
