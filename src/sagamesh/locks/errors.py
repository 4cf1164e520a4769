"""How a lock is not had, or not any more."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError

__all__ = ["LockLost", "LockTimeout"]


class LockTimeout(ApplicationError):
    """The lock was not granted in time. A task that does not catch it fails with it, and is undone. Details: `lock`."""

    def __init__(self, name: str, wait: timedelta) -> None:
        super().__init__(
            f"the lock {name} was not granted within {wait}; `sagamesh locks {name}` shows who holds it and who waits",
            {"lock": name},
            type=type(self).__name__,
            non_retryable=True,
        )


class LockLost(ApplicationError):
    """The lease has expired, so that somebody else may hold the lock by now. Details: `lock`, `fence`."""

    def __init__(self, name: str, fence: int) -> None:
        super().__init__(
            f"the lease of lock {name} (fence {fence}) has expired; somebody else may hold it",
            {"lock": name, "fence": fence},
            type=type(self).__name__,
            non_retryable=True,
        )
