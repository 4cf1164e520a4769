"""Agents that answer as a test says, held to their contracts."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from sagamesh.agent import Agent
from sagamesh.call import Call, current_call
from sagamesh.capability import Capability, In, Out
from sagamesh.errors import Refused
from sagamesh.inline import inline_workers
from sagamesh.mesh import Mesh
from sagamesh.pool import Pool
from sagamesh.system import system_worker

__all__ = ["FakeCall", "Fakes", "served"]


@dataclass(frozen=True, slots=True)
class FakeCall:
    """A call that a fake received: which capability, with which input, and the call's key and attempt."""

    capability: str
    arg: BaseModel
    call: Call


class Fakes:
    """Agents that run on the engine like real ones, and answer what the test told them.

        fakes = Fakes(accounts, inventory).on(accounts.validate, user).on(inventory.reserve, reservation)

    `calls` lists every attempt that arrived, in order. A capability without an answer fails at once with
    `NoFakeAnswer`, so a test cannot pass by accident. Two answers of one capability serve one after the other, the
    last for ever; an exception as answer is raised.
    """

    def __init__(self, *agents: Agent) -> None:
        self.calls: list[FakeCall] = []
        self._agents = agents
        self._answers: dict[str, list[Any]] = {}

    def on(
        self, capability: Capability[In, Out], *answers: Out | Exception | Callable[[In], Out | Awaitable[Out]]
    ) -> Self:
        """Say how a capability answers: a result, an error, or a function of the input. Replaces earlier answers."""
        if not answers:
            raise ValueError(f"{capability.type}: give at least one answer")
        self._answers[capability.type] = list(answers)
        return self

    def called(self, capability: Capability[Any, Any]) -> list[FakeCall]:
        """The calls that one capability received."""
        return [call for call in self.calls if call.capability == capability.type]

    def pools(self) -> list[Pool]:
        """A pool for each faked agent."""
        return [self._pool(agent) for agent in self._agents]

    def _pool(self, agent: Agent) -> Pool:
        pool = Pool(agent)
        for capability in agent.capabilities.values():
            pool.serve(capability, self._implementation(capability))
        return pool

    def _implementation(self, capability: Capability[Any, Any]) -> Callable[[Any], Awaitable[Any]]:
        async def fake(arg: BaseModel) -> BaseModel:
            self.calls.append(FakeCall(capability.type, arg, current_call()))
            answers = self._answers.get(capability.type)
            if not answers:
                message = f"the test says nothing about {capability.type}: Fakes.on({capability.type}, ...)"
                raise ApplicationError(message, type="NoFakeAnswer", non_retryable=True)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            made: Any = answer(arg) if callable(answer) else answer
            result: BaseModel = await made if inspect.isawaitable(made) else made
            return result

        return fake


@asynccontextmanager
async def served(
    client: Client, *pools: Pool | Iterable[Pool], mesh: Mesh | None = None, inline: bool = False
) -> AsyncIterator[None]:
    """Run workers for these pools while the block runs; with a mesh, also the framework's own (locks, routing).

    - `inline`: host the tasks of these pools inline, too.

    The rates of their contracts hold on a real server; the time-skipping one keeps none.
    """
    async with AsyncExitStack() as stack:
        system = system_worker(client, mesh) if mesh is not None else None
        if system is not None:
            await stack.enter_async_context(system)
        every = [pool for entry in pools for pool in ([entry] if isinstance(entry, Pool) else entry)]
        for pool in every:
            await _limited(client, pool)
            await stack.enter_async_context(pool.serving(client))
        for worker in inline_workers(client, every) if inline else ():
            await stack.enter_async_context(worker)
        yield


async def _limited(client: Client, pool: Pool) -> None:
    try:
        await pool.keep_limits(client)
    except Refused as error:
        if error.reason != "Unimplemented":  # all that the time-skipping server says about limits
            raise
