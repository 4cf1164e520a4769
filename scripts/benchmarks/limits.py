"""Whether limits and fairness hold: a rate over several processes, one tenant beside another, priority over backlog."""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio import client as temporal

from benchmarks.limit_contracts import RATE, SERVICE_SECONDS, Calls, Done, crowd
from benchmarks.limit_worker import app
from benchmarks.processes import BenchFailed, Fleet
from benchmarks.report import Goal, Report, machine
from benchmarks.server import start_server
from sagamesh import Client, TaskHandle
from sagamesh.discovery import QueueState, describe_queue

__all__ = ["measure"]

_WORKERS = (1, 2, 4)
_SETTLING = 3 * RATE
"""Calls that do not count: after a pause, the server lets a second's worth and a little more through at once."""

_PATIENCE = 60.0
_TOLERANCE = 0.1
_ids = itertools.count()


@dataclass(frozen=True, slots=True)
class Delays:
    """Single tasks, in seconds: alone, behind a backlog, and how long each waited for its turn there.

    - `before`: calls of others that began while it waited.
    """

    alone: float
    delayed: list[float]
    waits: list[float]
    before: list[int]


@dataclass(frozen=True, slots=True)
class _Single:
    """One task: how long it took in seconds, and when its call was put on the queue and taken, in ns since 1970."""

    whole: float
    scheduled: int
    began: int


async def measure(folder: Path, *, seconds: int, tasks: int, singles: int) -> Report:
    """Measure all three, each on a server of its own.

    - `seconds`: for how long each number of processes is measured.
    - `tasks`: the tasks of the busy tenant, and of the last priority.
    - `singles`: tasks of other tenants, and of the first priority, one after the other.

    Raises:
        BenchFailed: when a process ends, or nobody serves in time.
    """
    busy = os.getloadavg()[0]
    rates = {count: await _rate(folder, count, seconds) for count in _WORKERS}
    tenants = await _delays(folder, "tenants", tasks, singles, busy_one=("big", 3), other=lambda n: (f"small-{n}", 3))
    priorities = await _delays(folder, "priorities", tasks, singles, busy_one=("same", 5), other=lambda _: ("same", 1))
    rows = [
        *(
            f"rate {RATE}/s, {count} worker process{'es' * (count > 1)}: {rate:.2f}/s over {seconds} s"
            for count, rate in rates.items()
        ),
        *(
            f"{what}: a single task waits for its turn {statistics.median(found.waits) * 1000:.0f} ms (at most "
            f"{max(found.waits) * 1000:.0f} ms) behind {tasks} tasks whose call takes {SERVICE_SECONDS * 1000:.0f} ms, "
            f"one at a time; in all it takes {statistics.median(found.delayed) * 1000:.0f} ms, alone "
            f"{found.alone * 1000:.0f} ms; calls of others that began meanwhile: {', '.join(map(str, found.before))}"
            for what, found in (("another tenant", tenants), ("first priority over last", priorities))
        ),
        f"load average before: {busy:.1f}",
    ]
    within = [Goal(f"rate of {count}", at_least=RATE * (1 - _TOLERANCE)) for count in rates]
    below = [Goal(f"rate of {count}", at_most=RATE * (1 + _TOLERANCE)) for count in rates]
    checks = [*zip(within, rates.values(), strict=True), *zip(below, rates.values(), strict=True)]
    for what, found in (("tenant", tenants), ("priority", priorities)):
        # Counted, not timed: what a call of 100 ms takes on a busy machine is another matter.
        checks.append((Goal(f"calls of others that went first, by {what}", at_most=1), max(found.before)))
    return Report(
        bench="limits",
        rows=rows,
        checks=checks,
        document={
            **machine(),
            "load_average": busy,
            "rate": RATE,
            "rates": {str(count): rate for count, rate in rates.items()},
            "service_seconds": SERVICE_SECONDS,
            "tasks": tasks,
            "tenant": asdict(tenants),
            "priority": asdict(priorities),
        },
    )


