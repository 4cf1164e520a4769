"""What a task has left behind, and what is to be done about it: rules over its histories. No clock, no connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sagamesh.failure import Failure
from sagamesh.message import Message
from sagamesh.routing.terms import Terms
from sagamesh.supervision.messages import EARLIER_RUNS

__all__ = ["FORGOTTEN", "FROM_OUTSIDE", "Aftermath", "Begun", "Run", "aftermath"]

FROM_OUTSIDE = frozenset({"terminated", "timed_out"})
"""Ends at which the task's own code could do nothing."""

FORGOTTEN = "forgotten"
"""The end of a task of which the server knows nothing any more."""


class Begun(Message):
    """A step that was begun: how it is undone, the version of that agent which the task knew, and the input (JSON)."""

    step: str
    undo: Terms
    input: dict[str, Any]
    version: str = ""


class Run(Message):
    """One run of a task, as its history tells.

    - `ended`: `completed`, `failed`, `cancelled`, `terminated`, `timed_out`; `reset` or `continued` when another came
      after it.
    - `begun`: the steps with an undo, in their order; `undone`: those undone or decided about by an operator.
    - `pivot`: the pivot that was completed; empty for none.
    - `quiet_at`: when the last attempt that may still run somewhere has timed out; None where none can.
    """

    run_id: str
    ended: str
    failure: Failure | None = None
    begun: tuple[Begun, ...] = ()
    undone: frozenset[str] = frozenset()
    pivot: str = ""
    quiet_at: datetime | None = None


class Aftermath(Message):
    """What is left to do when a task has ended.

    - `ended`, `failure`: how its last run ended, and why; `forgotten` where the server knows nothing of it any more.
    - `undo`: the steps to be undone, in the order in which they were begun.
    - `pivot`: set where a person must look instead, because the task was ended from outside after it.
    - `quiet_at`: before this time an attempt may still run.
    - `forgotten`: why nothing is known of older runs; empty where all are known.
    """

    ended: str
    failure: Failure | None = None
    undo: tuple[Begun, ...] = ()
    pivot: str = ""
    quiet_at: datetime | None = None
    forgotten: str = ""

    @property
    def for_operator(self) -> str:
        """What a person has to decide about before anything is undone: the pivot, or `earlier-runs` where one of them
        may have come to a pivot, or have begun what nobody knows of; empty for nothing.
        """
        if self.pivot:
            return self.pivot
        return EARLIER_RUNS if self.forgotten and self.ended in {*FROM_OUTSIDE, FORGOTTEN} else ""

    def then(self, later: Aftermath) -> Aftermath:
        """What a later look found; what the server has forgotten between the two is taken from this one."""
        if not (later.forgotten and later.for_operator):
            return later
        pivot = later.pivot or self.pivot
        undo = {each.step: each for each in (*self.undo, *later.undo)}
        quiet = [at for at in (self.quiet_at, later.quiet_at) if at is not None]
        known = self if later.ended == FORGOTTEN else later
        return known.model_copy(
            update={
                "undo": () if pivot else tuple(undo.values()),
                "pivot": pivot,
                "quiet_at": max(quiet, default=None),
                "forgotten": later.forgotten,
            }
        )


def aftermath(runs: Sequence[Run], *, forgotten: str = "") -> Aftermath:
    """What is left to do after these runs of one task, the oldest first.

    - `forgotten`: why these are not all its runs; empty where they are.

    - Ended from outside before its pivot: all that any run has begun, and none has undone, is undone. The pivot itself
      may have happened unheard, as when it fails: undos cope with that.
    - Ended from outside after its pivot, in any run: nothing is undone; somebody has to finish or to refund it.
    - Ended by itself: it has seen to its own steps. What is left is what a run that was reset had begun and the last
      run did not come to again.

    A step that was undone in one run and begun again in a later one counts as begun: its undo left a mark, and the
    agent refuses the step; undoing it again is harmless.

    Raises:
        ValueError: without a run.
    """
    if not runs:
        raise ValueError("a task has at least one run")
    last = runs[-1]
    open_: dict[str, Begun] = {}
    for run in runs:
        if last.ended in FROM_OUTSIDE or run.ended == "reset":
            open_ |= {each.step: each for each in run.begun}
        open_ = {step: each for step, each in open_.items() if step not in run.undone}
    pivot = ""
    if last.ended in FROM_OUTSIDE:
        pivot = next((run.pivot for run in reversed(runs) if run.pivot), "")
    else:
        own = {each.step for each in last.begun}
        open_ = {step: each for step, each in open_.items() if step not in own}
    quiet = [run.quiet_at for run in runs if run.quiet_at is not None]
    left = () if pivot else tuple(open_.values())
    return Aftermath(
        ended=last.ended,
        failure=last.failure,
        undo=left,
        pivot=pivot,
        quiet_at=max(quiet) if quiet and left else None,
        forgotten=forgotten,
    )
