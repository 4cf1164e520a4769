"""One supervised process: started, watched, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from sagamesh.stack.backoff import Backoff
from sagamesh.stack.errors import StackFailed
from sagamesh.stack.log import open_log, tail
from sagamesh.stack.part import Part, Timing
from sagamesh.stack.ports import free_port
from sagamesh.stack.process import ProcessId, dying_with_parent, exit_text, kill_group
from sagamesh.stack.state import PartState, Stage

__all__ = ["Service"]

_LOG_LINES = 8
_LONGEST_LOOK = 5.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a process did not become ready. `final` when starting it again would not help."""

    reason: str
    final: bool


class Service:
    """A part and the process that it is at the moment.

    - `name`: where the part has several processes, which of them this is.
    - `changed`: called after every change of `state`.
    - `hurry`: when set, processes that are asked to stop are killed without further waiting.
    """

    def __init__(
        self, part: Part, timing: Timing, changed: Callable[[], None], hurry: asyncio.Event, *, name: str = ""
    ) -> None:
        self.part = part
        self.state = PartState(
            name=name or part.name,
            part=part.name,
            grace=part.grace,
            kind=part.kind,
            ports=dict(part.ports),
            link=part.link,
            log=part.log,
        )
        self._timing = timing
        self._changed = changed
        self._hurry = hurry
        self._process: Process | None = None
        self._asked = False
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None]:
        """Start it and wait until it is ready for the first time. Returns the task that keeps it running.

        A process that ends by itself before it is ready has said why, and is not tried again; one that was killed is.

        Raises:
            StackFailed: when it ends, or is not ready in time; with the last lines of its log.
        """
        ready = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(ready), name=f"keep {self.state.name}")
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({self._keeper, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not ready.is_set():
            await self._keeper
        return self._keeper

    async def stop(self, deadline: float, number: signal.Signals | None = None) -> None:
        """The part's signal, or this one; at the deadline (of the monotonic clock) SIGKILL for all that it started.

        Returns when it has ended. Another call may set another deadline; it is asked to stop once.
        """
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        process = self._process
        note = ""
        if process is not None and process.returncode is None:
            self._mark(Stage.STOPPING)
            if not self._asked:  # a worker that is asked twice ends at once, whatever it does
                self._asked = True
                process.send_signal(number or self.part.stop_signal)
            await _first_of(process.wait(), self._hurry.wait(), timeout=deadline - time.monotonic())
            if process.returncode is None:
                note = "did not stop when asked to; killed"
            await self._end(process)
        self._mark(Stage.STOPPED, note)

    async def _keep(self, first: asyncio.Event) -> None:
        """Keep the part running until cancelled.

        Raises:
            StackFailed: when it never becomes ready.
        """
        backoff = Backoff(self._timing.first_pause, self._timing.longest_pause, self._timing.healthy)
        first_deadline = time.monotonic() + self._timing.start
        while True:
            began = time.monotonic()
            deadline = began + self._timing.start if first.is_set() else first_deadline
            failure = await self._try(deadline, first)
            if failure.final and not first.is_set():
                self._mark(Stage.FAILED, failure.reason)
                raise StackFailed(self._explained(failure.reason))
            pause = backoff.after(time.monotonic() - began)
            self._mark(Stage.RESTARTING, f"{failure.reason}; starts again in {pause:g} s")
            await asyncio.sleep(pause)
            self.state.restarts += 1

    async def _try(self, deadline: float, first: asyncio.Event) -> _Failure:
        """One life of the process. Returns why it ended."""
        began = time.monotonic()
        self.state.took = None
        try:
            process = self._process = await self._spawn()
        except OSError as error:
            self._process = None
            return _Failure(f"cannot be started: {error}", final=True)
        try:
            self.state.process = ProcessId.of(process.pid, self.part.command)
        except psutil.NoSuchProcess:  # ended already
            self.state.process = None
        self._mark(Stage.STARTING)
        failure = await self._until_ready(process, deadline)
        if failure is None:
            self.state.took = time.monotonic() - began
            self._recognise(process.pid)
            self._mark(Stage.READY)
            first.set()
            failure = _Failure(exit_text(await process.wait()), final=False)
        # What it started must not outlive it: it may hold the port that its successor needs.
        await self._end(process)
        return failure

    def _recognise(self, pid: int) -> None:
        """A helper may have become another program, whose arguments are not those that it was started with."""
        if self.state.process is None or not self.state.process.alive:
            with suppress(psutil.NoSuchProcess):  # ended already
                self.state.process = ProcessId.of(pid)

    async def _spawn(self) -> Process:
        environment = dict(self.part.environment)
        if self.part.probed:
            # Another one for each life: what the last process has left on its port may still be there.
            port = self.state.ports["probes"] = free_port()
            environment["SAGAMESH_PROBE_PORT"] = str(port)
        with open_log(self.part.log, f"start {self.state.restarts + 1}") as log:
            return await asyncio.create_subprocess_exec(
                *dying_with_parent(self.part.command),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                cwd=self.part.folder,
                env=environment,
                # Of its own session: Ctrl-C in the terminal must reach the supervisor alone, which knows the order.
                start_new_session=True,
            )

    async def _until_ready(self, process: Process, deadline: float) -> _Failure | None:
        missing = "it has not been looked at"
        while time.monotonic() < deadline:
            look = min(_LONGEST_LOOK, max(deadline - time.monotonic(), self._timing.look))
            try:
                async with asyncio.timeout(look):
                    answer = await self.part.ready(process.pid)
            except TimeoutError:
                answer = "it does not answer"
            if process.returncode is None and answer is None:
                return None
            missing = answer or missing
            await _first_of(process.wait(), timeout=self._timing.look)
            if process.returncode is not None:
                # A process that somebody killed may do better next time; one that gave up has said why.
                return _Failure(f"ended before it was ready: {exit_text(process.returncode)}", process.returncode >= 0)
        return _Failure(f"not ready after {self._timing.start:g} s: {missing}", final=True)

    @staticmethod
    async def _end(process: Process) -> None:
        kill_group(process.pid)
        await process.wait()

    def _mark(self, stage: Stage, note: str = "") -> None:
        self.state.stage = stage
        self.state.note = note
        self._changed()

    def _explained(self, reason: str) -> str:
        printed = tail(self.part.log, _LOG_LINES)
        if not printed:
            return f"{self.state.name} {reason}; its log is empty ({self.part.log})"
        return "\n  ".join([f"{self.state.name} {reason}; its log ends with ({self.part.log}):", *printed])


async def _first_of(*waits: Coroutine[Any, Any, Any], timeout: float) -> None:
    """Wait for one of these, or for `timeout` seconds; the others are given up."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
