"""The decision: from what was seen, and how long ago, to started, ready and live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Bounds", "Facts", "Kind", "Seen", "Verdict", "judge"]

Kind: TypeAlias = Literal["server", "queue", "dependency"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check saw last. All times are seconds before now.

    - `problem`: what was wrong; None when all was well.
    - `certain`: it was seen, and not only that the look itself failed.
    - `age`: since the last look ended; None while none has.
    - `lasting`: for how long it has been as it is now.
    - `fresh`: the age beyond which it says nothing any more.
    - `busy`: of a queue: every slot for its calls is taken, so nothing polls it although all is well.
    """

    name: str
    kind: Kind
    problem: str | None = None
    certain: bool = True
    age: float | None = None
    lasting: float = 0.0
    fresh: float = 70.0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of the process.

    - `beat`: seconds since its event loop was last seen to turn.
    - `was_started`: it had started at some time.
    - `stopping`: it was told to stop.
    - `broken`: why it cannot go on; empty while it can.
    """

    beat: float
    seen: tuple[Seen, ...]
    was_started: bool = False
    stopping: bool = False
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long something may last, in seconds.

    - `stuck`: the event loop may stand still.
    - `unpolled`: a queue may go without a poller of this process while the server answers and slots are free. Far
      longer than the pollers' own pauses and a restart of the server take.
    """

    stuck: float = 30.0
    unpolled: float = 180.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why it is not live, not ready, not started: one sentence each. Without a reason it is."""

    not_live: tuple[str, ...]
    not_ready: tuple[str, ...]
    not_started: tuple[str, ...]


def judge(facts: Facts, bounds: Bounds) -> Verdict:
    """Decide.

    Live and started depend on nothing outside the process: the server or a dependency that is slow or gone never makes
    them false, because a restart would not bring them back. Ready depends on all of it.
    """
    return Verdict(
        not_live=tuple(_not_live(facts, bounds)),
        not_ready=tuple(_not_ready(facts)),
        not_started=() if facts.was_started else tuple(_not_started(facts, bounds)),
    )


def _not_live(facts: Facts, bounds: Bounds) -> Iterator[str]:
    if facts.broken:
        yield facts.broken
    if facts.beat > bounds.stuck:
        yield f"the event loop has stood still for {facts.beat:.0f} s"
        return  # what the checks saw is as old
    servers = [seen for seen in facts.seen if seen.kind == "server"]
    answers = all(seen.problem is None and seen.lasting > bounds.unpolled and _is_fresh(seen) for seen in servers)
    # One that has not started is the startup probe's business.
    if not answers or not servers or facts.stopping or not facts.was_started:
        return
    for seen in facts.seen:
        gone = seen.problem is not None and seen.certain and _is_fresh(seen) and seen.lasting > bounds.unpolled
        if seen.kind == "queue" and gone and not seen.busy:
            yield f"{seen.name}: {seen.problem}, for {seen.lasting:.0f} s, and the server answers"


def _not_ready(facts: Facts) -> Iterator[str]:
    if facts.broken:
        yield facts.broken
    if facts.stopping:
        yield "it is stopping"
    if not facts.seen:
        yield "it has not begun to serve"
    for seen in facts.seen:
        yield from _lacking(seen)


def _not_started(facts: Facts, bounds: Bounds) -> Iterator[str]:
    """What the process itself has not done yet."""
    if facts.broken:
        yield facts.broken
    if facts.beat > bounds.stuck:
        yield f"the event loop has stood still for {facts.beat:.0f} s"
        return
    if not facts.seen:
        yield "it has not begun to serve"
    answers = all(seen.problem is None for seen in facts.seen if seen.kind == "server")
    for seen in facts.seen:
        # Where the server cannot say who polls, the workers ask it all the same, and are heard when it is back. Should
        # they not be, the process is not live some time later.
        unknown = seen.problem is not None and not (seen.certain and answers)
        if seen.kind == "queue" and not unknown:
            yield from _lacking(seen)


def _lacking(seen: Seen) -> Iterator[str]:
    if seen.age is None:
        yield f"{seen.name}: not looked at yet"
    elif not _is_fresh(seen):
        yield f"{seen.name}: nothing was heard for {seen.age:.0f} s"
    elif seen.problem is not None and not (seen.kind == "queue" and seen.certain and seen.busy):
        yield f"{seen.name}: {seen.problem}"


def _is_fresh(seen: Seen) -> bool:
    return seen.age is not None and seen.age <= seen.fresh
