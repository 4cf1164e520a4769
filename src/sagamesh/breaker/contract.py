"""The breakers that an agent's contract declares, each with its queue and its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagamesh.breaker.machine import Rule
from sagamesh.errors import DefinitionError
from sagamesh.policy import Breaker

if TYPE_CHECKING:
    from sagamesh.agent import Agent
    from sagamesh.capability import Capability

__all__ = ["Declared", "breaker_key", "check_shared", "declared_breakers"]

_MARGIN = 1.0
"""Seconds that a probe's report may take."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One breaker of an agent on one of its queues.

    - `capabilities`: the activity types that it guards.
    - `interval`: seconds from one probe of the fleet to the next.
    """

    agent: str
    queue: str
    key: str
    rule: Rule
    capabilities: tuple[str, ...]

    @property
    def interval(self) -> float:
        """As long as a probe may take, but no longer than a recovery."""
        return min(self.rule.probe, max(self.rule.recovery, _MARGIN))


def breaker_key(capability: Capability[Any, Any]) -> str:
    """What names a capability's breaker: the key that it shares with others, or its own type."""
    breaker = capability.policy.breaker
    return breaker.key if breaker is not None and breaker.key else capability.type


def declared_breakers(agent: Agent) -> tuple[Declared, ...]:
    """The breakers of an agent, in the order of declaration. Each queue has its own."""
    guarded: dict[tuple[str, str], list[Capability[Any, Any]]] = {}
    for capability in agent.capabilities.values():
        if capability.policy.breaker is not None:
            guarded.setdefault((capability.queue, breaker_key(capability)), []).append(capability)
    return tuple(_declared(agent.name, queue, key, sharing) for (queue, key), sharing in guarded.items())


def check_shared(name: str, breaker: Breaker | None, others: Iterable[Capability[Any, Any]]) -> None:
    """Refuse numbers other than those with which the same key was declared before.

    Raises:
        DefinitionError: naming both capabilities.
    """
    if breaker is None or not breaker.key:
        return
    for other in others:
        known = other.policy.breaker
        if known is not None and known.key == breaker.key and known != breaker:
            raise DefinitionError(
                f"{name}: breaker {breaker.key!r} is declared with other numbers by {other.type}; "
                "declare it once, and give both the same value"
            )


def _declared(agent: str, queue: str, key: str, sharing: list[Capability[Any, Any]]) -> Declared:
    breaker = sharing[0].policy.breaker
    assert breaker is not None, "only guarded capabilities come here"  # noqa: S101
    rule = Rule(
        failures=breaker.failures,
        recovery=breaker.recovery.total_seconds(),
        rate=breaker.rate,
        window=breaker.window.total_seconds(),
        least=breaker.least,
        probes=breaker.probes,
        probe=max(capability.policy.timeout.total_seconds() for capability in sharing) + _MARGIN,
    )
    return Declared(agent, queue, key, rule, tuple(capability.type for capability in sharing))
