"""Agents and their capabilities, as they are declared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sagamesh import Agent, Message, Retry, Role, hours, milliseconds, minutes, seconds
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.policy import DEFAULT_TIMEOUT, Policy


class Ping(Message):
    """In and out."""


@pytest.mark.parametrize("name", ["a", "inventory", "a-1", "stock-of-tea", "a" * 40])
def test_names(name: str) -> None:
    assert Agent(name).queue == name
    assert Agent("agent", zone=name).queue == f"agent.{name}"


@pytest.mark.parametrize(
    "name",
    ["", "A", "1a", "a_b", "a.b", "-a", "a-", "a--b", "a b", "ä", "a" * 41, "a\n", "a/b"],
)
def test_names_that_would_break_a_queue_or_a_kubernetes_object(name: str) -> None:
    with pytest.raises(DefinitionError, match="name"):
        Agent(name)
    with pytest.raises(DefinitionError, match="zone"):
        Agent("agent", zone=name)


def test_what_it_is_told_it_keeps() -> None:
    agent = Agent(
        "stock",
        version="2.1.0",
        role=Role.SPECIALIST,
        tags=["b", "a", "a"],
        zone="eu",
        depends_on=["x", "y"],
        summary="s",
    )

    assert (agent.version, agent.role, agent.zone) == ("2.1.0", Role.SPECIALIST, "eu")
    assert agent.tags == frozenset("ab")
    assert (agent.depends_on, agent.summary, agent.queue) == (("x", "y"), "s", "stock.eu")
    assert repr(agent) == "Agent('stock')"


def test_capabilities_are_found_by_name_and_listed_in_order() -> None:
    agent = Agent("stock", zone="eu")
    second = agent.capability("second", takes=Ping, returns=Ping)
    first = agent.capability("first", takes=Ping, returns=Ping)

    assert list(agent.capabilities.values()) == [second, first]
    assert agent.find("first") is first
    assert (first.type, first.queue, first.agent, first.name) == ("stock.first", "stock.eu", "stock", "first")
    assert repr(first) == "Capability(stock.first: Ping -> Ping)"
    with pytest.raises(UnknownName) as unknown:
        agent.find("frist")
    assert unknown.value.nearest[0] == "first"
    with pytest.raises(TypeError):
        agent.capabilities["third"] = first  # type: ignore[index]


@pytest.mark.parametrize("name", ["", "A", "1", "a-b", "a.b", "_a", "a b", "a\n"])
def test_capability_names_that_would_break_a_metric(name: str) -> None:
    with pytest.raises(DefinitionError, match="capability name"):
        Agent("stock").capability(name, takes=Ping, returns=Ping)


def test_a_capability_is_declared_once() -> None:
    agent = Agent("stock")
    agent.capability("ping", takes=Ping, returns=Ping)

    with pytest.raises(DefinitionError, match="declared twice"):
        agent.capability("ping", takes=Ping, returns=Ping)


@pytest.mark.parametrize("model", [int, dict, Ping(), "Ping", None])
@pytest.mark.parametrize("word", ["takes", "returns"])
def test_only_models_travel(word: str, model: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"stock\.ping: {word}"):
        Agent("stock").capability("ping", **({"takes": Ping, "returns": Ping} | {word: model}))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"timeout": seconds(0)}, "timeout"),
        ({"timeout": seconds(-1)}, "timeout"),
        ({"queue_timeout": seconds(0)}, "queue_timeout"),
        ({"total": seconds(0)}, "total"),
        ({"heartbeat": seconds(0)}, "heartbeat"),
        ({"timeout": seconds(1), "heartbeat": seconds(2)}, "heartbeat"),
        ({"priority": 0}, "priority"),
        ({"priority": 6}, "priority"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other_name_the_capability(options: dict[str, Any], named: str) -> None:
    with pytest.raises(DefinitionError, match=rf"stock\.ping: .*{named}"):
        Agent("stock").capability("ping", takes=Ping, returns=Ping, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"first": seconds(0)},
        {"first": seconds(2), "most": seconds(1)},
        {"factor": 0.5},
    ],
    ids=str,
)
def test_retries_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="retry"):
        Retry(**options)


def test_the_policy_in_the_engines_terms() -> None:
    policy = Policy(retry=Retry(attempts=3, first=seconds(2), factor=1.5, most=minutes(1)), priority=2)
    retries = policy.retry_policy()

    assert (retries.maximum_attempts, retries.backoff_coefficient) == (3, 1.5)
    assert (retries.initial_interval, retries.maximum_interval) == (timedelta(seconds=2), timedelta(minutes=1))
    assert policy.engine_priority().priority_key == 2
    assert Policy().engine_priority().priority_key is None
    assert Policy().timeout == DEFAULT_TIMEOUT


def test_the_default_retries_end() -> None:
    """A call that fails for ever must not keep a task for ever."""
    assert Policy().retry_policy().maximum_attempts == 20


def test_durations() -> None:
    assert (milliseconds(1500), seconds(90), minutes(1.5), hours(2)) == (
        timedelta(seconds=1.5),
        timedelta(minutes=1.5),
        timedelta(seconds=90),
        timedelta(minutes=120),
    )


class TestZones:
    """The same agent in a zone."""

    def test_capabilities_and_providers_are_on_the_zones_queues(self) -> None:
        agent = Agent("stock", tags=["cold"], depends_on=["accounts"], cost=3)
        bank = agent.provider("bank", rate=5)
        look = agent.capability("look", takes=Ping, returns=Ping, inline=True)
        zone = agent.in_zone("eu", tags=["big"], version="2.0.0", cost=1)
        pay = agent.capability("pay", takes=Ping, returns=Ping, provider=bank)  # declared after the zone was made

        assert (zone.name, zone.zone, zone.queue, zone.version, zone.cost) == ("stock", "eu", "stock.eu", "2.0.0", 1)
        assert zone.tags == {"cold", "big"}
        assert zone.depends_on == ("accounts",)
        assert zone.queues == ("stock.eu", "stock.eu/bank")
        assert zone.providers["bank"].rate == 5
        assert [each.queue for each in zone.capabilities.values()] == ["stock.eu", "stock.eu/bank"]
        assert [each.type for each in zone.capabilities.values()] == ["stock.look", "stock.pay"]
        assert zone.offers(look) is zone.capabilities["look"]
        assert zone.offers(zone.capabilities["pay"]) is zone.capabilities["pay"]
        assert zone.find("pay").takes is pay.takes

    def test_a_call_in_a_zone_never_runs_inline(self) -> None:
        agent = Agent("stock")
        look = agent.capability("look", takes=Ping, returns=Ping, inline=True)

        assert agent.in_zone("eu").find("look").policy.inline is False
        assert look.in_zone(None) is look
        assert look.in_zone("eu").in_zone("eu").queue == "stock.eu"

    def test_another_agents_capability_is_not_offered(self) -> None:
        agent, other = Agent("stock"), Agent("stock")
        agent.capability("look", takes=Ping, returns=Ping)
        look = other.capability("look", takes=Ping, returns=Ping)

        assert agent.in_zone("eu").offers(look) is None
        assert agent.offers(look) is None

    def test_what_a_zone_cannot(self) -> None:
        zone = Agent("stock").in_zone("eu")

        with pytest.raises(DefinitionError, match=r"stock\.eu is stock in a zone: declare it on stock itself"):
            zone.capability("look", takes=Ping, returns=Ping)
        with pytest.raises(DefinitionError, match="declare it on stock itself"):
            zone.provider("bank")
        with pytest.raises(DefinitionError, match=r"agent 'stock\.eu' is in a zone already"):
            zone.in_zone("us")
        with pytest.raises(DefinitionError, match="zone 'E U' must be lower-case"):
            Agent("stock").in_zone("E U")

    def test_the_frameworks_own_name(self) -> None:
        with pytest.raises(DefinitionError, match="the framework's own"):
            Agent("sagamesh")
