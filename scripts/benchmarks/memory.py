"""What each pool's process keeps in memory over many orders."""

from __future__ import annotations

import os
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


async def measure(folder: Path, *, orders: int, in_flight: int, noop: bool) -> Report:
    """Run the orders and look at the resident memory of each pool every few hundred.

    Raises:
        BenchFailed: when an order ends otherwise than it must, or a process ends.
    """
    if orders <= _SETTLED or orders % _STEP:
        raise BenchFailed(f"--orders must be a multiple of {_STEP} above {_SETTLED}")
    with Fleet(folder) as fleet:
        subject = await open_subject(fleet, folder, noop=noop)
        busy = os.getloadavg()[0]
        seen = {0: _resident(subject.pools)}
        rows = [f"{'orders':>8}" + "".join(f"{name:>14}" for name in subject.pools) + "   MiB resident"]
        print("\n".join([*rows, _row(0, seen[0])]), flush=True)
        for done in range(0, orders, _STEP):
            await run_load(subject.job, fleet, range(done, done + _STEP), in_flight=in_flight)
            seen[done + _STEP] = _resident(subject.pools)
            print(_row(done + _STEP, seen[done + _STEP]), flush=True)
        await subject.audit()
    growth = {name: seen[orders][name] / seen[_SETTLED][name] for name in subject.pools}
    return Report(
        bench="memory",
        rows=[
            f"from {_SETTLED:,} to {orders:,} orders, all with the right outcome:",
            *(
                f"{name:<14}{(seen[orders][name] - seen[_SETTLED][name]) / 2**20:+7.1f} MiB  ({factor - 1:+.1%})"
                for name, factor in growth.items()
            ),
        ],
        checks=[(_GOAL, max(growth.values()))],
        document={
            **machine(),
            "orders": orders,
            "in_flight": in_flight,
            "agents": "noop" if noop else "real",
            "load_average": busy,
            "resident_bytes": seen,
            "growth": growth,
        },
    )


def _resident(pools: Mapping[str, int]) -> dict[str, int]:
    return {name: psutil.Process(pid).memory_info().rss for name, pid in pools.items()}


def _row(orders: int, resident: dict[str, int]) -> str:
    return f"{orders:>8,}" + "".join(f"{size / 2**20:>14.1f}" for size in resident.values())
