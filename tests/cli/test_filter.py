"""From the options of `list` to the server's filter."""

from __future__ import annotations

from typing import Any

import pytest

from sagamesh.cli.filter import list_filter, status_word
from sagamesh.errors import InvalidInput

NO_TASKS = "WorkflowType NOT IN ('sagamesh.Breaker', 'sagamesh.Lock')"


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, NO_TASKS),
        ({"task": "Order"}, "WorkflowType = 'Order'"),
        ({"customer": "o'brien"}, f"{NO_TASKS} AND SagameshCustomer = 'o''brien'"),
        ({"needs_operator": True}, f"{NO_TASKS} AND SagameshNeedsOperator = true AND ExecutionStatus = 'Running'"),
        ({"status": "completed"}, f"{NO_TASKS} AND ExecutionStatus = 'Completed'"),
        ({"status": "failed"}, f"{NO_TASKS} AND ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')"),
        ({"status": "cancelled"}, f"{NO_TASKS} AND ExecutionStatus = 'Canceled'"),
        ({"status": "compensating"}, f"{NO_TASKS} AND SagameshStatus = 'compensating' AND ExecutionStatus = 'Running'"),
        ({"query": "A = 1 OR B = 2"}, "A = 1 OR B = 2"),
        ({"task": "Order", "query": "A = 1 OR B = 2"}, "WorkflowType = 'Order' AND (A = 1 OR B = 2)"),
    ],
)
def test_filters(options: dict[str, Any], query: str) -> None:
    assert list_filter(**options) == query


@pytest.mark.parametrize("customer", ['say "x"', "back\\slash"])
def test_what_the_filter_cannot_find_is_refused(customer: str) -> None:
    with pytest.raises(InvalidInput, match="--customer is not valid"):
        list_filter(customer=customer)


@pytest.mark.parametrize(
    ("execution", "stage", "word"),
    [
        ("running", "awaiting_approval", "awaiting_approval"),
        ("running", "", "running"),
        ("completed", "completed", "completed"),
        ("terminated", "running", "terminated"),
        ("canceled", "compensating", "cancelled"),
        ("timed_out", "running", "timed_out"),
        ("continued_as_new", "running", "continued"),
    ],
)
def test_one_word_for_where_a_task_is(execution: str, stage: str, word: str) -> None:
    assert status_word(execution, stage) == word
