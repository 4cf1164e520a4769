"""What the framework costs: the same order hand-written and through Sagamesh, interleaved on one server."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.leg import Leg, run_leg
from benchmarks.load import run_load
from benchmarks.processes import Fleet
from benchmarks.report import Goal, Report, machine
from benchmarks.server import start_server
from benchmarks.variant import BARE, MESH, Variant, checked

__all__ = ["measure"]

_GOALS = (Goal("throughput", at_least=0.95), Goal("worker_cpu", at_most=1.10))
"""What the ratios must be."""


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
                leg = await run_leg(variant.name, jobs[variant.name], fleet, workers[variant.name], numbers, in_flight)
                done[variant.name] = leg
                print(f"pair {pair + 1} of {pairs}  {leg.line()}", flush=True)
            legs.append(done)
    return _report(legs, orders, in_flight)


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
