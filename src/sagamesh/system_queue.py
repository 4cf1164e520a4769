"""The task queue of the framework's own parts; apart from them, because they and the tasks' code both name it."""

from typing import Final

__all__ = ["SYSTEM_QUEUE"]

SYSTEM_QUEUE: Final = "sagamesh"
"""The task queue of the framework's own workflows and activities. Each process that hosts tasks polls it."""
