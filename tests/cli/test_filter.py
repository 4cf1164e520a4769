"""From the options of `list` to the server's filter."""

from __future__ import annotations

from typing import Any

import pytest

from sagamesh.cli.filter import list_filter, status_word
from sagamesh.errors import InvalidInput


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, ""),
        ({"task": "Order"}, "WorkflowType = 'Order'"),
        ({"customer": "o'brien"}, "SagameshCustomer = 'o''brien'"),
        ({"needs_operator": True}, "SagameshNeedsOperator = true AND ExecutionStatus = 'Running'"),
        ({"status": "completed"}, "ExecutionStatus = 'Completed'"),
        ({"status": "failed"}, "ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')"),
        ({"status": "cancelled"}, "ExecutionStatus = 'Canceled'"),
        ({"status": "compensating"}, "SagameshStatus = 'compensating' AND ExecutionStatus = 'Running'"),
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
