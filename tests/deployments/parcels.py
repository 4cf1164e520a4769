"""A task in four versions, one of them bad, one slow, and an agent in two: what is released, ramped, taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from temporalio import client as temporal
from temporalio import workflow
from temporalio.common import WorkerDeploymentVersion
from temporalio.exceptions import ApplicationError

from sagamesh import Agent, Message, Pool, Retry, RetryLater, Task, TaskWorkflow, current_call, milliseconds, seconds
from sagamesh.deployments.build import as_config
from sagamesh.pool import Runs

__all__ = ["COURIERS", "PARCELS", "Courier", "Parcel", "Sent", "courier", "hosting", "parcel", "serving"]

PARCELS = "parcels"
COURIERS = "couriers"
"""The deployments of the pool of tasks and of the agent's."""


class Parcel(Message):
    """What is to be sent."""

    to: str = "ada"


class Sent(Message):
    """By which version of the task, and of the agent."""

    by: str
    courier: str


courier = Agent("courier")
carry = courier.capability(
    "carry", takes=Parcel, returns=Sent, timeout=seconds(30), retry=Retry(attempts=20, first=milliseconds(10))
)
parcel = Task("Parcel", takes=Parcel, returns=Sent, queue=PARCELS, uses=(courier,))


@workflow.defn(name="Parcel")
class First(TaskWorkflow):
    """Sends it."""

    task = parcel

    @workflow.run
    async def run(self, arg: Parcel) -> Sent:
        return (await carry(arg)).model_copy(update={"by": "v1"})


@workflow.defn(name="Parcel")
class Second(TaskWorkflow):
    """Pauses before it sends it: a history of the first version would not replay."""

    task = parcel

    @workflow.run
    async def run(self, arg: Parcel) -> Sent:
        await workflow.sleep(0.001)
        return (await carry(arg)).model_copy(update={"by": "v2"})


@workflow.defn(name="Parcel")
class Third(TaskWorkflow):
    """Sends to nobody but a canary."""

    task = parcel

    @workflow.run
    async def run(self, arg: Parcel) -> Sent:
        if arg.to != "canary":
            raise ApplicationError("lost in the post", type="Lost", non_retryable=True)
        return Sent(by="v3", courier="")


@workflow.defn(name="Parcel")
class Slow(TaskWorkflow):
    """Sends it, after a pause that is felt."""

    task = parcel

    @workflow.run
    async def run(self, arg: Parcel) -> Sent:
        await workflow.sleep(0.8)
        return (await carry(arg)).model_copy(update={"by": "slow"})


VERSIONS: dict[str, type[Runs[Parcel, Sent]]] = {"v1": First, "v2": Second, "v3": Third, "slow": Slow}


class Courier:
    """One version of the agent. Parcels to `patient` arrive once `arrived` is set."""

    def __init__(self, build: str, *, clumsy: bool = False) -> None:
        self.build = build
        self.clumsy = clumsy
        self.arrived = asyncio.Event()

    async def carry(self, arg: Parcel) -> Sent:
        """Carry one; a clumsy courier drops each once."""
        if self.clumsy and current_call().attempt == 1:
            raise RetryLater("dropped it", after=timedelta(milliseconds=1))
        if arg.to == "patient":
            await self.arrived.wait()
        return Sent(by="", courier=self.build)


@asynccontextmanager
async def hosting(client: temporal.Client, build: str, *, versioned: bool = True) -> AsyncIterator[None]:
    """Workers that host the task as this version, or with its code and no version."""
    version = WorkerDeploymentVersion(PARCELS, build) if versioned else None
    async with _running(client, Pool(PARCELS).host(parcel, VERSIONS[build]), version):
        yield


@asynccontextmanager
async def serving(client: temporal.Client, serves: Courier, *, versioned: bool = True) -> AsyncIterator[None]:
    """Workers that serve the agent, as a version of its deployment or without one."""
    version = WorkerDeploymentVersion(COURIERS, serves.build) if versioned else None
    async with _running(client, Pool(courier).serve(carry, serves.carry), version):
        yield


@asynccontextmanager
async def _running(client: temporal.Client, pool: Pool, version: WorkerDeploymentVersion | None) -> AsyncIterator[None]:
    pool.configure(slots=50, grace=timedelta(0), deployment=None if version is None else as_config(version))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pool.serving(client))
        yield
