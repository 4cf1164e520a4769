"""Undoing a step of which only the terms of its undo are known."""

from __future__ import annotations

from dataclasses import replace

from temporalio.exceptions import ActivityError, ApplicationError

from sagamesh.compensation import Undo
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.policy import Breaker

__all__ = ["UndoByName"]


class UndoByName(Undo):
    """An undo by its terms, which do not tell whether the capability has a breaker."""

    __slots__ = ()

    async def call(self) -> None:
        """Have it undone, however long a breaker is open: what that refuses was not tried."""
        try:
            await super().call()
        except ActivityError as error:
            if not (isinstance(error.cause, ApplicationError) and error.cause.type == BREAKER_OPEN):
                raise
            # Now it is known to have one. So the engine's attempts have no end, and the breaker's worker counts the
            # real ones. Its numbers are the worker's, too.
            policy = replace(self.capability.policy, breaker=Breaker(), total=None)
            await Undo(self.step, replace(self.capability, policy=policy), self.arg).call()
