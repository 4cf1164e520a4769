"""How a capability is called, for tasks that know it by name only, and calling it so."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import Field, JsonValue, RootModel

from sagamesh.capability import Capability
from sagamesh.message import Message
from sagamesh.policy import Policy, Retry

__all__ = ["AnyCapability", "Json", "Terms"]


class Json(RootModel[dict[str, JsonValue]]):
    """A JSON object whose model only the agent knows."""


AnyCapability: TypeAlias = Capability[Json, Json]
"""A capability that is known by name."""


def _unset(value: object) -> bool:
    return value is None


class Terms(Message):
    """A capability's contract as far as its caller needs it; durations in seconds.

    They are recorded beside calls, and read by other versions: what is added later is left out where it says nothing.
    """

    capability: str
    queue: str
    timeout: float
    total: float | None = None
    heartbeat: float | None = None
    queue_timeout: float | None = None
    attempts: int
    first: float
    factor: float
    most: float
    priority: Annotated[int, Field(ge=1, le=5)] | None = None
    weight: Annotated[float | None, Field(exclude_if=_unset)] = None
    summary: str = ""

    @classmethod
    def of(cls, capability: Capability[Any, Any]) -> Terms:
        """The terms of a capability on the queue that it is bound to."""
        policy = capability.policy
        return cls(
            capability=capability.type,
            queue=capability.queue,
            timeout=policy.timeout.total_seconds(),
            total=_seconds(policy.total),
            heartbeat=_seconds(policy.heartbeat),
            queue_timeout=_seconds(policy.queue_timeout),
            attempts=policy.retry.attempts,
            first=policy.retry.first.total_seconds(),
            factor=policy.retry.factor,
            most=policy.retry.most.total_seconds(),
            priority=policy.priority,
            weight=policy.weight,
            summary=capability.summary,
        )

    def call(self, *, start_within: timedelta | None = None, version: str = "") -> AnyCapability:
        """The capability, to be called with JSON.

        - `start_within`: how long a call may wait for a worker, instead of what the contract says; at most half of its
          `total`, for a call that ends by that does not tell whether it began.
        - `version`: that of the agent which the caller was built against; empty where it was built against none.
        """
        agent, _, name = self.capability.partition(".")
        total, queue_timeout = _duration(self.total), _duration(self.queue_timeout)
        if start_within is not None:
            queue_timeout = start_within if total is None else min(start_within, total / 2)
        return Capability(
            agent=agent,
            name=name,
            takes=Json,
            returns=Json,
            queue=self.queue,
            policy=Policy(
                timeout=timedelta(seconds=self.timeout),
                queue_timeout=queue_timeout,
                total=total,
                heartbeat=_duration(self.heartbeat),
                retry=Retry(
                    attempts=self.attempts,
                    first=timedelta(seconds=self.first),
                    factor=self.factor,
                    most=timedelta(seconds=self.most),
                ),
                priority=self.priority,
                weight=self.weight,
            ),
            summary=self.summary,
            version=version,
        )


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
