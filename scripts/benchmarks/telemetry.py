"""What telemetry costs: one order with no-op agents, its workers silent or telling all, interleaved on one server."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client

from benchmarks.leg import Leg, run_leg
from benchmarks.load import Job, run_load
from benchmarks.mesh_app import app
from benchmarks.processes import BenchFailed, Fleet
from benchmarks.report import Goal, Report, machine
from benchmarks.server import start_server
from benchmarks.variant import checked, mesh_run
from sagamesh.stack.ports import PortRequest, assign

__all__ = ["measure"]

_SCRAPED = 15.0
"""Seconds between two reads of a worker's metrics: twice as often as the chart asks for."""

_WARM_UP = 30
_PROCESSES = {"orders": ["orders"], "agents": [pool for pool in app.pools if pool != "orders"]}
"""Two for each way: what one process costs whether it works or not is not the question."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How much workers tell.

    - `measured`: probes and metrics, read by somebody, and logs as JSON.
    - `sampler`: environment variables of the tracing; None for none.
    """

    name: str
    measured: bool
    sampler: tuple[str, str] | None = None


_SILENT = _Way("silent", measured=False)
_WAYS = (
    _SILENT,
    _Way("metrics", measured=True),
    _Way("sampled", measured=True, sampler=("parentbased_traceidratio", "0.1")),
    _Way("traced", measured=True, sampler=("parentbased_always_on", "")),
)
_GOALS = (Goal("sampled throughput", at_least=0.95),)
"""Metrics, JSON logs and one trace in ten: what the ratio to silence must be. The other ways are shown beside it."""


@dataclass(slots=True)
class _Workers:
    """The worker processes of one way, in a namespace of their own."""

    way: _Way
    job: Job
    names: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)


async def measure(folder: Path, *, rounds: int, orders: int, in_flight: int) -> Report:
    """Let each way take its turn, once a round. The client that starts the orders does not trace.

    Raises:
        BenchFailed: when an order has a wrong result, or a process ends.
    """
    with Fleet(folder) as fleet:
        address = await start_server(fleet, folder, namespaces=[way.name for way in _WAYS])
        sink = assign([PortRequest("sink", 0, "")])["sink"]
        fleet.start("sink", [sys.executable, "-m", "benchmarks.span_sink", str(sink)])
        all_workers = [await _start(fleet, way, address, sink) for way in _WAYS]
        for workers in all_workers:
            await run_load(workers.job, fleet, range(_WARM_UP), in_flight=10)
        legs: list[dict[str, Leg]] = []
        for turn in range(rounds):
            numbers = range(_WARM_UP + turn * orders, _WARM_UP + (turn + 1) * orders)
            done = {}
            # Each is first once: what drifts (the database grows, the machine warms) hits all alike.
            first = turn % len(all_workers)
            for workers in (*all_workers[first:], *all_workers[:first]):
                async with _scraping(workers.ports):
                    leg = await run_leg(workers.way.name, workers.job, fleet, workers.names, numbers, in_flight)
                done[workers.way.name] = leg
                print(f"round {turn + 1} of {rounds}  {leg.line()}", flush=True)
            legs.append(done)
    return _report(legs, orders, in_flight)


async def _start(fleet: Fleet, way: _Way, address: str, sink: int) -> _Workers:
    client = await Client.connect(address, namespace=way.name, plugins=[app.plugin()])
    workers = _Workers(way, checked(mesh_run(client)))
    for process, pools in _PROCESSES.items():
        name = f"{way.name}:{process}"
        settings = {"TEMPORAL_ADDRESS": address, "TEMPORAL_CONFIG_FILE": os.devnull, "TEMPORAL_NAMESPACE": way.name}
        settings["OTEL_SDK_DISABLED"] = "true" if way.sampler is None else "false"
        if way.measured:
            port = assign([PortRequest("probes", 0, "")])["probes"]
            workers.ports.append(port)
            settings |= {"SAGAMESH_PROBE_PORT": str(port), "SAGAMESH_LOG_FORMAT": "json"}
        if way.sampler is not None:
            settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{sink}"
            settings["OTEL_TRACES_SAMPLER"], settings["OTEL_TRACES_SAMPLER_ARG"] = way.sampler
        fleet.start(name, [sys.executable, "-m", "benchmarks.mesh_worker", *pools], settings)
        workers.names.append(name)
    return workers


@asynccontextmanager
async def _scraping(ports: Sequence[int]) -> AsyncIterator[None]:
    """Read the metrics of these workers while the block runs, as Prometheus would.

    Raises:
        BenchFailed: when they cannot be read: what nobody reads costs nothing.
    """

    async def scrape() -> None:
        while True:
            for port in ports:
                await asyncio.to_thread(_read, port)
            await asyncio.sleep(_SCRAPED)

    task = asyncio.create_task(scrape())
    try:
        yield
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        except OSError as error:
            raise BenchFailed(f"a worker's metrics cannot be read: {error}") from error


def _read(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:  # our own
        page.read()


def _report(legs: list[dict[str, Leg]], orders: int, in_flight: int) -> Report:
    figures = [{name: leg.figures() for name, leg in each.items()} for each in legs]
    keys = list(figures[0][_SILENT.name])
    ratios = [
        {way.name: {key: each[way.name][key] / each[_SILENT.name][key] for key in keys} for way in _WAYS}
        for each in figures
    ]
    ratio = {way.name: {key: statistics.median(one[way.name][key] for one in ratios) for key in keys} for way in _WAYS}
    medians = {
        way.name: {key: statistics.median(each[way.name][key] for each in figures) for key in keys} for way in _WAYS
    }
    rows = [f"{'median of rounds':<24}" + "".join(f"{way.name:>10}{'ratio':>8}" for way in _WAYS)]
    rows += [
        f"{key:<24}" + "".join(f"{medians[way.name][key]:>10.2f}{ratio[way.name][key]:>8.2f}" for way in _WAYS)
        for key in keys
    ]
    rows.append("throughput: orders/s; p50, p99: s; CPU: ms an order; ratio: to silent")
    return Report(
        bench="telemetry",
        rows=rows,
        checks=[(goal, ratio[goal.figure.partition(" ")[0]]["throughput"]) for goal in _GOALS],
        document={
            **machine(),
            "orders": orders,
            "in_flight": in_flight,
            "rounds": len(legs),
            "load_average": [round(leg.busy, 2) for each in legs for leg in each.values()],
            "ratio": ratio,
            "ratios": ratios,
            "median": medians,
            "legs": figures,
        },
    )
