"""What the checks saw, kept for whoever asks from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sagamesh.health.verdict import Bounds, Facts, Kind, Seen, Verdict, judge

__all__ = ["Record", "never"]


def never() -> bool:
    """For what is never busy."""
    return False


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    kind: Kind
    fresh: float
    problem: str | None = None
    certain: bool = True
    at: float | None = None
    busy: Callable[[], bool] = never
    since: float = 0.0


class Record:
    """What is known of this process. Written from its event loop, read from any thread.

    - `clock`: seconds that only go forward.
    """

    def __init__(self, bounds: Bounds, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._beat = clock()
        self._was_started = False
        self._stopping = False
        self._broken = ""

    def expect(self, name: str, kind: Kind, *, fresh: float, busy: Callable[[], bool] = never) -> None:
        """Announce a check: until it has looked, the process is not ready.

        - `fresh`, `busy`: see `Seen`; `busy` is asked when somebody reads, from any thread.
        """
        with self._lock:
            self._entries[name] = _Entry(name, kind, fresh, busy=busy)

    def tell(self, name: str, problem: str | None, *, certain: bool = True) -> None:
        """What the check of this name saw just now."""
        now = self._clock()
        with self._lock:
            known = self._entries[name]
            same = known.at is not None and (known.problem is None, known.certain) == (problem is None, certain)
            since = known.since if same else now
            self._entries[name] = replace(known, problem=problem, certain=certain, at=now, since=since)

    def beat(self) -> None:
        """The event loop turns."""
        self._beat = self._clock()

    def stopping(self) -> None:
        """It was told to stop."""
        self._stopping = True

    def broken(self, why: str) -> None:
        """It cannot go on."""
        self._broken = why

    def facts(self) -> Facts:
        """All of it, as of now."""
        now = self._clock()
        with self._lock:
            seen = tuple(
                Seen(
                    name=entry.name,
                    kind=entry.kind,
                    problem=entry.problem,
                    certain=entry.certain,
                    age=None if entry.at is None else now - entry.at,
                    lasting=now - entry.since,
                    fresh=entry.fresh,
                    busy=entry.busy(),
                )
                for entry in self._entries.values()
            )
            return Facts(
                beat=now - self._beat,
                seen=seen,
                was_started=self._was_started,
                stopping=self._stopping,
                broken=self._broken,
            )

    def verdict(self) -> tuple[Facts, Verdict]:
        """What is known, and what follows from it. Once it has started, it has for good."""
        facts = self.facts()
        found = judge(facts, self._bounds)
        if not found.not_started:
            self._was_started = True
        return facts, found
