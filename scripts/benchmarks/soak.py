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

    - `rate`: orders a second; fewer where `in_flight` of them do not end in time.

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
        watching = asyncio.create_task(_watch(subject.pools, samples, every))
        try:
            load = await run_load(_paced(subject.job, rate), fleet, range(orders), in_flight=in_flight)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await subject.audit()
    trends = {name: _trends(seen) for name, seen in samples.items()}
    worst = {what: max(found[what].slope for found in trends.values()) for what in ("memory", "files", "threads")}
    return Report(
        bench="soak",
        rows=[
            f"{orders:,} orders, all with the right outcome, {load.throughput:.1f} a second for "
            f"{load.seconds / 60:.1f} min (load average before: {busy:.1f}); after the first third:",
            f"{'pool':<16}{'MiB':>8}{'MiB an hour':>30}{'files':>8}{'an hour':>10}{'threads':>10}{'an hour':>10}",
            *(_row(name, samples[name][-1], found) for name, found in trends.items()),
        ],
        checks=[(_MEMORY, worst["memory"]), (_FILES, worst["files"]), (_THREADS, worst["threads"])],
        document={
            **machine(),
            "minutes": minutes,
            "orders": orders,
            "rate": load.throughput,
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


def _paced(job: Job, rate: float) -> Job:
    """The job, begun not before its turn."""
    begun = time.perf_counter()

    async def paced(number: int) -> None:
        await asyncio.sleep(begun + number / rate - time.perf_counter())
        await job(number)

    return paced


async def _watch(pools: Mapping[str, int], samples: Mapping[str, list[Sample]], every: float) -> None:
    processes = {name: psutil.Process(pid) for name, pid in pools.items()}
    begun = time.perf_counter()
    while True:
        hours = (time.perf_counter() - begun) / 3600
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
