"""The processes of one part: one, or of a pool several that come and go while the others serve."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from sagamesh.stack.errors import StackFailed
from sagamesh.stack.part import Part, Timing
from sagamesh.stack.service import Service
from sagamesh.stack.state import PartState, Replaced

__all__ = ["Replicas", "replica_name"]


def replica_name(part: str, number: int) -> str:
    """The name of a part's process: the first has the part's own, the others `payment#2`, `payment#3`, ..."""
    return part if number == 1 else f"{part}#{number}"


class Replicas:
    """Starts, replaces and stops the processes of a part.

    - `changed`, `hurry`: as of `Service`.
    - `defect`: told about what ended the keeping of a process, which nothing should.
    """

    def __init__(
        self,
        part: Part,
        timing: Timing,
        changed: Callable[[], None],
        hurry: asyncio.Event,
        defect: Callable[[BaseException], None],
    ) -> None:
        self.part = part
        self._timing = timing
        self._changed = changed
        self._hurry = hurry
        self._defect = defect
        self._serving = [self._made(part.name)]
        self._leaving: dict[Service, asyncio.Task[None]] = {}
        # Who replaces a process counts on it that nobody else takes it away meanwhile.
        self._turn = asyncio.Lock()

    @property
    def states(self) -> list[PartState]:
        """The state of each process, also of those that are about to go."""
        return [service.state for service in (*self._serving, *self._leaving)]

    @property
    def count(self) -> int:
        """How many there are, without those that are about to go."""
        return len(self._serving)

    async def start(self) -> None:
        """Start the first process.

        Raises:
            StackFailed: when it does not become ready.
        """
        await self._start(self._serving[0])

    async def stop(self, deadline: float) -> None:
        """Stop all; see `Service.stop`."""
        for waiting in self._leaving.values():
            waiting.cancel()
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        await asyncio.gather(*(service.stop(deadline) for service in (*self._serving, *self._leaving)))

    async def restart(self) -> list[Replaced]:
        """Let another process take the place of each, one after the other.

        A process is asked to stop once the one that takes its place is ready, so there is always one that serves.

        Raises:
            StackFailed: when one does not become ready; the one that it should have replaced goes on.
        """
        async with self._turn:
            return [await self._replace(service) for service in list(self._serving)]

    async def scale(self, count: int) -> None:
        """Start processes, or let the last ones finish what they do and go, until there are `count`, at least one.

        Returns when those that were started are ready; those that go are not waited for.

        Raises:
            StackFailed: when one does not become ready. The others stay.
        """
        async with self._turn:
            while len(self._serving) > max(1, count):
                self._leave(self._serving.pop())
            missing = count - len(self._serving)
            if missing > 0:
                await self._grow(missing)

    async def _grow(self, missing: int) -> None:
        taken = {state.name for state in self.states}
        free = (
            name for n in range(2, 2 + missing + len(taken)) if (name := replica_name(self.part.name, n)) not in taken
        )
        added = [self._made(name) for name, _ in zip(free, range(missing), strict=False)]
        self._serving += added
        results = await asyncio.gather(*(self._start(service) for service in added), return_exceptions=True)
        failed = [(service, error) for service, error in zip(added, results, strict=True) if error is not None]
        for service, _ in failed:
            await self._discard(service)
        for _, error in failed:
            raise error

    async def _replace(self, old: Service) -> Replaced:
        new = self._made(f"{old.state.name} (next)", log_of=old)
        self._serving.append(new)
        began = time.monotonic()
        try:
            await self._start(new)
        except StackFailed:
            await self._discard(new)
            raise
        before, name = old.state.process, old.state.name
        await old.stop(time.monotonic() + self.part.drain, signal.SIGTERM)
        self._serving.remove(new)
        self._serving[self._serving.index(old)] = new
        new.state.name = name
        new.state.restarts = old.state.restarts
        self._changed()
        after = new.state.process
        return Replaced(
            name=name,
            old=before.pid if before else None,
            new=after.pid if after else 0,
            took=round(time.monotonic() - began, 1),
        )

    def _leave(self, service: Service) -> None:
        async def leave() -> None:
            await service.stop(time.monotonic() + self.part.drain, signal.SIGTERM)
            del self._leaving[service]
            self._changed()

        self._leaving[service] = asyncio.create_task(leave(), name=f"drain {service.state.name}")

    async def _discard(self, service: Service) -> None:
        await service.stop(time.monotonic())
        self._serving.remove(service)
        self._changed()

    async def _start(self, service: Service) -> None:
        keeper = await service.start()

        def ended(keeper: asyncio.Task[None]) -> None:
            if not keeper.cancelled() and (error := keeper.exception()) is not None:
                self._defect(error)

        keeper.add_done_callback(ended)

    def _made(self, name: str, *, log_of: Service | None = None) -> Service:
        part = self.part
        if log_of is not None:
            part = replace(part, log=log_of.part.log)
        elif name != part.name:
            part = replace(part, log=part.log.with_name(f"{name}.log"))
        return Service(part, self._timing, self._changed, self._hurry, name=name)
