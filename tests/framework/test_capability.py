"""A capability outside a workflow, and what it reads from the wire."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from mesh_agents import accounts, inventory
from sagamesh import Agent
from sagamesh.errors import NotDurable, SagameshError

USER = accounts.UserRef(user_id="ada")


@pytest.mark.asyncio
async def test_called_outside_a_workflow_it_says_so_and_does_nothing() -> None:
    with pytest.raises(NotDurable) as refused:
        await accounts.validate(USER)

    assert "accounts.validate" in str(refused.value)
    assert "workflow" in str(refused.value)
    assert isinstance(refused.value, SagameshError)


def test_scheduled_outside_a_workflow_it_says_so() -> None:
    with pytest.raises(NotDurable):
        accounts.validate.schedule(USER)


def test_it_is_a_value() -> None:
    """Two contracts may look alike and are still two; and a contract does not change."""
    twin = Agent("accounts").capability("validate", takes=accounts.UserRef, returns=accounts.User)
    assert twin != accounts.validate
    assert len({twin, accounts.validate, inventory.reserve}) == 3
    with pytest.raises(AttributeError):
        accounts.validate.queue = "elsewhere"  # type: ignore[misc]


def test_a_call_that_is_not_awaited_is_no_call() -> None:
    call: Awaitable[accounts.User] = accounts.validate(USER)
    call.close()  # type: ignore[attr-defined]
