"""Records the golden histories of the framework's routing tasks: part of `scripts/record-histories`.

On a real server, with workers of the tests' depot; one of them dies where the path says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import client as temporal
from temporalio.client import WorkflowHistory

from sagamesh import Client, SagameshPlugin, Task
from sagamesh.errors import TaskFailed
from sagamesh.routing import central, negotiated
from sagamesh.testing import dev_server, served
from tests.routing.conftest import Depots
from tests.support.goldens import keep, run
from tests.support.routing import routing_pool
from tests.support.zones import EU, US, mesh

__all__ = ["HISTORIES", "PATHS", "Course"]

HISTORIES = Path(__file__).parent / "histories"


@dataclass(frozen=True)
class Course:
    """One task, its input beside the call itself, and words of its fingerprint.

    - `dies`: whether the worker of `us` dies at work.
    """

    name: str
    task: Task[Any, Any]
    says: str
    asks: Mapping[str, Any] = field(default_factory=dict)
    dies: bool = False


_CHEAPEST = {"weights": {"load": 0, "latency": 0, "cost": 1}, "wait_seconds": 60, "need": {"zones": ["eu", "us"]}}

_UNDO = {**_CHEAPEST, "undo": "release", "start_seconds": 1}

PATHS = (
    Course("central-done", central, "end with a result", {"need": {"zones": ["us", "eu"]}}),
    Course("central-no-route", central, "NoRoute", {"need": {"required": ["warm"]}}),
    Course("negotiated-done", negotiated, "end with a result", _CHEAPEST),
    Course("negotiated-refused", negotiated, "SoldOut", {**_UNDO, "input": {"sku": "none"}}),
    Course("negotiated-undone", negotiated, "undo:depot.reserve", _UNDO, dies=True),
)


async def record(client: Client, path: Course) -> WorkflowHistory:
    """Let one task go this path, and return its history."""
    depots = Depots(client)
    arg = path.task.takes.model_validate({"capability": "depot.reserve", "input": {"sku": "book"}, **path.asks})
    async with served(client.temporal, routing_pool(), depots.pool(EU), mesh=mesh), AsyncExitStack() as stack:
        if path.dies:
            async with depots.dying_at_work(US) as begun:
                handle = await client.start(path.task, arg, id=path.name)
                await begun.wait()
            while not depots.log:  # noqa: ASYNC110  # the next bidder serves it before the dead one is back
                await asyncio.sleep(0.05)
            await stack.enter_async_context(served(client.temporal, depots.pool(US)))
        else:
            await stack.enter_async_context(served(client.temporal, depots.pool(US)))
            handle = await client.start(path.task, arg, id=path.name)
        with suppress(TaskFailed):  # as some paths must; the caller looks at how it ended
            await handle.result()
        return await client.temporal.get_workflow_handle(handle.id).fetch_history()


async def _record_all() -> int:
    wrong = 0
    plugin = SagameshPlugin(passthrough=("tests",))
    async with dev_server(plugin) as server:
        # Bids carry the identity of the worker, and a golden must not tell of the machine that recorded it.
        target = server.client.service_client.config.target_host
        client = Client(await temporal.Client.connect(target, plugins=[plugin], identity="recorded"))
        for path in PATHS:
            async with asyncio.timeout(timedelta(minutes=2).total_seconds()):
                history = await record(client, path)
            wrong += await keep(history, HISTORIES, path.name, path.says)
    return wrong


if __name__ == "__main__":
    run(_record_all())
