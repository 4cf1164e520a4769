"""Which bid wins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sagamesh.routing import Bid, Weights, choose
from sagamesh.routing.bidder import Bidder


def bid(queue: str, **more: Any) -> Bid:
    return Bid.model_validate({"queue": queue, "worker": "1@h", "in_use": 0, "slots": 10, **more})


ONLY_LOAD = Weights(load=1, latency=0, cost=0)
ONLY_LATENCY = Weights(load=0, latency=1, cost=0)
ONLY_COST = Weights(load=0, latency=0, cost=1)

CHOSEN = [
    ("less load", ONLY_LOAD, [bid("a", in_use=5), bid("b", in_use=4)], ["b", "a"]),
    ("load is a share of the slots", ONLY_LOAD, [bid("a", in_use=5, slots=20), bid("b", in_use=4)], ["a", "b"]),
    ("open offers count like calls", ONLY_LOAD, [bid("a", in_use=4, offers=2), bid("b", in_use=5)], ["b", "a"]),
    ("quicker", ONLY_LATENCY, [bid("a", latency_ms=9), bid("b", latency_ms=8)], ["b", "a"]),
    ("a newcomer gets work", ONLY_LATENCY, [bid("b", latency_ms=8), bid("c", latency_ms=9), bid("a")], ["a", "b", "c"]),
    ("cheaper", ONLY_COST, [bid("a", cost=2), bid("b", cost=1)], ["b", "a"]),
    ("all in all", Weights(), [bid("a", in_use=1, cost=10), bid("b", in_use=8, cost=5)], ["a", "b"]),
    ("weights turn it round", Weights(cost=3), [bid("a", in_use=1, cost=10), bid("b", in_use=8, cost=5)], ["b", "a"]),
    ("equals by name", Weights(), [bid("b"), bid("a")], ["a", "b"]),
    ("nobody", Weights(), [], []),
]


@pytest.mark.parametrize(("weights", "bids", "order"), [row[1:] for row in CHOSEN], ids=[row[0] for row in CHOSEN])
def test_chosen(weights: Weights, bids: list[Bid], order: list[str]) -> None:
    assert [each.bid.queue for each in choose(bids, weights)] == order


weights = st.builds(
    Weights,
    load=st.sampled_from([0.0, 1.0, 2.5]),
    latency=st.sampled_from([0.5, 1.0]),
    cost=st.sampled_from([0.0, 1.0, 3.0]),
)
bids = st.lists(
    st.builds(
        bid,
        st.sampled_from("abcdef"),
        in_use=st.integers(0, 10),
        offers=st.integers(0, 3),
        latency_ms=st.none() | st.floats(0.1, 1000),
        cost=st.floats(0, 100),
    ),
    unique_by=lambda each: each.queue,
)


@given(bids, weights, st.randoms(use_true_random=False))
def test_whatever_the_bids(made: list[Bid], counted: Weights, dice: Any) -> None:
    scored = choose(made, counted, salt="task")
    assert sorted(each.bid.queue for each in scored) == sorted(each.queue for each in made)
    assert [each.score for each in scored] == sorted(each.score for each in scored)
    shuffled = list(made)
    dice.shuffle(shuffled)
    assert choose(shuffled, counted, salt="task") == scored


@given(bids.filter(bool), weights)
def test_who_is_worse_in_nothing_is_never_behind(made: list[Bid], counted: Weights) -> None:
    best = bid("z", in_use=0, latency_ms=0.05, cost=0.0)
    scores = {each.bid.queue: each.score for each in choose([*made, best], counted)}
    assert scores["z"] == min(scores.values())


def test_weights_that_weigh_nothing() -> None:
    with pytest.raises(ValidationError, match="one of the weights must be more than 0"):
        Weights(load=0, latency=0, cost=0)


class TestBidder:
    """What a process knows of its own calls."""

    def test_calls_are_counted_while_they_run_and_timed_when_they_are_answered(self) -> None:
        clock = iter([10.0, 10.5, 20.0])
        bidder = Bidder("a", 0, lambda: 2, "1@h", lambda: next(clock))
        with bidder.call("t-1", "a.do", "a"):
            assert (bidder.in_use, bidder.by_queue["a"], bidder.by_queue["b"]) == (1, 1, 0)
        with pytest.raises(ZeroDivisionError), bidder.call("t-2", "a.do", "a"):
            1 / 0  # noqa: B018  # a call that fails is no measure
        assert (bidder.in_use, bidder.by_queue["a"]) == (0, 0)
        assert bidder.latency("a.do") == 500
        assert bidder.latency("a.other") is None
