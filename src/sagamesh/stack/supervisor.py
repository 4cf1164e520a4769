"""All parts together: started in layers, kept running, stopped in the opposite order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from sagamesh.errors import UnknownName
from sagamesh.stack.part import Part, Timing
from sagamesh.stack.replicas import Replicas
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
        self._defect: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._timing = timing or Timing()
        self._layers = [
            [Replicas(part, self._timing, changed, self._hurry, self._broken) for part in layer] for layer in layers
        ]

    @property
    def parts(self) -> list[PartState]:
        """The state of every process, in the order in which the parts start."""
        return [state for replicas in self._all for state in replicas.states]

    @property
    def pools(self) -> dict[str, Replicas]:
        """The pools, in the order in which they start."""
        return {replicas.part.name: replicas for replicas in self._all if replicas.part.kind == "pool"}

    def pool(self, name: str) -> Replicas:
        """The pool of this name.

        Raises:
            UnknownName: with the nearest names.
        """
        pools = self.pools
        if name not in pools:
            raise UnknownName("pool", name, pools)
        return pools[name]

    async def start(self) -> None:
        """Start everything. When one part fails or this is cancelled, the rest still needs `stop`.

        Raises:
            StackFailed: for the first part that does not become ready.
        """
        for layer in self._layers:
            starting = [asyncio.create_task(replicas.start()) for replicas in layer]
            try:
                await asyncio.gather(*starting)
            finally:
                for task in starting:
                    task.cancel()
                await asyncio.gather(*starting, return_exceptions=True)

    async def watch(self) -> None:
        """Wait for ever, while what dies is started again.

        Raises:
            Exception: what ended the keeping of a part, which is a defect.
        """
        await asyncio.shield(self._defect)

    async def stop(self) -> None:
        """Stop what runs, kind by kind. Returns when no process is left."""
        began = time.monotonic()
        longer = self._timing.longer(each.part.grace for each in self._all)
        for kind in STOP_ORDER:
            deadline = began + longer + self._timing.stop_by[kind]
            await asyncio.gather(*(each.stop(deadline) for each in self._all if each.part.kind == kind))

    def hurry(self) -> None:
        """Kill what does not stop by itself, now."""
        self._hurry.set()

    @property
    def _all(self) -> list[Replicas]:
        return [replicas for layer in self._layers for replicas in layer]

    def _broken(self, error: BaseException) -> None:
        if not self._defect.done():
            self._defect.set_exception(error)
