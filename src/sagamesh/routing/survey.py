"""Who could serve a need, from the mesh, and how they stand, from the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.client import Client

from sagamesh.agent import Agent
from sagamesh.breaker.fleet import Phase
from sagamesh.breaker.notice import Notice
from sagamesh.capability import Capability
from sagamesh.discovery import QueueState, describe_queue
from sagamesh.errors import UnknownName
from sagamesh.mesh import Mesh
from sagamesh.presence import with_presence
from sagamesh.routing.candidate import Candidate, Figures

__all__ = ["candidate_of", "figures_of", "offering", "survey"]

_LATE: Final = timedelta(seconds=10)
"""So late may a breaker's keeper be in making it half-open; clocks may differ, too."""


def offering(mesh: Mesh, capability: str) -> list[tuple[Agent, Capability[Any, Any]]]:
    """Each agent of the mesh, in each of its zones, that has a capability of this name, full or short.

    Raises:
        UnknownName: when nobody has, with the nearest names.
    """
    agent_name, _, short = capability.rpartition(".")
    found = [
        (agent, agent.capabilities[short])
        for agent in mesh.agents
        if short in agent.capabilities and agent_name in ("", agent.name)
    ]
    if not found:
        every = [declared for agent in mesh.agents for declared in agent.capabilities.values()]
        raise UnknownName("capability", capability, {each.type if agent_name else each.name for each in every})
    return found


def candidate_of(agent: Agent, capability: Capability[Any, Any]) -> Candidate:
    """An agent as a candidate for one of its capabilities."""
    return Candidate(
        capability=capability.type,
        agent=agent.name,
        queue=capability.queue,
        zone=agent.zone or "",
        version=agent.version,
        tags=tuple(sorted(agent.tags)),
        scopes=tuple(sorted(capability.policy.scopes)),
        cost=agent.cost,
    )


async def survey(client: Client, queues: Iterable[str]) -> dict[str, Figures]:
    """How these queues stand, asked side by side."""
    names = list(dict.fromkeys(queues))
    states: list[QueueState] = []
    states += await asyncio.gather(*(describe_queue(client, name, "agent", name) for name in names))
    if any(state.last_seen is not None and not state.workers for state in states):
        # Dead, or between two polls, or too busy to poll.
        states = await with_presence(client, states)
    now = datetime.now(UTC)
    return {name: figures_of(state, now) for name, state in zip(names, states, strict=True)}


def figures_of(state: QueueState, now: datetime) -> Figures:
    """The part of a queue's state that a decision goes by."""
    rate = None if state.limit is None else state.limit.rate
    held = rate == 0 or any(_shut(breaker, now) for breaker in state.breakers)
    return Figures(
        workers=len(state.workers),
        last_seen_seconds=None if state.last_seen is None else round((now - state.last_seen).total_seconds(), 1),
        backlog=state.backlog,
        oldest_seconds=round(state.oldest.total_seconds(), 1),
        dispatched=state.dispatched,
        held=held,
        probe_seconds=round(1 / rate, 3) if state.breakers and rate and not held else 0.0,
    )


def _shut(breaker: Notice, now: datetime) -> bool:
    """Whether a breaker wants no call yet.

    One that is open beyond its recovery has lost its keeper: a call then comes through once a recovery, and that is
    how it is found out that all is well again.
    """
    return breaker.state == Phase.FORCED or (
        breaker.state == Phase.OPEN and (breaker.until is None or now < breaker.until + _LATE)
    )
