"""One supervisor a project: a file lock that the kernel releases however its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from sagamesh.stack.place import Place
from sagamesh.stack.process import ProcessId

__all__ = ["Lock"]

_LOOK_AGAIN = 0.05


class Lock:
    """The held lock of a place; a context manager that releases it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, place: Place, *, within: float = 0.0) -> Self | None:
        """Take the lock, waiting up to `within` seconds for its holder to leave; None when it did not."""
        deadline = time.monotonic() + within
        # Descriptors are not inherited, so no part of the stack keeps the lock of a supervisor that was killed.
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o644)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return None
                time.sleep(_LOOK_AGAIN)
            else:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, ProcessId.of(os.getpid()).model_dump_json().encode(), 0)
                return cls(descriptor)

    @staticmethod
    def holder(place: Place) -> ProcessId | None:
        """The process that holds the lock, or None."""
        try:
            holder = ProcessId.model_validate_json(place.lock.read_bytes())
        except (FileNotFoundError, ValidationError):  # never taken, or being written at this moment
            return None
        return holder if holder.alive else None

    def release(self) -> None:
        """Let the next one have it."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
