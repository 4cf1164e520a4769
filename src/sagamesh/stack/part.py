"""A part of the stack as it is planned: what to run, and how to tell that it is ready."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sagamesh.polled_queue import Queue
from sagamesh.stack.state import Kind

__all__ = ["Part", "Probe", "Timing"]

Probe: TypeAlias = Callable[[int], Awaitable[str | None]]
"""One look at the process with this pid: None when it is ready, else what is missing, for people. Raises nothing that
means "not yet"."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack.

    - `environment`: all of it; nothing is inherited.
    - `folder`: where it runs.
    - `ports`: what it listens on, by name; `link`: what a person may open.
    - `stop_signal`: asks it to stop with everything else.
    - `drain`: seconds that it may take to finish what it does when it alone is asked to stop, by SIGTERM.
    - `grace`: seconds for which calls that a pool serves may go on when everything stops.
    - `queues`: that a pool polls, and which side of each.
    - `probed`: whether it is given a free port for its probes and metrics (`SAGAMESH_PROBE_PORT`) at each start.
    """

    name: str
    kind: Kind
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    ready: Probe
    ports: Mapping[str, int] = field(default_factory=dict)
    link: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    drain: float = 13.0
    grace: float = 0.0
    queues: Sequence[Queue] = ()
    probed: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """The supervisor's patience, in seconds.

    - `start`: until a part must be ready.
    - `look`: between two looks at a part that is not.
    - `first_pause`, `longest_pause`, `healthy`: see `sagamesh.stack.backoff`.
    - `stop_by`: from the beginning of a stop until what is left of a kind is killed. Kinds stop one after the other, so
      a kind may use what those before it have left. People are promised that all of it takes 15 seconds at most, while
      the calls of a worker may go on for `grace`; where they may for longer, all of it takes so much longer.
    """

    start: float = 60.0
    look: float = 0.05
    first_pause: float = 0.5
    longest_pause: float = 15.0
    healthy: float = 30.0
    stop_by: Mapping[Kind, float] = field(default_factory=lambda: {"pool": 9.0, "helper": 11.0, "server": 13.0})
    grace: float = 8.0

    def longer(self, graces: Iterable[float]) -> float:
        """Seconds that a stop may take beyond `stop_by`, for the most patient of these parts."""
        return max(0.0, max(graces, default=0.0) - self.grace)
