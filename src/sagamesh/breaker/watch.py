"""What a worker process does beside its calls: tells the keepers, and looks what the fleet does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from sagamesh.breaker.contract import Declared
from sagamesh.breaker.fleet import Breakers, Order, Report, keeper_id
from sagamesh.breaker.gate import look
from sagamesh.breaker.keeper import KEEPER, Keeping
from sagamesh.breaker.line import Line
from sagamesh.system_queue import SYSTEM_QUEUE

__all__ = ["Watch", "send"]

_log = logging.getLogger("sagamesh.breaker")

_OFTEN: Final = 1.0
"""Seconds between two looks at a queue while one of its breakers is open."""

_SELDOM: Final = 30.0
"""The same while all are closed: for the case that somebody else's breaker was left holding the queue."""

_SOON: Final = 0.25
"""Seconds within which a look need not be repeated for a call that comes in."""


async def send(client: Client, queue: str, news: Report | Order) -> str:
    """Tell the keeper of a queue's breakers; it is started where there is none. Returns the run that was told.

    Raises:
        temporalio.service.RPCError: when the server does not answer.
    """
    keeper = await client.start_workflow(
        KEEPER,
        Keeping(breakers=Breakers(queue=queue)),
        id=keeper_id(queue),
        task_queue=SYSTEM_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="report" if isinstance(news, Report) else "order",
        start_signal_args=[news],
        static_summary=f"circuit breakers of queue {queue}",
    )
    return keeper.result_run_id or ""


class Watch:
    """Runs beside the workers of one pool."""

    def __init__(self, client: Client, lines: Sequence[Line] = ()) -> None:
        self.lines: list[Line] = list(lines)
        self._client = client
        self._unsent: dict[tuple[str, str], Report] = {}
        self._news = asyncio.Event()
        self._looked: dict[str, float] = {}
        self._called: dict[str, float] = {}
        self._held: set[str] = set()
        self._troubled = False

    def tell(self, declared: Declared, report: Report) -> None:
        """Take a report for a keeper. A newer one of the same breaker replaces one that was not sent yet."""
        self._unsent[declared.queue, declared.key] = report
        self._news.set()

    async def look_again(self, queue: str) -> None:
        """Look at a queue now, for a call that would be refused by what was seen last."""
        if time.monotonic() - self._looked.get(queue, -_SOON) >= _SOON:
            await self._look(queue)

    async def look_first(self, line: Line, *, waited: float) -> None:
        """Look at the queue before a call of a process at rest, when the call may be one that was let through to try.

        Such a call has waited, or is the first for a while. Without the look its process would not know
        that it decides, and tell nobody how it ended. A server that does not answer soon keeps no call back.

        - `waited`: seconds for which the call was on its queue.
        """
        queue, now = line.declared.queue, time.monotonic()
        alone = now - self._called.get(queue, -_OFTEN) >= _OFTEN
        self._called[queue] = now
        if not line.at_rest or not (alone or waited >= _OFTEN) or now - self._looked.get(queue, -_OFTEN) < _OFTEN:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OFTEN):
                await self._look(queue)
        if not line.at_rest:
            self._news.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch while the block runs; what is not told yet at its end is told then."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self._send_all()

    async def _run(self) -> None:
        while True:
            await self._send_all()
            for queue in dict.fromkeys(line.declared.queue for line in self.lines):
                await self._look(queue)
            quiet = not self._unsent and not self._held and all(line.at_rest for line in self.lines)
            pause = _SELDOM if quiet else _OFTEN
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
            self._news.clear()

    async def _send_all(self) -> None:
        for (queue, key), report in list(self._unsent.items()):
            try:
                await send(self._client, queue, report)
            except RPCError as error:
                self._trouble(f"cannot tell the fleet: {error.message}")
                return
            if self._unsent.get((queue, key)) is report:
                del self._unsent[queue, key]

    async def _look(self, queue: str) -> None:
        self._looked[queue] = time.monotonic()
        try:
            notices = await look(self._client, queue)
        except RPCError as error:
            self._trouble(f"cannot see what the fleet does: {error.message}")
            return
        self._troubled = False
        keys = {line.declared.key for line in self.lines if line.declared.queue == queue}
        self._held.discard(queue)
        if keys & set(notices):
            self._held.add(queue)
        for line in self.lines:
            if line.declared.queue == queue:
                line.follow(notices.get(line.declared.key))

    def _trouble(self, message: str) -> None:
        """Say it once: this process goes on by what it sees itself."""
        if not self._troubled:
            _log.warning("breakers: %s", message)
        self._troubled = True
