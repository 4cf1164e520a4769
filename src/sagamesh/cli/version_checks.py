"""The checks of `doctor` for versioned workers: that somebody serves what is new, and what is pinned."""

from __future__ import annotations

from collections.abc import AsyncIterator

from temporalio.service import RPCError, RPCStatusCode

from sagamesh.cli.finding import Finding
from sagamesh.client import Client
from sagamesh.deployments.deployment import Deployment, troubles
from sagamesh.deployments.reader import load_deployments

__all__ = ["version_checks"]


async def version_checks(client: Client) -> AsyncIterator[Finding]:
    """Each worker deployment of the namespace; nothing where no worker is versioned.

    Raises:
        ServerUnreachable: when the server stops answering.
    """
    try:
        deployments = await load_deployments(client.temporal)
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED:
            return  # a server without versions has none that could be wrong
        raise
    for deployment in deployments:
        check = f"deployment {deployment.name}"
        found = troubles(deployment)
        for trouble in found:
            yield Finding.fail(check, trouble.message, trouble.advice)
        if not found:
            yield Finding.ok(check, _routing(deployment))


def _routing(deployment: Deployment) -> str:
    current = f"{deployment.current} is current" if deployment.current else "unversioned workers have the rest"
    if deployment.ramping is None:
        return current if deployment.current else "no version is current, and nothing waits"
    return f"{current}, {deployment.ramping} gets {deployment.percent:g} %"
