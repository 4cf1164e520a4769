"""What a chart must know of a project: its pools, from the same values that run them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sagamesh.agent import Agent
from sagamesh.app import App
from sagamesh.limits.queue import limits_of

__all__ = ["PoolFacts", "as_values", "as_yaml", "pool_facts"]

_LONGEST_GRACE = 3600
"""Seconds that a worker may be given at most (SAGAMESH_GRACE). Longer calls are tried again elsewhere."""

_HEAD = """\
# Written by `sagamesh deploy values` from the project's code: change that, then run the command again.
# What one pool has otherwise (secrets, scaling, resources) belongs under `pools` in a values file of your own.
"""


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """One pool as the chart deploys it.

    - `name`: what `sagamesh worker` is given.
    - `kind`: `agent` serves calls (activities), `tasks` hosts tasks (workflows).
    - `queues`: the task queues on which its work waits, an agent's own first, then its providers'.
    - `queue_slots`: calls at a time in one process, of those queues whose contract says it; the others have the pool's.
    - `zone`: the agent's; empty for none.
    - `depends_on`: names of the agents without which this one makes no sense.
    - `grace_seconds`: the longest time that a call may run; what a stop must allow for. None for a pool of tasks,
      whose steps are short.
    """

    name: str
    kind: Literal["agent", "tasks"]
    queues: tuple[str, ...]
    queue_slots: Mapping[str, int] = field(default_factory=dict)
    zone: str = ""
    depends_on: tuple[str, ...] = ()
    grace_seconds: int | None = None


def pool_facts(app: App) -> tuple[PoolFacts, ...]:
    """All pools of an app: those of agents in the mesh's order, then those of tasks in the order of `App.pools`."""
    served: dict[str, list[Agent]] = {}
    for agent in app.mesh.agents:
        served.setdefault(app.pool_of(agent), []).append(agent)
    agents = [_of_agents(name, those) for name, those in served.items()]
    tasks = [PoolFacts(name, "tasks", (name,)) for name in app.pools if name not in served]
    return (*agents, *tasks)


def as_values(pools: Iterable[PoolFacts], app: str = "") -> dict[str, Any]:
    """The chart's values for these pools: `{"agents": [...]}`, without what is empty.

    - `app`: the app that they belong to, as `module:name`; empty for the one that the image names.
    """
    agents = [_entry(pool) for pool in pools]
    return {"app": app, "agents": agents} if app else {"agents": agents}


def as_yaml(pools: Iterable[PoolFacts], app: str = "") -> str:
    """A values file, as `as_values`. JSON is YAML, so every scalar and list is written as JSON."""
    lines = [_HEAD + (f"app: {json.dumps(app)}\n" if app else "") + "agents:"]
    for pool in pools:
        for index, (key, value) in enumerate(_entry(pool).items()):
            lines.append(f"  {' ' if index else '-'} {key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def _entry(pool: PoolFacts) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": pool.name,
        "kind": pool.kind,
        "zone": pool.zone,
        "queues": list(pool.queues),
        "queueSlots": dict(pool.queue_slots),
        "dependsOn": list(pool.depends_on),
        "graceSeconds": pool.grace_seconds,
    }
    return {key: value for key, value in entry.items() if value not in ("", [], {}, None)}


def _of_agents(name: str, agents: Sequence[Agent]) -> PoolFacts:
    first = agents[0]
    timeouts = [
        capability.policy.timeout.total_seconds() for agent in agents for capability in agent.capabilities.values()
    ]
    return PoolFacts(
        name=name,
        kind="agent",
        queues=tuple(queue for agent in agents for queue in agent.queues),
        queue_slots={
            limits.queue: limits.slots for agent in agents for limits in limits_of(agent) if limits.slots is not None
        },
        zone=first.zone or "" if len(agents) == 1 else "",
        depends_on=first.depends_on,
        # An agent that only declares providers, or nothing yet, has no call that a stop could cut off.
        grace_seconds=min(math.ceil(max(timeouts)), _LONGEST_GRACE) if timeouts else None,
    )
