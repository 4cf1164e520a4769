"""Changes how the server routes between the versions of a deployment. Each change is refused after somebody else's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as DeploymentVersion
from temporalio.api.workflowservice.v1 import (
    DeleteWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkerDeploymentVersionMetadataRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from sagamesh.deployments.deployment import Deployment
from sagamesh.deployments.patience import patiently
from sagamesh.deployments.reader import ROLLED_BACK
from sagamesh.errors import Refused
from sagamesh.reply import reply

__all__ = ["check_ready", "delete", "note_rolled_back", "set_current", "set_ramp", "unset_current", "unset_ramp"]

T = TypeVar("T")


def check_ready(deployment: Deployment, build: str) -> None:
    """Whether a version may get more than it has.

    Raises:
        UnknownName: when there is no such version.
        Refused: `NoWorkers` when nobody polls one of its queues; `AnotherRamps` when another version is taking over.
    """
    version = deployment.version(build)
    if deployment.ramping not in (None, build):
        raise Refused(
            "AnotherRamps",
            f"{deployment.ramping} is ramping ({deployment.percent:g} %): promote it, or "
            f"`sagamesh deploy rollback --deployment {deployment.name}` first",
        )
    if not version.whole:
        where = f"on {', '.join(version.unpolled)}" if version.queues else "yet"
        raise Refused("NoWorkers", f"{build} has no worker {where}: start its workers, all of them, first")


async def set_current(client: Client, deployment: Deployment, build: str) -> None:
    """Let a version have everything that is not pinned; a ramp to it ends.

    Raises:
        as `check_ready`; Refused: `Changed` when somebody else has changed the routing since it was read, `Managed`
            when the server takes changes of one client only, such as the worker controller.
        ServerUnreachable: when the server does not answer.
    """
    check_ready(deployment, build)
    await _current(client, deployment, build)
    await note_rolled_back(client, deployment, build, "")


async def unset_current(client: Client, deployment: Deployment) -> None:
    """Let unversioned workers have everything that is not pinned.

    Raises:
        Refused: `Changed`, `Managed`; ServerUnreachable: as `set_current`.
    """
    await _current(client, deployment, "")


async def set_ramp(client: Client, deployment: Deployment, build: str, percent: float) -> None:
    """Let a version have a share of what is new.

    Raises:
        as `set_current`; Refused: `NothingElse` when nobody would take the rest.
    """
    check_ready(deployment, build)
    if deployment.waits:
        raise Refused(
            "NothingElse",
            f"no version of {deployment.name} is current, so nobody would take the rest: "
            f"`sagamesh deploy promote {build} --deployment {deployment.name}`",
        )
    if deployment.current == build:
        raise Refused("AlreadyCurrent", f"{build} is current: it gets everything")
    await _ramp(client, deployment, build, percent)
    await note_rolled_back(client, deployment, build, "")


async def unset_ramp(client: Client, deployment: Deployment) -> None:
    """Let the current version have everything again.

    Raises:
        Refused: `Changed`; ServerUnreachable: as `set_current`.
    """
    await _ramp(client, deployment, "", 0)


async def delete(client: Client, deployment: Deployment, build: str) -> None:
    """Let the server forget a version.

    Raises:
        UnknownName: when there is no such version.
        Refused: `InUse` while it gets tasks, has open ones, or workers.
        ServerUnreachable: when the server does not answer.
    """
    version = deployment.version(build)
    if version.share:
        raise Refused("InUse", f"{build} gets {version.share:g} % of what is new")
    if version.open_tasks:
        raise Refused("InUse", f"{version.open_tasks} open tasks are pinned to {build}; it is {version.state}")
    if version.workers:
        raise Refused("InUse", f"{build} still has workers: {', '.join(version.workers)}. Stop them first")
    request = DeleteWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=DeploymentVersion(deployment_name=deployment.name, build_id=build),
        identity=client.identity,
    )
    try:
        await patiently(lambda: reply(client, client.workflow_service.delete_worker_deployment_version(request)))
    except Refused as error:
        raise Refused("InUse", f"{build} cannot be deleted yet: {_said(error)}") from error


async def note_rolled_back(client: Client, deployment: Deployment, build: str, reason: str) -> None:
    """Keep with a version why it was taken back; without a reason, forget it.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    if not reason and not deployment.version(build).rolled_back:
        return
    note = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(reason).encode())
    request = UpdateWorkerDeploymentVersionMetadataRequest(
        namespace=client.namespace,
        deployment_version=DeploymentVersion(deployment_name=deployment.name, build_id=build),
        upsert_entries={ROLLED_BACK: note} if reason else None,
        remove_entries=None if reason else [ROLLED_BACK],
        identity=client.identity,
    )
    service = client.workflow_service
    await patiently(lambda: reply(client, service.update_worker_deployment_version_metadata(request)))


async def _current(client: Client, deployment: Deployment, build: str) -> None:
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=deployment.name,
        build_id=build,
        conflict_token=deployment.token,
        identity=client.identity,
    )
    await _changed(lambda: reply(client, client.workflow_service.set_worker_deployment_current_version(request)))


async def _ramp(client: Client, deployment: Deployment, build: str, percent: float) -> None:
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=client.namespace,
        deployment_name=deployment.name,
        build_id=build,
        percentage=percent,
        conflict_token=deployment.token,
        identity=client.identity,
    )
    await _changed(lambda: reply(client, client.workflow_service.set_worker_deployment_ramping_version(request)))


async def _changed(change: Callable[[], Awaitable[T]]) -> T:
    try:
        return await patiently(change)
    except Refused as error:
        if "ManagerIdentity" in str(error):
            raise Refused(
                "Managed",
                f"somebody manages this deployment, such as the worker controller: change it there ({_said(error)})",
            ) from error
        if "conflict token" not in str(error):
            raise
        raise Refused(
            "Changed", "somebody else has just changed the routing: look at `sagamesh deploy status`, then try again"
        ) from error


def _said(error: Refused) -> str:
    cause = error.__cause__
    return cause.message if isinstance(cause, RPCError) else str(error)
