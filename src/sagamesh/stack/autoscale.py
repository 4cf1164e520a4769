"""Autoscaling of the embedded stack: as many processes a pool as its backlog and its busy slots ask for."""

from __future__ import annotations

import asyncio
import http.client
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from temporalio.service import RPCError

from sagamesh.discovery import describe_queue
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.polled_queue import Queue
from sagamesh.scaling import Autoscaler, Behavior, Figure, Policy, Rules, average_value
from sagamesh.stack.errors import StackFailed
from sagamesh.stack.ports import LOOPBACK
from sagamesh.stack.readiness import Engine
from sagamesh.stack.replicas import Replicas
from sagamesh.stack.state import PartState, PoolScale, Stage

__all__ = ["BUSY_SHARE", "TARGET", "ScaleOptions", "SlotCount", "autoscale", "behavior", "busy_slots", "read_slots"]

TARGET: Final = 5.0
"""Calls that may wait for each process of a pool, as in the chart."""

BUSY_SHARE: Final = 0.7
"""How full the slots of a process may be, as in the chart."""

_LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at a pool; the server's figures are up to five seconds old."""

_ANSWER: Final = 2.0
"""Seconds for a process to tell its figures."""

_WORKERS: Final = {"activities": "ActivityWorker", "workflows": "WorkflowWorker"}

_SLOTS: Final = re.compile(r"^temporal_worker_task_slots_(used|available)\{([^}]*)\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """How many processes each pool has, and how long a pool must have been quiet before one goes, in seconds.

    Raises:
        InvalidInput: naming the option that is wrong.
    """

    least: int = 1
    most: int = 4
    window: float = 60.0

    def __post_init__(self) -> None:
        problems = []
        if self.least < 1:
            problems.append(FieldProblem(field="--min", problem="at least one process"))
        if self.most < self.least:
            problems.append(FieldProblem(field="--max", problem=f"{self.most} is less than --min ({self.least})"))
        if not 0 < self.window <= 86_400:
            problems.append(FieldProblem(field="--scale-in-after", problem="must be above 0, and a day at most"))
        if problems:
            raise InvalidInput("autoscaling", problems)


def behavior(window: float) -> Behavior:
    """The chart's rules at another pace: with its own window of 300 s they are the chart's."""
    soon = window / 20
    return Behavior(
        up=Rules(0, (Policy("Percent", 100, soon), Policy("Pods", 4, soon))),
        down=Rules(window, (Policy("Pods", 1, window / 5),)),
    )


@dataclass(frozen=True, slots=True)
class SlotCount:
    """Of one process: slots in which something runs, and all that it has; None where resources decide their number."""

    used: float
    all: float | None


def read_slots(page: str, queues: Sequence[Queue]) -> SlotCount | None:
    """The slots of these queues in a process's metrics; None while it tells none."""
    wanted = [(f'task_queue="{queue}"', f'worker_type="{_WORKERS[side]}"') for queue, side in queues]
    used, available = 0.0, dict[int, float]()
    told = False
    for which, labels, value in _SLOTS.findall(page):
        for place, pair in enumerate(wanted):
            if all(label in labels.split(",") for label in pair):
                told = True
                if which == "used":
                    used += float(value)
                else:
                    available[place] = available.get(place, 0.0) + float(value)
    if not told:
        return None
    # A queue whose slots are handed out by resources has no number that is free.
    return SlotCount(used, used + sum(available.values()) if len(available) == len(wanted) else None)


def busy_slots(counts: Sequence[SlotCount | None], current: int) -> Figure:
    """What the slots in use ask for.

    - `counts`: of each process that is ready; None for one that tells nothing.
    - `current`: processes now.

    Slots by resources are never known to be full. So they ask for no more processes, and for no fewer as long as
    something runs in one of them.
    """
    name = "busy slots"
    known = [count for count in counts if count is not None]
    if len(known) < len(counts) or not known:
        return average_value(name, None, BUSY_SHARE, current)
    used = sum(count.used for count in known)
    slots = [count.all for count in known if count.all is not None]
    if len(slots) == len(known):
        return average_value(name, used, BUSY_SHARE * sum(slots) / len(slots), current)
    return Figure(name, used, used / current if current else 0.0, current if used else 0)


async def autoscale(pool: Replicas, engine: Engine, options: ScaleOptions, tell: Callable[[PoolScale], None]) -> None:
    """For ever: look, decide, start and stop processes of a pool.

    - `tell`: told about each change, and why.
    """
    scaler = Autoscaler(options.least, options.most, behavior(options.window))
    tell(PoolScale(pool=pool.part.name, least=options.least, most=options.most, wanted=pool.count))
    while True:
        current = pool.count
        figures = await _figures(pool, engine, current)
        decision = scaler.decide(time.monotonic(), current, figures)
        if decision.replicas != current:
            scale = PoolScale(
                pool=pool.part.name,
                least=options.least,
                most=options.most,
                wanted=decision.replicas,
                reason=f"from {current} to {decision.replicas}: {decision.reason}",
                changed=time.time(),
            )
            tell(scale)
            try:
                await pool.scale(decision.replicas)
            except StackFailed as error:
                tell(scale.model_copy(update={"wanted": pool.count, "reason": str(error)}))
        await asyncio.sleep(_LOOK_AGAIN)


async def _figures(pool: Replicas, engine: Engine, current: int) -> list[Figure]:
    ready = [state for state in pool.states if state.stage is Stage.READY]
    slots, backlog = await asyncio.gather(
        asyncio.gather(*(_slots(state, pool.part.queues) for state in ready)), _backlog(engine, pool.part.queues)
    )
    return [average_value("backlog", backlog, TARGET, current), busy_slots(slots, current)]


async def _backlog(engine: Engine, queues: Sequence[Queue]) -> float | None:
    client = await engine.client()
    if client is None:
        return None
    try:
        async with asyncio.timeout(_ANSWER):
            states = [
                await describe_queue(client, queue, "tasks" if side == "workflows" else "agent", queue)
                for queue, side in queues
            ]
    except (RPCError, TimeoutError):
        return None
    return float(sum(state.backlog for state in states))


async def _slots(state: PartState, queues: Sequence[Queue]) -> SlotCount | None:
    page = await asyncio.to_thread(_page, state.ports["probes"])
    return None if page is None else read_slots(page, queues)


def _page(port: int) -> str | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ANSWER)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):  # it starts, or goes
        return None
    finally:
        connection.close()
