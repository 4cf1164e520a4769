"""One game day at a time on a stack: a file lock that the kernel releases however its holders end."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sagamesh.errors import Refused

__all__ = ["turn"]

_FILE: Final = "chaos.lock"

_WITHIN: Final = 2.0
"""Seconds for which a guardian that outlived its game day may still be setting things right."""

_LOOK_AGAIN: Final = 0.05


@contextmanager
def turn(folder: Path) -> Iterator[int]:
    """Have the stack in this folder for oneself, for the length of the block.

    Yields the lock's descriptor. A child process that is given it keeps the lock until it ends, too.

    Raises:
        Refused: `AnotherGameDay` when another process has it.
    """
    descriptor = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, time.monotonic() + _WITHIN)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN)
                continue
            holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "that has not said its number"
            raise Refused(
                "AnotherGameDay",
                f"another `sagamesh chaos` is under way on this stack (process {holder}), and two would undo each "
                "other's faults; wait for its end, or stop it with Ctrl-C",
            ) from None
        else:
            return
