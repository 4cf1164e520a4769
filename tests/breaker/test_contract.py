"""Breakers on contracts: what is declared, and what is refused when it is built."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sagamesh import Agent, Breaker, Message, Retry, seconds
from sagamesh.breaker.contract import declared_breakers
from sagamesh.breaker.control import find_breakers
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.mesh import Mesh
from sagamesh.policy import Policy


class Ping(Message):
    """In and out."""


def test_capabilities_with_one_key_share_one_breaker_on_each_queue() -> None:
    agent = Agent("payment")
    gateway = agent.provider("bank")
    shared = Breaker(key="gateway")
    agent.capability("charge", takes=Ping, returns=Ping, timeout=seconds(15), breaker=shared)
    agent.capability("refund", takes=Ping, returns=Ping, timeout=seconds(5), breaker=shared)
    agent.capability("balance", takes=Ping, returns=Ping, breaker=shared, provider=gateway)
    agent.capability("check", takes=Ping, returns=Ping, breaker=Breaker(recovery=seconds(2)))
    agent.capability("ping", takes=Ping, returns=Ping)

    found = [(one.queue, one.key, one.capabilities, one.interval) for one in declared_breakers(agent)]

    assert found == [
        ("payment", "gateway", ("payment.charge", "payment.refund"), 16),
        ("payment/bank", "gateway", ("payment.balance",), 31),
        ("payment", "payment.check", ("payment.check",), 2),
    ]
    assert [one.queue for one in declared_breakers(agent.in_zone("eu"))] == [
        "payment.eu",
        "payment.eu/bank",
        "payment.eu",
    ]


def test_one_key_has_one_set_of_numbers() -> None:
    agent = Agent("payment")
    agent.capability("charge", takes=Ping, returns=Ping, breaker=Breaker(key="gateway"))

    with pytest.raises(DefinitionError, match=r"payment\.refund: breaker 'gateway' .* by payment\.charge"):
        agent.capability("refund", takes=Ping, returns=Ping, breaker=Breaker(key="gateway", failures=6))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"recovery": timedelta(0)}, "recovery"),
        ({"rate": -1}, "rate"),
        ({"rate": 1.5}, "rate"),
        ({"failures": 0}, "failures"),
        ({"probes": 0}, "probes"),
        ({"key": "No Key"}, "key"),
    ],
)
def test_numbers_that_contradict_themselves(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(DefinitionError, match=f"breaker: {named}"):
        Breaker(**wrong)  # type: ignore[arg-type]


def test_with_a_breaker_the_engine_does_not_count_attempts() -> None:
    assert Policy(retry=Retry(attempts=3)).retry_policy().maximum_attempts == 3
    assert Policy(retry=Retry(attempts=3), breaker=Breaker()).retry_policy().maximum_attempts == 0


def test_breakers_are_found_by_key_agent_queue_and_capability() -> None:
    agent, other = Agent("payment"), Agent("mail")
    agent.capability("charge", takes=Ping, returns=Ping, breaker=Breaker(key="gateway"))
    other.capability("send", takes=Ping, returns=Ping, breaker=Breaker())
    mesh = Mesh(agent, other)

    assert [one.key for one in find_breakers(mesh)] == ["gateway", "mail.send"]
    for name in ("gateway", "payment", "payment.charge"):
        assert [one.key for one in find_breakers(mesh, name)] == ["gateway"]
    with pytest.raises(UnknownName, match="did you mean gateway"):
        find_breakers(mesh, "gatway")
