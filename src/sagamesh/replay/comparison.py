"""The decision: do the commands that the code issues match those in the history?"""

from __future__ import annotations

from collections.abc import Sequence

from sagamesh.replay.command import KEYED, Command, Kind
from sagamesh.replay.difference import data_differences, option_differences, shortened

__all__ = ["compare"]

_MOST_PER_COMMAND = 12
# The engine decides by itself whether a cancel still has anything to cancel, and patch markers have rules of their own.
_OPTIONAL = frozenset(
    {Kind.CANCEL_ACTIVITY, Kind.CANCEL_TIMER, Kind.CANCEL_CHILD, Kind.CANCEL_NEXUS, Kind.CANCEL_EXTERNAL}
)


def compare(recorded: Sequence[Command], issued: Sequence[Command]) -> list[str]:
    """What differs, in words, in the order of the history; empty when nothing does.

    After a command of another kind or name the two paths no longer run side by side, so that is the last difference
    reported. Local activities and answers to updates are compared by id.
    """
    path = [command for command in recorded if command.kind not in KEYED and command.kind is not Kind.PATCH]
    now = [command for command in issued if command.kind not in KEYED and command.kind is not Kind.PATCH]
    problems, parted = _along_the_path(path, now)
    reached = [command for command in recorded if not parted or command.event < parted]
    return problems + _by_id(reached, issued)


def _along_the_path(recorded: Sequence[Command], issued: Sequence[Command]) -> tuple[list[str], int]:
    """The differences, and the event at which the paths part; 0 when they do not."""
    problems: list[str] = []
    place = 0
    for known in recorded:
        while place < len(issued) and not _alike(known, issued[place]) and _may_go_unrecorded(issued[place]):
            place += 1
        if place == len(issued):
            problems.append(f"history goes on with {known} (event {known.event}); the code stops before it")
            return problems, known.event
        if not _alike(known, issued[place]):
            problems.append(_parted(known, issued[place], recorded))
            return problems, known.event
        problems += _differences(known, issued[place])
        place += 1
    extra = next((command for command in issued[place:] if not _may_go_unrecorded(command)), None)
    if extra is not None:
        problems.append(f"the code goes on with {extra}; the history ends before it")
    return problems, 0


def _alike(known: Command, now: Command) -> bool:
    if known.kind is not now.kind or known.name != now.name:
        return False
    # One that was called off looks like its successor, but the history cannot hold it unless the ids agree.
    return known.id == now.id or not (now.called_off or now.kind in _OPTIONAL)


def _may_go_unrecorded(command: Command) -> bool:
    return command.called_off or command.kind in _OPTIONAL


def _parted(known: Command, now: Command, recorded: Sequence[Command]) -> str:
    text = f"history has {known} (event {known.event}), the code now issues {now}"
    later = next((c.event for c in recorded if c.event > known.event and _alike(c, now)), None)
    if later is not None:
        return f"{text}, which comes later in the history (event {later}): something was moved or removed"
    return f"{text}, which does not follow in the history: something was added or renamed"


def _by_id(recorded: Sequence[Command], issued: Sequence[Command]) -> list[str]:
    problems: list[str] = []
    answers = {(command.kind, command.id): command for command in issued if command.kind in KEYED}
    for known in recorded:
        if known.kind not in KEYED:
            continue
        now = answers.get((known.kind, known.id))
        if now is None:
            refused = answers.get((Kind.UPDATE_ANSWER, known.id))
            how = "refuses it" if known.kind is Kind.UPDATE_ACCEPTED and refused else "does not do it"
            problems.append(f"{known.place}: the history has it, the code now {how}")
        else:
            problems += _differences(known, now)
    return problems


def _differences(known: Command, now: Command) -> list[str]:
    found = []
    if known.kind is Kind.LOCAL_ACTIVITY and known.name != now.name:
        found.append(f"type was {known.name}, is now {now.name}")
    if known.id != now.id:
        found.append(f"id was {known.id}, is now {now.id}")
    found += option_differences(known.options, now.options, now.allowed)
    found += data_differences(known.data, now.data)
    return [f"{known.place}: {text}" for text in shortened(found, _MOST_PER_COMMAND)]
