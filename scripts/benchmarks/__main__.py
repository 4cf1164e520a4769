"""The command behind `scripts/bench`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import burst, hosting, latency, limits, memory, overhead, soak, telemetry
from benchmarks.processes import BenchFailed
from benchmarks.report import Report


def main(arguments: list[str]) -> int:
    """Run one bench: 0 done, 1 a wrong outcome (or a missed goal, with --check), 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    # Ended from outside, it ends what it started, as with Ctrl-C; a shell lets its background jobs ignore that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with tempfile.TemporaryDirectory(prefix="sagamesh-bench-") as folder:
        try:
            # The same event loop as the workers have.
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                report = runner.run(_measured(options, Path(folder)))
        except BenchFailed as error:
            print(f"failed: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; everything is stopped", file=sys.stderr)
            return 130
    print(report.text())
    if options.json is not None:
        options.json.write_text(json.dumps(report.json(), indent=1) + "\n", encoding="utf-8")
        print(f"written to {options.json}")
    return 0 if report.met or not options.check else 1


def _measured(options: argparse.Namespace, folder: Path) -> Coroutine[Any, Any, Report]:
    match options.bench:
        case "overhead":
            return overhead.measure(folder, pairs=options.pairs, orders=options.orders, in_flight=options.in_flight)
        case "hosting":
            return hosting.measure(
                folder,
                pairs=options.pairs,
                orders=options.orders,
                alone=options.alone,
                in_flight=options.in_flight,
                real=options.real,
            )
        case "latency":
            return latency.measure(folder, orders=options.orders)
        case "limits":
            return limits.measure(folder, seconds=options.seconds, tasks=options.tasks, singles=options.singles)
        case "telemetry":
            return telemetry.measure(folder, rounds=options.rounds, orders=options.orders, in_flight=options.in_flight)
        case "memory":
            return memory.measure(folder, orders=options.orders, in_flight=options.in_flight, noop=options.noop)
        case "soak":
            return soak.measure(
                folder, minutes=options.minutes, rate=options.rate, in_flight=options.in_flight, noop=options.noop
            )
        case _:
            return burst.measure(folder, orders=options.orders, in_flight=options.in_flight, noop=options.noop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Benchmarks of Sagamesh; see docs/benchmarks.md."
    )
    benches = parser.add_subparsers(dest="bench", required=True, metavar="BENCH")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    shared.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    loaded = argparse.ArgumentParser(add_help=False)
    loaded.add_argument("--in-flight", type=_count, default=100, metavar="N", help="orders at a time (100)")
    kinds = argparse.ArgumentParser(add_help=False)
    kinds.add_argument("--noop", action="store_true", help="agents that do nothing instead of the real ones")

    bench = benches.add_parser("overhead", parents=[shared, loaded], help="the bare SDK against Sagamesh")
    bench.add_argument("--pairs", type=_count, default=3, metavar="N", help="pairs of loads (3)")
    bench.add_argument("--orders", type=_count, default=400, metavar="N", help="orders a load (400)")
    bench = benches.add_parser("hosting", parents=[shared, loaded], help="a pool for each agent against inline")
    bench.add_argument("--pairs", type=_count, default=3, metavar="N", help="pairs of loads (3)")
    bench.add_argument("--orders", type=_count, default=300, metavar="N", help="orders a load (300)")
    bench.add_argument("--alone", type=_count, default=30, metavar="N", help="orders one at a time (30)")
    bench.add_argument("--real", action="store_true", help="the real agents instead of those that do nothing")
    bench = benches.add_parser("latency", parents=[shared], help="one order alone: embedded against stock server")
    bench.add_argument("--orders", type=_count, default=40, metavar="N", help="orders on each server (40)")
    bench = benches.add_parser("limits", parents=[shared], help="rates, fairness between tenants, priorities")
    bench.add_argument("--seconds", type=_count, default=15, metavar="N", help="of each number of processes (15)")
    bench.add_argument("--tasks", type=_count, default=500, metavar="N", help="tasks of the busy tenant (500)")
    bench.add_argument("--singles", type=_count, default=10, metavar="N", help="tasks of others behind them (10)")
    bench = benches.add_parser("memory", parents=[shared, loaded, kinds], help="memory of each pool over many orders")
    bench.add_argument("--orders", type=_count, default=5000, metavar="N", help="orders (5000)")
    bench = benches.add_parser("telemetry", parents=[shared, loaded], help="metrics, logs and traces against none")
    bench.add_argument("--rounds", type=_count, default=4, metavar="N", help="turns of each way (4)")
    bench.add_argument("--orders", type=_count, default=300, metavar="N", help="orders a turn (300)")
    bench = benches.add_parser("burst", parents=[shared, loaded, kinds], help="many orders at once, every one right")
    bench.add_argument("--orders", type=_count, default=1000, metavar="N", help="orders (1000)")
    bench = benches.add_parser("soak", parents=[shared, loaded, kinds], help="pools over a long time of steady load")
    bench.add_argument("--minutes", type=_positive, default=30.0, metavar="N", help="how long (30)")
    bench.add_argument("--rate", type=_positive, default=5.0, metavar="R", help="orders a second (5)")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1000:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1000, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
