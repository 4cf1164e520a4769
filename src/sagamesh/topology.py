"""The picture of a mesh, from the same values that run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from sagamesh.agent import Agent
from sagamesh.app import App
from sagamesh.limits.queue import limits_of

__all__ = ["FORMATS", "draw"]


def draw(app: App, format: str) -> str:
    """The mesh as text in one of `FORMATS`.

    Raises:
        KeyError: for another format.
    """
    return FORMATS[format](app)


def _mermaid(app: App) -> str:
    lines = ["flowchart LR"]
    for task in app.tasks:
        lines.append(f"  {_id(task.name)}([{task.name}])")
        lines += [f"  {_id(task.name)} --> {_id(queue)}" for agent in task.uses for queue in _meant(app, agent.name)]
    for agent in app.mesh.agents:
        capabilities = "<br/>".join(agent.capabilities)
        shown = "<br/>".join([agent.queue, *_limits(agent)])
        lines.append(f'  {_id(agent.queue)}["{shown}<br/><i>{capabilities}</i>"]')
        needs = [queue for needed in agent.depends_on for queue in _meant(app, needed)]
        lines += [f"  {_id(agent.queue)} -.-> {_id(queue)}" for queue in needs]
    return "\n".join(lines)


def _dot(app: App) -> str:
    lines = ["digraph mesh {", "  rankdir=LR;", "  node [shape=box];"]
    for task in app.tasks:
        lines.append(f'  "{task.name}" [shape=ellipse];')
        lines += [f'  "{task.name}" -> "{queue}";' for agent in task.uses for queue in _meant(app, agent.name)]
    for agent in app.mesh.agents:
        capabilities = "\\n".join(agent.capabilities)
        shown = "\\n".join([agent.queue, *_limits(agent)])
        lines.append(f'  "{agent.queue}" [label="{shown}\\n{capabilities}"];')
        needs = [queue for needed in agent.depends_on for queue in _meant(app, needed)]
        lines += [f'  "{agent.queue}" -> "{queue}" [style=dashed];' for queue in needs]
    return "\n".join([*lines, "}"])


def _json(app: App) -> str:
    return json.dumps(
        {
            "layers": [[agent.queue for agent in layer] for layer in app.mesh.layers],
            "agents": [
                {
                    "name": agent.name,
                    "version": agent.version,
                    "role": agent.role.value,
                    "zone": agent.zone,
                    "tags": sorted(agent.tags),
                    "queue": agent.queue,
                    "rate": agent.rate,
                    "tenant_rate": agent.tenant_rate,
                    "providers": [asdict(provider) for provider in agent.providers.values()],
                    "depends_on": list(agent.depends_on),
                    "capabilities": [capability.type for capability in agent.capabilities.values()],
                }
                for agent in app.mesh.agents
            ],
            "tasks": [
                {"name": task.name, "queue": task.queue, "uses": [agent.name for agent in task.uses]}
                for task in app.tasks
            ],
        },
        indent=2,
    )


def _limits(agent: Agent) -> list[str]:
    """The rates of its queues, one line a queue that has some."""
    lines = []
    for limits in limits_of(agent):
        rates = [f"{rate:g}/s{of}" for rate, of in ((limits.rate, ""), (limits.tenant_rate, " a tenant")) if rate]
        own = limits.queue == agent.queue
        if rates or not own:
            lines.append(" ".join(filter(None, ("" if own else limits.queue, ", ".join(rates)))))
    return lines


def _meant(app: App, name: str) -> list[str]:
    """Whom somebody means who names an agent: the one in no zone, or without such a one it in every zone."""
    queues = [agent.queue for agent in app.mesh.agents if agent.name == name]
    return [name] if name in queues or not queues else queues


def _id(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")


FORMATS: Final[Mapping[str, Callable[[App], str]]] = {"mermaid": _mermaid, "dot": _dot, "json": _json}
