"""What is possible as a limit, a priority, a weight; and what has to change on the server."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagamesh.limits.precedence import Precedence, fairness_key, priority_problem, weight_problem
from sagamesh.limits.rate import OURS, Change, RateInForce, needed_change, rate_problem


@pytest.mark.parametrize(
    ("declared", "now", "change"),
    [
        (None, None, None),
        (None, RateInForce(5, OURS), Change(None)),
        (None, RateInForce(5, "an operator's"), None),
        (None, RateInForce(5, ""), None),
        (5, None, Change(5)),
        (5, RateInForce(5, OURS), None),
        (5, RateInForce(5, "an operator's"), None),
        (5, RateInForce(6, OURS), Change(5)),
        (5, RateInForce(6, "an operator's"), Change(5)),
        (5, RateInForce(0, "an operator's"), Change(5)),
        (0.1, RateInForce(0.10000000149011612, OURS), None),
    ],
)
def test_what_has_to_change(declared: float | None, now: RateInForce | None, change: Change | None) -> None:
    assert needed_change(declared, now) == change


rates = st.floats(min_value=1e-3, max_value=1e6)


@given(st.none() | rates, st.none() | st.builds(RateInForce, rates, st.sampled_from([OURS, "", "by hand"])))
def test_once_changed_it_is_right(declared: float | None, now: RateInForce | None) -> None:
    change = needed_change(declared, now)
    if change is not None:
        now = None if change.rate is None else RateInForce(change.rate, OURS)

    assert needed_change(declared, now) is None
    if declared is not None:
        assert now is not None
        assert now.rate == pytest.approx(declared, rel=1e-5)


@pytest.mark.parametrize("rate", [None, 0.01, 1, 20, 1e9])
def test_rates(rate: float | None) -> None:
    assert rate_problem(rate) is None


@pytest.mark.parametrize("rate", [0, -1, -0.5, math.inf, -math.inf, math.nan])
def test_what_is_no_rate(rate: float) -> None:
    assert "more than 0 calls a second" in str(rate_problem(rate))


@pytest.mark.parametrize("priority", [None, 1, 2, 3, 4, 5])
def test_priorities(priority: int | None) -> None:
    assert priority_problem(priority) is None


@pytest.mark.parametrize("priority", [0, 6, -1, True, 1.0, "1", math.nan])
def test_what_is_no_priority(priority: Any) -> None:
    assert priority_problem(priority) == f"{priority} must be 1 to 5"


@pytest.mark.parametrize("weight", [None, 0.001, 1, 2.5, 1000])
def test_weights(weight: float | None) -> None:
    assert weight_problem(weight) is None


@pytest.mark.parametrize("weight", [0, -1, 0.0009, 1000.5, math.inf, math.nan])
def test_what_is_no_weight(weight: float) -> None:
    assert "must be 0.001 to 1000" in str(weight_problem(weight))


@given(st.text(max_size=200))
def test_the_server_takes_every_tenant(tenant: str) -> None:
    key = fairness_key(tenant)

    assert len(key.encode()) <= 64
    assert (key == tenant) == (len(tenant.encode()) <= 64)


@given(st.lists(st.text(alphabet="aä", min_size=30, max_size=80), min_size=2, unique=True))
def test_tenants_stay_apart(tenants: list[str]) -> None:
    assert len({fairness_key(tenant) for tenant in tenants}) == len(tenants)


def test_nothing_said() -> None:
    assert Precedence() == Precedence(priority=None, tenant="", weight=None)
