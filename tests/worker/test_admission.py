"""Slots that can be closed: counted, and with a real server so that no call is lost to a worker that stops."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sagamesh.admission import Admission
from sagamesh.slots import tuner

TURNS = 10
CALLERS = 6
ASKED: Any = SimpleNamespace()
POLL_ENDED: Any = SimpleNamespace(slot_info=None)
CALL_ENDED: Any = SimpleNamespace(slot_info=SimpleNamespace(activity_type="x"))


class Shown:
    """What the metric says."""

    value = -1

    def set(self, value: float) -> None:
        self.value = int(value)


@pytest.mark.asyncio
async def test_no_more_polls_than_slots_and_a_free_one_is_given_on() -> None:
    shown: Any = Shown()
    admission = Admission(2, shown)
    await admission.reserve_slot(ASKED)
    assert admission.try_reserve_slot(ASKED) is not None
    assert admission.try_reserve_slot(ASKED) is None
    third = asyncio.create_task(admission.reserve_slot(ASKED))
    await asyncio.sleep(0)
    assert not third.done()
    admission.mark_slot_used(ASKED)
    assert shown.value == 1
    assert admission.try_reserve_slot(ASKED) is None
    # The library calls from a thread of its own.
    await asyncio.to_thread(admission.release_slot, CALL_ENDED)
    await third
    assert shown.value == 2


@pytest.mark.asyncio
async def test_closed_it_lets_nobody_in_and_waits_for_open_polls_only() -> None:
    admission = Admission(3)
    for _ in range(3):
        await admission.reserve_slot(ASKED)
    admission.mark_slot_used(ASKED)
    draining = asyncio.create_task(admission.drain(60, asyncio.Event()))
    await asyncio.sleep(0)
    asking = asyncio.create_task(admission.reserve_slot(ASKED))
    admission.release_slot(POLL_ENDED)
    assert admission.try_reserve_slot(ASKED) is None
    assert not draining.done()
    admission.mark_slot_used(ASKED)
    assert await draining, "two calls run, no poll is open"
    assert not asking.done()
    asking.cancel()


@pytest.mark.parametrize(("within", "hurried"), [(0.0, False), (60.0, True)])
@pytest.mark.asyncio
async def test_open_polls_are_not_waited_for_for_ever(within: float, *, hurried: bool) -> None:
    admission = Admission(1)
    await admission.reserve_slot(ASKED)
    hurry = asyncio.Event()
    if hurried:
        hurry.set()
    assert not await admission.drain(within, hurry)


@pytest.mark.asyncio
async def test_an_idle_queue_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagamesh.admission._QUIET", 0.05)
    admission = Admission(1)
    await admission.reserve_slot(ASKED)
    assert not await admission.drain(60, asyncio.Event())


attempts: list[int] = []


@activity.defn
async def step(n: int) -> int:
    attempts.append(activity.info().attempt)
    return n


@workflow.defn
class Steps:
    """One call after the other, until it is told to end."""

    def __init__(self) -> None:
        self._end = False

    @workflow.signal
    def end(self) -> None:
        self._end = True

    @workflow.run
    async def run(self) -> int:
        for n in itertools.count():
            if self._end:
                return n
            await workflow.execute_activity(step, n, task_queue="admitted", start_to_close_timeout=timedelta(seconds=5))
        raise AssertionError


@pytest_asyncio.fixture(loop_scope="session")
async def hosted(cached_engine: Any) -> AsyncIterator[Client]:
    client: Client = cached_engine.temporal
    async with Worker(client, task_queue="steps", workflows=[Steps], workflow_runner=UnsandboxedWorkflowRunner()):
        yield client


@pytest.mark.asyncio(loop_scope="session")
async def test_workers_take_turns_and_no_call_is_begun_twice(hosted: Client) -> None:
    """Without being closed first, a worker that stops loses a call in every other turn on a busy machine."""
    attempts.clear()

    def other() -> tuple[Worker, Admission]:
        admission = Admission(10)
        return (
            Worker(
                connection,
                task_queue="admitted",
                activities=[step],
                tuner=tuner(10, admission=admission),
                graceful_shutdown_timeout=timedelta(seconds=5),
            ),
            admission,
        )

    running = [await hosted.start_workflow(Steps.run, id=f"steps-{n}", task_queue="steps") for n in range(CALLERS)]
    address = hosted.service_client.config.target_host
    last: tuple[Worker, Admission, asyncio.Task[None]] | None = None
    for _ in range(TURNS):
        connection = await Client.connect(address, namespace=hosted.namespace)
        worker, admission = other()
        task = asyncio.create_task(worker.run())
        before = len(attempts)
        while len(attempts) < before + CALLERS:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
        if last is not None:
            await stopped(*last)
        last = (worker, admission, task)
    for handle in running:
        await handle.signal(Steps.end)
    done = [await handle.result() for handle in running]
    assert last is not None
    await stopped(*last)
    assert sum(done) == len(attempts)
    assert set(attempts) == {1}


async def stopped(worker: Worker, admission: Admission, task: asyncio.Task[None]) -> None:
    await admission.drain(30, asyncio.Event())
    await worker.shutdown()
    await task
