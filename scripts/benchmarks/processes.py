"""The processes of a benchmark: started together, measured one by one, and gone when it ends, however it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from sagamesh.stack.process import dying_with_parent, exit_text, kill_group

__all__ = ["BenchFailed", "Fleet", "ProcessEnded", "cpu_seconds"]

_PATIENCE = 5.0
"""Seconds between asking a process to end and ending it."""


class BenchFailed(Exception):
    """The benchmark could not measure, or what it measured did a wrong thing."""


class ProcessEnded(BenchFailed):
    """One of the benchmark's processes has ended by itself."""


class Fleet:
    """Child processes by name. A context manager: leaving it ends them all.

    - `folder`: where their output goes, one file a process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Last started, first ended: workers before their server.
        for process in reversed(self._processes.values()):
            process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for process in reversed(self._processes.values()):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                kill_group(process.pid)
                process.wait()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a program. It gets this process's environment without what would point it at another server."""
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("TEMPORAL_", "SAGAMESH_", "PYTHONDONTWRITE"))
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                # A session of its own, so that Ctrl-C reaches only the benchmark, which then ends the others in order.
                dying_with_parent(command),
                env={**clean, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_module(self, name: str, module: str, argument: str, address: str) -> None:
        """Start a worker: `python -m module argument`, pointed at the server."""
        # An empty profile file: a developer's own must not choose the server or the namespace.
        environment = {"TEMPORAL_ADDRESS": address, "TEMPORAL_CONFIG_FILE": os.devnull}
        self.start(name, [sys.executable, "-m", module, argument], environment)

    def forget(self, name: str) -> None:
        """Make room for another process of this name, after this one has ended."""
        self._processes.pop(name).wait()

    def output(self, name: str) -> str:
        """What one has printed so far."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def check(self) -> None:
        """Make sure that all still run.

        Raises:
            ProcessEnded: naming the one that does not, with the end of its output.
        """
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                raise ProcessEnded(f"{name} ended ({exit_text(code)}); its last lines:\n{self._tail(name)}")

    def pid(self, name: str) -> int:
        """The process id of one."""
        return self._processes[name].pid

    def cpu(self) -> dict[str, float]:
        """The CPU seconds that each process has used, user and system."""
        return {name: cpu_seconds(process.pid) for name, process in self._processes.items()}

    def _tail(self, name: str) -> str:
        return "\n".join(self.output(name).splitlines()[-20:])


def cpu_seconds(pid: int) -> float:
    """The CPU seconds that a process has used, user and system."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
