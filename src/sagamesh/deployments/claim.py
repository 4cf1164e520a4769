"""One build id is one code: the server keeps the fingerprint of the code that was first to use it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Collection
from typing import Final

from temporalio.api.common.v1 import Payload
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as DeploymentVersion
from temporalio.api.workflowservice.v1 import (
    CreateWorkerDeploymentRequest,
    CreateWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentVersionRequest,
    UpdateWorkerDeploymentVersionMetadataRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.deployments.build import BUILD_VARIABLE, canonical
from sagamesh.deployments.patience import patiently
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.reply import reply

__all__ = ["CODE", "claim_build", "code_problem"]

_log = logging.getLogger("sagamesh.worker")

CODE: Final = "sagamesh.code."
"""The metadata keys that say which code a version runs begin so, then the fingerprint, then who noted it: a process
that takes its note back must not take another's of the same code."""

_NOTED: Final = Payload(metadata={"encoding": b"json/plain"}, data=b"true")


def code_problem(keys: Collection[str], fingerprint: str) -> str:
    """What is wrong with using a version whose metadata has these keys for this code; empty for nothing."""
    others = sorted(_codes(keys) - {fingerprint})
    if not others:
        return ""
    return f"this build id belongs to other code ({', '.join(others)}; this is {fingerprint}): take a new one"


def _codes(keys: Collection[str]) -> set[str]:
    return {key.removeprefix(CODE).partition(".")[0] for key in keys if key.startswith(CODE)}


async def claim_build(client: Client, build: WorkerDeploymentVersion, fingerprint: str) -> None:
    """Note on the server that this code is this version, before any worker of it polls.

    Race-safe: the server keeps the notes of one version in an order and answers each with all of them, so of two
    processes that begin at once with different code the later one sees the earlier one's, takes back its own, and is
    refused. One that is killed between these two requests leaves its note, and then both are refused: take a new id.

    Raises:
        InvalidInput: naming the variable, when the build id belongs to other code.
        ServerUnreachable: when the server does not answer.
        Refused: when it does not take the names.
    """
    try:
        await patiently(lambda: _claim(client, build, fingerprint))
    except RPCError as error:
        if error.status is not RPCStatusCode.UNIMPLEMENTED:
            raise
        _log.warning("the server is too old to tell whether build id %s belongs to other code", canonical(build))


async def _claim(client: Client, build: WorkerDeploymentVersion, fingerprint: str) -> None:
    version = DeploymentVersion(deployment_name=build.deployment_name, build_id=build.build_id)
    mine = f"{CODE}{fingerprint}.{uuid.uuid4().hex[:8]}"
    keys = await _known(client, version)
    if fingerprint not in _codes(keys):
        _check(build, keys, fingerprint)
        keys = await patiently(lambda: _note(client, version, added={mine: _NOTED}))
        if code_problem(keys, fingerprint):
            await patiently(lambda: _note(client, version, removed=[mine]))
    _check(build, keys, fingerprint)


def _check(build: WorkerDeploymentVersion, keys: Collection[str], fingerprint: str) -> None:
    problem = code_problem(keys, fingerprint)
    if problem:
        raise InvalidInput(
            "the environment", [FieldProblem(field=BUILD_VARIABLE, problem=f"{canonical(build)}: {problem}")]
        )


async def _known(client: Client, version: DeploymentVersion) -> Collection[str]:
    """The keys of a version's metadata; the version is made when the server has none yet."""
    service, namespace = client.workflow_service, client.namespace
    asked = DescribeWorkerDeploymentVersionRequest(namespace=namespace, deployment_version=version)
    try:
        answer = await reply(client, service.describe_worker_deployment_version(asked))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    else:
        return answer.worker_deployment_version_info.metadata.entries.keys()
    who = client.identity
    deployment = CreateWorkerDeploymentRequest(
        namespace=namespace, deployment_name=version.deployment_name, identity=who, request_id=str(uuid.uuid4())
    )
    made = CreateWorkerDeploymentVersionRequest(
        namespace=namespace, deployment_version=version, identity=who, request_id=str(uuid.uuid4())
    )
    await _made(client, service.create_worker_deployment(deployment))
    await _made(client, service.create_worker_deployment_version(made))
    return ()


async def _made(client: Client, making: Awaitable[object]) -> None:
    try:
        await reply(client, making)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _note(
    client: Client,
    version: DeploymentVersion,
    *,
    added: dict[str, Payload] | None = None,
    removed: list[str] | None = None,
) -> Collection[str]:
    """Change a version's metadata, and return the keys of what it is then."""
    request = UpdateWorkerDeploymentVersionMetadataRequest(
        namespace=client.namespace,
        deployment_version=version,
        upsert_entries=added,
        remove_entries=removed,
        identity=client.identity,
    )
    answer = await reply(client, client.workflow_service.update_worker_deployment_version_metadata(request))
    return answer.metadata.entries.keys()
