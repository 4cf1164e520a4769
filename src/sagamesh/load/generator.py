"""The load generator."""

from __future__ import annotations

import asyncio
import time

from sagamesh.errors import InvalidInput
from sagamesh.load.group import first_of
from sagamesh.load.mix import Deck
from sagamesh.load.pace import Pace
from sagamesh.load.record import Record
from sagamesh.load.sender import NOT_SENT, Ending, Sender
from sagamesh.load.tally import Tally

__all__ = ["Generator"]

_MOST_RUNNING = 5_000
"""In an open loop: beyond so many without an end, the next one waits, so that memory stays bounded. Its latency counts
from when it should have begun all the same."""


class Generator:
    """Sends the tasks of a deck at a pace, and keeps how each ended.

    - `prefix`: of the tasks' ids, `<prefix>-<n>`.
    """

    def __init__(self, deck: Deck, pace: Pace, sender: Sender, record: Record, *, prefix: str) -> None:
        self.tally = Tally()
        self.began = time.monotonic()
        self.took = 0.0
        self._deck = deck
        self._pace = pace
        self._sender = sender
        self._record = record
        self._prefix = prefix
        self._next = 0
        self._stop = asyncio.Event()
        self._early = False

    def stop(self, *, early: bool = True) -> None:
        """Begin no more tasks; `early` unless that was the plan."""
        self._early = self._early or early
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether it was told to begin no more, earlier than planned."""
        return self._early

    async def run(self) -> None:
        """Send tasks until the pace ends or `stop` was called, and wait for those that run.

        Raises:
            Refused: `MissingSearchAttributes` when the server takes no tasks at all.
        """
        self.began = time.monotonic()
        try:
            await (self._open() if self._pace.rate is not None else self._closed())
        except BaseExceptionGroup as group:
            # Several tasks fail for the same reason; one of them says it.
            raise first_of(group) from None
        finally:
            self.took = time.monotonic() - self.began

    async def _closed(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for number in range(min(self._pace.concurrency, self._pace.count or self._pace.concurrency)):
                joins = self._pace.joins(number)
                if not self._pace.over(number, joins):
                    workers.create_task(self._worker(joins))

    async def _worker(self, joins: float) -> None:
        await self._sleep_until(self.began + joins)
        while (n := self._take()) is not None:
            await self._one(n, time.monotonic())

    async def _open(self) -> None:
        room = asyncio.Semaphore(_MOST_RUNNING)

        async def one(n: int, meant: float) -> None:
            try:
                await self._one(n, meant)
            finally:
                room.release()

        async with asyncio.TaskGroup() as running:
            while True:
                begins = self._pace.begins(self._next)
                if self._pace.over(self._next, begins):
                    return
                meant = self.began + begins
                await self._sleep_until(meant)
                await room.acquire()
                n = self._take(meant)
                if n is None:
                    return
                running.create_task(one(n, meant))

    def _take(self, now: float | None = None) -> int | None:
        now = time.monotonic() if now is None else now
        if self._stop.is_set() or self._pace.over(self._next, now - self.began):
            self._stop.set()  # whoever has not joined yet need not any more
            return None
        self._next += 1
        return self._next - 1

    async def send(self, n: int, id: str, meant: float, tally: Tally) -> None:
        """Send task `n` of the deck, meant for this moment of the monotonic clock, and count and keep how it ends.

        Raises:
            Refused: `MissingSearchAttributes` when the server takes no tasks at all.
        """
        tally.begin(time.monotonic() - meant)
        try:
            drawn = self._deck.draw(n)
        except InvalidInput as error:
            entry = self._deck.entry(n)
            tally.end(id, entry.name, entry.expected, Ending(NOT_SENT, message=str(error)), 0.0)
            await asyncio.sleep(0)  # the others have their turn although this one waited for nothing
            return
        ending = await self._sender.send(id, drawn.input, drawn.steering)
        tally.end(id, drawn.kind, drawn.expect, ending, time.monotonic() - meant)
        if ending.ended:
            self._record.add(id, n, ending.outcome, ending.result)

    async def _one(self, n: int, meant: float) -> None:
        await self.send(n, f"{self._prefix}-{n}", meant, self.tally)

    async def _sleep_until(self, moment: float) -> None:
        pause = moment - time.monotonic()
        if pause > 0:
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                return
