"""What is left to do after the runs of a task: the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sagamesh.routing.terms import Terms
from sagamesh.supervision.aftermath import FORGOTTEN, Aftermath, Begun, Run, aftermath
from sagamesh.supervision.messages import EARLIER_RUNS
from tests.supervision import shop

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(ended: str, begun: str = "", *, undone: str = "", pivot: str = "", quiet: int | None = None) -> Run:
    """A run that began steps named by one letter each."""
    steps = tuple(Begun(step=step, undo=Terms.of(shop.refund), input={}) for step in begun)
    at = None if quiet is None else NOW + timedelta(seconds=quiet)
    return Run(run_id="r", ended=ended, begun=steps, undone=frozenset(undone), pivot=pivot, quiet_at=at)


@pytest.mark.parametrize(
    ("runs", "left", "pivot"),
    [
        ([run("completed", "ab", pivot="p")], "", ""),
        ([run("failed", "ab", undone="ab")], "", ""),
        ([run("failed", "ab")], "", ""),
        ([run("cancelled", "ab", undone="ab")], "", ""),
        ([run("terminated", "ab")], "ab", ""),
        ([run("timed_out", "ab")], "ab", ""),
        ([run("terminated", "abc", undone="c")], "ab", ""),
        ([run("terminated", "ab", pivot="p")], "", "p"),
        ([run("terminated")], "", ""),
        ([run("reset", "ab"), run("completed", "ab", pivot="p")], "", ""),
        ([run("reset", "abc"), run("completed", "ab", pivot="p")], "c", ""),
        ([run("reset", "abc"), run("failed", "a", undone="a")], "bc", ""),
        ([run("reset", "abc", undone="c"), run("failed", "a", undone="a")], "b", ""),
        ([run("reset", "ab"), run("terminated", "a")], "ab", ""),
        ([run("reset", "ab", pivot="p"), run("terminated", "a")], "", "p"),
        ([run("reset", "ab", undone="ab"), run("terminated", "a")], "a", ""),
        ([run("continued", "ab"), run("completed", "a")], "", ""),
        ([run("continued", "ab"), run("terminated", "c")], "abc", ""),
    ],
)
def test_rules(runs: list[Run], left: str, pivot: str) -> None:
    after = aftermath(runs)
    assert ("".join(each.step for each in after.undo), after.pivot) == (left, pivot)


@pytest.mark.parametrize(
    ("last", "about"),
    [
        (run("completed", "a"), ""),
        (run("failed", "a"), ""),
        (run("cancelled", "a"), ""),
        (run("terminated", "a"), EARLIER_RUNS),
        (run("timed_out"), EARLIER_RUNS),
        (run("terminated", "a", pivot="p"), "p"),
    ],
)
def test_an_operator_decides_first_where_runs_are_forgotten(last: Run, about: str) -> None:
    assert aftermath([last], forgotten="long ago").for_operator == about
    assert aftermath([last]).for_operator == last.pivot


GONE = Aftermath(ended=FORGOTTEN, forgotten="all of it")


@pytest.mark.parametrize(
    ("first", "forgotten", "later", "left", "pivot", "ended"),
    [
        ([run("terminated", "ab", pivot="p")], "", GONE, "", "p", "terminated"),
        ([run("terminated", "ab")], "long ago", GONE, "ab", "", "terminated"),
        (
            [run("reset", pivot="p"), run("terminated", "a")],
            "",
            aftermath([run("terminated", "a")], forgotten="x"),
            "",
            "p",
            "terminated",
        ),
        ([run("terminated", "ab")], "x", aftermath([run("timed_out", "bc")], forgotten="x"), "abc", "", "timed_out"),
        ([run("terminated", "ab")], "x", aftermath([run("completed", "b")], forgotten="x"), "", "", "completed"),
        ([run("terminated", "ab", pivot="p")], "", aftermath([run("terminated", "c")]), "c", "", "terminated"),
    ],
)
def test_what_was_known_at_a_first_look_is_not_lost(
    first: list[Run], forgotten: str, later: Aftermath, left: str, pivot: str, ended: str
) -> None:
    after = aftermath(first, forgotten=forgotten).then(later)
    assert ("".join(each.step for each in after.undo), after.pivot, after.ended) == (left, pivot, ended)
    assert after.forgotten == later.forgotten


def test_waits_for_what_may_still_run_in_any_run() -> None:
    assert aftermath([run("reset", "a", quiet=9), run("terminated", "a", quiet=5)]).quiet_at == NOW + timedelta(
        seconds=9
    )
    assert aftermath([run("completed", "a", quiet=9)]).quiet_at is None
    with pytest.raises(ValueError, match="at least one run"):
        aftermath([])
