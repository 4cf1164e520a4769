"""Reads the deployments of a namespace from the server: versions, routing, pollers, open tasks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.deployment.v1 import RoutingConfig, WorkerDeploymentInfo, WorkerDeploymentVersionInfo
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as DeploymentVersion
from temporalio.api.enums.v1 import TaskQueueType, WorkerDeploymentVersionStatus, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
    DescribeWorkerDeploymentVersionRequest,
    ListWorkerDeploymentsRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.deployments.build import canonical
from sagamesh.deployments.deployment import Deployment, Poller, Queue, Routing, State, Version
from sagamesh.deployments.patience import patiently
from sagamesh.errors import UnknownName
from sagamesh.health.engine import FRESH
from sagamesh.reply import reply

__all__ = ["ROLLED_BACK", "load_deployment", "load_deployments", "load_routing", "queue_of"]

ROLLED_BACK: Final = "sagamesh.rolled-back"
"""The metadata key under which a version keeps why it was taken back, as a JSON string."""

_AGAIN: Final = 0.5
"""Seconds."""

_STATES: Final = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CREATED: State.CREATED,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_INACTIVE: State.INACTIVE,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: State.CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: State.RAMPING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: State.DRAINING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: State.DRAINED,
}
_SIDES: Final[dict[TaskQueueType.ValueType, Literal["tasks", "calls"]]] = {
    TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW: "tasks",
    TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY: "calls",
}


async def load_deployments(client: Client) -> list[Deployment]:
    """All deployments of the namespace, by name; one that was made or changed a moment ago may be missing.

    Pollers are up to five seconds old, counts of tasks about one.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    # The server lists them from its index, which misses one at the moment when that begins its history anew.
    names = await _names(client)
    if not names:
        await asyncio.sleep(_AGAIN)
        names = await _names(client)
    found = []
    for name in sorted(names):
        try:
            found.append(await load_deployment(client, name))
        except UnknownName:
            continue  # deleted while this list was read
    return found


async def _names(client: Client) -> list[str]:
    names, token = [], b""
    while True:
        request = ListWorkerDeploymentsRequest(namespace=client.namespace, next_page_token=token)
        page = await reply(client, client.workflow_service.list_worker_deployments(request))
        names += [each.name for each in page.worker_deployments]
        token = page.next_page_token
        if not token:
            return names


async def load_deployment(client: Client, name: str) -> Deployment:
    """One deployment.

    Raises:
        ServerUnreachable: when the server does not answer.
        UnknownName: when it has no such deployment.
    """
    answer = await _described(client, name)
    info = answer.worker_deployment_info
    builds = [summary.deployment_version.build_id for summary in info.version_summaries]
    described = [each for each in await asyncio.gather(*(_version(client, name, build) for build in builds)) if each]
    queues = await _queues(client, described)
    counts = await asyncio.gather(*(_open_tasks(client, name, each.deployment_version.build_id) for each in described))
    return _deployment(info, answer.conflict_token, list(zip(described, counts, strict=True)), queues)


async def load_routing(client: Client, name: str) -> Routing:
    """How the server routes between the versions of a deployment: one question, where `load_deployment` asks many.

    Raises:
        ServerUnreachable, UnknownName: as `load_deployment`.
    """
    return _routing((await _described(client, name)).worker_deployment_info.routing_config)


async def _described(client: Client, name: str) -> DescribeWorkerDeploymentResponse:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        return await patiently(lambda: reply(client, client.workflow_service.describe_worker_deployment(request)))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise UnknownName("deployment", name, await _names(client)) from error


