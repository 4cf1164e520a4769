"""Attempts in which nothing was called do not count."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sagamesh.breaker.attempts import marked, pause, read_attempts, unmarked
from sagamesh.policy import Retry

OWN = ({"row": 7}, "half")


@pytest.mark.parametrize("details", [(), OWN, ({},), ("x",)])
@pytest.mark.parametrize("refused", [0, 1, 7])
def test_the_mark_stands_behind_the_details_of_the_implementation(details: tuple[object, ...], refused: int) -> None:
    sent = marked(details, refused)

    assert unmarked(sent) == details
    assert read_attempts(10, sent).refused == refused
    assert read_attempts(10, sent).real == 10 - refused
    assert marked(sent, refused) == sent
    assert refused or sent == details


@pytest.mark.parametrize("wrong", [-1, 10, "7", None, 2.5])
def test_what_cannot_be_counts_nothing(wrong: object) -> None:
    assert read_attempts(10, [{"sagamesh.refused": wrong}]).refused == 0


def test_the_policy_s_own_pauses() -> None:
    retry = Retry(first=timedelta(seconds=1), factor=2, most=timedelta(seconds=30))

    assert [pause(retry, n).total_seconds() for n in (1, 2, 3, 5, 6, 10_000)] == [1, 2, 4, 16, 30, 30]
    assert pause(Retry(factor=1), 10_000) == timedelta(seconds=1)
