"""Agents with limits, and a task that calls whichever it is told, as often as it is told."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from sagamesh import Agent, Message, Task, TaskWorkflow, seconds


class Call(Message):
    """One call of a tenant."""

    tenant: str


class Done(Message):
    """It was served."""


class Calls(Message):
    """So many calls of one capability at once."""

    tenant: str = ""
    capability: str
    count: int = 1


limited = Agent("limited", rate=20)
limited_call = limited.capability("call", takes=Call, returns=Done)

shared = Agent("shared", tenant_rate=10)
shared_call = shared.capability("call", takes=Call, returns=Done)

till = Agent("till")
bank = till.provider("bank", rate=5, slots=1)
charge = till.capability("charge", takes=Call, returns=Done, provider=bank)
quote = till.capability("quote", takes=Call, returns=Done)

desk = Agent("desk")
ask = desk.capability("ask", takes=Call, returns=Done)
ask_first = desk.capability("ask_first", takes=Call, returns=Done, priority=1, weight=2.0)
ask_paused = desk.capability("ask_paused", takes=Call, returns=Done, timeout=seconds(60))

AGENTS = (limited, shared, till, desk)
CAPABILITIES = {each.type: each for agent in AGENTS for each in agent.capabilities.values()}

crowd = Task("Crowd", takes=Calls, returns=Done, queue="crowds", uses=AGENTS, customer="tenant", tenant="tenant")
unhosted = Task("Unhosted", takes=Calls, returns=Done, queue="nowhere", customer="tenant")


@workflow.defn(name=crowd.name)
class Crowd(TaskWorkflow):
    """Makes all its calls at once."""

    task = crowd

    @workflow.run
    async def run(self, calls: Calls) -> Done:
        capability = CAPABILITIES[calls.capability]
        await asyncio.gather(*(capability(Call(tenant=calls.tenant)) for _ in range(calls.count)))
        return Done()
