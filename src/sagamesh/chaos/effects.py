"""What the faults of a schedule do to a stack, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sagamesh.app import App
from sagamesh.chaos import guardian
from sagamesh.chaos.lock import locked
from sagamesh.chaos.schedule import Fault
from sagamesh.chaos.stack import OwnStack
from sagamesh.faults import Rule, Rules

if TYPE_CHECKING:
    import psutil

__all__ = ["Effects", "pass_time"]

_WAIT_FOR_PROCESS = 5.0
"""Seconds for which a fault waits for its process, where that is just being started again."""


class Effects:
    """Faults, applied. A context manager: at its end, and when this process dies, what is paused goes on."""

    def __init__(self, app: App, stack: OwnStack, *, seed: int) -> None:
        self._app = app
        self._stack = stack
        self._seed = seed
        self._rules: list[Rule] = []
        self._paused: list[psutil.Process] = []
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._guardian = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(Path(guardian.__file__)), str(self._stack.faults)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
            # Should this process be killed, the next game day waits until these rules are removed.
            pass_fds=() if self._stack.turn is None else (self._stack.turn,),
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in list(self._paused):
            self._resume(process)
        self._stack.faults.unlink(missing_ok=True)
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait()

    async def apply(self, fault: Fault, over: asyncio.Event) -> str:
        """Do it, and take it back after its time, or once `over` is set.

        Returns why it was left out, for people; empty when it was not.
        """
        match fault.kind:
            case "kill":
                return await self._on_process(fault.target, lambda process: process.kill())
            case "pause":
                return await self._pause(fault, over)
            case "lock":
                return await self._lock(fault, over)
            case "delay" | "error" | "lose-answer":
                return await self._inject(fault, over)

    async def _on_process(self, name: str, act: Callable[[psutil.Process], None]) -> str:
        import psutil

        deadline = time.monotonic() + _WAIT_FOR_PROCESS
        while time.monotonic() < deadline:
            process = self._stack.process(name)
            if process is not None:
                try:
                    act(process)
                except psutil.NoSuchProcess:  # it has just ended by itself; its successor is as good
                    continue
                return ""
            await asyncio.sleep(0.1)
        return "left out: it was not running"

    async def _pause(self, fault: Fault, over: asyncio.Event) -> str:
        stopped: list[psutil.Process] = []

        def suspend(process: psutil.Process) -> None:
            # The guardian first: should this process die in between, nothing stays paused.
            self._tell("pause", process.pid)
            self._paused.append(process)
            stopped.append(process)
            process.suspend()

        said = await self._on_process(fault.target, suspend)
        if not said:
            await pass_time(fault.seconds, over)
        for process in stopped:
            self._resume(process)
        return said

    def _resume(self, process: psutil.Process) -> None:
        import psutil

        with suppress(psutil.NoSuchProcess):  # it was killed, or ended, while it was paused
            process.resume()
        self._paused.remove(process)
        self._tell("resume", process.pid)

    async def _lock(self, fault: Fault, over: asyncio.Event) -> str:
        try:
            async with locked(self._stack.database(self._app, fault.target)):
                await pass_time(fault.seconds, over)
        except OSError as error:
            return f"left out: {error}"
        return ""

    async def _inject(self, fault: Fault, over: asyncio.Event) -> str:
        if fault.rule is None:
            return "left out: it has no rule"
        self._rules.append(fault.rule)
        self._write()
        try:
            await pass_time(fault.seconds, over)
        finally:
            self._rules.remove(fault.rule)
            self._write()
        return ""

    def _write(self) -> None:
        path = self._stack.faults
        if not self._rules:
            path.unlink(missing_ok=True)
            return
        draft = path.with_suffix(".new")
        draft.write_text(Rules(seed=self._seed, rules=tuple(self._rules)).model_dump_json(indent=1), encoding="utf-8")
        os.replace(draft, path)  # noqa: PTH105 - a reader sees the old or the new rules, never a mixture

    def _tell(self, word: str, pid: int) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.write(f"{word} {pid}\n".encode())
            self._guardian.stdin.flush()


async def pass_time(seconds: float, over: asyncio.Event) -> None:
    """Wait so long, or until `over` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), max(0.0, seconds))
