"""A provider that fails for a while, and a fleet of processes that calls it."""

from __future__ import annotations

import asyncio
import math
import os
import time

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.worker import Replayer

from sagamesh import TaskHandle
from sagamesh.breaker.fleet import keeper_id
from sagamesh.breaker.gate import look
from sagamesh.breaker.keeper import BreakerKeeper
from tests.breaker.conftest import Fleet, Server, eventually
from tests.support.outages import Letter, Provider, Sent, plugin, send, sending

pytestmark = [pytest.mark.stack, pytest.mark.asyncio, pytest.mark.timeout(240)]

OUTAGE = float(os.environ.get("SAGAMESH_TEST_OUTAGE", "6"))
"""Seconds for which the provider fails. SAGAMESH_TEST_OUTAGE=60 makes it the whole minute."""

_TASKS = 300
_PROCESSES = 4
_SLOTS = 10

assert send.policy.breaker is not None
_FAILURES = send.policy.breaker.failures
_RECOVERY = send.policy.breaker.recovery.total_seconds()


async def placed(server: Server, name: str, count: int, *, within: float) -> list[TaskHandle[Sent]]:
    """Start tasks, evenly over a time."""
    handles = []
    for n in range(count):
        handles.append(await server.client.start(sending, Letter(number=n), id=f"{name}-{n}"))
        await asyncio.sleep(within / count)
    return handles


async def held(server: Server) -> bool:
    return "provider" in await look(server.temporal, "relay")


async def free(server: Server) -> bool:
    return not await held(server)


async def ready(server: Server, name: str) -> None:
    """A first task passes, and nothing of an earlier test holds the queue."""
    await eventually(lambda: free(server))
    await (await server.client.start(sending, Letter(number=0), id=f"{name}-first")).result()


async def test_an_outage_costs_probes_however_many_processes_and_tasks_there_are(
    server: Server, fleet: Fleet, provider: Provider
) -> None:
    fleet.start("agent", _PROCESSES)
    fleet.start("tasks")
    fleet.start("system")
    await ready(server, "outage")
    began = time.time()
    provider.failing = True
    placing = asyncio.create_task(placed(server, "outage", _TASKS, within=OUTAGE * 0.9))
    await eventually(lambda: held(server))
    held_after = time.time() - began
    await asyncio.sleep(max(0.0, began + OUTAGE - time.time()))
    provider.failing = False
    mended = time.time()
    results = await asyncio.gather(*(handle.result() for handle in await placing))
    took = time.time() - mended

    refused = [moment - began for moment, status in provider.requests if status == 503]
    probes = [moment for moment in refused if moment > held_after + 1]
    print(
        f"outage {OUTAGE:g} s, recovery {_RECOVERY:g} s, {_PROCESSES} processes, {_TASKS} tasks: held after "
        f"{held_after:.2f} s; {len(refused)} calls reached the dead provider, of these {len(probes)} while it was held "
        f"{[round(moment, 1) for moment in probes]}; all done {took:.1f} s after it was mended"
    )
    assert [result.number for result in results] == list(range(_TASKS))
    # Each process stops after its own run of failures; what it has in flight at that moment may come on top.
    assert len(refused) - len(probes) <= _PROCESSES * (_FAILURES + _SLOTS)
    # A probe follows another one after a recovery at the earliest.
    assert len(probes) <= math.ceil(OUTAGE / _RECOVERY) + 1
    await eventually(lambda: free(server))
    keeper = server.temporal.get_workflow_handle(keeper_id("relay"))
    assert (await keeper.describe()).status is WorkflowExecutionStatus.COMPLETED
    await Replayer(workflows=[BreakerKeeper], plugins=[plugin]).replay_workflow(await keeper.fetch_history())


async def test_while_it_waits_a_call_costs_no_history_and_no_attempt(
    server: Server, fleet: Fleet, provider: Provider
) -> None:
    """All that its history tells is that it was called and answered."""
    fleet.start("agent")
    fleet.start("tasks")
    fleet.start("system")
    await ready(server, "cheap")
    provider.failing = True
    handles = await placed(server, "cheap", 20, within=0.5)
    await eventually(lambda: held(server))
    provider.failing = False
    await asyncio.gather(*(handle.result() for handle in handles))

    sizes = []
    for handle in handles:
        history = await server.temporal.get_workflow_handle(handle.id).fetch_history()
        sizes.append(len(history.events))
    assert max(sizes) == min(sizes)


async def test_a_keeper_whose_process_is_killed_is_taken_over(server: Server, fleet: Fleet, provider: Provider) -> None:
    fleet.start("agent", 2)
    fleet.start("tasks")
    hosts = fleet.start("system", 2)
    await ready(server, "taken-over")
    provider.failing = True
    handles = await placed(server, "taken-over", 20, within=0.5)
    await eventually(lambda: held(server))

    history = await server.temporal.get_workflow_handle(keeper_id("relay")).fetch_history()
    identity = next(
        event.workflow_task_completed_event_attributes.identity
        for event in reversed(history.events)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    )
    [keeping] = [host for host in hosts if identity.startswith(f"{host.pid}@")]
    fleet.kill(keeping)
    provider.failing = False
    killed = time.time()

    await asyncio.gather(*(handle.result() for handle in handles))
    await eventually(lambda: free(server))
    print(f"free and all done {time.time() - killed:.1f} s after the kill")


async def test_with_nobody_to_keep_it_it_is_free_again_as_soon_as_somebody_comes(
    server: Server, fleet: Fleet, provider: Provider
) -> None:
    fleet.start("agent", 2)
    fleet.start("tasks")
    [host] = fleet.start("system")
    await ready(server, "nobody")
    provider.failing = True
    handles = await placed(server, "nobody", 20, within=0.5)
    await eventually(lambda: held(server))
    fleet.kill(host)
    provider.failing = False
    before = len(provider.requests)
    # A probe comes through without any keeper: the hold is a low rate, not a closed door.
    await eventually(lambda: _more(provider, before))
    assert await held(server)

    fleet.start("system")
    await asyncio.gather(*(handle.result() for handle in handles))
    await eventually(lambda: free(server))


async def test_a_keeper_that_somebody_terminated_is_started_again(
    server: Server, fleet: Fleet, provider: Provider
) -> None:
    fleet.start("agent", 2)
    fleet.start("tasks")
    fleet.start("system")
    await ready(server, "terminated")
    provider.failing = True
    handles = await placed(server, "terminated", 20, within=0.5)
    await eventually(lambda: held(server))
    await server.temporal.get_workflow_handle(keeper_id("relay")).terminate("by mistake")
    provider.failing = False

    await asyncio.gather(*(handle.result() for handle in handles))
    await eventually(lambda: free(server))


async def _more(provider: Provider, than: int) -> bool:
    return len(provider.requests) > than
