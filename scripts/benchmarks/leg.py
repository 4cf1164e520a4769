"""One load on one variant, and the CPU that it took."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.load import Job, Load, run_load
from benchmarks.processes import Fleet

__all__ = ["Leg", "run_leg"]

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


async def run_leg(name: str, job: Job, fleet: Fleet, workers: list[str], numbers: range, in_flight: int) -> Leg:
    """Run an order for each number on these workers, named `<variant>:<pool>` in the fleet.

    Raises:
        BenchFailed: as `run_load`.
    """
    busy = os.getloadavg()[0]
    # This process's own by a finer clock than that of the others, which counts hundredths: a few orders take it less.
    before, client_before = fleet.cpu(), time.process_time()
    load = await run_load(job, fleet, numbers, in_flight=in_flight)
    client = time.process_time() - client_before
    await asyncio.sleep(_SETTLE)
    after = fleet.cpu()
    used = {worker.partition(":")[2]: after[worker] - before[worker] for worker in workers}
    used |= {_CLIENT: client, _SERVER: after[_SERVER] - before[_SERVER]}
    return Leg(name, load, {process: seconds * 1000 / len(numbers) for process, seconds in used.items()}, busy)
