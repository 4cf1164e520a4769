"""All parts together: started in layers, kept running, stopped in the opposite order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from sagamesh.stack.part import Part, Timing
from sagamesh.stack.service import Service
from sagamesh.stack.state import Kind, PartState

__all__ = ["STOP_ORDER", "Supervisor"]

STOP_ORDER: tuple[Kind, ...] = ("pool", "helper", "server")
"""Those that need others stop before them."""


class Supervisor:
    """Runs the layers of parts; each layer starts once the one before it is ready.

    - `changed`: called after every change of a part's state; must not raise, because stopping goes through it, too.
    """

    def __init__(
        self, layers: Sequence[Sequence[Part]], *, changed: Callable[[], None], timing: Timing | None = None
    ) -> None:
        self._hurry = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self._timing = timing or Timing()
        self._layers = [[Service(part, self._timing, changed, self._hurry) for part in layer] for layer in layers]

    @property
    def parts(self) -> list[PartState]:
        """The state of every part, in the order in which they start."""
        return [service.state for layer in self._layers for service in layer]

    async def start(self) -> None:
        """Start everything. When one part fails or this is cancelled, the rest still needs `stop`.

        Raises:
            StackFailed: for the first part that does not become ready.
        """
        for layer in self._layers:
            starting = [asyncio.create_task(service.start()) for service in layer]
            try:
                self._keepers += await asyncio.gather(*starting)
            finally:
                for task in starting:
                    task.cancel()
                await asyncio.gather(*starting, return_exceptions=True)

    async def watch(self) -> None:
        """Wait for ever, while what dies is started again.

        Raises:
            Exception: what ended the keeping of a part, which is a defect.
        """
        await asyncio.gather(*self._keepers)

    async def stop(self) -> None:
        """Stop what runs, kind by kind. Returns when no process is left."""
        began = time.monotonic()
        services = [service for layer in self._layers for service in layer]
        for kind in STOP_ORDER:
            deadline = began + self._timing.stop_by[kind]
            await asyncio.gather(*(service.stop(deadline) for service in services if service.part.kind == kind))

    def hurry(self) -> None:
        """Kill what does not stop by itself, now."""
        self._hurry.set()
