"""Which calls a worker lets in: as many as it has slots for, and none any more once it is to stop."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

from temporalio.client import Client
from temporalio.runtime import Runtime
from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
)

if TYPE_CHECKING:
    from temporalio.common import MetricGauge

__all__ = ["Admission"]

_QUIET: Final = 5.0
"""Seconds. A queue from which nothing came for so long is taken for idle: it is not waited for any further."""

_LOOK_AGAIN: Final = 0.1


class Admission(CustomSlotSupplier):
    """A fixed number of slots, which can be closed before the worker stops.

    A worker that stops breaks off its open polls. The server may be handing a call to one of them at that moment: it
    counts as begun, nobody has it, and it is tried again after its timeout only. So no new polls are made first, those
    that are open take what is on its way, and then there is nothing to break off. The library's own suppliers cannot be
    closed.

    - `slots`: calls at a time.
    - `available`: is kept at the number of free slots, as the library's own suppliers do; None for nowhere.
    """

    def __init__(self, slots: int, available: MetricGauge | None = None) -> None:
        self._slots = slots
        self._available = available
        self._lock = threading.Lock()  # the library calls from threads of its own
        self._polls = 0
        self._used = 0
        self._came = 0.0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._show()

    @classmethod
    def measured(cls, slots: int, client: Client, queue: str) -> Admission:
        """For the calls of a queue, with the metric that the library's own suppliers have."""
        runtime = client.service_client.config.runtime or Runtime.default()
        gauge = runtime.metric_meter.create_gauge(
            "temporal_worker_task_slots_available", "Current number of available slots per task type"
        )
        labels = {"namespace": client.namespace, "task_queue": queue, "worker_type": "ActivityWorker"}
        return cls(slots, gauge.with_additional_attributes(labels))

    async def drain(self, within: float, hurry: asyncio.Event) -> bool:
        """Let no call in any more, and wait until no poll is open: at most `within` seconds, or until `hurry`.

        Returns whether none is. False also where the queue is idle, so that a poll would be open for a minute.
        """
        began = time.monotonic()
        with self._lock:
            self._closed = True
            self._came = max(self._came, began)
        while self._polls > 0:
            now = time.monotonic()
            if hurry.is_set() or now - began > within or now - self._came > _QUIET:
                return False
            await asyncio.sleep(_LOOK_AGAIN)
        return True

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait for a free slot, for one more poll."""
        self._loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                changed = self._changed
                if self._take():
                    return SlotPermit()
            await changed.wait()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """A slot for a call that comes with an answer instead of a poll's, where one is free."""
        with self._lock:
            return SlotPermit() if self._take() else None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """A call has come."""
        with self._lock:
            self._polls -= 1
            self._used += 1
            self._came = time.monotonic()
        self._show()

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """A call has ended, or a poll without one."""
        with self._lock:
            if ctx.slot_info is None:
                self._polls -= 1
            else:
                self._used -= 1
        self._show()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _take(self) -> bool:
        if self._closed or self._polls + self._used >= self._slots:
            return False
        self._polls += 1
        return True

    def _wake(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _show(self) -> None:
        if self._available is not None:
            self._available.set(self._slots - self._used)
