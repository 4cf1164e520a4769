"""What the keeper decides for the whole fleet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagamesh.breaker.fleet import (
    Breakers,
    Event,
    Order,
    Phase,
    Report,
    needed_hold,
    next_change,
    obeyed,
    passed,
    reported,
)
from sagamesh.breaker.notice import Notice, read_before, read_notices, with_before, written

T0 = datetime(2026, 1, 31, 12, tzinfo=UTC)
NONE = Breakers(queue="payment")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def report(event: Event, seconds: float = 0.0, *, key: str = "gateway", probes: int = 1) -> Report:
    return Report(
        key=key, event=event, recovery=60, interval=16, probes=probes, cause="Down: 503", by="7@host", at=at(seconds)
    )


def order(action: str, key: str = "gateway") -> Order:
    return Order.model_validate({"key": key, "action": action, "by": "olga", "reason": "maintenance"})


TRIPPED = reported(NONE, report(Event.TRIPPED), T0)
HALF = passed(TRIPPED, at(60))


def phase(state: Breakers, key: str = "gateway") -> Phase:
    return state.kept[key].phase


def test_a_trip_holds_the_queue_and_says_why() -> None:
    hold = needed_hold(TRIPPED)

    assert phase(TRIPPED) is Phase.OPEN
    assert hold.rate == pytest.approx(1 / 60)
    assert hold.fresh
    assert hold.reason == (
        "sagamesh breaker gateway is open since 2026-01-31T12:00:00.000Z until 2026-01-31T12:01:00.000Z by 7@host: "
        "Down: 503"
    )
    assert next_change(TRIPPED) == at(60)


def test_other_trips_of_the_same_outage_do_not_prolong_it() -> None:
    assert reported(TRIPPED, report(Event.TRIPPED, 5), at(5)) == TRIPPED


def test_after_the_recovery_one_call_an_interval() -> None:
    assert passed(TRIPPED, at(59.9)) == TRIPPED
    assert (phase(HALF), needed_hold(HALF).rate, next_change(HALF)) == (Phase.HALF_OPEN, 1 / 16, None)


@pytest.mark.parametrize(
    ("state", "event", "seconds", "expected"),
    [
        (HALF, Event.PROBE_SUCCEEDED, 61, Phase.CLOSED),
        (HALF, Event.PROBE_FAILED, 61, Phase.OPEN),
        (HALF, Event.TRIPPED, 61, Phase.OPEN),
        (HALF, Event.TRIPPED, 59, Phase.HALF_OPEN),  # an old report, late
        (HALF, Event.OVERDUE, 61, Phase.HALF_OPEN),
        (TRIPPED, Event.PROBE_SUCCEEDED, 59, Phase.CLOSED),  # let through by the rate, or on the spot
        (TRIPPED, Event.PROBE_FAILED, 59, Phase.OPEN),
        (NONE, Event.OVERDUE, 0, Phase.HALF_OPEN),  # its keeper was lost
        (NONE, Event.PROBE_SUCCEEDED, 0, Phase.CLOSED),
        (NONE, Event.PROBE_FAILED, 0, Phase.CLOSED),
    ],
)
def test_reports(state: Breakers, event: Event, seconds: float, expected: Phase) -> None:
    assert phase(reported(state, report(event, seconds), at(max(seconds, 60)))) is expected


def test_a_failed_probe_begins_a_new_recovery() -> None:
    again = reported(HALF, report(Event.PROBE_FAILED, 61), at(61))

    assert (next_change(again), again.kept["gateway"].opened) == (at(121), 2)


def test_several_probes_come_quickly_after_the_first() -> None:
    two = passed(reported(NONE, report(Event.TRIPPED, probes=2), T0), at(60))
    one_left = reported(two, report(Event.PROBE_SUCCEEDED, 61, probes=2), at(61))

    assert (phase(one_left), needed_hold(one_left).rate) == (Phase.HALF_OPEN, 1.0)
    assert phase(reported(one_left, report(Event.PROBE_SUCCEEDED, 62, probes=2), at(62))) is Phase.CLOSED


def test_operators() -> None:
    forced = obeyed(NONE, order("open"), T0)
    assert (phase(forced), needed_hold(forced).rate, next_change(forced)) == (Phase.FORCED, 0.0, None)
    assert "forced open since 2026-01-31T12:00:00.000Z by olga: maintenance" in needed_hold(forced).reason
    for event in Event:
        assert phase(reported(forced, report(event, 9), at(9))) is Phase.FORCED
    assert passed(forced, at(10_000)) == forced
    assert obeyed(forced, order("close"), at(9)).idle
    assert phase(obeyed(forced, order("reset"), at(9))) is Phase.HALF_OPEN
    assert phase(obeyed(TRIPPED, order("reset"), at(9))) is Phase.HALF_OPEN
    assert obeyed(TRIPPED, order("close"), at(9)).kept["gateway"].by == "olga"
    assert obeyed(NONE, order("reset"), T0) == NONE


def test_the_orders_that_were_taken_are_known_also_those_that_changed_nothing() -> None:
    state = NONE
    for n in range(40):
        given = Order(id=f"{n}", key="gateway", action="reset", by="olga", reason="")
        state = obeyed(state, given, T0)

    assert state.kept == {}
    assert state.orders == tuple(f"{n}" for n in range(10, 40)), "the last ones only: the memo has an end"


def test_a_queue_is_held_while_any_breaker_of_it_is_open() -> None:
    both = reported(HALF, report(Event.TRIPPED, 70, key="mail"), at(70))
    assert needed_hold(both).rate == pytest.approx(1 / 60)
    assert set(read_notices(needed_hold(both).reason)) == {"gateway", "mail"}

    one = reported(both, report(Event.PROBE_SUCCEEDED, 71), at(71))
    assert not one.idle
    assert set(read_notices(needed_hold(one).reason)) == {"mail"}


def test_nothing_open_holds_nothing() -> None:
    assert (NONE.idle, needed_hold(NONE).rate, next_change(NONE)) == (True, None, None)


reasons = st.text(st.characters(codec="utf-8"), max_size=1000)


@given(st.none() | st.floats(0, 1e6, width=32), reasons, st.lists(st.text(max_size=160), min_size=1, max_size=4))
def test_the_rate_before_is_told_beside_the_breakers(rate: float | None, why: str, causes: list[str]) -> None:
    held = written(Notice(f"b{n}", "open", T0, at(60), "7@host", cause) for n, cause in enumerate(causes))
    told = with_before(held, rate, why)

    assert len(told) <= 1000
    assert set(read_notices(told)) == set(read_notices(held)) == {f"b{n}" for n in range(len(causes))}
    found = read_before(told)
    assert found is not None
    assert found[0] == rate
    assert why.startswith(found[1])
    assert found[1] == ("" if rate is None else why) or len(why) > 160


@pytest.mark.parametrize("told", ["", "; rate before: ", "; rate before: 5", "; rate before: many/s, ", "; why not"])
def test_a_reason_that_does_not_tell_the_rate_before(told: str) -> None:
    assert read_before(needed_hold(TRIPPED).reason + told) is None


happenings = st.lists(
    st.tuples(
        st.floats(0, 100),
        st.sampled_from([*Event, "open", "close", "reset"]),
        st.sampled_from(["gateway", "mail"]),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(happenings)
def test_whatever_happens_it_can_be_read_and_ends(course: list[tuple[float, Event | str, str, int]]) -> None:
    state, now = NONE, T0
    for pause, what, key, probes in course:
        now += timedelta(seconds=pause)
        state = passed(state, now)
        if isinstance(what, Event):
            state = reported(state, report(what, (now - T0).total_seconds(), key=key, probes=probes), now)
        else:
            state = obeyed(state, order(what, key), now)
        hold = needed_hold(state)
        holding = {one.key: one.phase.value for one in state.kept.values() if one.phase is not Phase.CLOSED}
        assert {notice.key: notice.state for notice in read_notices(hold.reason).values()} == holding
        assert (hold.rate is None) is state.idle
        assert Breakers.model_validate_json(state.model_dump_json()) == state
        for one in state.kept.values():
            assert (one.until is not None) is (one.phase is Phase.OPEN), "only what opened by itself has a time"
            # Held as it is, one call a recovery comes through at the latest, unless a person said otherwise.
            if holding and Phase.FORCED.value not in holding.values():
                assert hold.rate is not None
                assert hold.rate >= 1 / 60
    for key in state.kept:
        state = obeyed(state, order("close", key), now)
    assert state.idle
