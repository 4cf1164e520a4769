"""What a worker runs for an agent, in the engine's terms: an activity for each capability, and one for unknown ones."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from sagamesh.agent import Agent
from sagamesh.capability import Capability, In, KeptAnswer, Out, kept_type
from sagamesh.errors import UnknownName
from sagamesh.fallback import Kept

if TYPE_CHECKING:
    from sagamesh.results import ResultStore

__all__ = ["falls_on_kept", "kept_activity", "served_activity", "unknown_capability"]


def served_activity(
    capability: Capability[In, Out], implementation: Callable[[In], Awaitable[Out]]
) -> Callable[..., Any]:
    """The activity of a capability: its implementation, held to the contract's result."""

    async def serve(arg: In) -> Out:
        result = await implementation(arg)
        if not isinstance(result, capability.returns):
            raise ApplicationError(
                f"{capability.type} must return {capability.returns.__name__}, not {type(result).__name__}",
                type="InvalidResult",
                non_retryable=True,
            )
        return result

    # The engine reads the hints to decode the argument into the contract's model.
    serve.__annotations__ = {"arg": capability.takes, "return": capability.returns}
    return activity.defn(name=capability.type)(serve)


def unknown_capability(agent: Agent) -> Callable[..., Any]:
    """What answers calls of capabilities that the agent does not have: a final failure with the nearest names."""
    names = [capability.type for capability in agent.capabilities.values()]

    async def unknown(args: Sequence[RawValue]) -> None:
        error = UnknownName("capability", activity.info().activity_type, names)
        raise ApplicationError(str(error), {"nearest": error.nearest}, type="UnknownName", non_retryable=True)

    unknown.__annotations__ = {"args": Sequence[RawValue], "return": None}
    return activity.defn(dynamic=True)(unknown)


def falls_on_kept(capability: Capability[Any, Any]) -> bool:
    """Whether callers may fall back on an earlier result."""
    return any(isinstance(each, Kept) for each in capability.fallback)


def kept_activity(capability: Capability[Any, Any], store: ResultStore) -> Callable[..., Any]:
    """What looks for the last result of a capability with the same input."""
    from sagamesh.results import last_key

    within = max(each.within for each in capability.fallback if isinstance(each, Kept))

    async def kept(arg: BaseModel) -> KeptAnswer:
        found = await store.get(last_key(capability, arg), within=within)
        if found is None:
            raise ApplicationError(f"no result of {capability.type} is kept", type="NothingKept", non_retryable=True)
        return KeptAnswer(result=json.loads(found.json), age_seconds=found.age)

    kept.__annotations__ = {"arg": capability.takes, "return": KeptAnswer}
    return activity.defn(name=kept_type(capability.type))(kept)
