"""Which calls get a fault: by capability, attempt and share, and the same ones for the same seed."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sagamesh.errors import InvalidInput
from sagamesh.failure import field_problems
from sagamesh.faults import Injection, Rule, RuleFile, Rules, fault_interceptors

CALLS = [f"order-{n}/payment.charge" for n in range(600)]


@pytest.mark.parametrize(
    ("rules", "capability", "attempt", "expected"),
    [
        ([], "payment.charge", 1, None),
        ([{"capability": "inventory.*", "delay": 1}], "payment.charge", 1, None),
        ([{"capability": "payment.*", "delay": 1}], "payment.charge", 9, Injection(delay=1)),
        ([{"capability": "*.charge", "delay": 1}, {"capability": "*", "delay": 2}], "payment.charge", 1, 3.0),
        ([{"capability": "payment.charge", "delay": 1, "attempts": 2}], "payment.charge", 2, Injection(delay=1)),
        ([{"capability": "payment.charge", "delay": 1, "attempts": 2}], "payment.charge", 3, None),
        (
            [
                {"capability": "*", "error": "Down", "message": "closed", "final": True},
                {"capability": "*", "error": "B"},
            ],
            "payment.charge",
            1,
            Injection(error="Down", message="closed", final=True),
        ),
        (
            [{"capability": "*", "lose_answer": True}],
            "payment.charge",
            1,
            Injection(
                error="InjectedFault",
                message="a fault was injected into payment.charge: its answer was lost",
                lose_answer=True,
            ),
        ),
    ],
)
def test_what_happens_to_an_attempt(
    rules: list[dict[str, Any]], capability: str, attempt: int, expected: Injection | float | None
) -> None:
    found = Rules.model_validate({"rules": rules}).injection(capability, "order-1/step", attempt)

    assert (found.delay if found and isinstance(expected, float) else found) == expected


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"capability": "a.*"}, "delay"),
        ({"capability": "a.*", "delay": -1}, "delay"),
        ({"capability": "a.*", "delay": "soon"}, "delay"),
        ({"capability": "a.*", "delay": 1, "share": 0}, "share"),
        ({"capability": "a.*", "delay": 1, "share": 1.1}, "share"),
        ({"capability": "a.*", "delay": 1, "attempts": 0}, "attempts"),
        ({"capability": "a.*", "delay": 1, "final": True}, "final"),
        ({"capability": "a.*", "delay": 1, "message": "no"}, "message"),
        ({"capability": "", "delay": 1}, "capability"),
        ({"delay": 1}, "capability"),
        ({"capability": "a.*", "delay": 1, "chance": 0.5}, "chance"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field(rule: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Rules.model_validate({"rules": [{"capability": "*", "delay": 1}, rule]})

    assert [problem.field for problem in field_problems(refused.value)] == [f"rules[1].{field}"]


@settings(deadline=None)  # the machine may be busy
@given(seed=st.integers(), share=st.floats(0.05, 0.95), attempt=st.integers(1, 30))
def test_a_share_of_the_calls_is_struck_and_a_seed_always_strikes_the_same(
    seed: int, share: float, attempt: int
) -> None:
    rules = Rules(seed=seed, rules=(Rule(capability="payment.*", delay=1, share=share),))
    struck = [call for call in CALLS if rules.injection("payment.charge", call, attempt)]

    # Six standard deviations of a binomial share are at most 0.13 of 600 calls.
    assert abs(len(struck) / len(CALLS) - share) < 0.13
    again = Rules.model_validate_json(rules.model_dump_json())
    assert struck == [call for call in reversed(CALLS) if again.injection("payment.charge", call, attempt)][::-1]


@settings(deadline=None)  # the machine may be busy
@given(seed=st.integers(), share=st.floats(0.1, 0.9))
def test_another_rule_changes_nothing_for_the_first(seed: int, share: float) -> None:
    rule = Rule(capability="*", delay=1, share=share)
    other = Rule(capability="*", delay=100, share=0.5)
    alone = Rules(seed=seed, rules=(rule,))
    behind = Rules(seed=seed, rules=(other, rule))
    for call in CALLS[:50]:
        found = behind.injection("payment.charge", call, 1)
        assert (found is not None and found.delay % 100 == 1) == (
            alone.injection("payment.charge", call, 1) is not None
        )


def write(path: Path, text: str) -> None:
    """Replace the file, so that its time differs although the test is quick."""
    path.write_text(text)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def test_the_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "faults.json"
    file = RuleFile(path)
    assert file.current() == Rules()
    write(path, '{"seed": 1, "rules": [{"capability": "*", "delay": 1}]}')
    assert [rule.delay for rule in file.current().rules] == [1]
    write(path, '{"seed": 1, "rules": [{"capability": "*", "delay": 2.5}]}')
    assert [rule.delay for rule in file.current().rules] == [2.5]
    with caplog.at_level(logging.ERROR, "sagamesh.faults"):
        write(path, '{"rules": [{"capability": "*", "delay": -2}]}')
        assert [rule.delay for rule in file.current().rules] == [2.5]
        assert [rule.delay for rule in file.current().rules] == [2.5]
    [said] = caplog.messages
    assert "rules[0].delay" in said
    path.unlink()
    assert file.current() == Rules()


def test_a_wrong_file_is_refused_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"rules": [{"capability": "works.*", "share": 2, "delay": 1}]}))
    monkeypatch.setenv("SAGAMESH_FAULTS", str(path))

    with pytest.raises(InvalidInput, match=r"faults\.json.*rules\[0\]\.share: "):
        fault_interceptors("works")


def test_without_the_variable_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGAMESH_FAULTS", raising=False)

    assert fault_interceptors("works") == []
