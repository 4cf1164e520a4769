"""An agent whose calls may be slow or refused as the task asks, for tests that send many tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from temporalio import client as temporal
from temporalio import workflow

from sagamesh import Agent, BusinessError, Message, Pool, Retry, Task, TaskWorkflow, current_call, milliseconds, seconds

__all__ = ["Wobble", "Wobbled", "Wobbler", "Wobbly", "wobble", "wobbler"]


class Wobble(Message):
    """What is asked."""

    text: Annotated[str, Field(max_length=20)] = ""
    nap: float = 0.0
    refused: bool = False
    size: int = 1


class Wobbled(Message):
    """What comes back."""

    text: str


class TooShaky(BusinessError):
    """A refusal that was asked for."""


wobbler = Agent("wobbler")
shake = wobbler.capability(
    "shake", takes=Wobble, returns=Wobbled, timeout=seconds(10), retry=Retry(attempts=5, first=milliseconds(10))
)
wobble = Task("Wobbly", takes=Wobble, returns=Wobbled, queue="wobbles", uses=(wobbler,))


@workflow.defn(name="Wobbly")
class Wobbly(TaskWorkflow):
    """Asks the agent once."""

    task = wobble

    @workflow.run
    async def run(self, arg: Wobble) -> Wobbled:
        return await shake(arg)


@dataclass
class Wobbler:
    """Serves the agent and hosts the task, and knows who called.

    - `calls`: for each task, the attempts that reached the implementation.
    - `most`: how many calls there were at one time.
    """

    calls: dict[str, list[int]] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    most: int = 0
    _now: int = 0

    async def shake(self, arg: Wobble) -> Wobbled:
        call = current_call()
        self.calls.setdefault(call.task_id, []).append(call.attempt)
        self.starts.append(time.monotonic())
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(arg.nap)
        finally:
            self._now -= 1
        if arg.refused:
            raise TooShaky("no")
        return Wobbled(text=arg.text)

    @asynccontextmanager
    async def serving(self, client: temporal.Client, *, slots: int = 50) -> AsyncIterator[Wobbler]:
        """Serve for the length of the block."""
        pools = [Pool(wobbler, slots=slots).serve(shake, self.shake), Pool("wobbles").host(wobble, Wobbly)]
        async with AsyncExitStack() as stack:
            for pool in pools:
                pool.configure(slots=slots, grace=timedelta(0))
                await stack.enter_async_context(pool.serving(client))
            yield self
