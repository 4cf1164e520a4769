"""A process by more than its number: numbers are used again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict

from sagamesh.stack import launch

# psutil comes with the extra `stack`. Other installations read the state, too, to learn that there is none.
if TYPE_CHECKING:
    import psutil

__all__ = ["ProcessId", "dying_with_parent", "exit_text", "kill_group"]

_CLOCK_SLACK = 1.0
"""Seconds by which two readings of a creation time may differ: they are counted from a boot time that follows the
system clock."""


class ProcessId(BaseModel):
    """One process, once.

    - `created`: when it started, in seconds since the epoch.
    - `command`: its program and arguments.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float
    command: tuple[str, ...]

    @classmethod
    def of(cls, pid: int, command: Sequence[str] | None = None) -> Self:
        """The process that has this number now. `command` where it is known; otherwise it is read.

        Raises:
            psutil.NoSuchProcess: when there is none.
        """
        import psutil

        process = psutil.Process(pid)
        return cls(pid=pid, created=process.create_time(), command=tuple(command or process.cmdline()))

    def find(self) -> psutil.Process | None:
        """The process, if it still runs: same number, same time of creation, same arguments, and no zombie."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _CLOCK_SLACK or process.status() == psutil.STATUS_ZOMBIE:
                return None
            arguments = self.command[1:]
            # Only the end is compared: a launcher or an interpreter may stand before it.
            same = not arguments or tuple(process.cmdline()[-len(arguments) :]) == arguments
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or now another user's
            return None
        return process if same else None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.find() is not None


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """The command, run so that the kernel kills it when this process ends, where the kernel can (Linux).

    Elsewhere it is returned unchanged; what a killed supervisor leaves is then found by `sagamesh.stack.leftovers`.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(os.getpid()), *command]


def kill_group(leader: int) -> None:
    """SIGKILL for a process that leads a group of its own, and for what it started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS answers the second for a group of zombies
        return


def exit_text(code: int) -> str:
    """How a process ended, for people: `exit code 1`, `killed by SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
