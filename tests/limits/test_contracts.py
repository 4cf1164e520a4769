"""Contracts with limits: what they say, and which contradict themselves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sagamesh import Agent, Message, Task
from sagamesh.errors import DefinitionError, InvalidInput
from sagamesh.limits.precedence import Precedence
from sagamesh.limits.queue import QueueLimits, limits_of


class Ping(Message):
    """In and out."""

    owner: str | None = "ada"
    number: int = 7


def task(**options: Any) -> Task[Ping, Ping]:
    return Task("Pinging", takes=Ping, returns=Ping, queue="pings", **options)


def test_an_agent_s_queues() -> None:
    till = Agent("till", zone="eu", rate=20, tenant_rate=2)
    bank = till.provider("bank", rate=5, slots=2)
    till.provider("mail", tenant_rate=1)
    charge = till.capability("charge", takes=Ping, returns=Ping, provider=bank)
    quote = till.capability("quote", takes=Ping, returns=Ping)

    assert (charge.queue, quote.queue) == ("till.eu/bank", "till.eu")
    assert till.queues == ("till.eu", "till.eu/bank", "till.eu/mail")
    assert list(till.providers) == ["bank", "mail"]
    assert limits_of(till) == [
        QueueLimits("till.eu", rate=20, tenant_rate=2),
        QueueLimits("till.eu/bank", rate=5, slots=2),
        QueueLimits("till.eu/mail", tenant_rate=1),
    ]


def test_each_zone_has_the_limits_for_itself() -> None:
    till = Agent("till", rate=20)
    till.capability("charge", takes=Ping, returns=Ping, provider=till.provider("bank", rate=5, slots=2))
    there = till.in_zone("eu")

    assert limits_of(there) == [QueueLimits("till.eu", rate=20), QueueLimits("till.eu/bank", rate=5, slots=2)]
    assert there.capabilities["charge"].queue == "till.eu/bank"


def test_a_provider_may_be_there_for_its_queue_alone() -> None:
    till = Agent("till")
    assert till.provider("bank").rate is None


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan])
@pytest.mark.parametrize("word", ["rate", "tenant_rate"])
def test_a_rate_that_is_none(word: str, rate: float) -> None:
    with pytest.raises(DefinitionError, match=rf"agent 'till': {word} must be more than 0"):
        Agent("till", **{word: rate})  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=rf"provider till/bank: {word} must be more than 0"):
        Agent("till").provider("bank", **{word: rate})  # type: ignore[arg-type]


@pytest.mark.parametrize("slots", [0, -3])
def test_a_provider_that_nothing_would_call(slots: int) -> None:
    with pytest.raises(DefinitionError, match=f"till/bank: slots must be at least 1, not {slots}"):
        Agent("till").provider("bank", slots=slots)


@pytest.mark.parametrize("name", ["", "Bank", "bank.eu", "a/b", "b" * 41])
def test_a_provider_s_name_that_would_break_a_queue(name: str) -> None:
    with pytest.raises(DefinitionError, match=r"agent 'till': provider .* must be lower-case letters"):
        Agent("till").provider(name)


def test_a_provider_is_declared_once() -> None:
    till = Agent("till")
    till.provider("bank")
    with pytest.raises(DefinitionError, match="agent 'till': provider 'bank' is declared twice"):
        till.provider("bank")


def test_a_provider_of_another_agent() -> None:
    other = Agent("other").provider("bank")
    till = Agent("till")
    with pytest.raises(DefinitionError, match=r"till\.charge: provider 'bank' is none of till"):
        till.capability("charge", takes=Ping, returns=Ping, provider=other)
    till.provider("bank")
    with pytest.raises(DefinitionError, match=r"till\.charge: provider 'bank' is none of till"):
        till.capability("charge", takes=Ping, returns=Ping, provider=other)


def test_inline_leaves_no_queue_that_could_keep_a_limit() -> None:
    till = Agent("till")
    with pytest.raises(DefinitionError, match=r"till\.charge is inline, so no queue .* provider 'bank'"):
        till.capability("charge", takes=Ping, returns=Ping, provider=till.provider("bank"), inline=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priority": 0}, "till.charge: priority 0 must be 1 to 5"),
        ({"priority": 6}, "till.charge: priority 6 must be 1 to 5"),
        ({"weight": 0}, "till.charge: weight 0 must be 0.001 to 1000"),
        ({"weight": 1000.1}, "till.charge: weight 1000.1 must be 0.001 to 1000"),
    ],
)
def test_a_capability_that_cannot_be_ordered(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        Agent("till").capability("charge", takes=Ping, returns=Ping, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priority": 0}, "task Pinging: priority 0 must be 1 to 5"),
        ({"weight": -1.0}, "task Pinging: weight -1 must be 0.001 to 1000"),
        ({"tenant": "ownr"}, "task Pinging: tenant: Ping has no field 'ownr'"),
    ],
)
def test_a_task_that_cannot_be_ordered(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        task(**options)


@pytest.mark.parametrize(
    ("contract", "start", "found"),
    [
        ({}, {}, Precedence()),
        ({"tenant": "owner"}, {}, Precedence(tenant="ada")),
        ({"tenant": "number"}, {}, Precedence(tenant="7")),
        ({"priority": 4, "weight": 2.0}, {}, Precedence(4, "", 2.0)),
        ({"priority": 4, "weight": 2.0}, {"priority": 1}, Precedence(1, "", 2.0)),
        ({"priority": 4, "weight": 2.0}, {"weight": 0.5}, Precedence(4, "", 0.5)),
    ],
)
def test_the_start_comes_before_the_contract(
    contract: dict[str, Any], start: dict[str, Any], found: Precedence
) -> None:
    assert task(**contract).precedence(Ping(), **start) == found


def test_an_input_without_a_tenant() -> None:
    assert task(tenant="owner").precedence(Ping(owner=None)) == Precedence()


@pytest.mark.parametrize(
    ("start", "fields"),
    [
        ({"priority": 0}, ["priority"]),
        ({"weight": 0}, ["weight"]),
        ({"priority": 9, "weight": 2e3}, ["priority", "weight"]),
    ],
)
def test_a_start_that_cannot_be_ordered(start: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        task().precedence(Ping(), **start)

    assert [field.field for field in refused.value.fields] == fields
