"""Sends parcels, and waits for what the server says of the versions that carry them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.common import WorkerDeploymentVersion

from sagamesh import Client
from sagamesh.deployments.canary import run_canary
from sagamesh.deployments.deployment import Deployment
from sagamesh.deployments.judgement import Limits
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.rollout import Canary, Ramp
from sagamesh.errors import UnknownName
from sagamesh.handle import TaskHandle
from tests.deployments.parcels import Parcel, Sent, parcel
from tests.support.engine import eventually

__all__ = ["canary_to", "polled", "ramp_of", "seen", "send", "sending", "start"]

_ids = itertools.count()


async def start(client: Client, to: str = "ada", *, supervised: bool = False) -> TaskHandle[Sent]:
    """Start sending a parcel."""
    return await client.start(parcel, Parcel(to=to), id=f"p-{next(_ids)}", supervised=supervised)


async def send(client: Client, count: int, to: str = "ada") -> list[Sent]:
    """Send some, and wait for them."""
    started = [await start(client, to) for _ in range(count)]
    return list(await asyncio.gather(*(each.result() for each in started)))


async def seen(client: Client, name: str, so: Callable[[Deployment], bool]) -> Deployment:
    """Wait until the server describes a deployment so."""
    found: list[Deployment] = []

    async def look() -> bool:
        try:
            found.append(await load_deployment(client.temporal, name))
        except UnknownName:
            return False
        return so(found[-1])

    await eventually(look)
    return found[-1]


async def polled(client: Client, name: str, build: str) -> Deployment:
    """Wait until workers of a version poll all that it serves."""
    return await seen(client, name, lambda d: any(v.build == build and v.whole for v in d.versions))


def canary_to(client: Client, to: str = "canary") -> Canary:
    """A canary that sends a parcel."""

    def run(version: WorkerDeploymentVersion, task_id: str) -> Awaitable[str]:
        return run_canary(client, parcel, Parcel(to=to), version, task_id, timedelta(seconds=60))

    return run


def ramp_of(client: Client, *steps: float, least: int = 0, canary: Canary | None = None) -> Ramp:
    """A ramp by these steps, with a canary."""
    return Ramp(steps, timedelta(seconds=0.2), Limits(least=least), timedelta(seconds=60), canary or canary_to(client))


@asynccontextmanager
async def sending(client: Client, pause: float = 0.25) -> AsyncIterator[None]:
    """Send parcels for the length of the block, so many seconds apart; what becomes of them is the ramp's to judge."""

    async def send_all() -> None:
        while True:
            await start(client)
            await asyncio.sleep(pause)

    under_way = asyncio.create_task(send_all())
    try:
        yield
    finally:
        under_way.cancel()
        await asyncio.gather(under_way, return_exceptions=True)
