"""Whether pools grow, or orders slow down, the more orders there were."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.load import run_load
from benchmarks.processes import BenchFailed, Fleet
from benchmarks.report import Goal, Report, machine
from benchmarks.subject import open_subject

__all__ = ["measure"]

_STEP = 500
_SETTLED = 1000
"""Orders after which caches and allocators have taken what they take."""

_GOAL = Goal("growth", at_most=1.10)
"""Of the pool that grew most: its memory at the end, as a multiple of that after the first thousand orders."""

_TIME = Goal("time an order", at_most=1.10)
"""Of the last thousand orders, as a multiple of that of the second thousand."""


async def measure(folder: Path, *, orders: int, in_flight: int, noop: bool) -> Report:
    """Run the orders, and every few hundred look at the resident memory of each pool and at the time that they took.

    Raises:
        BenchFailed: when an order ends otherwise than it must, or a process ends.
    """
    if orders <= _SETTLED or orders % _STEP:
        raise BenchFailed(f"--orders must be a multiple of {_STEP} above {_SETTLED}")
    with Fleet(folder) as fleet:
        subject = await open_subject(fleet, folder, noop=noop)
        busy = os.getloadavg()[0]
        seen = {0: _resident(subject.pools)}
        took: list[float] = []
        rows = [f"{'orders':>8}" + "".join(f"{name:>14}" for name in subject.pools) + "   MiB resident, ms an order"]
        print("\n".join([*rows, _row(0, seen[0])]), flush=True)
        for done in range(0, orders, _STEP):
            load = await run_load(subject.job, fleet, range(done, done + _STEP), in_flight=in_flight)
            took.append(load.seconds / _STEP)
            seen[done + _STEP] = _resident(subject.pools)
            print(f"{_row(done + _STEP, seen[done + _STEP])}{took[-1] * 1000:>8.1f}", flush=True)
        await subject.check_books()
    growth = {name: seen[orders][name] / seen[_SETTLED][name] for name in subject.pools}
    steps = _SETTLED // _STEP
    early, late = (statistics.mean(times) for times in (took[steps : 2 * steps], took[-steps:]))
    return Report(
        bench="memory",
        rows=[
            f"from {_SETTLED:,} to {orders:,} orders, all with the right outcome:",
            *(
                f"{name:<14}{(seen[orders][name] - seen[_SETTLED][name]) / 2**20:+7.1f} MiB  ({factor - 1:+.1%})"
                for name, factor in growth.items()
            ),
            f"time an order: {early * 1000:.1f} ms in the second thousand, {late * 1000:.1f} ms in the last",
        ],
        checks=[(_GOAL, max(growth.values())), (_TIME, late / early)],
        document={
            **machine(),
            "orders": orders,
            "in_flight": in_flight,
            "agents": "noop" if noop else "real",
            "load_average": busy,
            "resident_bytes": seen,
            "growth": growth,
            "seconds_an_order": took,
        },
    )


def _resident(pools: Mapping[str, int]) -> dict[str, int]:
    return {name: psutil.Process(pid).memory_info().rss for name, pid in pools.items()}


def _row(orders: int, resident: dict[str, int]) -> str:
    return f"{orders:>8,}" + "".join(f"{size / 2**20:>14.1f}" for size in resident.values())