async def _version(client: Client, name: str, build: str) -> WorkerDeploymentVersionInfo | None:
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace, deployment_version=DeploymentVersion(deployment_name=name, build_id=build)
    )
    try:
        answer = await patiently(
            lambda: reply(client, client.workflow_service.describe_worker_deployment_version(request))
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None  # deleted meanwhile
    return answer.worker_deployment_version_info


async def _open_tasks(client: Client, name: str, build: str) -> int:
    version = canonical(WorkerDeploymentVersion(name, build))
    query = f"TemporalWorkerDeploymentVersion = '{version}' AND ExecutionStatus = 'Running'"
    return (await reply(client, client.count_workflows(query))).count


async def _queues(
    client: Client, versions: Iterable[WorkerDeploymentVersionInfo]
) -> dict[tuple[str, TaskQueueType.ValueType], Queue]:
    wanted = list(
        dict.fromkeys(
            (queue.name, queue.type)
            for version in versions
            for queue in version.task_queue_infos
            if queue.type in _SIDES
        )
    )
    answers = await asyncio.gather(
        *(
            reply(
                client,
                client.workflow_service.describe_task_queue(
                    DescribeTaskQueueRequest(
                        namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=side
                    )
                ),
            )
            for name, side in wanted
        )
    )
    now = datetime.now(UTC)
    return {
        (name, side): queue_of(name, _SIDES[side], answer, now)
        for (name, side), answer in zip(wanted, answers, strict=True)
    }


def queue_of(name: str, side: Literal["tasks", "calls"], answer: DescribeTaskQueueResponse, now: datetime) -> Queue:
    """Read the server's description of one side of a queue, as of `now`."""
    pollers = tuple(
        Poller(
            poller.identity,
            poller.deployment_options.deployment_name if _versioned(poller) else "",
            poller.deployment_options.build_id if _versioned(poller) else "",
        )
        for poller in answer.pollers
        if now - poller.last_access_time.ToDatetime(tzinfo=UTC) < FRESH
    )
    current = answer.versioning_info.current_deployment_version
    return Queue(name, side, pollers, (current.deployment_name, current.build_id) if current.build_id else None)


def _versioned(poller: PollerInfo) -> bool:
    mode = poller.deployment_options.worker_versioning_mode
    return mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED


def _deployment(
    info: WorkerDeploymentInfo,
    token: bytes,
    described: list[tuple[WorkerDeploymentVersionInfo, int]],
    queues: dict[tuple[str, TaskQueueType.ValueType], Queue],
) -> Deployment:
    config, routing = info.routing_config, _routing(info.routing_config)
    # Only the summaries have it: the server leaves it out of a version's own description.
    was_current = {each.deployment_version.build_id: _time(each.last_current_time) for each in info.version_summaries}
    versions = sorted(
        (
            _as_version(version, count, routing, queues, was_current.get(version.deployment_version.build_id))
            for version, count in described
        ),
        key=lambda each: each.created,
        reverse=True,
    )
    served = {(name, side): queue for (name, side), queue in queues.items() if queue.pollers}
    waits = (
        ()
        if routing.current
        else tuple(
            dict.fromkeys(queue.name for queue in served.values() if queue.current is None and not queue.unversioned)
        )
    )
    return Deployment(
        name=info.name,
        current=routing.current,
        ramping=routing.ramping,
        percent=routing.percent,
        versions=tuple(versions),
        # A promotion ends a ramp, too, but changes both at the same time.
        ramp_ended=routing.ramping is None
        and config.ramping_version_changed_time.ToNanoseconds() > config.current_version_changed_time.ToNanoseconds(),
        waits=waits,
        token=token,
    )


def _as_version(
    info: WorkerDeploymentVersionInfo,
    open_tasks: int,
    routing: Routing,
    queues: dict[tuple[str, TaskQueueType.ValueType], Queue],
    last_current: datetime | None,
) -> Version:
    version = info.deployment_version
    mine = [queues[queue.name, queue.type] for queue in info.task_queue_infos if (queue.name, queue.type) in queues]
    pollers = {
        queue: {
            poller.identity
            for poller in queue.pollers
            if (poller.deployment, poller.build) == (version.deployment_name, version.build_id)
        }
        for queue in mine
    }
    reason = info.metadata.entries.get(ROLLED_BACK)
    return Version(
        deployment=version.deployment_name,
        build=version.build_id,
        state=_STATES.get(info.status, State.INACTIVE),
        share=routing.share(version.build_id),
        open_tasks=open_tasks,
        workers=tuple(sorted({identity for those in pollers.values() for identity in those})),
        queues=tuple(dict.fromkeys(queue.name for queue in mine)),
        unpolled=tuple(dict.fromkeys(queue.name for queue in mine if not pollers[queue])),
        hosts_tasks=any(queue.side == "tasks" for queue in mine),
        created=info.create_time.ToDatetime(tzinfo=UTC),
        last_current=last_current,
        rolled_back=_text(reason.data) if reason is not None else "",
    )


def _routing(config: RoutingConfig) -> Routing:
    ramping = config.ramping_deployment_version.build_id or None
    return Routing(
        current=config.current_deployment_version.build_id or None,
        ramping=ramping,
        percent=round(config.ramping_version_percentage, 2) if ramping else 0.0,
    )


def _time(at: Timestamp) -> datetime | None:
    return at.ToDatetime(tzinfo=UTC) if at.seconds else None


def _text(data: bytes) -> str:
    try:
        value = json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
    return str(value)
