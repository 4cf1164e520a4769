"""Sends one task and waits for its end, while servers and workers may die under it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from temporalio.service import RPCError

from sagamesh.client import Client, TaskHandle
from sagamesh.errors import InvalidInput, Refused, ServerUnreachable, TaskConflict, TaskFailed, TaskNotFound
from sagamesh.load.mix import COMPLETED
from sagamesh.load.steering import UNTOUCHED, Steering, steer
from sagamesh.task import Task

__all__ = ["NOT_SENT", "UNANSWERED", "Ending", "Sender"]

UNANSWERED: Final = "Unanswered"
"""The outcome of a task whose end was not heard of in time."""

NOT_SENT: Final = "NotSent"
"""The outcome of a task that there is not: its input is none, or its id belongs to another task."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended.

    - `outcome`: `completed`, the type of its failure, UNANSWERED or NOT_SENT.
    - `result`: of a completed task.
    - `message`: of the failure, or why there is no answer, or no task.
    - `found`: it had been started earlier, with the same id and input.
    """

    outcome: str
    result: BaseModel | None = None
    message: str = ""
    found: bool = False

    @property
    def ended(self) -> bool:
        """Whether there is an end, and it is known."""
        return self.outcome not in (UNANSWERED, NOT_SENT)


class Sender:
    """A caller that does not give up while the server is away: sending twice with one id is one task.

    - `timeout`: seconds from sending a task until its end; None for ever.
    """

    def __init__(self, client: Client, task: Task[Any, Any], *, inline: bool, timeout: float | None) -> None:
        self._client = client
        self._task = task
        self._inline = inline
        self._timeout = timeout

    async def send(self, id: str, arg: BaseModel, steering: Steering = UNTOUCHED) -> Ending:
        """Start the task and wait for its end; meanwhile do to it what is wanted.

        Raises:
            Refused: `MissingSearchAttributes` when the server takes no tasks at all.
        """
        told = ""
        handle: TaskHandle[Any] | None = None
        pause = _FIRST_PAUSE
        steered: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    try:
                        if handle is None:
                            handle = await self._client.start(self._task, arg, id=id, inline=self._inline)
                            if steering != UNTOUCHED:
                                steered = asyncio.create_task(steer(handle, steering))
                        result = await handle.result()
                        return Ending(COMPLETED, result=result, found=handle.found)
                    except TaskFailed as error:
                        found = handle is not None and handle.found
                        return Ending(error.failure.type, message=error.failure.sentence, found=found)
                    except (InvalidInput, TaskConflict) as error:
                        return Ending(NOT_SENT, message=str(error))
                    except (ServerUnreachable, TaskNotFound, RPCError, Refused) as error:
                        if isinstance(error, Refused) and error.reason == "MissingSearchAttributes":
                            raise
                        # A server that was just started may not know yet what it will know in a moment.
                        told = str(error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_PAUSE)
        except TimeoutError:
            waited = f"no end within {self._timeout:g} s"
            return Ending(UNANSWERED, message=f"{waited}; last: {told}" if told else waited)
        finally:
            if steered is not None:
                steered.cancel()
                with suppress(asyncio.CancelledError):
                    await steered
