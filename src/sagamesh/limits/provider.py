"""A provider: something outside, with limits of its own, that some capabilities of an agent call."""

from __future__ import annotations

from dataclasses import dataclass

from sagamesh.errors import DefinitionError
from sagamesh.limits.rate import rate_problem

__all__ = ["Provider", "provider_queue", "queue_in_zone"]


@dataclass(frozen=True, slots=True)
class Provider:
    """What several capabilities of one agent call. Their calls wait on a queue of their own, and nobody else does.

    Made by `Agent.provider`.

    - `queue`: the task queue of the capabilities that are declared with it.
    - `rate`: calls a second, kept by the server however many workers there are; None for no limit.
    - `tenant_rate`: the same for each tenant's calls, times its weight.
    - `slots`: calls at a time in one worker process, beside the agent's other calls; None for as many as those have.

    Raises:
        DefinitionError: for a rate that is none, or fewer than one slot.
    """

    agent: str
    name: str
    queue: str
    rate: float | None = None
    tenant_rate: float | None = None
    slots: int | None = None

    def __post_init__(self) -> None:
        for word, limit in (("rate", self.rate), ("tenant_rate", self.tenant_rate)):
            if problem := rate_problem(limit):
                raise DefinitionError(f"provider {self.agent}/{self.name}: {word} {problem}")
        if self.slots is not None and self.slots < 1:
            raise DefinitionError(f"provider {self.agent}/{self.name}: slots must be at least 1, not {self.slots}")


def provider_queue(agent_queue: str, provider: str) -> str:
    """The queue of a provider of the agent that has this queue."""
    return f"{agent_queue}/{provider}"


def queue_in_zone(queue: str, agent: str, zone: str | None) -> str:
    """The queue that is, in a zone of the agent, what this one is elsewhere: its own, or its provider's."""
    _, slash, provider = queue.partition("/")
    return (agent if zone is None else f"{agent}.{zone}") + slash + provider
