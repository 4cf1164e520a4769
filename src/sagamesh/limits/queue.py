"""The task queues of an agent, each with its limits."""

from __future__ import annotations

from dataclasses import dataclass

from sagamesh.agent import Agent

__all__ = ["QueueLimits", "limits_of"]


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """One queue on which an agent takes calls, and what its contract declares for it.

    - `rate`, `tenant_rate`: calls a second in all, and for each tenant; None for no limit.
    - `slots`: calls at a time in one process; None for the pool's.
    """

    queue: str
    rate: float | None = None
    tenant_rate: float | None = None
    slots: int | None = None


def limits_of(agent: Agent) -> list[QueueLimits]:
    """The agent's own queue, then its providers'."""
    own = QueueLimits(agent.queue, rate=agent.rate, tenant_rate=agent.tenant_rate)
    return [own, *(QueueLimits(p.queue, p.rate, p.tenant_rate, p.slots) for p in agent.providers.values())]
