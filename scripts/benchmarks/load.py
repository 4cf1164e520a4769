"""The load generator: so many jobs, so many at a time."""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from benchmarks.processes import BenchFailed, Fleet

__all__ = ["Job", "Load", "run_load"]

Job = Callable[[int], Awaitable[None]]
"""Runs the order of this number and checks what came of it."""

_LONGEST = 300.0
"""Seconds after which an order counts as lost."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load measured. `latencies`: seconds from submitting an order to having its result, in order of arrival."""

    seconds: float
    latencies: tuple[float, ...]

    @property
    def throughput(self) -> float:
        """Orders a second."""
        return len(self.latencies) / self.seconds

    @property
    def median(self) -> float:
        """The median latency in seconds."""
        return statistics.median(self.latencies)

    def percentile(self, percent: float) -> float:
        """The latency in seconds that so many percent of the orders do not exceed."""
        ranked = sorted(self.latencies)
        return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


async def run_load(job: Job, fleet: Fleet, numbers: range, *, in_flight: int) -> Load:
    """Run a job for each number; a new one starts when one has ended.

    Raises:
        BenchFailed: for a wrong or lost result, or when a process ends.
    """
    waiting = iter(numbers)
    latencies: list[float] = []

    async def customer(waiting: Iterator[int]) -> None:
        for number in waiting:
            begun = time.perf_counter()
            try:
                async with asyncio.timeout(_LONGEST):
                    await job(number)
            except TimeoutError:
                raise BenchFailed(f"order {number} has no result after {_LONGEST:.0f} s") from None
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    watch = asyncio.create_task(_watch(fleet))
    customers = [asyncio.create_task(customer(waiting)) for _ in range(min(in_flight, len(numbers)))]
    running = set(customers)
    try:
        while running:
            done, _ = await asyncio.wait({watch, *running}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            running -= done
    finally:
        for task in (watch, *customers):
            task.cancel()
        await asyncio.gather(watch, *customers, return_exceptions=True)
    return Load(time.perf_counter() - begun, tuple(latencies))


async def _watch(fleet: Fleet) -> None:
    for _ in itertools.count():
        fleet.check()
        await asyncio.sleep(0.5)
