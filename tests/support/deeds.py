"""Contracts of the tests' own agent and tasks. Pure, so that the sandbox need not load them again for each task."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sagamesh import Agent, Message, Retry, Task, hours, milliseconds, seconds

__all__ = ["DEED", "MANY", "ONCE", "Deed", "Done", "OddPlan", "Plan", "Report", "Switch", "Text", "works"]

ONCE = Retry(attempts=1)
MANY = Retry(attempts=3, first=milliseconds(10), most=milliseconds(10))


class Deed(Message):
    """What an agent is asked to do."""

    what: str = ""
    blob: str = ""


DEED: Final = Deed(what="it")


class Done(Message):
    """What it did."""

    what: str
    blob: str = ""


class Plan(Message):
    """What a task is asked: each task reads what concerns it."""

    deadline_seconds: float | None = None
    approval_seconds: float = 3600
    size: int = 0
    again: int = 0
    how: str = ""

    @property
    def deadline(self) -> timedelta | None:
        """As a duration."""
        return None if self.deadline_seconds is None else timedelta(seconds=self.deadline_seconds)


class OddPlan(Message):
    """Where an agent of another team listens, and whether it is asked for the pivot."""

    queue: str
    pivot: bool


class Text(Message):
    """Any text."""

    text: str


class Report(Message):
    """What a task says at its end."""

    said: str = ""
    blob: str = ""


works = Agent("works")
first = works.capability("first", takes=Deed, returns=Done, timeout=seconds(20), retry=ONCE)
undo_first = works.capability("undo_first", takes=Deed, returns=Done, timeout=seconds(20), retry=MANY)
second = works.capability("second", takes=Deed, returns=Done, timeout=seconds(20), retry=ONCE)
undo_second = works.capability("undo_second", takes=Deed, returns=Done, timeout=seconds(20), retry=MANY)
third = works.capability("third", takes=Deed, returns=Done, timeout=seconds(20), retry=ONCE)
undo_third = works.capability("undo_third", takes=Deed, returns=Done, timeout=seconds(20), retry=MANY)
finish = works.capability("finish", takes=Deed, returns=Done, timeout=seconds(20), retry=ONCE)
extra = works.capability("extra", takes=Deed, returns=Done, timeout=seconds(20), retry=MANY)
stubborn = works.capability(
    "stubborn", takes=Deed, returns=Done, timeout=seconds(20), retry=Retry(attempts=5, first=hours(1), most=hours(1))
)
undo_stubborn = works.capability("undo_stubborn", takes=Deed, returns=Done, timeout=seconds(20), retry=MANY)
hasty = works.capability("hasty", takes=Deed, returns=Done, timeout=milliseconds(300), retry=ONCE)
undo_hasty = works.capability("undo_hasty", takes=Deed, returns=Done, timeout=seconds(20), retry=MANY)

# The same queue, but a capability that no pool serves: what a caller built against a newer contract would do.
unserved = Agent("works").capability("frist", takes=Deed, returns=Done, timeout=seconds(20), retry=ONCE)

# An agent that no pool serves.
idle = Agent("idle").capability("work", takes=Deed, returns=Done, timeout=seconds(20), retry=ONCE)


def task(name: str) -> Task[Plan, Report]:
    """A task of the tests."""
    return Task(name, takes=Plan, returns=Report, queue="deeds", uses=(works,))


class Switch:
    """A bug that can be mended while a task runs, as a deployment would."""

    broken: bool = True
