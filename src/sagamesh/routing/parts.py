"""One question to several agents, side by side: an answer or a failure of each, and nothing left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from temporalio.exceptions import FailureError, is_cancelled_exception

from sagamesh.capability import Capability, In, Out
from sagamesh.errors import DefinitionError
from sagamesh.failure import Failure, failure_of

__all__ = ["Part", "Parts", "gather_parts"]


@dataclass(frozen=True, slots=True)
class Part(Generic[Out]):
    """What one agent answered: a result, or the failure that stands in its place."""

    agent: str
    queue: str
    result: Out | None = None
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class Parts(Generic[Out]):
    """What all answered, in the order in which they were asked."""

    parts: tuple[Part[Out], ...]

    @property
    def complete(self) -> bool:
        """Whether everybody answered with a result; without that the results are partial."""
        return all(part.ok for part in self.parts)

    @property
    def results(self) -> tuple[Out, ...]:
        """The results there are."""
        return tuple(part.result for part in self.parts if part.result is not None)

    @property
    def failures(self) -> tuple[Part[Out], ...]:
        """The parts that are missing, with the reason of each."""
        return tuple(part for part in self.parts if not part.ok)


async def gather_parts(calls: Sequence[Capability[In, Out]], arg: In) -> Parts[Out]:
    """Call each of these capabilities with the same input, side by side, and wait for all of them.

        parts = await gather_parts([stock.level.in_zone(zone) for zone in ("eu", "us")], item)

    For questions: what changes something belongs into a `Saga`, which can undo it.

    Raises:
        DefinitionError: when one queue is asked the same twice.
        temporalio.exceptions.ActivityError, asyncio.CancelledError: when the task was cancelled.
    """
    asked = [(call.type, call.queue) for call in calls]
    if len(set(asked)) < len(asked):
        twice = sorted({f"{name} at {queue}" for name, queue in asked if asked.count((name, queue)) > 1})
        raise DefinitionError(f"asked twice: {', '.join(twice)}")

    async def one(call: Capability[In, Out]) -> Part[Out]:
        try:
            answer = await call.schedule(arg, summary=f"{call.type} at {call.queue}")
            return Part(call.agent, call.queue, result=call.read(answer))
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return Part(call.agent, call.queue, failure=failure_of(error))

    return Parts(tuple(await asyncio.gather(*(one(call) for call in calls))))
