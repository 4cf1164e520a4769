"""How a capability is called: timeouts, retries, breaker, priority."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

from sagamesh.errors import DefinitionError
from sagamesh.limits.precedence import priority_problem, weight_problem

__all__ = ["DEFAULT_TIMEOUT", "Breaker", "Policy", "Retry", "hours", "milliseconds", "minutes", "seconds"]

_BREAKER_KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

DEFAULT_TIMEOUT = timedelta(seconds=30)
"""One attempt of a call, where the contract says nothing else."""


def milliseconds(n: float) -> timedelta:
    """`n` milliseconds."""
    return timedelta(milliseconds=n)


def seconds(n: float) -> timedelta:
    """`n` seconds."""
    return timedelta(seconds=n)


def minutes(n: float) -> timedelta:
    """`n` minutes."""
    return timedelta(minutes=n)


def hours(n: float) -> timedelta:
    """`n` hours."""
    return timedelta(hours=n)


@dataclass(frozen=True, slots=True)
class Retry:
    """Which pauses lie between the attempts of a call, and how many attempts there are.

    The default tries for about eight minutes. It is bounded because some failures repeat for ever (an answer larger
    than the engine accepts, a bug), and a task that never ends helps nobody.
    """

    attempts: int = 20
    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    most: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise DefinitionError(f"retry: attempts must be at least 1, not {self.attempts}")
        if self.first <= timedelta(0) or self.most < self.first:
            raise DefinitionError(f"retry: needs 0 < first <= most, not first={self.first} most={self.most}")
        if self.factor < 1:
            raise DefinitionError(f"retry: factor must be at least 1, not {self.factor}")


@dataclass(frozen=True, slots=True)
class Breaker:
    """When calls to something that fails are stopped for the whole fleet, and when they are tried again.

    - `failures`: so many failed calls in a row, as one worker process sees them, open it.
    - `rate`: this share of failed calls (above 0, at most 1) within `window` opens it too, once there were `least`
      calls; None leaves it to the run of failures.
    - `recovery`: how long it stays open before a probe is let through.
    - `probes`: so many probes must succeed, one after the other, to close it.
    - `key`: what it protects, for capabilities that depend on the same thing; empty for the capability alone.

    Answers (`BusinessError` and other errors that are not retried) are no failures.
    """

    failures: int = 5
    recovery: timedelta = timedelta(seconds=60)
    rate: float | None = None
    window: timedelta = timedelta(seconds=60)
    least: int = 10
    probes: int = 1
    key: str = ""

    def __post_init__(self) -> None:
        for name in ("failures", "least", "probes"):
            if getattr(self, name) < 1:
                raise DefinitionError(f"breaker: {name} must be at least 1, not {getattr(self, name)}")
        for name in ("recovery", "window"):
            if getattr(self, name) <= timedelta(0):
                raise DefinitionError(f"breaker: {name} must be longer than 0, not {getattr(self, name)}")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise DefinitionError(f"breaker: rate must be above 0 and at most 1, not {self.rate:g}")
        if self.key and not _BREAKER_KEY.fullmatch(self.key):
            raise DefinitionError(
                f"breaker: key {self.key!r} must be lower-case letters, digits and single hyphens, "
                "and begin with a letter"
            )


@dataclass(frozen=True, slots=True)
class Policy:
    """The engine's options for one capability, decided once, on the contract.

    - `timeout`: one attempt, from the moment a worker takes it. It is also the longest time for which a lost worker
      stays unnoticed, unless `heartbeat` is shorter.
    - `queue_timeout`: waiting for a worker; None waits for as long as it takes.
    - `total`: all attempts and waits together; None leaves that to the retries.
    - `heartbeat`: the longest silence of a running attempt; None for attempts that do not report.
    - `priority`: 1 (first) to 5 (last); None for the task's.
    - `weight`: a call counts as 1/weight of its tenant's turn; None for the task's.
    - `breaker`: stops calling for the whole fleet while calls fail.
    - `keep`: for how long a result is kept under the call's key and returned when the call is repeated; None for not.
    - `inline`: short and idempotent, so that a process that hosts a task and this agent may run it on the spot.
    - `scopes`: what a caller must be allowed, to be routed here.
    """

    timeout: timedelta = DEFAULT_TIMEOUT
    queue_timeout: timedelta | None = None
    total: timedelta | None = None
    heartbeat: timedelta | None = None
    retry: Retry = field(default_factory=Retry)
    priority: int | None = None
    weight: float | None = None
    breaker: Breaker | None = None
    keep: timedelta | None = None
    inline: bool = False
    scopes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("timeout", "queue_timeout", "total", "heartbeat", "keep"):
            value = getattr(self, name)
            if value is not None and value <= timedelta(0):
                raise DefinitionError(f"{name} must be longer than 0, not {value}")
        if self.heartbeat is not None and self.heartbeat > self.timeout:
            raise DefinitionError(f"heartbeat {self.heartbeat} is longer than the timeout {self.timeout}")
        if self.inline and self.heartbeat is not None:
            raise DefinitionError("inline is for what is short; a heartbeat is for what is not")
        if problem := priority_problem(self.priority):
            raise DefinitionError(f"priority {problem}")
        if problem := weight_problem(self.weight):
            raise DefinitionError(f"weight {problem}")

    def retry_policy(self) -> RetryPolicy:
        """The same retries in the engine's terms.

        With a breaker the engine's attempts have no end: it also counts those in which nothing was called. The breaker
        counts the real ones, and makes the error of the last one final.
        """
        return RetryPolicy(
            initial_interval=self.retry.first,
            backoff_coefficient=self.retry.factor,
            maximum_interval=self.retry.most,
            maximum_attempts=0 if self.breaker is not None else self.retry.attempts,
        )

    def engine_priority(self) -> Priority:
        """The same priority in the engine's terms. What is not said here, a call has from its task."""
        if self.priority is None and self.weight is None:
            return Priority.default
        return Priority(priority_key=self.priority, fairness_weight=self.weight)
