"""The trend of a figure: what it must find, and what must not mislead it."""

from __future__ import annotations

import random

import pytest
from benchmarks.trend import trend

POINTS = [hour / 60 for hour in range(60)]


@pytest.mark.parametrize("slope", [0.0, 8.0, -3.0])
def test_a_line(slope: float) -> None:
    found = trend([(at, 100 + slope * at) for at in POINTS])

    assert found.slope == pytest.approx(slope)
    assert (found.low, found.high) == pytest.approx((slope, slope))


def test_outliers_do_not_count() -> None:
    points = [(at, 100 + 2 * at + (50 if n % 7 == 0 else 0)) for n, at in enumerate(POINTS)]

    assert trend(points).slope == pytest.approx(2, abs=0.5)


def test_a_jump_in_the_middle_is_growth() -> None:
    assert trend([(at, 100 if at < 0.5 else 110) for at in POINTS]).slope > 5


def test_noise_is_within_the_interval() -> None:
    noise = random.Random(7)

    found = trend([(at, 100 + 4 * at + noise.gauss(0, 1)) for at in POINTS])

    assert found.low < 4 < found.high
    assert found.low < found.slope < found.high


def test_two_points() -> None:
    assert trend([(0, 1), (2, 5)]).slope == 2
