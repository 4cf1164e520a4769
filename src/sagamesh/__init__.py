"""Durable multi-agent orchestration on Temporal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sagamesh.agent import Agent, Role
    from sagamesh.app import App, Helper
    from sagamesh.call import Call, current_call
    from sagamesh.capability import Capability
    from sagamesh.client import Client, TaskHandle
    from sagamesh.degraded import Degradable
    from sagamesh.errors import BusinessError, RetryLater
    from sagamesh.fallback import Default, Kept
    from sagamesh.mesh import Mesh
    from sagamesh.message import Message
    from sagamesh.plugin import SagameshPlugin
    from sagamesh.policy import Breaker, Policy, Retry, hours, milliseconds, minutes, seconds
    from sagamesh.pool import Pool
    from sagamesh.saga import Outcome, Saga
    from sagamesh.slots import ResourceSlots
    from sagamesh.steering import TaskWorkflow
    from sagamesh.task import Task

__all__ = [
    "Agent",
    "App",
    "Breaker",
    "BusinessError",
    "Call",
    "Capability",
    "Client",
    "Default",
    "Degradable",
    "Helper",
    "Kept",
    "Mesh",
    "Message",
    "Outcome",
    "Policy",
    "Pool",
    "ResourceSlots",
    "Retry",
    "RetryLater",
    "Role",
    "Saga",
    "SagameshPlugin",
    "Task",
    "TaskHandle",
    "TaskWorkflow",
    "current_call",
    "hours",
    "milliseconds",
    "minutes",
    "seconds",
]

# Imported when it is first used: the engine's SDK takes most of a second, and `sagamesh --help` needs none of it.
_HOME: Final = {
    "Agent": "agent",
    "App": "app",
    "Breaker": "policy",
    "BusinessError": "errors",
    "Call": "call",
    "Capability": "capability",
    "Client": "client",
    "Default": "fallback",
    "Degradable": "degraded",
    "Helper": "app",
    "Kept": "fallback",
    "Mesh": "mesh",
    "Message": "message",
    "Outcome": "saga",
    "Policy": "policy",
    "Pool": "pool",
    "ResourceSlots": "slots",
    "Retry": "policy",
    "RetryLater": "errors",
    "Role": "agent",
    "Saga": "saga",
    "SagameshPlugin": "plugin",
    "Task": "task",
    "TaskHandle": "client",
    "TaskWorkflow": "steering",
    "current_call": "call",
    "hours": "policy",
    "milliseconds": "policy",
    "minutes": "policy",
    "seconds": "policy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    # Kept, so that the workflow sandbox, which shares this module, finds what was imported outside it.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
