"""What the framework costs: the same order hand-written and through Sagamesh, interleaved on one server."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Job, Load, run_load
from benchmarks.processes import Fleet, cpu_seconds
from benchmarks.report import Goal, Report, machine
from benchmarks.server import start_server
from benchmarks.variant import BARE, MESH, Variant, checked

__all__ = ["measure"]

_GOALS = (Goal("throughput", at_least=0.95), Goal("worker_cpu", at_most=1.10))
"""What the ratios must be."""

_SETTLE = 1.0
"""Seconds after a load in which the server finishes what it does in the background; their CPU is counted."""

_CLIENT, _SERVER, _ORDERS = "client", "server", "orders"


@dataclass(frozen=True, slots=True)
class Leg:
    """One load on one variant.

    - `cpu`: milliseconds an order, by process.
    - `busy`: the machine's load average before it.
    """

    variant: str
    load: Load
    cpu: Mapping[str, float]
    busy: float

    def figures(self) -> dict[str, float]:
        """What is compared: orders a second, latencies in seconds, CPU in milliseconds an order."""
        workers = sum(value for name, value in self.cpu.items() if name not in (_CLIENT, _SERVER))
        return {
            "throughput": self.load.throughput,
            "p50": self.load.percentile(50),
            "p99": self.load.percentile(99),
            "worker_cpu": workers,
            "orders_worker_cpu": self.cpu[_ORDERS],
            "activity_workers_cpu": workers - self.cpu[_ORDERS],
            "client_cpu": self.cpu[_CLIENT],
            "server_cpu": self.cpu[_SERVER],
        }

    def line(self) -> str:
        """For people."""
        cpu = "  ".join(f"{name} {value:.1f}" for name, value in self.cpu.items())
        return (
            f"{self.variant:<9}{self.load.throughput:6.1f} orders/s   p50 {self.load.percentile(50):6.2f} s   "
            f"p99 {self.load.percentile(99):6.2f} s   CPU ms an order: {cpu}   (load average before: {self.busy:.1f})"
        )


async def measure(folder: Path, *, pairs: int, orders: int, in_flight: int) -> Report:
    """Run the pairs and compare.

    Raises:
        BenchFailed: when an order has a wrong result, or a process ends.
    """
    with Fleet(folder) as fleet:
        address = await start_server(fleet, folder)
        workers = {variant.name: variant.start(fleet, address) for variant in (BARE, MESH)}
        print(f"Warming up: {2 * in_flight} orders of each kind, every tenth of them declined and undone ...")
        jobs = {}
        for variant in (BARE, MESH):
            run = await variant.connect(address)
            await run_load(checked(run, declined_every=10), fleet, range(2 * in_flight), in_flight=in_flight)
            jobs[variant.name] = checked(run)
        legs: list[dict[str, Leg]] = []
        for pair in range(pairs):
            # a b, b a, a b, ...: what drifts (the database grows, the machine warms) hits both alike.
            both: tuple[Variant, ...] = (BARE, MESH) if pair % 2 == 0 else (MESH, BARE)
            done = {}
            for variant in both:
                numbers = range(pair * orders, (pair + 1) * orders)
                leg = await _leg(variant.name, jobs[variant.name], fleet, workers[variant.name], numbers, in_flight)
                done[variant.name] = leg
                print(f"pair {pair + 1} of {pairs}  {leg.line()}", flush=True)
            legs.append(done)
    return _report(legs, orders, in_flight)


async def _leg(name: str, job: Job, fleet: Fleet, workers: list[str], numbers: range, in_flight: int) -> Leg:
    busy = os.getloadavg()[0]
    before, client_before = fleet.cpu(), cpu_seconds(os.getpid())
    load = await run_load(job, fleet, numbers, in_flight=in_flight)
    client = cpu_seconds(os.getpid()) - client_before
    await asyncio.sleep(_SETTLE)
    after = fleet.cpu()
    used = {worker.partition(":")[2]: after[worker] - before[worker] for worker in workers}
    used |= {_CLIENT: client, _SERVER: after[_SERVER] - before[_SERVER]}
    return Leg(name, load, {process: seconds * 1000 / len(numbers) for process, seconds in used.items()}, busy)


def _report(legs: list[dict[str, Leg]], orders: int, in_flight: int) -> Report:
    figures = [{name: leg.figures() for name, leg in pair.items()} for pair in legs]
    keys = list(figures[0][BARE.name])
    ratios = [{key: pair[MESH.name][key] / pair[BARE.name][key] for key in keys} for pair in figures]
    ratio = {key: statistics.median(one[key] for one in ratios) for key in keys}
    medians = {
        name: {key: statistics.median(pair[name][key] for pair in figures) for key in keys}
        for name in (BARE.name, MESH.name)
    }
    rows = [f"{'median of pairs':<24}{BARE.name:>10}{MESH.name:>10}{'ratio':>8}"]
    rows += [
        f"{key:<24}{medians[BARE.name][key]:>10.2f}{medians[MESH.name][key]:>10.2f}{ratio[key]:>8.2f}" for key in keys
    ]
    rows.append("throughput: orders/s; p50, p99: s; CPU: ms an order; ratio: sagamesh / bare")
    return Report(
        bench="overhead",
        rows=rows,
        checks=[(goal, ratio[goal.figure]) for goal in _GOALS],
        document={
            **machine(),
            "orders": orders,
            "in_flight": in_flight,
            "pairs": len(legs),
            "load_average": [round(leg.busy, 2) for pair in legs for leg in pair.values()],
            "ratio": ratio,
            "ratios": ratios,
            "median": medians,
            "legs": figures,
        },
    )
