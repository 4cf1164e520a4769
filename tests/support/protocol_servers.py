"""A gRPC server that answers as a Temporal server of a version would, or lets nobody in: no such server can be had."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from temporalio.api.workflowservice.v1 import GetSystemInfoResponse
from temporalio.api.workflowservice.v1.service_pb2_grpc import (
    WorkflowServiceServicer,
    add_WorkflowServiceServicer_to_server,
)

__all__ = ["protocol_server"]


class _Service(WorkflowServiceServicer):
    def __init__(self, version: str, refusal: tuple[grpc.StatusCode, str] | None) -> None:
        self._version = version
        self._refusal = refusal

    def GetSystemInfo(self, request: Any, context: Any) -> GetSystemInfoResponse:  # noqa: N802  # the protocol's name
        if self._refusal is not None:
            context.abort(*self._refusal)
        return GetSystemInfoResponse(server_version=self._version)


@contextmanager
def protocol_server(version: str = "", *, refusal: tuple[grpc.StatusCode, str] | None = None) -> Iterator[str]:
    """The address of a server that says this version of itself, and nothing else; or refuses to say even that."""
    server = grpc.server(ThreadPoolExecutor(2))
    service = _Service(version, refusal)  # type: ignore[abstract]  # what it leaves out is answered by UNIMPLEMENTED
    add_WorkflowServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
