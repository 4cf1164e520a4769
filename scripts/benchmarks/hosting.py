"""A queue and a pool for each agent against all of them inline in one process: throughput, and one order alone."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks import idle_shop
from benchmarks.load import Job, Load, run_load
from benchmarks.processes import Fleet, cpu_seconds
from benchmarks.report import Goal, Report, machine
from benchmarks.shop import Shop
from sagamesh.hosting import hosting

__all__ = ["measure"]

_THROUGHPUT = Goal("throughput of inline over pools", at_least=1.8)
_LATENCY = Goal("latency of inline over pools", at_most=0.5)
_WARM_UP = 30
_INSIDE = "inside"
"""Inline, and started by the process that hosts the order, as a shop's own web server would."""


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
        async with AsyncExitStack() as stack:
            starters = dict(jobs)
            if not real:  # the real agents would need the databases and services of their stack in this process
                inside = await Shop.open(fleet, folder, name=_INSIDE, inline=True, idle=True)
                host = hosting(idle_shop.app, inline=True, address=inside.address)
                starters[_INSIDE] = inside.job(await stack.enter_async_context(host))
                await run_load(starters[_INSIDE], fleet, range(_WARM_UP), in_flight=10)
            single = await _alone(starters, fleet, alone)
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
                await shop.check_books()
    speed = {name: statistics.median(load.throughput for load in each) for name, each in loads.items()}
    median = {name: statistics.median(each) for name, each in single.items()}
    cpu = {name: seconds / (pairs * orders) for name, seconds in used.items()}
    at_best = median.get(_INSIDE, median["inline"])
    rows = [f"{'real' if real else 'no-op'} agents, load average before and after: {busy[0]:.1f}, {busy[1]:.1f}"] + [
        f"{name:<7} {speed[name]:6.1f} orders/s with {in_flight} in flight   one alone {median[name] * 1000:5.0f} ms   "
        f"{cpu[name] * 1000:5.1f} ms of CPU an order, all processes"
        for name in jobs
    ]
    if _INSIDE in median:
        rows.append(f"inline, started by the process that hosts it: one alone {median[_INSIDE] * 1000:5.0f} ms")
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
        checks=[(_THROUGHPUT, speed["inline"] / speed["pools"]), (_LATENCY, at_best / median["pools"])],
        document={**machine(), **document, "in_flight": in_flight, "agents": "real" if real else "noop"},
    )


async def _alone(jobs: Mapping[str, Job], fleet: Fleet, orders: int) -> dict[str, list[float]]:
    """How long single orders take, in seconds, by who starts and hosts them."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(orders):
        # Only good orders: those that fail end earlier.
        good = _WARM_UP + turn * 10 + 1
        for name, job in jobs.items():
            taken[name] += (await run_load(job, fleet, range(good, good + 1), in_flight=1)).latencies
    return taken


def _cpu(shop: Shop) -> float:
    return sum(cpu_seconds(process) for process in shop.processes)
