"""A worker process: connect, open its pools, serve until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

from temporalio.worker import Worker

from sagamesh.app import App
from sagamesh.connection import connect_temporal
from sagamesh.deployments.build import as_config, build_of, canonical
from sagamesh.deployments.claim import claim_build
from sagamesh.deployments.fingerprint import fingerprint_of_app
from sagamesh.engine_log import log_and_measure, log_through_python
from sagamesh.hosting import open_pools, pool_factories
from sagamesh.inline import inline_workers
from sagamesh.logs import keep_logs
from sagamesh.pool import Pool
from sagamesh.reply import described_namespace
from sagamesh.settings import WorkerSettings, read_settings
from sagamesh.system import system_worker
from sagamesh.tracing.switch import trace_process

if TYPE_CHECKING:
    from sagamesh.health.process import Health

__all__ = ["run_worker", "serve"]

_log = logging.getLogger("sagamesh.worker")

_LAST_WORD = 3.0
"""Seconds beyond the grace, for closing connections. A worker whose server has gone was seen to wait for ever."""


def run_worker(app: App, pools: Sequence[str], *, inline: bool = False, address: str | None = None) -> None:
    """Serve these pools in this process until SIGTERM or SIGINT; a second signal ends it at once.

    Probes and metrics are served beside them where the settings name a port.

    - `inline`: also host tasks inline (see `sagamesh.inline`).

    Raises:
        Unserved: for inline hosting without the agents that the tasks call inline.
        UnknownName: for a pool that the app does not have.
        InvalidInput: when a setting is missing or wrong, a pool is named twice, the port of the probes is taken, or
            the build id that the environment names belongs to other code.
        ServerUnreachable: when the server does not answer at the start.
        DependencyUnreachable: when what a pool opens, such as its database, does not.
    """
    settings = read_settings(WorkerSettings)
    keep_logs(settings)
    trace_process(",".join(pools))  # before the pools' modules take what it puts another thing in place of
    pool_factories(app, pools)
    with ExitStack() as stack:
        health = None
        if settings.probe_port:
            from sagamesh.health.process import Health

            health = stack.enter_context(Health.open(settings, log_and_measure()))
        else:
            log_through_python()
        runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory()))
        runner.run(serve(app, pools, settings=settings, inline=inline, address=address, health=health))


async def serve(
    app: App,
    pools: Sequence[str],
    *,
    settings: WorkerSettings,
    inline: bool = False,
    address: str | None = None,
    health: Health | None = None,
) -> None:
    """As `run_worker`, inside a running event loop."""
    build = build_of(os.environ)
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    running: list[Pool] = []

    def grace() -> float:
        """Of the process: the longest of its pools'."""
        return max((pool.grace.total_seconds() for pool in running), default=settings.grace)

    def stopping(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        _log.info("stopping: no new work, up to %g s for what runs", grace())
        stop.set()
        if number == signal.SIGINT:  # a person waits, or all stops and nobody else would take the work
            hurry.set()
        if health is not None:
            health.stopping()
        deadline()

    def failing(error: BaseException) -> None:
        hurry.set()
        if not stop.is_set():
            stop.set()
            deadline()
        if health is not None:
            health.broken(error)

    def deadline() -> None:
        # Kept by the loop's own clock, not by a task that a stuck shutdown would also hold up.
        drain = 0.0 if hurry.is_set() else settings.drain
        loop.call_later(drain + grace() + _LAST_WORD, _give_up)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping, number)
    async with AsyncExitStack() as stack:
        if health is not None:
            await stack.enter_async_context(health.beating())
        client = await connect_temporal(plugin=app.plugin(), address=address)
        # Before pools are opened: what they open may have effects, and a worker that lacks it says so less clearly.
        await described_namespace(client)
        if build is not None:
            await claim_build(client, build, fingerprint_of_app(app))
        deployment = None if build is None else as_config(build)
        running += await open_pools(stack, app, pools, settings, deployment=deployment, drain=settings.drain)
        for pool in running:
            pool.on_failure(failing)
            if health is not None:
                health.measure(pool)
        beside = inline_workers(client, running) if inline else []
        system = system_worker(client, app.mesh) if any(pool.workflows for pool in running) else None
        if system is not None:
            # Left after the pools: what they finish may still need it.
            await stack.enter_async_context(system)
        version = "" if build is None else f" as {canonical(build)}"
        _log.info("serving %s%s on %s", ", ".join(pools), version, client.service_client.config.target_host)
        if health is not None:
            others = beside if system is None else [*beside, system]
            await stack.enter_async_context(health.watching(client, running, others))
            if any(pool.workflows for pool in running):
                await stack.enter_async_context(health.surveying(client, app, inline=inline))
        tasks = [asyncio.ensure_future(pool.run(client, stop, hurry)) for pool in running]
        tasks += [asyncio.ensure_future(_run(each, stop)) for each in beside]
        try:
            await asyncio.gather(*tasks)
        except BaseException as error:
            # Half a process is none. What the others run may finish before what it needs is closed.
            failing(error)
            await asyncio.wait(tasks)
            raise
    _log.info("stopped")


async def _run(worker: Worker, stop: asyncio.Event) -> None:
    async with worker:
        await stop.wait()


def _give_up() -> None:
    _log.error("still not stopped after the grace; leaving what runs to the server, which will have it retried")
    logging.shutdown()
    os._exit(1)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
