"""Percentiles, histograms, and when tasks begin."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagamesh.errors import InvalidInput
from sagamesh.load import Figures, Pace
from sagamesh.load.figures import drift
from sagamesh.load.report import picture

LATENCIES = st.lists(st.floats(0, 1e4), min_size=1, max_size=300)


def test_the_figures_of_a_hundred() -> None:
    found = Figures.of([n / 100 for n in range(100, 0, -1)])
    assert (found.count, found.p50, found.p90, found.p99, found.most) == (100, 0.5, 0.9, 0.99, 1.0)
    assert found.mean == pytest.approx(0.505)


def test_nothing_was_measured() -> None:
    assert Figures.of([]) == Figures(0, 0, 0, 0, 0, 0, ())
    assert picture(Figures.of([])) == []


@settings(deadline=None)  # the machine may be busy
@given(LATENCIES)
def test_figures_are_exact_and_bars_hold_everything(latencies: list[float]) -> None:
    found = Figures.of(latencies)
    assert found.most == max(latencies)
    assert found.mean == pytest.approx(statistics.fmean(latencies))
    for percent, value in ((50, found.p50), (90, found.p90), (99, found.p99)):
        assert value in latencies
        assert sum(each <= value for each in latencies) >= len(latencies) * percent / 100
        assert sum(each < value for each in latencies) <= len(latencies) * percent / 100
    assert sum(bar.count for bar in found.bars) == len(latencies)
    assert (found.bars[0].above, found.bars[-1].upto) == (min(latencies), max(max(latencies), 1e-4))
    assert 1 <= len(found.bars) <= 14
    for bar, after in pairwise(found.bars):
        assert bar.upto == after.above < after.upto
    for n, bar in enumerate(found.bars):
        assert bar.count == sum((bar.above < each or not n) and each <= bar.upto for each in latencies)
    assert len(picture(found)) == len(found.bars)


def test_what_grows_longer_shows() -> None:
    assert drift([1.0] * 99) is None
    assert drift([n / 100 for n in range(100)]) == (0.04, 0.94)
    assert drift([2.0, 1.0] * 100) == (1.0, 1.0)


def test_a_bar_that_is_there_is_seen() -> None:
    few, many = picture(Figures.of([1.0] * 10_000 + [9.0]))[-1], picture(Figures.of([1.0] * 10_000 + [9.0]))[0]
    assert few.endswith("▏")
    assert many.endswith("█" * 50)


@settings(deadline=None)  # the machine may be busy
@given(rate=st.floats(0.1, 1000), ramp=st.just(0.0) | st.floats(0.01, 100), n=st.integers(0, 10_000))
def test_an_open_loop_reaches_its_rate_evenly(rate: float, ramp: float, n: int) -> None:
    pace = Pace(rate=rate, ramp=ramp, count=1)
    assert pace.begins(0) == 0
    assert pace.begins(n + 1) > pace.begins(n)
    moment = pace.begins(n)
    # As many tasks have begun by then as the rate has come to: growing over the ramp, then constant.
    due = rate * moment**2 / (2 * ramp) if moment < ramp else rate * (moment - ramp / 2)
    assert due == pytest.approx(n, rel=1e-6, abs=1e-6)


@settings(deadline=None)  # the machine may be busy
@given(concurrency=st.integers(1, 500), ramp=st.floats(0, 100))
def test_a_closed_loop_grows_evenly(concurrency: int, ramp: float) -> None:
    pace = Pace(concurrency=concurrency, ramp=ramp, count=1)
    joined = [pace.joins(worker) for worker in range(concurrency)]
    assert joined[0] == 0
    assert all(0 <= each <= ramp for each in joined)
    assert all(math.isclose(b - a, ramp / concurrency, abs_tol=1e-9) for a, b in pairwise(joined))


@pytest.mark.parametrize(
    ("pace", "n", "seconds", "over"),
    [
        (Pace(count=3), 2, 1e9, False),
        (Pace(count=3), 3, 0, True),
        (Pace(seconds=5), 10**9, 4.9, False),
        (Pace(seconds=5), 0, 5, True),
        (Pace(count=3, seconds=5), 3, 0, True),
        (Pace(count=3, seconds=5), 0, 5, True),
    ],
)
def test_when_it_is_over(pace: Pace, n: int, seconds: float, *, over: bool) -> None:
    assert pace.over(n, seconds) is over


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 1, "rate": 0.0}, "rate"),
        ({"count": 1, "rate": math.nan}, "rate"),
        ({"count": 1, "concurrency": 0}, "concurrency"),
        ({"seconds": -1.0}, "duration"),
        ({"count": 1, "ramp": -1.0}, "ramp"),
        ({}, "count"),
    ],
)
def test_a_pace_that_is_none(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Pace(**options)
    assert [problem.field for problem in refused.value.fields] == [field]
