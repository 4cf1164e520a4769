"""Probes and metrics of one worker process, put together."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from temporalio.client import Client
from temporalio.worker import Worker

from sagamesh.health.busy import busy
from sagamesh.health.engine import answers, polled, queues_of
from sagamesh.health.page import page
from sagamesh.health.probe import Answer, probe_server
from sagamesh.health.record import Record
from sagamesh.health.verdict import Bounds, Facts, Verdict
from sagamesh.health.watch import Check, beating, watching
from sagamesh.polled_queue import Queue
from sagamesh.pool import Pool
from sagamesh.settings import WorkerSettings

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.metrics.page import Metrics

__all__ = ["Health"]

_log = logging.getLogger("sagamesh.health")

_SERVER_EVERY: Final = 5.0
_SERVER_TIMEOUT: Final = 6.0
_QUEUE_TIMEOUT: Final = 6.0
_READINGS: Final = 3
"""For so many intervals a reading of the mesh counts: one that comes late leaves no gap."""


class Health:
    """What a worker process knows and tells of itself.

    - `engine_metrics`: `host:port` where the engine's library serves its metrics; None where it does not.
    """

    def __init__(self, settings: WorkerSettings, engine_metrics: str | None) -> None:
        self._settings = settings
        self._bounds = Bounds(stuck=settings.stuck_after)
        self._record = Record(self._bounds)
        self._engine_metrics = engine_metrics
        self._started = datetime.now(UTC)
        self._stuck_told = False
        self._agents: list[str] = []
        self._metrics = self._measuring()

    @classmethod
    @contextmanager
    def open(cls, settings: WorkerSettings, engine_metrics: str | None) -> Iterator[Self]:
        """Answer probes while the block runs, from before anything else is ready.

        Raises:
            InvalidInput: when the address cannot be listened on.
        """
        made = cls(settings, engine_metrics)
        with probe_server(settings.probe_host, settings.probe_port, made.answer) as port:
            _log.info("probes and metrics on %s port %d", settings.probe_host, port)
            yield made

    def answer(self, path: str) -> Answer:
        """What a GET of this path is answered; called from other threads than the event loop's."""
        return page(path, self._verdict, self._page)

    def stopping(self) -> None:
        """The process was told to stop: it is not ready any more, but live until it ends."""
        self._record.stopping()

    def broken(self, error: BaseException) -> None:
        """The process cannot go on and is about to end."""
        if isinstance(error, asyncio.CancelledError):  # what the engine's library does to whoever waits for its worker
            self._record.broken("it ends: a worker cannot go on")
        else:
            self._record.broken(": ".join(str(each) for each in ("it ends", error, error.__cause__) if each))

    def measure(self, pool: Pool) -> None:
        """Count and time the pool's calls; before its workers are made."""
        self._agents.append(pool.agent.name if pool.agent is not None else pool.queue)
        if self._metrics is not None and pool.agent is not None:
            from sagamesh.metrics.calls import CallMeter

            pool.watch_calls(CallMeter(pool.agent, self._metrics.calls))

    @asynccontextmanager
    async def surveying(self, client: Client, app: App, *, inline: bool = False) -> AsyncIterator[None]:
        """Read the figures of the whole mesh while the block runs; for one process that hosts tasks.

        - `inline`: whether it hosts them inline.
        """
        if self._metrics is None:
            yield
            return
        from sagamesh.metrics.reader import reading

        every = self._settings.metrics_interval
        collector = self._metrics.of_mesh(app.mesh, lasting=_READINGS * every)
        async with reading(client, app, collector, every=every, inline=inline):
            yield

    def beating(self) -> AbstractAsyncContextManager[None]:
        """Follow the event loop while the block runs: from its start, because also what it opens may be slow."""
        return beating(self._record)

    @asynccontextmanager
    async def watching(self, client: Client, pools: Sequence[Pool], beside: Sequence[Worker]) -> AsyncIterator[None]:
        """Look at the server, the queues and the dependencies while the block runs.

        - `beside`: workers that are no pool's.
        """
        queues: list[Queue] = [queue for pool in pools for queue in pool.queues]
        queues += [queue for worker in beside for queue in queues_of(worker)]
        every, patience = self._settings.health_interval, self._settings.dependency_timeout
        checks = [Check("server", "server", partial(answers, client), min(every, _SERVER_EVERY), _SERVER_TIMEOUT)]
        checks += [
            Check(
                f"queue {queue[0]} ({queue[1]})",
                "queue",
                partial(polled, client, queue, self._started),
                every,
                _QUEUE_TIMEOUT,
                partial(busy, queue, pools),
            )
            for queue in dict.fromkeys(queues)
        ]
        checks += [
            Check(f"{pool.queue} {name}", "dependency", look, every, patience)
            for pool in pools
            for name, look in pool.dependencies.items()
        ]
        async with watching(self._record, checks):
            yield

    def _verdict(self) -> tuple[Facts, Verdict]:
        facts, found = self._record.verdict()
        if facts.beat > self._bounds.stuck and not self._stuck_told:
            self._stuck_told = True
            # Straight to the file: what blocks the loop may hold the lock of the logging.
            sys.stderr.write(f"the event loop has stood still for {facts.beat:.0f} s; the process is here:\n")
            faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        return facts, found

    def _measuring(self) -> Metrics | None:
        try:
            from sagamesh.metrics.page import Metrics
        except ImportError as error:
            _log.warning("only the engine's metrics are served: install sagamesh[metrics] for the others (%s)", error)
            return None
        return Metrics(lambda: dict.fromkeys(self._agents))

    def _page(self) -> str:
        from sagamesh.health.engine_metrics import engine_page

        parts = [] if self._engine_metrics is None else [engine_page(self._engine_metrics)]
        if self._metrics is not None:
            parts.append(self._metrics.page())
        return "".join(parts)
