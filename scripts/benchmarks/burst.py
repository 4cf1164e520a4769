"""Many orders submitted at once: every one must end as it should."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.load import run_load
from benchmarks.processes import Fleet
from benchmarks.report import Report, machine
from benchmarks.subject import open_subject

__all__ = ["measure"]


async def measure(folder: Path, *, orders: int, in_flight: int, noop: bool) -> Report:
    """Submit the orders and hold each ending, and the books, against what they must be.

    Raises:
        BenchFailed: when one of them differs, or a process ends.
    """
    with Fleet(folder) as fleet:
        subject = await open_subject(fleet, folder, noop=noop)
        busy = os.getloadavg()[0]
        print(f"{orders:,} orders at once, {in_flight} in flight ...", flush=True)
        load = await run_load(subject.job, fleet, range(orders), in_flight=in_flight)
        await subject.check_books()
    agents = "no-op agents" if noop else "the reference application's agents, checked against their books"
    return Report(
        bench="burst",
        rows=[
            f"{orders:,} right outcomes of {orders:,} ({agents})",
            f"{load.throughput:.1f} orders/s   p50 {load.percentile(50):.2f} s   p99 {load.percentile(99):.2f} s   "
            f"(load average before: {busy:.1f})",
        ],
        document={
            **machine(),
            "orders": orders,
            "in_flight": in_flight,
            "agents": "noop" if noop else "real",
            "load_average": busy,
            "right": orders,
            "throughput": load.throughput,
            "p50": load.percentile(50),
            "p99": load.percentile(99),
        },
    )
