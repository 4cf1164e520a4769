"""Asking the server, and turning its ways of not answering into the errors of Sagamesh."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.attributes import SEARCH_ATTRIBUTES
from sagamesh.connection import unreachable
from sagamesh.errors import Refused, SagameshError, ServerUnreachable
from sagamesh.namespace import registration_command

__all__ = ["OVERDUE", "described_namespace", "reply"]

T = TypeVar("T")

OVERDUE: Final = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
"""How a call ends that takes longer than it was given; the second is what the SDK's own clock makes of it."""

_NO_ENTRY: Final = (RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED)
_REFUSED: Final = {
    RPCStatusCode.INVALID_ARGUMENT: "InvalidArgument",
    RPCStatusCode.FAILED_PRECONDITION: "FailedPrecondition",
    RPCStatusCode.RESOURCE_EXHAUSTED: "ResourceExhausted",
}


async def reply(client: Client, call: Awaitable[T]) -> T:
    """Await a call to the server.

    Raises:
        ServerUnreachable: when it does not answer, lets nobody in with these credentials, or lacks the namespace.
        Refused: `MissingSearchAttributes` when the namespace was not prepared for Sagamesh; else named as the engine
            names it.
        temporalio.service.RPCError: for what only the caller can explain, such as NOT_FOUND.
    """
    try:
        return await call
    except RuntimeError as error:
        # A client that connects at its first question says so by this.
        if "connect" not in str(error):
            raise
        raise unreachable(client.service_client.config.target_host, client.namespace) from error
    except RPCError as error:
        explained = _explained(client, error)
        if explained is None:
            raise
        raise explained from error


async def described_namespace(client: Client) -> DescribeNamespaceResponse:
    """The client's namespace, as the server describes it.

    Raises:
        ServerUnreachable: as `reply`; also when there is no such namespace.
    """
    return await reply(
        client, client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    )


def _explained(client: Client, error: RPCError) -> SagameshError | None:
    target, namespace = client.service_client.config.target_host, client.namespace
    if error.status is RPCStatusCode.UNAVAILABLE or error.status in OVERDUE:
        return unreachable(target, namespace)
    if error.status in _NO_ENTRY:
        return ServerUnreachable(
            f"the Temporal server at {target} lets nobody into namespace {namespace} with these credentials: "
            f"{error.message}. Check TEMPORAL_API_KEY and TEMPORAL_TLS*, or the profile that TEMPORAL_PROFILE names",
            reason="NoEntry",
        )
    if error.status is RPCStatusCode.NOT_FOUND and error.message.startswith("Namespace "):
        return ServerUnreachable(
            f"the Temporal server at {target} has no namespace {namespace}. Set TEMPORAL_NAMESPACE, or create it: "
            f"temporal operator namespace create --namespace {namespace} --address {target}",
            reason="NoNamespace",
        )
    if error.status is RPCStatusCode.INVALID_ARGUMENT and _about_attributes(error.message):
        return Refused(
            "MissingSearchAttributes",
            f"namespace {namespace} at {target} does not know the search attributes of Sagamesh ({error.message}). "
            f"Register them once: {registration_command(namespace)} --address {target}",
        )
    if error.status in _REFUSED:
        return Refused(_REFUSED[error.status], f"the server refused the request: {error.message}")
    return None


def _about_attributes(message: str) -> bool:
    return "search attribute" in message and any(key.name in message for key in SEARCH_ATTRIBUTES)
