"""Differences in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sagamesh.replay.command import Json
from sagamesh.replay.difference import data_differences, option_differences, shortened

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ({"money": {"amount": "12.50"}}, {"money": {"amount": "12.51"}}, 'money.amount was "12.50", is now "12.51"'),
        ({"items": [{"n": 1}]}, {"items": [{"n": 2}]}, "items[0].n was 1, is now 2"),
        ({"items": [1]}, {"items": [1, 2]}, "items[1] was missing, is now 2"),
        ({"note": None}, {}, "note was null, is now missing"),
        ({"n": 1}, {"n": True}, "n was 1, is now true"),
        ({"n": 1}, {"n": "1"}, 'n was 1, is now "1"'),
        ({"n": [1]}, {"n": {"0": 1}}, 'n was [1], is now {"0": 1}'),
        ("é", "e", 'was "é", is now "e"'),
    ],
)
def test_one_argument(was: Json, now: Json, words: str) -> None:
    assert data_differences({"argument": (was,)}, {"argument": (now,)}) == [f"argument {words}"]


def test_several_arguments_are_numbered() -> None:
    assert data_differences({"argument": (1, 2)}, {"argument": (1,)}) == ["argument 2 was 2, is now missing"]


def test_what_is_long_is_cut() -> None:
    [text] = data_differences({"result": ("x" * 500,)}, {"result": ("y",)})

    assert len(text) < 180
    assert text.endswith('...", is now "y"') or "..., is now" in text


def test_equal_numbers_are_equal() -> None:
    assert data_differences({"argument": (1,)}, {"argument": (1.0,)}) == []


@settings(deadline=None)  # the machine may be busy
@given(JSON)
def test_nothing_differs_from_itself(value: Json) -> None:
    assert data_differences({"argument": (value,)}, {"argument": (value,)}) == []


@settings(deadline=None)
@given(JSON, JSON)
def test_a_difference_is_seen_from_both_sides(one: Json, other: Json) -> None:
    there = data_differences({"argument": (one,)}, {"argument": (other,)})
    back = data_differences({"argument": (other,)}, {"argument": (one,)})

    assert len(there) == len(back)


def test_options() -> None:
    was, now = {"queue": "a", "timeout": "5s", "filled": "10s"}, {"queue": "a", "timeout": "6s", "priority": "1"}

    assert option_differences(was, now, allowed={}) == [
        "timeout was 5s, is now 6s",
        "filled was 10s, is now not set",
        "priority was not set, is now 1",
    ]


def test_an_option_may_be_as_it_was_said_or_as_the_server_fills_it_in() -> None:
    filled, said = {"attempts": "10s"}, {"attempts": None}

    assert option_differences({}, filled, allowed=said) == []
    assert option_differences(filled, filled, allowed=said) == []
    assert option_differences({"attempts": "9s"}, filled, allowed=said) == ["attempts was 9s, is now 10s"]


def test_many_are_counted() -> None:
    assert shortened(["a", "b", "c"], 3) == ["a", "b", "c"]
    assert shortened(["a", "b", "c", "d"], 2) == ["a", "b", "... and 2 more differences"]
