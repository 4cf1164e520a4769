"""The answers of locks, where they reach a task."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import FailureError

from sagamesh.locks.answers import Answers
from sagamesh.locks.messages import GRANTED, LEAVE, Grant, lock_id

__all__ = ["Grants", "give_back", "grants_of"]

_NAME: Final = "_sagamesh_grants"
_NOW: Final = timedelta(milliseconds=1)
"""The shortest time that the engine can wait."""


class Grants:
    """What locks have answered one running task. What was granted to nobody is given back."""

    def __init__(self) -> None:
        self._answers = Answers()
        self._asked: dict[str, int] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def take(self, grant: Grant) -> None:
        """A lock has answered: the handler of the signal."""
        if isinstance(grant, Grant):  # a foreign null is none, and an error here would be a bug retried for ever
            self._answers.take(grant)
            self._give_back_strays()

    def asks(self, request: str) -> None:
        """A request is on its way."""
        self._answers.asks(request)

    def asked(self, request: str, name: str) -> None:
        """The request that is on its way was made under this name, or is given up under its own."""
        self._answers.asked(request, name)
        self._give_back_strays()

    def forget(self, request: str) -> None:
        """What was answered to this request so far does not count."""
        self._answers.forget(request)

    def close(self, request: str) -> None:
        """Nobody waits for the answer to this request."""
        self._answers.close(request)

    def name_of_next(self, name: str) -> str:
        """`name` for the first time, then `name#2`, and so on."""
        self._asked[name] = self._asked.get(name, 0) + 1
        return name if self._asked[name] == 1 else f"{name}#{self._asked[name]}"

    async def wait(self, request: str, timeout: timedelta | None, summary: str) -> Grant:
        """The answer to a request.

        Raises:
            TimeoutError: when there is none in time.
            asyncio.CancelledError: when the task was cancelled.
        """
        try:
            await workflow.wait_condition(
                lambda: self._answers.has(request),
                timeout=None if timeout is None else max(timeout, _NOW),
                timeout_summary=summary,
            )
        except TimeoutError:
            if not self._answers.has(request):  # one that came in the same moment counts
                raise
        return self._answers.pop(request)

    def _give_back_strays(self) -> None:
        for grant in self._answers.strays():
            leaving = asyncio.create_task(give_back(grant.lock, grant.request))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


async def give_back(lock: str, request: str) -> None:
    """Tell a lock that this task does not want it, or not any more."""
    try:
        await workflow.get_external_workflow_handle(lock_id(lock)).signal(LEAVE, request)
    except FailureError as error:
        # Nobody keeps the lock any more, so there is nothing to give back; or the lease does it in its time.
        workflow.logger.info("lock %s was not given back: %s", lock, error)


def grants_of(instance: object) -> Grants:
    """What the running workflow was answered. From here on it listens; what came before was kept by the engine."""
    known: Grants | None = getattr(instance, _NAME, None)
    if known is None:
        known = Grants()
        setattr(instance, _NAME, known)
        workflow.set_signal_handler(GRANTED, known.take)
    return known