async def _rate(folder: Path, workers: int, seconds: int) -> float:
    """Calls a second that so many processes were given, by the server's own clock."""
    async with _hall(folder, f"rate-{workers}") as (fleet, address, client):
        for number in range(workers):
            fleet.start_module(f"limited-{number}", "benchmarks.limit_worker", "limited", address)
        await _until(fleet, client, "limited", lambda state: len(state.workers) == workers)
        count = _SETTLING + seconds * RATE
        print(f"{workers} worker process{'es' * (workers > 1)}, {count} calls ...", flush=True)
        handle = await _start(client, "limited.call", "", count=count)
        await _result(fleet, handle)
        history = await client.temporal.get_workflow_handle(handle.id).fetch_history()
    started = sorted(
        event.event_time.ToNanoseconds() / 1e9
        for event in history.events
        if event.HasField("activity_task_started_event_attributes")
    )
    counted = started[_SETTLING:]
    return (len(counted) - 1) / (counted[-1] - counted[0])


async def _delays(
    folder: Path,
    name: str,
    tasks: int,
    singles: int,
    *,
    busy_one: tuple[str, int],
    other: Callable[[int], tuple[str, int]],
) -> Delays:
    """Single tasks alone, then behind a backlog."""
    async with _hall(folder, name) as (fleet, address, client):
        fleet.start_module("desk", "benchmarks.limit_worker", "desk", address)
        await _until(fleet, client, "desk", lambda state: bool(state.workers))
        alone = [(await _timed(fleet, client, *other(-number))).whole for number in range(1, 12)]
        print(f"{name}: {tasks} tasks before {singles} single ones ...", flush=True)
        tenant, priority = busy_one
        await asyncio.gather(
            *(_start(client, "desk.call", tenant, priority=priority) for _ in range(tasks)),
        )
        delayed = [await _timed(fleet, client, *other(number)) for number in range(singles)]
        began = [int(line.split()[1]) for line in fleet.output("desk").splitlines() if line.startswith("began ")]
        state = await describe_queue(client.temporal, "desk", "agent", "desk")
        if not state.backlog:
            raise BenchFailed(f"{name}: nothing waited any more when the last single task was served; take more tasks")
    return Delays(
        # The first few warm the connections up.
        alone=statistics.median(alone[3:]),
        delayed=[each.whole for each in delayed],
        waits=[(each.began - each.scheduled) / 1e9 for each in delayed],
        before=[sum(each.scheduled < other < each.began for other in began) for each in delayed],
    )


async def _timed(fleet: Fleet, client: Client, tenant: str, priority: int) -> _Single:
    """Run one task."""
    began = time.monotonic()
    handle = await _start(client, "desk.call", tenant, priority=priority)
    await _result(fleet, handle)
    whole = time.monotonic() - began
    events = (await client.temporal.get_workflow_handle(handle.id).fetch_history()).events
    [scheduled] = [e for e in events if e.HasField("activity_task_scheduled_event_attributes")]
    [started] = [e for e in events if e.HasField("activity_task_started_event_attributes")]
    return _Single(whole, scheduled.event_time.ToNanoseconds(), started.event_time.ToNanoseconds())


async def _start(
    client: Client, capability: str, tenant: str, *, count: int = 1, priority: int | None = None
) -> TaskHandle[Done]:
    calls = Calls(tenant=tenant, capability=capability, count=count)
    return await client.start(crowd, calls, id=f"crowd-{next(_ids)}", priority=priority)


async def _result(fleet: Fleet, handle: TaskHandle[Done]) -> None:
    waiting = asyncio.ensure_future(handle.result())
    deadline = time.monotonic() + 10 * _PATIENCE
    while not (await asyncio.wait([waiting], timeout=1))[0]:
        fleet.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"task {handle.id} was not served")
    waiting.result()


@asynccontextmanager
async def _hall(folder: Path, name: str) -> AsyncIterator[tuple[Fleet, str, Client]]:
    """A server on which the task is hosted, and nobody serves yet."""
    own = folder / name
    own.mkdir()
    with Fleet(own) as fleet:
        address = await start_server(fleet, own)
        fleet.start_module("crowds", "benchmarks.limit_worker", "crowds", address)
        yield fleet, address, Client(await temporal.Client.connect(address, plugins=[app.plugin()]))


async def _until(fleet: Fleet, client: Client, queue: str, there: Callable[[QueueState], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not there(await describe_queue(client.temporal, queue, "agent", queue)):
        fleet.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"not everybody serves {queue} after {_PATIENCE:.0f} s")
        await asyncio.sleep(0.2)
