"""Durable multi-agent orchestration on Temporal."""

from sagamesh.agent import Agent, Role
from sagamesh.app import App, Helper
from sagamesh.call import Call, current_call
from sagamesh.capability import Capability
from sagamesh.client import Client, TaskHandle
from sagamesh.errors import BusinessError, RetryLater
from sagamesh.mesh import Mesh
from sagamesh.message import Message
from sagamesh.plugin import SagameshPlugin
from sagamesh.policy import Policy, Retry, hours, milliseconds, minutes, seconds
from sagamesh.pool import Pool
from sagamesh.saga import Outcome, Saga
from sagamesh.steering import TaskWorkflow
from sagamesh.task import Task

__all__ = [
    "Agent",
    "App",
    "BusinessError",
    "Call",
    "Capability",
    "Client",
    "Helper",
    "Mesh",
    "Message",
    "Outcome",
    "Policy",
    "Pool",
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
