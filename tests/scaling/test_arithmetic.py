"""The scaler's arithmetic, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagamesh.scaling import Autoscaler, Behavior, Figure, Idle, Policy, Rules, average_value, utilization
from sagamesh.scaling.rules import Change, limit

FAST = Behavior(
    up=Rules(0, (Policy("Percent", 100, 15), Policy("Pods", 4, 15))), down=Rules(60, (Policy("Pods", 1, 60),))
)


@pytest.mark.parametrize(
    ("value", "target", "current", "wanted"),
    [
        (0, 5, 2, 0),
        (1, 5, 2, 1),
        (10, 5, 2, 2),
        (10.9, 5, 2, 2),  # within a tenth
        (11.1, 5, 2, 3),
        (9.1, 5, 2, 2),
        (8.9, 5, 2, 2),
        (4, 5, 2, 1),
        (100, 5, 2, 20),
        (3, 5, 0, 1),
        (None, 5, 2, None),
        (0, 0, 1, None),  # no target
        (3, 0, 1, None),
    ],
)
def test_a_total_that_is_shared(value: float | None, target: float, current: int, wanted: int | None) -> None:
    assert average_value("backlog", value, target, current).wanted == wanted


@pytest.mark.parametrize(
    ("percent", "target", "current", "wanted"),
    [
        (70, 70, 3, 3),
        (76, 70, 3, 3),
        (78, 70, 3, 4),
        (140, 70, 3, 6),
        (62, 70, 4, 4),
        (35, 70, 4, 2),
        (1, 70, 4, 1),
        (None, 70, 4, None),
    ],
)
def test_a_mean_of_the_replicas(percent: float | None, target: float, current: int, wanted: int | None) -> None:
    assert utilization("cpu", percent, target, current).wanted == wanted


UP, DOWN = FAST.up, FAST.down


@pytest.mark.parametrize(
    ("rules", "current", "changes", "up", "expected"),
    [
        (UP, 1, [], True, 5),
        (UP, 2, [], True, 6),
        (UP, 5, [], True, 10),
        (UP, 6, [Change(0, 4)], True, 6),  # from 2, four more: no more within 15 s
        (UP, 6, [Change(-15, 4)], True, 12),
        (UP, 3, [Change(0, -1)], True, 8),  # what went within the period may come back
        (DOWN, 5, [], False, 4),
        (DOWN, 4, [Change(0, -1)], False, 4),
        (DOWN, 4, [Change(-60, -1)], False, 3),
        (Rules(0, (Policy("Percent", 10, 60),)), 15, [], False, 13),
        (Rules(0, (Policy("Percent", 50, 60), Policy("Pods", 1, 60)), "Min"), 10, [], False, 9),
        (Rules(0, (Policy("Percent", 50, 60), Policy("Pods", 1, 60)), "Min"), 10, [], True, 11),
        (Rules(0, (Policy("Pods", 9, 60),), "Disabled"), 10, [], False, 10),
        (Rules(0, (Policy("Pods", 9, 60),), "Disabled"), 10, [], True, 10),
    ],
)
def test_how_far_it_may_go_at_once(
    rules: Rules, current: int, changes: list[Change], *, up: bool, expected: int
) -> None:
    assert limit(rules, current, changes, 0.0, up=up) == expected


def walk(scaler: Autoscaler, current: int, looks: Sequence[tuple[float, float | None]]) -> list[tuple[int, str]]:
    """Looks of (time, backlog), five for each."""
    seen = []
    for now, backlog in looks:
        decision = scaler.decide(now, current, [average_value("backlog", backlog, 5, current)])
        current = decision.replicas
        seen.append((current, decision.reason))
    return seen


def test_out_at_once_and_in_slowly() -> None:
    looks = [(0, 0), (15, 37), (30, 60), (45, 0), (60, 0), (75, 0), (105, 0), (165, 0), (225, 0), (285, 0), (345, 0)]
    assert walk(Autoscaler(2, 6, FAST), 2, looks) == [
        (2, "backlog 0 at 5 each: 0, at least 2"),
        (6, "backlog 37 at 5 each: 8, at most 6"),
        (6, "backlog 60 at 5 each: 12, at most 6"),
        (6, "backlog 0 at 5 each, was 6 lately"),
        (6, "backlog 0 at 5 each, was 6 lately"),
        (6, "backlog 0 at 5 each, was 6 lately"),
        (5, "backlog 0 at 5 each: 0, by now 5"),
        (4, "backlog 0 at 5 each: 0, by now 4"),
        (3, "backlog 0 at 5 each: 0, by now 3"),
        (2, "backlog 0 at 5 each: 0, at least 2"),
        (2, "backlog 0 at 5 each: 0, at least 2"),
    ]


def test_the_figure_that_asks_for_most_counts_and_an_unknown_one_keeps_what_there_is() -> None:
    def decided(*figures: Figure) -> tuple[int, str]:
        decision = Autoscaler(1, 9, Behavior(up=UP, down=Rules(0, DOWN.policies))).decide(0, 3, figures)
        return decision.replicas, decision.reason

    backlog, busy = average_value("backlog", 0, 5, 3), average_value("busy", 25, 7, 3)
    assert decided(backlog, busy) == (4, "busy 25 at 7 each")
    unknown = average_value("busy", None, 7, 3)
    assert decided(backlog, unknown) == (3, "busy unknown")
    assert decided(average_value("backlog", 40, 5, 3), unknown) == (7, "backlog 40 at 5 each: 8, by now 7")
    assert decided(unknown) == (3, "nothing is known")
    assert decided(backlog) == (2, "backlog 0 at 5 each: 0, by now 2")


@pytest.mark.parametrize(("current", "expected"), [(1, (2, "at least 2")), (9, (6, "at most 6"))])
def test_bounds_hold_at_once(current: int, expected: tuple[int, str]) -> None:
    decision = Autoscaler(2, 6, FAST).decide(0, current, [])
    assert (decision.replicas, decision.reason) == expected


@pytest.mark.parametrize(("least", "most"), [(0, 3), (4, 3), (-1, 1)])
def test_bounds_that_cannot_be(least: int, most: int) -> None:
    with pytest.raises(ValueError, match="at least 1 replica"):
        Autoscaler(least, most, FAST)


@pytest.mark.parametrize(
    ("looks", "stopped"),
    [
        ([(0, [False])], False),
        ([(0, [True]), (300, [False])], False),
        ([(0, [True]), (301, [False])], True),
        ([(0, [True]), (200, [False, True]), (400, [False, False])], False),
        ([(0, [True]), (301, [False]), (310, [True])], False),
    ],
)
def test_the_last_ones_go_after_a_pause_without_need(looks: list[Any], *, stopped: bool) -> None:
    idle = Idle(300)
    assert [idle.stopped(now, active) for now, active in looks][-1] is stopped


@given(
    st.integers(1, 4),
    st.integers(0, 8),
    st.lists(st.tuples(st.integers(1, 90), st.one_of(st.none(), st.integers(0, 200)), st.integers(0, 80)), max_size=60),
)
def test_it_stays_within_its_bounds_and_never_leaves_fewer_than_what_runs_needs(
    least: int, more: int, looks: list[tuple[int, int | None, int]]
) -> None:
    scaler = Autoscaler(least, least + more, FAST)
    current, now = least, 0
    for pause, backlog, busy in looks:
        now += pause
        figures = [average_value("backlog", backlog, 5, current), average_value("busy", busy, 7, current)]
        decision = scaler.decide(now, current, figures)
        assert least <= decision.replicas <= least + more
        if decision.replicas < current:
            assert backlog is not None
            assert decision.replicas * 10 >= busy, "ten slots each"
            assert current - decision.replicas == 1
        current = decision.replicas
