"""A pool over time, second by second: calls come, workers serve them, a scaler starts workers and stops them.

The scaler sees what a real one sees: what waits as it is, the workers as they were at the last measurement, and no
worker in particular. Which worker goes is chosen by the worst rule there is: the one with the most calls at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sagamesh.scaling import Autoscaler
from tests.scaling.rendered import SYNC, Rendered

STARTS = 20
"""Seconds from the wish for a pod until its worker takes work."""


@dataclass
class Worker:
    ready: int
    calls: list[int] = field(default_factory=list)
    """When each call that runs ends."""
    polls_until: float = float("inf")
    killed_at: float = float("inf")


@dataclass
class Run:
    """What was seen: workers asked for at each second, and calls that were ended before they were done."""

    wanted: list[int] = field(default_factory=list)
    changes: list[tuple[int, int, str]] = field(default_factory=list)
    cut_off: int = 0
    done: int = 0
    overloaded: int = 0
    """Seconds in which fewer workers were left than hold the calls that ran at the last scrape."""


def simulate(rendered: Rendered, arrivals: Sequence[Iterable[int]], seconds: int) -> Run:
    """- `arrivals`: for each second how long each call takes that comes then."""
    scaler = Autoscaler(rendered.least, rendered.most, rendered.behavior)
    workers = [Worker(ready=0) for _ in range(rendered.least)]
    leaving: list[Worker] = []
    waiting: list[int] = []
    calls, going = [0], 0
    run = Run()
    for now in range(seconds):
        waiting += arrivals[now] if now < len(arrivals) else []
        for worker in (*workers, *leaving):
            ended = sum(1 for end in worker.calls if end <= now)
            worker.calls = [end for end in worker.calls if end > now]
            run.done += ended
            if now >= worker.killed_at:
                run.cut_off += len(worker.calls)
                worker.calls = []
        leaving = [worker for worker in leaving if worker.calls or now < worker.polls_until]
        for worker in (*workers, *leaving):
            while waiting and worker.ready <= now < worker.polls_until and len(worker.calls) < rendered.slots:
                worker.calls.append(now + waiting.pop(0))
        if now % rendered.source.measured == 0:
            calls = [len(worker.calls) for worker in workers]
            going = sum(len(worker.calls) for worker in leaving)
        if now % SYNC == 0:
            current = len(workers)
            decision = scaler.decide(now, current, rendered.source.figures(len(waiting), calls, going, current))
            if decision.replicas != current:
                run.changes.append((now, decision.replicas, decision.reason))
            workers += [Worker(ready=now + STARTS) for _ in range(decision.replicas - current)]
            while len(workers) > decision.replicas:
                worst = max(workers, key=lambda worker: len(worker.calls))
                workers.remove(worst)
                worst.polls_until = now + rendered.pause + rendered.drain
                worst.killed_at = now + rendered.termination
                leaving.append(worst)
            if decision.replicas < current and decision.replicas * rendered.slots < sum(calls) + going:
                run.overloaded += 1
        run.wanted.append(len(workers))
    return run
