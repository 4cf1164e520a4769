"""Which answers a task still wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from sagamesh.locks.answers import Answers
from sagamesh.locks.messages import Grant

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
Act: TypeAlias = Callable[[Answers], None]


def asks(request: str) -> Act:
    """A request is on its way."""
    return lambda answers: answers.asks(request)


def asked(request: str, name: str = "") -> Act:
    """It was made, perhaps under another name."""
    return lambda answers: answers.asked(request, name or request)


def granted(request: str) -> Act:
    """The lock grants it."""
    return lambda answers: answers.take(Grant(lock="it", request=request, fence=1, until=UNTIL))


def lost(request: str) -> Act:
    """The lock says that it was lost."""
    return lambda answers: answers.take(Grant(lock="it", request=request))


def close(request: str) -> Act:
    """The block has ended."""
    return lambda answers: answers.close(request)


@pytest.mark.parametrize(
    ("acts", "kept", "strays"),
    [
        ([asks("a"), asked("a"), granted("a")], "a", ""),
        ([asks("a"), granted("a"), asked("a")], "a", ""),
        ([asks("a"), asked("a"), granted("a"), close("a")], "", ""),
        ([asks("a"), asked("a"), close("a"), granted("a")], "", "a"),
        ([asks("a"), asked("a"), close("a"), lost("a")], "", ""),
        ([granted("a")], "", "a"),
        # The run before made it, under its own name: in a task that was reset.
        ([granted("old"), asks("a"), asked("a", "old")], "", "old"),
        ([asks("a"), granted("old"), asked("a", "old")], "old", ""),
        ([asks("a"), lost("old"), asked("a", "old")], "old", ""),
        ([asks("a"), asked("a", "old"), granted("a")], "", "a"),
        # What is on its way could be the one that was answered.
        ([asks("a"), asked("a"), close("a"), asks("b"), granted("a")], "a", ""),
        ([asks("a"), asked("a"), close("a"), asks("b"), granted("a"), asked("b")], "", "a"),
        ([asks("a"), asks("b"), granted("old"), asked("a")], "old", ""),
        ([asks("a"), asks("b"), granted("old"), asked("a"), asked("b", "old")], "old", ""),
    ],
)
def test_what_is_given_back(acts: Sequence[Act], kept: str, strays: str) -> None:
    answers, given_back = Answers(), []
    for act in acts:
        act(answers)
        given_back += answers.strays()
    assert [grant.request for grant in given_back] == strays.split()
    assert [request for request in ("a", "b", "old") if answers.has(request)] == kept.split()
