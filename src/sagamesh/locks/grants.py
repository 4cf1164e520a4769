"""The answers of locks, where they reach a task."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow

from sagamesh.locks.messages import GRANTED, Grant

__all__ = ["Grants", "grants_of"]

_NAME: Final = "_sagamesh_grants"
_NOW: Final = timedelta(milliseconds=1)
"""The shortest time that the engine can wait."""


class Grants:
    """What locks have answered one running task. An answer that nobody waits for any more is kept until its end."""

    def __init__(self) -> None:
        self._answers: dict[str, Grant] = {}
        self._asked: dict[str, int] = {}

    def take(self, grant: Grant) -> None:
        """A lock has answered: the handler of the signal."""
        if isinstance(grant, Grant):  # a foreign null is none, and an error here would be a bug retried for ever
            self._answers[grant.request] = grant

    def forget(self, request: str) -> None:
        """Nobody waits for the answer to this request."""
        self._answers.pop(request, None)

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
                lambda: request in self._answers,
                timeout=None if timeout is None else max(timeout, _NOW),
                timeout_summary=summary,
            )
        except TimeoutError:
            if request not in self._answers:  # one that came in the same moment counts
                raise
        return self._answers.pop(request)


def grants_of(instance: object) -> Grants:
    """What the running workflow was answered. From here on it listens; what came before was kept by the engine."""
    known: Grants | None = getattr(instance, _NAME, None)
    if known is None:
        known = Grants()
        setattr(instance, _NAME, known)
        workflow.set_signal_handler(GRANTED, known.take)
    return known
