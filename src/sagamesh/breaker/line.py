"""One breaker in one worker process: its state, what it tells the fleet, and what it measures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from temporalio.common import MetricMeter

from sagamesh.breaker.contract import Declared
from sagamesh.breaker.fleet import Event, Report
from sagamesh.breaker.machine import (
    Admission,
    Closed,
    HalfOpen,
    Open,
    Outcome,
    Sight,
    State,
    admit,
    finish,
    follow,
    waits,
)
from sagamesh.breaker.notice import Notice

__all__ = ["Line"]

_log = logging.getLogger("sagamesh.breaker")

_LONGEST_CAUSE = 300
_PATIENCE = 3.0
"""Seconds for which a keeper may be late before somebody else is asked to keep the breaker."""


class Line:
    """Decides about the calls of one process, and follows the fleet. Not thread-safe: it belongs to one event loop.

    - `tell`: takes a report for the keeper; it must not wait.
    """

    def __init__(
        self,
        declared: Declared,
        *,
        identity: str,
        meter: MetricMeter,
        tell: Callable[[Declared, Report], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.declared = declared
        self.state: State = Closed()
        self.cause = ""
        self._identity = identity
        self._tell = tell
        self._clock = clock
        self._overdue_told = -_PATIENCE
        self._proved: datetime | None = None
        # Metric names and labels are an interface: alerts are written against them.
        labels = {"agent": declared.agent, "breaker": declared.key}
        self._is_open = meter.with_additional_attributes(labels).create_gauge(
            "sagamesh_breaker_open", "1 while this process lets no call through, 0 while it does"
        )
        self._trips = meter.with_additional_attributes(labels).create_counter(
            "sagamesh_breaker_trips_total", "How often this process opened it"
        )
        self._refusals = meter.with_additional_attributes(labels).create_counter(
            "sagamesh_breaker_refused_total", "Calls that were not made because it was open"
        )
        # They exist from the start, so that the first increase is one.
        self._is_open.set(0)
        self._trips.add(0)
        self._refusals.add(0)

    @property
    def at_rest(self) -> bool:
        """Whether calls go on and nothing has to be watched."""
        return isinstance(self.state, Closed)

    def admit(self) -> Admission:
        """Decide about a call that is about to be made."""
        state, admission = admit(self.declared.rule, self.state, self._clock())
        self._enter(state)
        if admission.wait is not None:
            self._refusals.add(1)
        return admission

    def wait(self) -> float | None:
        """Seconds until calls may be made again; None while they may."""
        return None if self.at_rest else waits(self.declared.rule, self.state, self._clock())

    def finish(self, outcome: Outcome, *, probe: bool, cause: str = "") -> None:
        """Take note of how a call ended."""
        before = self.state
        if outcome is Outcome.FAILURE:
            self.cause = cause[:_LONGEST_CAUSE]
        state = finish(self.declared.rule, before, self._clock(), outcome, probe=probe)
        self._enter(state)
        if isinstance(before, Closed) and isinstance(state, Open):
            self._trips.add(1)
            self._report(Event.TRIPPED, self.cause)
        elif isinstance(before, HalfOpen) and probe and outcome is Outcome.SUCCESS:
            self._proved = datetime.now(UTC)
            self._report(Event.PROBE_SUCCEEDED)
        elif isinstance(before, HalfOpen) and isinstance(state, Open):
            self._report(Event.PROBE_FAILED, self.cause)

    def follow(self, notice: Notice | None) -> None:
        """Take over what the queue's configuration says of this breaker; None when it says nothing."""
        sight = Sight.FREE if notice is None else Sight(notice.state)
        if notice is not None and notice.cause:
            self.cause = notice.cause[:_LONGEST_CAUSE]
        if not (notice is not None and sight is Sight.OPEN and self._knows_better(notice)):
            self._enter(follow(self.declared.rule, self.state, self._clock(), sight))
        if notice is not None and sight is Sight.OPEN and self._late(notice):
            self._overdue_told = self._clock()
            self._report(Event.OVERDUE, self.cause)

    def _knows_better(self, notice: Notice) -> bool:
        """Whether calls have succeeded here since it opened; its keeper was told, and may be late."""
        return self.at_rest and self._proved is not None and self._proved > notice.since

    def _late(self, notice: Notice) -> bool:
        if notice.until is None or self._clock() - self._overdue_told < max(_PATIENCE, self.declared.rule.recovery):
            return False
        return (datetime.now(UTC) - notice.until).total_seconds() > _PATIENCE

    def _enter(self, state: State) -> None:
        before, self.state = self.state, state
        if type(before) is type(state):
            return
        self._is_open.set(0 if isinstance(state, Closed) else 1)
        if isinstance(state, Open) or isinstance(before, Closed):
            _log.warning("breaker %s of %s: no more calls (%s)", self.declared.key, self.declared.queue, self.cause)
        elif isinstance(state, Closed):
            _log.warning("breaker %s of %s: calls go on", self.declared.key, self.declared.queue)

    def _report(self, event: Event, cause: str = "") -> None:
        declared = self.declared
        numbers: dict[str, Any] = {
            "recovery": declared.rule.recovery,
            "interval": declared.interval,
            "probes": declared.rule.probes,
        }
        self._tell(
            declared,
            Report(key=declared.key, event=event, cause=cause, by=self._identity, at=datetime.now(UTC), **numbers),
        )
