"""Preparing a namespace of a Temporal server for Sagamesh."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.attributes import SEARCH_ATTRIBUTES, declared_type

__all__ = ["register_search_attributes", "registration_command"]


async def register_search_attributes(client: Client) -> None:
    """Let the namespace know the search attributes of Sagamesh. Safe to repeat. Needs the right to administer it.

    Raises:
        temporalio.service.RPCError: when the server refuses.
    """
    request = AddSearchAttributesRequest(namespace=client.namespace)
    for key in SEARCH_ATTRIBUTES:
        request.search_attributes[key.name] = key.indexed_value_type.value  # type: ignore[assignment]  # the generated enum type
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


def registration_command(namespace: str, missing: Iterable[SearchAttributeKey[Any]] = SEARCH_ATTRIBUTES) -> str:
    """The same as a command for the `temporal` tool, for where an administrator does it."""
    attributes = " ".join(f"--name {key.name} --type {declared_type(key)}" for key in missing)
    return f"temporal operator search-attribute create --namespace {namespace} {attributes}"
