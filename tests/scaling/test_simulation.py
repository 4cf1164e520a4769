"""A burst against the chart's own numbers: more workers in time, nothing ended that runs, and back to the minimum."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagamesh.stack.autoscale import BUSY_SHARE, TARGET
from sagamesh.stack.autoscale import behavior as embedded_behavior
from tests.scaling.rendered import SYNC, Demand, Rendered, Usage, hpa, keda
from tests.scaling.simulation import simulate
from tests.support.charts import Chart

POOLS = ("payment", "notification")


@pytest.fixture(
    scope="session", params=itertools.product(POOLS, (keda, hpa)), ids=lambda it: f"{it[0]}-{it[1].__name__}"
)
def rendered(request: pytest.FixtureRequest, chart: Chart) -> Rendered:
    pool: str
    mode: Callable[[Chart, str], Rendered]
    pool, mode = request.param
    return mode(chart, pool)


def test_a_burst(rendered: Rendered) -> None:
    longest = int(rendered.grace)
    quiet, burst = 60, 120
    arrivals = [[1]] * quiet + [[longest] * 8] * burst
    run = simulate(rendered, arrivals, seconds=3600)
    assert run.done == quiet + 8 * burst
    assert run.cut_off == 0
    assert run.overloaded == 0
    first = next(now for now, replicas, _ in run.changes if replicas > rendered.least)
    assert first - quiet <= 2 * rendered.source.interval
    assert max(run.wanted) == rendered.most
    assert run.wanted[-1] == rendered.least
    # One at a time, and not before the window after the last need.
    downs = [now for (_, before, _), (now, replicas, _) in pairwise(run.changes) if replicas < before]
    assert all(later - earlier >= 60 for earlier, later in pairwise(downs))
    assert downs[0] - (quiet + burst) >= rendered.behavior.down.window - 2 * SYNC


def test_a_worker_that_goes_has_time_for_the_longest_call_that_it_may_take_last(rendered: Rendered) -> None:
    assert rendered.termination >= rendered.pause + rendered.drain + rendered.grace + 3


def test_without_enough_time_the_simulation_sees_what_is_ended(rendered: Rendered) -> None:
    """The counter counts: with a grace shorter than the calls, scaling in ends some."""
    shorter = replace(rendered, termination=5.0)
    run = simulate(shorter, [[int(rendered.grace)] * 9] * 60 + [[int(rendered.grace)] * 2] * 1500, seconds=3600)
    assert run.cut_off > 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_nothing_is_ended_and_the_bounds_hold(rendered: Rendered, data: st.DataObject) -> None:
    length = st.integers(1, int(rendered.grace))
    phase = st.tuples(st.integers(1, 200), st.lists(length, max_size=12))
    phases = data.draw(st.lists(phase, min_size=1, max_size=4))
    arrivals = [calls for seconds, calls in phases for _ in range(seconds)]
    run = simulate(rendered, arrivals, seconds=len(arrivals) + 2400)
    assert run.cut_off == 0
    assert run.done == sum(map(len, arrivals))
    assert all(rendered.least <= wanted <= rendered.most for wanted in run.wanted)
    assert run.wanted[-1] == rendered.least


def test_by_cpu_nobody_sees_calls_that_only_wait_for_others(chart: Chart) -> None:
    """Why a pool whose calls wait for a gateway is scaled by what waits and runs, and not by CPU."""
    pool = hpa(chart, POOLS[0])
    idle = replace(pool, source=Usage(cpu=70, memory=80, cost=0, taken=0))
    burst = [[int(pool.grace)] * 8] * 120
    assert max(simulate(idle, burst, seconds=600).wanted) == pool.least
    assert max(simulate(keda(chart, POOLS[0]), burst, seconds=600).wanted) == pool.most


@pytest.mark.parametrize("pool", POOLS)
def test_the_embedded_stack_decides_by_the_charts_rules(chart: Chart, pool: str) -> None:
    rendered = keda(chart, pool)
    assert isinstance(rendered.source, Demand)
    assert (rendered.source.backlog, rendered.source.busy / rendered.slots) == (TARGET, BUSY_SHARE)
    assert embedded_behavior(300) == rendered.behavior


@pytest.mark.parametrize("pool", POOLS)
def test_the_hpa_has_the_same_rules(chart: Chart, pool: str) -> None:
    by_usage, by_demand = hpa(chart, pool), keda(chart, pool)
    assert replace(by_usage, source=by_demand.source) == by_demand
    assert (by_usage.least, by_usage.most, by_usage.source) == (2, 10, Usage(cpu=70, memory=80))
