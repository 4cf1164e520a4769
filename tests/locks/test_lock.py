"""Locks on a real server."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace

import pytest

from sagamesh import Client, Task
from sagamesh.errors import TaskCancelled, TaskFailed
from sagamesh.handle import TaskHandle
from sagamesh.locks.messages import LOCK, LockStatus, lock_id
from tests.locks import tasks
from tests.locks.conftest import Place
from tests.locks.tasks import Seen, Turn
from tests.support.engine import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_counter = itertools.count()


def new(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{next(_counter)}"


async def start(
    client: Client, task: Task[Turn, Seen], turn: Turn, *, replayed: bool = False, id: str = ""
) -> TaskHandle[Seen]:
    """Start a task."""
    hosted = replace(task, queue="turns.replayed") if replayed else task
    return await client.start(hosted, turn, id=id or new("visit"))


async def status(client: Client, name: str) -> LockStatus:
    """How a lock stands."""
    found: LockStatus = await client.temporal.get_workflow_handle(lock_id(name)).query("status", result_type=LockStatus)
    return found


async def held_by(client: Client, name: str, task_id: str) -> None:
    """Wait until a task holds a lock."""

    async def so() -> bool:
        running = (await client.temporal.count_workflows(f"WorkflowId = '{lock_id(name)}'")).count
        holder = (await status(client, name)).holder if running else None
        return holder is not None and holder.task_id == task_id

    await eventually(so)


async def waits(client: Client, name: str, task_id: str) -> None:
    """Wait until a task waits for a lock."""

    async def so() -> bool:
        return task_id in {waiter.task_id for waiter in (await status(client, name)).waiting}

    await eventually(so)


def alone(visits: list[tuple[str, str, int]]) -> None:
    """Nobody was there with another, and each fence was larger than the one before."""
    for (who, what, fence), (then, left, same) in zip(visits[::2], visits[1::2], strict=True):
        assert (what, left, then, same) == ("enters", "leaves", who, fence)
    fences = [fence for _, what, fence in visits if what == "enters"]
    assert fences == sorted(set(fences))


async def test_three_hundred_contend(contended: Client, place: Place) -> None:
    """All get it, one at a time, in the order of their requests, while the lock continues as new again and again."""
    name, many = new("crowd"), 300
    handles = await asyncio.gather(
        *(
            start(contended, tasks.Visit.task, Turn(name=name, wait_seconds=None, lease_seconds=120))
            for _ in range(many)
        )
    )
    began = time.monotonic()
    results = await asyncio.gather(*(handle.result() for handle in handles))
    took = time.monotonic() - began

    visits = place.visits()
    alone(visits)
    assert len(visits) == 2 * many
    assert sorted(fence for seen in results for fence in seen.fences) == [
        f for _, what, f in visits if what == "enters"
    ]
    asked = []
    runs = 0
    async for execution in contended.temporal.list_workflows(f"WorkflowId = '{lock_id(name)}'"):
        runs += 1
        handle = contended.temporal.get_workflow_handle(execution.id, run_id=execution.run_id)
        arrived = []
        async for event in handle.fetch_history_events():
            told = event.workflow_execution_signaled_event_attributes
            if told.signal_name == "sagamesh.lock.request":
                arrived.append(told.input.payloads[0].data.decode())
        asked.append((execution.start_time, arrived))
    print(f"{many} tasks, one lock: {many / took:.1f} grants/s, {runs} runs of the lock")
    order = [data for _, arrived in sorted(asked) for data in arrived]
    entered = [who for who, what, _ in visits if what == "enters"]
    assert [next(who for who in entered if f'"{who}"' in data) for data in order] == entered
    assert runs > 2
