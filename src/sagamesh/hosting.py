"""Hosting in a process of one's own, such as a shop's web server: pools open while a block runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from socket import gaierror

from temporalio.worker import WorkerDeploymentConfig

from sagamesh.app import App
from sagamesh.client import Client
from sagamesh.connection import connect_temporal
from sagamesh.errors import DependencyUnreachable, InvalidInput, SagameshError
from sagamesh.failure import FieldProblem
from sagamesh.inline import inline_workers
from sagamesh.pool import Pool, PoolFactory
from sagamesh.settings import WorkerSettings, read_settings
from sagamesh.system import system_worker

__all__ = ["hosting", "open_pools", "pool_factories"]


@asynccontextmanager
async def hosting(
    app: App, pools: Sequence[str] | None = None, *, inline: bool = False, address: str | None = None
) -> AsyncIterator[Client]:
    """Serve pools in this process while the block runs, then finish what runs, for at most the grace.

        async with hosting(app, inline=True) as client:
            handle = await client.start(order, request, id="order-1", inline=True)

    The server hands a task that is started inline with this client to this very process, with the answer to the start.
    Signals, probes and metrics stay with the process; `sagamesh worker` has its own.

    - `pools`: by name; None for all of the app.
    - `inline`: also host tasks inline (see `sagamesh.inline`).
    - `address`: `host:port` for when the environment and the profile file name none.

    Raises:
        Unserved: for a pool without an implementation of what it must serve, and for inline hosting without the agents
            that the tasks call inline.
        UnknownName: for a pool that the app does not have.
        InvalidInput: when a setting is missing or wrong, or a pool is named twice.
        ServerUnreachable: when the server does not answer at the start.
        DependencyUnreachable: when what a pool opens does not.
        Refused: when it cannot keep what a contract declares.
        ExceptionGroup: with the error of a worker that could not go on; the block is cancelled before.
    """
    settings = read_settings(WorkerSettings)
    async with AsyncExitStack() as stack:
        temporal = await connect_temporal(plugin=app.plugin(), address=address)
        opened = await open_pools(stack, app, list(app.pools) if pools is None else pools, settings)
        beside = inline_workers(temporal, opened) if inline else []
        system = system_worker(temporal, app.mesh) if any(pool.workflows for pool in opened) else None
        if system is not None:
            # Left after the pools: what they finish may still need it.
            await stack.enter_async_context(system)
        for pool in opened:
            await pool.keep_limits(temporal)
        serving: list[AbstractAsyncContextManager[object]] = [*(pool.serving(temporal) for pool in opened), *beside]
        begun, stop = asyncio.Barrier(len(serving) + 1), asyncio.Event()
        # Side by side, so that they also stop side by side: one after the other, each would take the grace for itself.
        async with asyncio.TaskGroup() as group:
            for each in serving:
                group.create_task(_serve(each, begun, stop))
            await begun.wait()
            try:
                yield Client(temporal)
            finally:
                stop.set()


async def _serve(serving: AbstractAsyncContextManager[object], begun: asyncio.Barrier, stop: asyncio.Event) -> None:
    async with serving:
        await begun.wait()
        await stop.wait()


def pool_factories(app: App, names: Sequence[str]) -> dict[str, PoolFactory]:
    """Name to the function that makes the pool, in the given order; nothing is opened.

    Raises:
        UnknownName: for a pool that the app does not have.
        InvalidInput: for one that is named twice.
    """
    factories: dict[str, PoolFactory] = {}
    for name in names:
        if name in factories:
            advice = "SAGAMESH_SLOTS is for more calls at a time, a second process for more workers"
            problem = f"named twice; a process serves a pool once ({advice})"
            raise InvalidInput("the list of pools", [FieldProblem(field=name, problem=problem)])
        factories[name] = app.pool_factory(name)
    return factories


async def open_pools(
    stack: AsyncExitStack,
    app: App,
    names: Sequence[str],
    settings: WorkerSettings,
    *,
    deployment: WorkerDeploymentConfig | None = None,
    drain: float = 0.0,
) -> list[Pool]:
    """Open what the implementations of these pools need, to be closed with the stack.

    - `deployment`: the version that the process is; None for an unversioned one.
    - `drain`: as of `Pool.configure`.

    Raises:
        Unserved: as `Pool.check`.
        UnknownName, InvalidInput: as `pool_factories`.
        DependencyUnreachable: naming the pool, when what it opens does not answer.
    """
    opened = []
    for name, factory in pool_factories(app, names).items():
        try:
            pool = await stack.enter_async_context(factory())
        except DependencyUnreachable as error:
            raise DependencyUnreachable(f"pool {name}: {error}") from error
        except SagameshError:
            raise  # names what is wrong itself; some are connection errors, too
        except (ConnectionError, TimeoutError, gaierror) as error:
            said = str(error) or type(error).__name__
            raise DependencyUnreachable(f"pool {name}: what it opens cannot be reached: {said}") from error
        grace = timedelta(seconds=settings.grace)
        pool.configure(
            slots=settings.capacity, grace=grace, pollers=settings.pollers, deployment=deployment, drain=drain
        )
        opened.append(pool)
    for pool in opened:
        pool.check()
    return opened
