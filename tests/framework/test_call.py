"""The key of an effect."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.testing import ActivityEnvironment

from sagamesh import Call, current_call
from sagamesh.call import UNDO, effect_key


def seen(task_id: str, activity_id: str, attempt: int = 1) -> Call:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, workflow_id=task_id, activity_id=activity_id, attempt=attempt)
    return environment.run(current_call)


def test_a_step_and_its_undo_share_the_key() -> None:
    step = seen("o-1", "payment.charge", attempt=3)
    undo = seen("o-1", UNDO + "payment.charge")

    assert step == Call(key="o-1/payment.charge", attempt=3, task_id="o-1", undo=False)
    assert undo == Call(key="o-1/payment.charge", attempt=1, task_id="o-1", undo=True)


@given(st.text("ab./", min_size=1, max_size=300), st.text("ab#2", min_size=1, max_size=40))
def test_a_key_is_bounded_and_stable(task_id: str, step: str) -> None:
    key = effect_key(task_id, step)

    assert len(key) <= 200
    assert key == effect_key(task_id, step)
    assert key.endswith(f"/{step}")


def test_long_ids_that_differ_at_the_end_have_different_keys() -> None:
    assert effect_key("x" * 199 + "a", "s") != effect_key("x" * 199 + "b", "s")


def test_there_is_no_call_outside_an_agent() -> None:
    with pytest.raises(RuntimeError):
        current_call()
