"""A queue and a pool for each agent against all of them inline in one process: throughput, and one order alone."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from benchmarks.load import Load, run_load
from benchmarks.processes import Fleet, cpu_seconds
from benchmarks.report import Goal, Report, machine
from benchmarks.shop import Shop

__all__ = ["measure"]

_THROUGHPUT = Goal("throughput of inline over pools", at_least=1.8)
_LATENCY = Goal("latency of inline over pools", at_most=0.5)
_WARM_UP = 30


async def measure(folder: Path, *, pairs: int, orders: int, alone: int, in_flight: int, real: bool) -> Report:
    """Let both ways run the same loads, one after the other in turns, each on a server of its own.

    - `alone`: orders one at a time, for the latency.
    - `real`: the reference application's agents, held against their books, instead of agents that do nothing.

    Raises:
        BenchFailed: when an order has a wrong result, or a process ends.
    """
    with Fleet(folder) as fleet:
        shops = {
            name: await Shop.open(fleet, folder, name=name, inline=name == "inline", idle=not real)
            for name in ("pools", "inline")
        }
        jobs = {name: shop.job() for name, shop in shops.items()}
        for job in jobs.values():
            await run_load(job, fleet, range(_WARM_UP), in_flight=10)
        busy = [os.getloadavg()[0]]
        single: dict[str, list[float]] = {name: [] for name in jobs}
        for turn in range(alone):
            # Only good orders: those that fail end earlier.
            good = _WARM_UP + turn * 10 + 1
            for name, job in jobs.items():
                single[name] += (await run_load(job, fleet, range(good, good + 1), in_flight=1)).latencies
        print("alone: " + ", ".join(f"{name} {statistics.median(all) * 1000:.0f} ms" for name, all in single.items()))
        number = _WARM_UP + alone * 10
        loads: dict[str, list[Load]] = {name: [] for name in jobs}
        used: dict[str, float] = dict.fromkeys(jobs, 0.0)
        for _ in range(pairs):
            for name, job in jobs.items():
                before = _cpu(shops[name])
                load = await run_load(job, fleet, range(number, number + orders), in_flight=in_flight)
                used[name] += _cpu(shops[name]) - before
                loads[name].append(load)
                print(f"{name}: {load.throughput:.1f} orders/s, median {load.median:.2f} s", flush=True)
            number += orders
        busy.append(os.getloadavg()[0])
        if real:
            for shop in shops.values():
                await shop.audit()
    speed = {name: statistics.median(load.throughput for load in each) for name, each in loads.items()}
    median = {name: statistics.median(each) for name, each in single.items()}
    cpu = {name: seconds / (pairs * orders) for name, seconds in used.items()}
    rows = [f"{'real' if real else 'no-op'} agents, load average before and after: {busy[0]:.1f}, {busy[1]:.1f}"] + [
        f"{name:<7} {speed[name]:6.1f} orders/s with {in_flight} in flight   one alone {median[name] * 1000:5.0f} ms   "
        f"{cpu[name] * 1000:5.1f} ms of CPU an order, all processes"
        for name in jobs
    ]
    document = {
        "throughput": speed,
        "cpu": cpu,
        "median_alone": median,
        "load_average": busy,
        "orders": orders,
        "pairs": pairs,
    }
    return Report(
        bench="hosting",
        rows=rows,
        checks=[(_THROUGHPUT, speed["inline"] / speed["pools"]), (_LATENCY, median["inline"] / median["pools"])],
        document={**machine(), **document, "in_flight": in_flight, "agents": "real" if real else "noop"},
    )


def _cpu(shop: Shop) -> float:
    return sum(cpu_seconds(process) for process in shop.processes)
