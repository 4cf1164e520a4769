"""How long one order takes alone: on the embedded stack's server, and on a stock `temporal server start-dev`."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from benchmarks.load import run_load
from benchmarks.processes import Fleet
from benchmarks.report import Goal, Report, machine
from benchmarks.server import start_server
from benchmarks.variant import MESH, checked

__all__ = ["measure"]

_GOAL = Goal("ratio", at_most=1 / 3)
_WARM_UP = 15
"""Orders on each server that do not count. Stock settings answer their first few orders faster than all later ones."""


async def measure(folder: Path, *, orders: int) -> Report:
    """Run single no-op orders, one server after the other in turns.

    Raises:
        BenchFailed: when an order has a wrong result, or a process ends.
    """
    with Fleet(folder) as fleet:
        jobs = {}
        for name in ("embedded", "stock"):
            address = await start_server(fleet, folder, name=name, stock=name == "stock")
            MESH.start(fleet, address, label=f"-{name}")
            jobs[name] = checked(await MESH.connect(address))
        print(f"Warming up: {_WARM_UP} orders on each server ...")
        for job in jobs.values():
            await run_load(job, fleet, range(_WARM_UP), in_flight=1)
        busy = [os.getloadavg()[0]]
        taken: dict[str, list[float]] = {name: [] for name in jobs}
        for number in range(_WARM_UP, _WARM_UP + orders):
            for name, job in jobs.items():
                [seconds] = (await run_load(job, fleet, range(number, number + 1), in_flight=1)).latencies
                taken[name].append(seconds)
            if (number + 1) % 10 == 0:
                print("  ".join(f"{name} {statistics.median(times) * 1000:.0f} ms" for name, times in taken.items()))
        busy.append(os.getloadavg()[0])
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratio = medians["embedded"] / medians["stock"]
    return Report(
        bench="latency",
        rows=[
            f"one order alone, median of {orders}: {medians['embedded'] * 1000:.0f} ms on the embedded stack's server, "
            f"{medians['stock'] * 1000:.0f} ms on a stock one",
            f"load average before and after: {busy[0]:.1f}, {busy[1]:.1f}",
        ],
        checks=[(_GOAL, ratio)],
        document={**machine(), "orders": orders, "load_average": busy, "ratio": ratio, "median": medians, "all": taken},
    )
