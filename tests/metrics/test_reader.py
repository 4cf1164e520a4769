"""The figures of the mesh are read again and again, and from a server that does not answer none are."""

from __future__ import annotations

import asyncio
import logging

import pytest
from temporalio.client import Client

from sagamesh.inline import inline_queue
from sagamesh.metrics.mesh import MeshCollector
from sagamesh.metrics.reader import follow, read_queues, reading
from sagamesh.stack.ports import LOOPBACK, free_port
from sagamesh.testing import dev_server
from tests.support.clerks import app, errand, plugin

pytestmark = pytest.mark.asyncio


async def eventually(collector: MeshCollector) -> None:
    """Both readings have come."""
    async with asyncio.timeout(30):
        while collector.queues.look()[1] is None or collector.tasks.look()[1] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_what_is_read() -> None:
    async with dev_server(plugin) as environment:
        collector = MeshCollector(app.mesh, lasting=3600)
        async with reading(environment.client, app, collector, every=3600, inline=True):
            await eventually(collector)
        queues = await read_queues(environment.client, app)

    told = collector.queues.look()[1]
    assert told is not None
    inline = inline_queue(errand.queue)
    assert [(state.queue, state.kind) for state in told] == [
        ("clerk", "agent"),
        (errand.queue, "tasks"),
        (inline, "tasks"),
    ]
    assert inline not in {state.queue for state in queues}, "nobody hosts tasks there"
    counts = collector.tasks.look()[1]
    assert counts is not None
    assert [(count.task, count.open, count.need_operator) for count in counts] == [
        (errand.name, 0, 0),
        ("sagamesh.Supervisor", 0, 0),
    ]


async def test_what_cannot_be_read_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter((OSError("no route"), OSError("no route"), None, None, OSError("gone"), None))
    done = asyncio.Event()

    async def read() -> None:
        error = next(answers, done)
        if isinstance(error, Exception):
            raise error
        if error is done:
            done.set()

    caplog.set_level(logging.INFO, "sagamesh.metrics")
    following = asyncio.create_task(follow("queues", read, every=0))
    async with asyncio.timeout(30):
        await done.wait()
    following.cancel()

    assert [record.getMessage() for record in caplog.records] == [
        "the metrics of the mesh have no queues: OSError: no route",
        "the metrics of the mesh have their queues again",
        "the metrics of the mesh have no queues: OSError: gone",
        "the metrics of the mesh have their queues again",
    ]


async def test_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    nobody = await Client.connect(f"{LOOPBACK}:{free_port()}", lazy=True)
    collector = MeshCollector(app.mesh, lasting=3600)

    async with reading(nobody, app, collector, every=3600), asyncio.timeout(30):
        while len(caplog.records) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert (collector.queues.look()[1], collector.tasks.look()[1]) == (None, None)
