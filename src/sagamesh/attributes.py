"""The search attributes by which tasks are found in the Web UI, the command line and any Temporal client.

They are never encrypted: no personal data in them. A customer is an opaque id.
"""

from __future__ import annotations

from typing import Any, Final

from temporalio.common import SearchAttributeKey

__all__ = ["AGENTS", "CUSTOMER", "NEEDS_OPERATOR", "SEARCH_ATTRIBUTES", "STATUS", "UNFINISHED", "declared_type"]

STATUS: Final = SearchAttributeKey.for_keyword("SagameshStatus")
"""What the engine's own status cannot say; the values are those of `sagamesh.status.Stage`."""

NEEDS_OPERATOR: Final = SearchAttributeKey.for_bool("SagameshNeedsOperator")
"""True while an undo, or a step after the pivot, has failed and waits for somebody to decide."""

CUSTOMER: Final = SearchAttributeKey.for_keyword("SagameshCustomer")
"""Whose task it is: the field that the task's contract names."""

AGENTS: Final = SearchAttributeKey.for_keyword_list("SagameshAgents")
"""The agents that the task may call."""

UNFINISHED: Final = "SagameshUnfinished"
"""In a task's memo: the steps that failed after the pivot and wait for somebody to decide."""

SEARCH_ATTRIBUTES: Final = (STATUS, NEEDS_OPERATOR, CUSTOMER, AGENTS)


def declared_type(key: SearchAttributeKey[Any]) -> str:
    """The attribute's type as the program `temporal` has it on its command line, such as `KeywordList`."""
    return key.indexed_value_type.name.title().replace("_", "")
