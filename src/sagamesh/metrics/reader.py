"""Reads the figures of the mesh from the server, again and again, so that no scrape waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from temporalio.client import Client

from sagamesh.app import App
from sagamesh.attributes import NEEDS_OPERATOR
from sagamesh.discovery import QueueState, describe_app, describe_queue
from sagamesh.health.watch import looked
from sagamesh.inline import inline_queue
from sagamesh.metrics.mesh import MeshCollector, TaskCount
from sagamesh.presence import with_presence
from sagamesh.reply import reply
from sagamesh.supervision.messages import SUPERVISOR

__all__ = ["follow", "read_queues", "read_tasks", "reading"]

_log = logging.getLogger("sagamesh.metrics")

_PATIENCE: Final = 10.0
"""Seconds for one reading."""

_OPEN: Final = "ExecutionStatus = 'Running'"


@asynccontextmanager
async def reading(
    client: Client, app: App, into: MeshCollector, *, every: float, inline: bool = False
) -> AsyncIterator[None]:
    """Keep the collector while the block runs.

    - `every`: seconds between two readings.
    - `inline`: whether this process hosts tasks inline, so that their queues are read, too.
    """

    async def queues() -> None:
        into.queues.tell(await read_queues(client, app, inline=inline))

    async def tasks() -> None:
        into.tasks.tell(await read_tasks(client, app))

    following = [
        asyncio.create_task(follow("queues", queues, every)),
        asyncio.create_task(follow("tasks", tasks, every)),
    ]
    try:
        yield
    finally:
        for each in following:
            each.cancel()


async def read_queues(client: Client, app: App, *, inline: bool = False) -> Sequence[QueueState]:
    """Every queue of the app, as the server describes it, with the processes that serve it.

    Raises:
        temporalio.service.RPCError: when the server does not answer, or refuses.
    """
    states = await describe_app(client, app)
    hosted = dict.fromkeys(inline_queue(task.queue) for task in app.tasks) if inline else ()
    states += [await describe_queue(client, queue, "tasks", queue) for queue in hosted]
    return await with_presence(client, states)


async def read_tasks(client: Client, app: App) -> Sequence[TaskCount]:
    """How many tasks are open, by type. The server's list may be a second behind.

    Raises:
        ServerUnreachable: when the server does not answer.
        Refused: when it does not know the search attributes of Sagamesh.
    """
    # One question for each type: the server groups by the engine's own status only.
    names = (*(task.name for task in app.tasks), SUPERVISOR)
    waiting = f"{_OPEN} AND {NEEDS_OPERATOR.name} = true"
    any_waits = await _count(client, waiting) > 0
    return [
        TaskCount(
            task=name,
            open=await _count(client, f"{_OPEN} AND {_of_type(name)}"),
            need_operator=await _count(client, f"{waiting} AND {_of_type(name)}") if any_waits else 0,
        )
        for name in names
    ]


def _of_type(name: str) -> str:
    return f"WorkflowType = '{name}'"


async def _count(client: Client, query: str) -> int:
    return (await reply(client, client.count_workflows(query))).count


async def follow(what: str, read: Callable[[], Awaitable[None]], every: float) -> None:
    """Read for ever, `every` so many seconds. What goes wrong is logged once, and so is its end."""
    warned = False
    while True:
        problem, _ = await looked(read, _PATIENCE)
        if problem is not None and not warned:
            _log.warning("the metrics of the mesh have no %s: %s", what, problem)
        elif problem is None and warned:
            _log.info("the metrics of the mesh have their %s again", what)
        warned = problem is not None
        await asyncio.sleep(every)
