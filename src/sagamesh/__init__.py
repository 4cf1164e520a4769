"""Durable multi-agent orchestration on Temporal."""

from sagamesh.agent import Agent, Role
from sagamesh.call import Call, current_call
from sagamesh.capability import Capability
from sagamesh.errors import BusinessError, RetryLater
from sagamesh.message import Message
from sagamesh.policy import Policy, Retry, hours, milliseconds, minutes, seconds
from sagamesh.task import Task

__all__ = [
    "Agent",
    "BusinessError",
    "Call",
    "Capability",
    "Message",
    "Policy",
    "Retry",
    "RetryLater",
    "Role",
    "Task",
    "current_call",
    "hours",
    "milliseconds",
    "minutes",
    "seconds",
]
