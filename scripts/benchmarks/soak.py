"""Whether pools stay as they are over a long time of steady load: memory, open files, threads."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load import Job, run_load
from benchmarks.processes import BenchFailed, Fleet
from benchmarks.report import Goal, Report, machine
from benchmarks.subject import open_subject
from benchmarks.trend import Trend, trend

__all__ = ["measure"]

_SAMPLES = 360
"""Looks at each process, at most: the trend compares every one with every other."""

_SETTLING = 1 / 3
"""Of the time, after which caches and allocators have taken what they take; nothing before it counts."""

_STOCKED = 16_000
"""Orders for which the shop of the reference application has goods."""

_MEMORY = Goal("memory, MiB an hour", at_most=8)
_FILES = Goal("open files, an hour", at_most=4)
_THREADS = Goal("threads, an hour", at_most=4)
"""Of the process that grows most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: hours since the begin, resident MiB, open files, threads."""

    hours: float
    memory: float
    files: int
    threads: int


async def measure(folder: Path, *, minutes: float, rate: float, in_flight: int, noop: bool) -> Report:
    """Send orders at a steady rate, and look at each pool again and again.

    - `rate`: orders a second; fewer where `in_flight` of them have not ended when the next is due.

    Raises:
        BenchFailed: when an order ends otherwise than it must, or a process ends.
    """
    orders = round(rate * minutes * 60)
    if not noop and orders > _STOCKED:
        raise BenchFailed(
            f"the shop has goods for {_STOCKED:,} orders, not for {orders:,}: take a lower --rate, or --noop"
        )
    every = max(1.0, minutes * 60 / _SAMPLES)
    with Fleet(folder) as fleet:
        subject = await open_subject(fleet, folder, noop=noop)
        busy = os.getloadavg()[0]
        samples: dict[str, list[Sample]] = {name: [] for name in subject.pools}
        print(
            f"{orders:,} orders in {minutes:g} min, {len(samples)} pools looked at every {every:.0f} s ...", flush=True
        )
        pace = _Pace(subject.job, rate, minutes * 60)
        watching = asyncio.create_task(_watch(subject.pools, samples, every, pace))
        try:
            await run_load(pace.job, fleet, range(orders), in_flight=in_flight)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await subject.check_books()
    reached = pace.ended / (minutes * 60)
    trends = {name: _trends(seen) for name, seen in samples.items()}
    worst = {what: max(found[what].slope for found in trends.values()) for what in ("memory", "files", "threads")}
    return Report(
        bench="soak",
        rows=[
            f"{pace.ended:,} orders, all with the right outcome, {reached:.1f} a second for "
            f"{minutes:g} min (load average before: {busy:.1f}); after the first third:",
            f"{'pool':<16}{'MiB':>8}{'MiB an hour':>30}{'files':>8}{'an hour':>10}{'threads':>10}{'an hour':>10}",
            *(_row(name, samples[name][-1], found) for name, found in trends.items()),
        ],
        checks=[(_MEMORY, worst["memory"]), (_FILES, worst["files"]), (_THREADS, worst["threads"])],
        document={
            **machine(),
            "minutes": minutes,
            "orders": pace.ended,
            "rate": reached,
            "agents": "noop" if noop else "real",
            "load_average": busy,
            "an_hour": {
                name: {what: {"slope": each.slope, "low": each.low, "high": each.high} for what, each in found.items()}
                for name, found in trends.items()
            },
            "samples": {
                name: [[each.hours, each.memory, each.files, each.threads] for each in seen]
                for name, seen in samples.items()
            },
        },
    )


class _Pace:
    """Begins jobs at a rate, for a time: on a machine that cannot keep up, what is not begun by its end is left out."""

    def __init__(self, job: Job, rate: float, seconds: float) -> None:
        self.ended = 0
        self._job = job
        self._rate = rate
        self._seconds = seconds
        self._begun = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the begin."""
        return time.perf_counter() - self._begun

    async def job(self, number: int) -> None:
        await asyncio.sleep(number / self._rate - self.elapsed)
        if self.elapsed <= self._seconds:
            await self._job(number)
            self.ended += 1


async def _watch(pools: Mapping[str, int], samples: Mapping[str, list[Sample]], every: float, pace: _Pace) -> None:
    processes = {name: psutil.Process(pid) for name, pid in pools.items()}
    told = 0
    while True:
        hours = pace.elapsed / 3600
        if hours * 60 >= told + 1:
            told = int(hours * 60)
            resident = ", ".join(f"{name} {seen[-1].memory:.0f}" for name, seen in samples.items())
            print(f"{told:>4} min {pace.ended:>8,} orders   MiB: {resident}", flush=True)
        for name, process in processes.items():
            with process.oneshot():
                memory = process.memory_info().rss / 2**20
                samples[name].append(Sample(hours, memory, process.num_fds(), process.num_threads()))
        await asyncio.sleep(every)


def _trends(samples: list[Sample]) -> dict[str, Trend]:
    settled = [each for each in samples if each.hours >= samples[-1].hours * _SETTLING]
    return {
        "memory": trend([(each.hours, each.memory) for each in settled]),
        "files": trend([(each.hours, each.files) for each in settled]),
        "threads": trend([(each.hours, each.threads) for each in settled]),
    }


def _row(name: str, last: Sample, found: Mapping[str, Trend]) -> str:
    memory = found["memory"]
    span = f"{memory.slope:+.1f} ({memory.low:+.1f} to {memory.high:+.1f})"
    return (
        f"{name:<16}{last.memory:>8.1f}{span:>30}{last.files:>8}{found['files'].slope:>+10.1f}"
        f"{last.threads:>10}{found['threads'].slope:>+10.1f}"
    )
