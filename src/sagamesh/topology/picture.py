"""What a picture of a mesh shows, whichever way it is drawn: boxes in columns, and arrows between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sagamesh.agent import Agent
from sagamesh.limits.queue import limits_of
from sagamesh.task import Task

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.discovery import QueueState

__all__ = ["Arrow", "Box", "Condition", "Picture", "meant", "picture"]

Condition: TypeAlias = Literal["", "alive", "waiting", "held", "nobody"]


@dataclass(frozen=True, slots=True)
class Box:
    """A task, or an agent.

    - `name`: by which arrows know it; `lines`: what stands in it, below the name; `capabilities`: of an agent.
    - `condition`: empty where nobody looked; `held` by a breaker; `waiting` for a worker.
    """

    name: str
    kind: Literal["task", "agent"]
    lines: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    condition: Condition = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From whoever needs somebody: a task that uses an agent, or an agent that depends on one."""

    source: str
    target: str
    kind: Literal["uses", "depends"]


@dataclass(frozen=True, slots=True)
class Picture:
    """Columns from left to right: the tasks, then the agents, each to the left of those that it depends on."""

    columns: tuple[tuple[Box, ...], ...]
    arrows: tuple[Arrow, ...]


def picture(app: App, live: Mapping[str, QueueState]) -> Picture:
    """The picture of an app; `live` is how each queue stands, empty where nobody looked."""
    tasks = tuple(_task(task, live) for task in app.tasks)
    layers = [tuple(_agent(agent, live) for agent in layer) for layer in reversed(app.mesh.layers)]
    uses = [
        Arrow(task.name, queue, "uses") for task in app.tasks for agent in task.uses for queue in meant(app, agent.name)
    ]
    depends = [
        Arrow(agent.queue, queue, "depends")
        for agent in app.mesh.agents
        for needed in agent.depends_on
        for queue in meant(app, needed)
    ]
    columns = (tasks, *layers) if tasks else tuple(layers)
    return Picture(columns, (*uses, *depends))


def meant(app: App, name: str) -> list[str]:
    """Whom somebody means who names an agent: the one in no zone, or without such a one it in every zone."""
    queues = [agent.queue for agent in app.mesh.agents if agent.name == name]
    return [name] if name in queues or not queues else queues


def _task(task: Task[Any, Any], live: Mapping[str, QueueState]) -> Box:
    lines, condition = _now(live, (task.queue,), nobody=f"nobody on {task.queue}")
    return Box(task.name, "task", lines, condition=condition)


def _agent(agent: Agent, live: Mapping[str, QueueState]) -> Box:
    now, condition = _now(live, agent.queues, nobody="nobody")
    return Box(agent.queue, "agent", (*_limits(agent), *now), tuple(agent.capabilities), condition)


def _now(live: Mapping[str, QueueState], queues: tuple[str, ...], *, nobody: str) -> tuple[tuple[str, ...], Condition]:
    """How these queues stand, the first of them the box's own."""
    states = [live[queue] for queue in queues if queue in live]
    if not states:
        return (), ""
    own = states[0]
    waiting = sum(state.backlog for state in states)
    breakers = sorted({f"{notice.key} {notice.state}" for state in states for notice in state.breakers})
    workers = f"{len(own.workers)} worker{'s' * (len(own.workers) != 1)}" if own.alive else nobody
    said = ", ".join([workers, *([f"{waiting:,} waiting"] if waiting else [])])
    lines = (said, *(f"breaker {breaker}" for breaker in breakers))
    condition: Condition = "nobody" if not own.alive else "held" if breakers else "waiting" if waiting else "alive"
    return lines, condition


def _limits(agent: Agent) -> list[str]:
    """The rates of its queues, one line a queue that has some."""
    lines = []
    for limits in limits_of(agent):
        rates = [f"{rate:g}/s{of}" for rate, of in ((limits.rate, ""), (limits.tenant_rate, " a tenant")) if rate]
        own = limits.queue == agent.queue
        if rates or not own:
            lines.append(" ".join(filter(None, ("" if own else limits.queue, ", ".join(rates)))))
    return lines
