"""The agents whose limits are measured, and a task that makes as many calls at once as it is told."""

from __future__ import annotations

from sagamesh import Agent, Message, Task

__all__ = ["RATE", "SERVICE_SECONDS", "Call", "Calls", "Done", "crowd", "desk", "desk_call", "limited", "limited_call"]

RATE = 20
"""Calls a second that `limited` takes."""

SERVICE_SECONDS = 0.1
"""What one call of `desk` takes, which serves one at a time."""


class Call(Message):
    """One call of a tenant."""

    tenant: str


class Done(Message):
    """It was served."""


class Calls(Message):
    """So many calls of one capability at once."""

    tenant: str
    capability: str
    count: int = 1


limited = Agent("limited", rate=RATE)
limited_call = limited.capability("call", takes=Call, returns=Done)

desk = Agent("desk")
desk_call = desk.capability("call", takes=Call, returns=Done)

crowd = Task("Crowd", takes=Calls, returns=Done, queue="crowds", uses=(limited, desk), tenant="tenant")
