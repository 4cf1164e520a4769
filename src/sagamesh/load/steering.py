"""What a load does to a task while it runs: cancels it, or answers the question that it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from temporalio.service import RPCError

from sagamesh.client import TaskHandle
from sagamesh.errors import Refused, ServerUnreachable, TaskNotFound

__all__ = ["UNTOUCHED", "Answer", "Steering", "steer"]

Answer: TypeAlias = Literal["approve", "reject"]

_PAUSE: Final = 0.5
_BY: Final = "sagamesh load"
_LATER: Final = frozenset({"NotAwaitingApproval", "NoAnswer", "NoStatus"})
"""What a task says that may be asked again. Whatever else it refuses, it has been told, or has ended."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What is done to one task.

    - `cancel_after`: seconds after it was sent; None for never.
    - `answer`: to the question that it asks; None for none.
    """

    cancel_after: float | None = None
    answer: Answer | None = None


UNTOUCHED: Final = Steering()


async def steer(handle: TaskHandle[Any], wanted: Steering) -> None:
    """Do it, however often servers and workers have to be asked. Whoever waits for the task ends this with it."""
    async with asyncio.TaskGroup() as group:
        if wanted.cancel_after is not None:
            group.create_task(_after(wanted.cancel_after, partial(handle.cancel, reason=_BY)))
        if wanted.answer is not None:
            answer = handle.approve if wanted.answer == "approve" else handle.reject
            group.create_task(_after(0, partial(answer, by=_BY)))


async def _after(seconds: float, ask: Callable[[], Awaitable[object]]) -> None:
    await asyncio.sleep(seconds)
    while True:
        try:
            await ask()
        except Refused as error:
            if error.reason not in _LATER:
                return
        except (ServerUnreachable, TaskNotFound, RPCError):
            pass  # a server that was killed knows it again in a moment
        else:
            return
        await asyncio.sleep(_PAUSE)
