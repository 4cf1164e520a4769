"""One attempt of a step, as the implementation that is called sees it."""

from __future__ import annotations

from typing import Protocol

from temporalio.testing import ActivityEnvironment

__all__ = ["AsCall"]


class AsCall(Protocol):
    """Makes the environment in which an implementation sees one attempt of a step, or of the step's undo."""

    def __call__(self, task_id: str, step: str, *, undo: bool = False, attempt: int = 1) -> ActivityEnvironment: ...
