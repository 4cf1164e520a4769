"""Mixes: what may be drawn, always the same for one seed, and wrong ones refused by entry and field."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_agents.order import order
from sagamesh.errors import InvalidInput
from sagamesh.faults import Rules
from sagamesh.load import Deck, Mix, read_mix
from sagamesh.load.steering import UNTOUCHED
from tests.support.wobble import Wobble, wobble

ORDERS = Path(__file__).parents[2] / "docs" / "load" / "orders.json"


def mix(*inputs: dict[str, Any], **entry: Any) -> Mix:
    return Mix.model_validate(
        {"entries": [{"name": f"kind {n}", "input": input, **entry} for n, input in enumerate(inputs)]}
    )


def drawn(input: dict[str, Any], n: int = 7, seed: int = 3) -> Wobble:
    found = Deck(mix(input), wobble, seed).draw(n).input
    assert isinstance(found, Wobble)
    return found


def test_placeholders() -> None:
    assert drawn({"text": "{n} of {seed}"}).text == "7 of 3"
    assert drawn({"text": "{{n}}"}).text == "{n}"
    assert {drawn({"text": "{one of:ada|grace}"}, n).text for n in range(50)} == {"ada", "grace"}
    assert {drawn({"size": "{int:-1..2}"}, n).size for n in range(99)} == {-1, 0, 1, 2}
    assert {drawn({"text": "x{int:1..2}"}, n).text for n in range(50)} == {"x1", "x2"}


@settings(deadline=None)  # the machine may be busy
@given(seed=st.integers(), numbers=st.permutations(range(30)))
def test_a_number_and_a_seed_make_the_same_task_in_any_order(seed: int, numbers: list[int]) -> None:
    kinds = mix({"text": "{one of:a|b|c}"}, {"size": "{int:1..100}"}, {"text": "{n}"})
    first, second = Deck(kinds, wobble, seed), Deck(kinds, wobble, seed)
    assert {n: first.draw(n) for n in numbers} == {n: second.draw(n) for n in range(30)}


def test_kinds_come_by_weight() -> None:
    entries = [{"name": name, "weight": weight, "input": {}} for name, weight in (("a", 1), ("b", 2), ("c", 7))]
    deck = Deck(Mix.model_validate({"entries": entries}), wobble, 1)
    counts = Counter(deck.draw(n).kind for n in range(5000))
    assert abs(counts["a"] / 5000 - 0.1) < 0.03
    assert abs(counts["c"] / 5000 - 0.7) < 0.04


def test_the_example_is_right_for_orders() -> None:
    deck = Deck(read_mix(ORDERS), order, 1)
    assert {deck.draw(n).expect for n in range(400)} == {
        ("completed",),
        ("completed", "Cancelled"),
        ("OutOfStock",),
        ("Declined",),
        ("UserBlocked",),
        ("Rejected",),
    }


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text('[[entries]]\nname = "a"\nexpect = "TooShaky"\n[entries.input]\nrefused = true\n')
    assert Deck(read_mix(path), wobble, 1).draw(0) == ("a", Wobble(refused=True), ("TooShaky",), UNTOUCHED)


def test_what_is_done_to_a_task_is_drawn_with_it(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text('[[entries]]\nname = "a"\ncancel_within = 2.0\nanswer = "reject"\n[entries.input]\n')
    drawn = [Deck(read_mix(path), wobble, 1).draw(n).steering for n in range(50)]
    assert drawn == [Deck(read_mix(path), wobble, 1).draw(n).steering for n in range(50)]
    moments = [each.cancel_after for each in drawn if each.cancel_after is not None]
    assert len(set(moments)) == 50
    assert 0 <= min(moments) < 0.5 < 1.5 < max(moments) <= 2
    assert {each.answer for each in drawn} == {"reject"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is no JSON"),
        ("[]", "the mix"),
        ('{"entries": []}', "entries: "),
        ('{"entries": [{"name": "a"}]}', r"entries\[0\]\.input: Field required"),
        ('{"entries": [{"name": "a", "input": {}, "weight": 0}]}', r"entries\[0\]\.weight: "),
        ('{"entries": [{"name": "a", "input": {}, "wieght": 2}]}', r"entries\[0\]\.wieght: "),
        (
            '{"entries": [{"name": "a", "input": {}}, {"name": "a", "input": {}}]}',
            r"entries\[1\]\.name: 'a' is the name",
        ),
        (
            '{"entries": [{"name": "a", "input": {}, "weight": 1e308}, {"name": "b", "input": {}, "weight": 1e308}]}',
            "entries: the weights add up to more",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mix.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=problem):
        read_mix(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json is not valid: cannot be read"):
        read_mix(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("input", "problem"),
    [
        ({"size": "many"}, r"'kind 1' is not valid: entries\[1\]\.input\.size: "),
        ({"colour": "red"}, r"entries\[1\]\.input\.colour: "),
        # Each alternative is tried, not the one that happens to be drawn first.
        ({"text": "{one of:a|b|" + "c" * 21 + "}"}, r"entries\[1\]\.input\.text: "),
        ({"text": "{who}"}, r"entries\[1\]\.input\.text: \{who\} is unknown; there are \{n\}"),
        ({"size": "{int:5..1}"}, r"entries\[1\]\.input\.size: \{int:5\.\.1\} is unknown"),
    ],
)
def test_an_input_that_the_task_does_not_take(input: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        Deck(mix({}, input), wobble, 1)


def test_what_will_be_drawn_can_be_tried_before() -> None:
    # Each alternative is right for itself, and both long ones together are too long.
    deck = Deck(mix({"text": "{one of:a|bbbbbbbbbbbb}{one of:bbbbbbbbbbbb|a}"}), wobble, 1)
    with pytest.raises(
        InvalidInput, match=r"entry 'kind 0', task (\d+) is not valid: entries\[0\]\.input\.text"
    ) as refused:
        deck.rehearse(range(40))
    [first] = map(int, re.findall(r"task (\d+)", str(refused.value)))
    deck.rehearse(range(first))
    assert deck.entry(first).name == "kind 0"


def test_inputs_are_read_as_json() -> None:
    quantity = json.loads(ORDERS.read_text())["entries"][0]
    quantity["input"]["lines"][0]["quantity"] = "1"
    with pytest.raises(InvalidInput, match=r"entries\[0\]\.input\.lines\[0\]\.quantity: "):
        Deck(Mix.model_validate({"entries": [quantity]}), order, 1)


def test_the_examples_of_the_guide_are_right(tmp_path: Path) -> None:
    guide = (ORDERS.parents[1] / "howto" / "load-and-chaos.md").read_text(encoding="utf-8")
    [toml] = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "mix.toml").write_text(toml)
    assert Deck(read_mix(tmp_path / "mix.toml"), order, 1).draw(0).expect == ("completed",)
    [rules] = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    assert len(Rules.model_validate_json(rules).rules) == 3
    wrong = toml.replace('total = "12.50"', 'total = "13.00"')
    (tmp_path / "mix.toml").write_text(wrong)
    with pytest.raises(InvalidInput) as refused:
        Deck(read_mix(tmp_path / "mix.toml"), order, 1)
    assert f"error: {refused.value}" in guide
