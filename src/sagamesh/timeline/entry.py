"""One line of a timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sagamesh.failure import Failure
from sagamesh.status import StepState

__all__ = ["Entry", "Kind", "State"]


class Kind(StrEnum):
    """What a line is about.

    - `step`: a call of an agent. `undo`: the call that undoes a step. `child`: a task that this one started.
    - `pivot`: the pivot of a supervised task that was ended from outside after it, while the supervisor waits;
      `earlier-runs` where the server has forgotten whether it came to one.
    - `approval`: a question to a person. `timer`: a wait for a time, such as the deadline.
    - `cancel`: a cancel request. `decision`: an operator's, about a failed undo. `message`: any other update or signal.
    - `bug`: the task's own code failed; the engine tries it again until a deployment mends it.
    """

    STEP = "step"
    UNDO = "undo"
    CHILD = "child"
    PIVOT = "pivot"
    APPROVAL = "approval"
    TIMER = "timer"
    CANCEL = "cancel"
    DECISION = "decision"
    MESSAGE = "message"
    BUG = "bug"


class State(StrEnum):
    """How far it has come.

    - `waiting`: for a worker, an answer or a time. `retrying`: an attempt failed, and there will be another.
    - `approved`, `rejected`, `expired`: how a question ended. `done` of a timer: its time came.
    - `refused`: a cancel request that came too late.
    """

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REFUSED = "refused"


OPEN = frozenset({State.WAITING, State.RUNNING, State.RETRYING})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline.

    - `name`: the step (`payment.charge`; of an undo: the step that it undoes), the timer, the message, the question.
    - `at`: when it was scheduled, asked or sent; `started`: when a worker took its last attempt; `ended`: its end.
    - `capability`: the activity type, or the type of a child.
    - `summary`: what its author wrote about it; of a decision: `retry`, `skip` or `resolve`.
    - `attempts`: how many there were, including one that runs.
    - `worker`: who had the last attempt; `by`, `reason`: who decided or asked, and why.
    - `failure`: what went wrong last. `next_attempt`, `until`: what it waits for.
    - `undone`: what became of a step in compensation; None where nobody undid it.
    - `queue`: on which it was put. `held`: why nobody gets it from there, where breakers hold that queue.
    """

    kind: Kind
    name: str
    state: State
    at: datetime
    started: datetime | None = None
    ended: datetime | None = None
    capability: str = ""
    summary: str = ""
    attempts: int = 0
    worker: str = ""
    by: str = ""
    reason: str = ""
    failure: Failure | None = None
    next_attempt: datetime | None = None
    until: datetime | None = None
    undone: StepState | None = None
    queue: str = ""
    held: str = ""

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.state in OPEN

    def total(self, now: datetime) -> timedelta:
        """From the beginning to the end, or until now."""
        return (self.ended or (now if self.open else self.at)) - self.at

    def queue_wait(self, now: datetime) -> timedelta | None:
        """How long the first attempt waited for a worker.

        None where that is not known: the engine keeps the times of the last attempt only, and of a call that was
        cancelled or given up between two attempts not even those.
        """
        if self.kind not in (Kind.STEP, Kind.UNDO) or self.attempts > 1 or self.state is State.RETRYING:
            return None
        if self.started is not None:
            return self.started - self.at
        return now - self.at if self.open else None

    def retried(self) -> timedelta | None:
        """How long the attempts before the last one and the pauses between them took; None where there was one."""
        return self.started - self.at if self.started is not None and self.attempts > 1 else None

    def work(self, now: datetime) -> timedelta | None:
        """How long the last attempt took, or has taken; None while no worker has taken it."""
        return None if self.started is None else (self.ended or now) - self.started
