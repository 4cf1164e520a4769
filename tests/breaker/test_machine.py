"""What one process decides: tables of what happens, and what holds whatever happens."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagamesh.breaker.machine import Closed, HalfOpen, Open, Outcome, Rule, Sight, State, admit, finish, follow, waits

RULE = Rule(failures=3, recovery=10.0, probe=4.0)
GOOD, BAD, NOTHING = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


def after(rule: Rule, *outcomes: Outcome, every: float = 1.0) -> State:
    state: State = Closed()
    for n, outcome in enumerate(outcomes):
        state = finish(rule, state, n * every, outcome, probe=False)
    return state


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((BAD, BAD), Closed(run=2)),
        ((BAD, BAD, BAD), Open(until=12.0)),
        ((BAD, BAD, GOOD), Closed()),
        ((BAD, BAD, GOOD, BAD, BAD), Closed(run=2)),
        ((BAD, BAD, NOTHING, BAD), Open(until=13.0)),
        ((NOTHING, NOTHING, NOTHING, NOTHING), Closed()),
    ],
    ids=str,
)
def test_a_run_of_failures_opens(outcomes: tuple[Outcome, ...], expected: State) -> None:
    assert after(RULE, *outcomes) == expected


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ((GOOD, BAD) * 5, True),  # half of ten
        ((GOOD, BAD) * 4, False),  # too few to tell
        ((GOOD, GOOD, BAD) * 7, False),  # a third
        ((GOOD,) * 5 + (BAD,) * 5, True),
        ((BAD, GOOD) * 5, False),  # at the last failure there were nine; a success does not open
        ((BAD, GOOD) * 5 + (BAD,), True),
    ],
)
def test_a_share_of_failures_opens(outcomes: tuple[Outcome, ...], opens: bool) -> None:
    rule = Rule(failures=100, rate=0.5, window=60.0, least=10)

    assert isinstance(after(rule, *outcomes), Open) is opens


def test_failures_that_are_older_than_the_window_count_no_more() -> None:
    rule = Rule(failures=100, rate=0.5, window=10.0, least=4)
    state = after(rule, BAD, BAD, BAD)

    assert isinstance(finish(rule, state, 5.0, BAD, probe=False), Open)
    assert isinstance(finish(rule, state, 14.0, BAD, probe=False), Closed)


def test_from_open_over_one_probe_to_closed() -> None:
    state, refused = admit(RULE, Open(until=12.0), 11.0)
    assert (state, refused.wait) == (Open(until=12.0), 1.0)

    state, first = admit(RULE, state, 12.0)
    assert (first.probe, first.wait) == (True, None)
    state, second = admit(RULE, state, 13.0)
    assert (second.probe, second.wait) == (False, 3.0)

    assert finish(RULE, state, 14.0, GOOD, probe=True) == Closed()
    assert finish(RULE, state, 14.0, BAD, probe=True) == Open(until=24.0)
    assert finish(RULE, state, 14.0, GOOD, probe=False) == state  # it began before
    assert finish(RULE, state, 14.0, BAD, probe=False) == state


def test_a_probe_that_says_nothing_makes_room_for_another() -> None:
    asked = HalfOpen(lost_at=16.0)

    assert finish(RULE, asked, 14.0, NOTHING, probe=True) == HalfOpen()
    assert admit(RULE, asked, 16.0)[1].probe  # it was lost


def test_as_many_probes_as_declared() -> None:
    rule = replace(RULE, probes=2)
    state = finish(rule, HalfOpen(lost_at=4.0), 1.0, GOOD, probe=True)

    assert state == HalfOpen(succeeded=1)
    assert finish(rule, state, 2.0, GOOD, probe=True) == Closed()
    assert finish(rule, state, 2.0, BAD, probe=True) == Open(until=12.0)


@pytest.mark.parametrize(
    ("state", "sight", "expected"),
    [
        (Closed(run=2), Sight.FREE, Closed(run=2)),
        (Closed(), Sight.OPEN, Open(until=110.0, held=True)),
        (Closed(), Sight.HALF_OPEN, HalfOpen(held=True)),
        (Closed(), Sight.FORCED, Open(until=math.inf, held=True)),
        (Open(until=105.0), Sight.FREE, Open(until=105.0)),  # the fleet has not acted yet
        (Open(until=105.0), Sight.OPEN, Open(until=105.0, held=True)),
        (Open(until=105.0, held=True), Sight.FREE, Closed()),
        (Open(until=105.0, held=True), Sight.HALF_OPEN, HalfOpen(held=True)),
        (Open(until=math.inf, held=True), Sight.OPEN, Open(until=110.0, held=True)),
        (Open(until=math.inf, held=True), Sight.HALF_OPEN, HalfOpen(held=True)),
        (Open(until=math.inf, held=True), Sight.FREE, Closed()),
        (HalfOpen(lost_at=103.0), Sight.FREE, HalfOpen(lost_at=103.0)),
        (HalfOpen(lost_at=103.0), Sight.OPEN, HalfOpen(lost_at=103.0, held=True)),
        (HalfOpen(lost_at=103.0), Sight.FORCED, Open(until=math.inf, held=True)),
        (HalfOpen(lost_at=103.0, held=True), Sight.FREE, Closed()),
    ],
    ids=str,
)
def test_a_process_follows_the_fleet(state: State, sight: Sight, expected: State) -> None:
    assert follow(RULE, state, 100.0, sight) == expected


times = st.floats(min_value=0.0, max_value=30.0)
rules = st.builds(
    Rule,
    failures=st.integers(1, 5),
    recovery=st.floats(0.1, 60.0),
    rate=st.none() | st.floats(0.1, 1.0),
    window=st.floats(0.5, 60.0),
    least=st.integers(1, 10),
    probes=st.integers(1, 3),
    probe=st.floats(0.1, 30.0),
)
ends = st.sampled_from(Outcome)
steps = st.lists(st.tuples(times, ends, st.sampled_from([*Sight, None])), max_size=60)


@given(rules, steps)
def test_nothing_is_called_while_open_and_one_at_a_time_while_half_open(
    rule: Rule, course: list[tuple[float, Outcome, Sight | None]]
) -> None:
    state: State = Closed()
    now, opened_at = 0.0, 0.0
    for pause, outcome, sight in course:
        now += pause
        if sight is not None:
            state = follow(rule, state, now, sight)
        before = state
        state, admission = admit(rule, state, now)
        if isinstance(before, Open) and now < before.until:
            assert admission.wait is not None
            assert not admission.probe
        if admission.wait is not None:
            assert 0 <= admission.wait <= rule.recovery
            continue
        assert admission.probe is not isinstance(before, Closed)
        if admission.probe:
            assert isinstance(state, HalfOpen)
            assert admit(rule, state, now)[1].wait is not None, "a second probe beside the first"
        state = finish(rule, state, now, outcome, probe=admission.probe)
        if isinstance(state, Open):
            opened_at = now
            assert state.until == opened_at + rule.recovery


@given(rules, steps)
def test_it_never_stays_open_for_ever(rule: Rule, course: list[tuple[float, Outcome, Sight | None]]) -> None:
    """Whatever was: once nobody holds it any more and calls succeed, so many waits and probes close it."""
    state: State = Closed()
    now = 0.0
    for pause, outcome, sight in course:
        now += pause
        if sight is not None:
            state = follow(rule, state, now, sight)
        state, admission = admit(rule, state, now)
        if admission.wait is None:
            state = finish(rule, state, now, outcome, probe=admission.probe)
    state = follow(rule, state, now, Sight.FREE)
    for _ in range(rule.probes + 1):
        now += max(waits(rule, state, now), rule.probe) + 0.001
        state, admission = admit(rule, state, now)
        assert admission.wait is None
        state = finish(rule, state, now, GOOD, probe=admission.probe)
    assert isinstance(state, Closed)


@given(rules, st.integers(0, 4))
def test_a_success_ends_the_run(rule: Rule, failures: int) -> None:
    state = finish(rule, Closed(run=failures), 0.0, GOOD, probe=False)

    assert isinstance(state, Closed)
    assert state.run == 0


@given(rules, st.lists(st.tuples(times, st.booleans()), max_size=200))
def test_the_window_stays_small(rule: Rule, calls: list[tuple[float, bool]]) -> None:
    state: State = Closed()
    now = 0.0
    for pause, failed in calls:
        now += pause
        state = finish(replace(rule, failures=1000), state, now, BAD if failed else GOOD, probe=False)
        if not isinstance(state, Closed):
            return
        assert len(state.recent) <= 10
        assert sum(count.calls for count in state.recent) <= len(calls)
