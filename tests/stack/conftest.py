"""Stacks of small scripts, run by a supervisor in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from sagamesh.stack.place import Place
from sagamesh.stack.state import PartState, Phase, StackState, load

PROGRAM = Path(__file__).with_name("stack_program.py")
PATIENCE = 30.0
"""Seconds after which something that a test waits for has not happened. Far more than anything takes."""


def eventually(what: Callable[[], Any], meaning: str) -> Any:
    """The first true value of `what`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = what()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {PATIENCE:g} s: {meaning}")


@dataclass
class ScriptStack:
    """A supervisor of scripts. `layers` hold [name, kind, mode]; see part_script.py."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _seen: set[int] = field(default_factory=set, init=False)

    @property
    def place(self) -> Place:
        return Place(root=self.folder, folder=self.folder / "stack")

    @property
    def output(self) -> str:
        """All that the supervisor has printed."""
        return (self.folder / "output").read_text()

    def start(
        self, *layers: list[tuple[str, str, str]], stderr: int | None = None, ignoring: str = "", **timing: Any
    ) -> None:
        """Start the supervisor, with the signal `ignoring` ignored; does not wait."""
        specification = json.dumps({"folder": str(self.folder), "layers": layers, "timing": timing})
        ignore = f"trap '' {ignoring};" if ignoring else ""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f'{ignore} exec "$@"', "sh", sys.executable, str(PROGRAM), specification],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if stderr is None else stderr,
                start_new_session=True,
            )

    def up(self, *layers: list[tuple[str, str, str]], **timing: Any) -> None:
        """Start the supervisor and wait until everything is ready."""
        self.start(*layers, **timing)
        eventually(self.is_ready, "the stack is ready")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def state(self) -> StackState | None:
        """The state, as this supervisor has written it."""
        state = load(self.place)
        return state if state is not None and state.supervisor.pid == self.pid else None

    def is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it has ended: {self.output}"
        state = self.state()
        return state is not None and state.phase is Phase.READY and all(part.stage == "ready" for part in state.parts)

    def part(self, name: str) -> PartState:
        state = self.state()
        assert state is not None
        return next(part for part in state.parts if part.name == name)

    def pid_of(self, name: str) -> int:
        process = self.part(name).process
        assert process is not None
        return process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal; Ctrl-C as a terminal does, to the whole process group."""
        if number == signal.SIGINT:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def ended(self) -> int:
        """Wait for the supervisor's end; its exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def events(self) -> list[str]:
        """What the parts have written down, `start NAME` or `stop NAME`, in order."""
        return [f"{what} {name}" for what, name, _ in self._noted()]

    def processes(self) -> list[int]:
        """The parts' processes that still run, whoever is their parent now."""
        return [pid for _, _, pid in self._noted() if _runs(pid, str(self.folder))]

    def _noted(self) -> list[tuple[str, str, int]]:
        try:
            lines = (self.folder / "events").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(what, name, int(pid)) for what, name, pid in map(str.split, lines)]

    def clean(self) -> None:
        """Kill what the test has left."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def _runs(pid: int, folder: str) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and folder in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[ScriptStack]:
    """A folder for a stack of scripts. What is left at the end is killed."""
    stack = ScriptStack(tmp_path)
    try:
        yield stack
    finally:
        stack.clean()


@pytest.fixture
def until() -> Callable[[Callable[[], Any], str], Any]:
    """Wait until something is true."""
    return eventually
