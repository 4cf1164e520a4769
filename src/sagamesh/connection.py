"""How processes reach the Temporal server."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.plugin import SimplePlugin

from sagamesh.errors import DefinitionError, ServerUnreachable
from sagamesh.plugin import SagameshPlugin

__all__ = ["DEFAULT_ADDRESS", "configured", "connect_temporal", "unreachable"]

DEFAULT_ADDRESS = "localhost:7233"

CONNECT_WITHIN: Final = 8.0
"""Seconds. What accepts a connection and then says nothing would hold up the SDK for half a minute."""


async def connect_temporal(
    *, plugin: SimplePlugin | None = None, address: str | None = None, identity: str | None = None
) -> Client:
    """Connect as the standard environment and profile file say (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS, API key).

    - `address`: `host:port` where neither the environment nor a profile names one; default `localhost:7233`.

    Raises:
        ServerUnreachable: when the server does not answer.
        DefinitionError: when the environment or the profile file cannot be read.
    """
    config = configured()
    target = config.setdefault("target_host", address or DEFAULT_ADDRESS)
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            return await Client.connect(**config, plugins=[plugin or SagameshPlugin()], identity=identity)
    except (RuntimeError, TimeoutError) as error:
        raise unreachable(target, config.get("namespace", "default")) from error


def configured() -> ClientConnectConfig:
    """What the standard environment and profile file say.

    Raises:
        DefinitionError: when they cannot be read.
    """
    try:
        return ClientConfig.load_client_connect_config()
    except Exception as error:  # the SDK raises plain RuntimeError and ValueError here
        raise DefinitionError(f"the Temporal profile or environment is not valid: {error}") from error


def unreachable(target: str, namespace: str) -> ServerUnreachable:
    """The error for a server that does not answer, with what to do."""
    return ServerUnreachable(
        f"the Temporal server at {target} (namespace {namespace}) does not answer. Start the embedded one with "
        "`sagamesh up`, or set TEMPORAL_ADDRESS to yours; `sagamesh doctor` looks for the cause"
    )
