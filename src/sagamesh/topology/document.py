"""A mesh as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.discovery import QueueState

__all__ = ["document"]


def document(app: App, live: Mapping[str, QueueState]) -> str:
    """Layers, agents and tasks; `live` is how each queue stands, empty where nobody looked."""
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
                    **_now(live, agent.queue),
                }
                for agent in app.mesh.agents
            ],
            "tasks": [
                {
                    "name": task.name,
                    "queue": task.queue,
                    "uses": [agent.name for agent in task.uses],
                    **_now(live, task.queue),
                }
                for task in app.tasks
            ],
        },
        indent=2,
    )


def _now(live: Mapping[str, QueueState], queue: str) -> dict[str, Any]:
    state = live.get(queue)
    if state is None:
        return {}
    return {
        "live": {
            "alive": state.alive,
            "workers": len(state.workers),
            "backlog": state.backlog,
            "oldest_seconds": state.oldest.total_seconds(),
            "breakers": [{"key": notice.key, "state": notice.state} for notice in state.breakers],
        }
    }
