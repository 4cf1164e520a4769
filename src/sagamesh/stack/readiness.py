"""How to tell that a part is ready: it answers, on its own port, for what it is there for."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError

from sagamesh.app import ReadyCheck
from sagamesh.polled_queue import Queue, pollers_of
from sagamesh.stack.ports import LOOPBACK, listens

__all__ = ["NAMESPACE", "Engine", "HelperReady", "PoolReady", "ServerReady", "polled_by"]

NAMESPACE = "default"
_ANSWER = timedelta(seconds=2)


class Engine:
    """The supervisor's connection to the server that it runs; made when it is first needed, kept over restarts."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None

    async def client(self) -> Client | None:
        """The connection, or None while the server does not answer."""
        if self._client is None:
            try:
                self._client = await Client.connect(self._address, namespace=NAMESPACE)
            except RuntimeError:  # what the SDK raises when it cannot connect
                return None
        return self._client


@dataclass(frozen=True, slots=True)
class ServerReady:
    """The Temporal server: our process has the port, answers, and knows the namespace and the search attributes."""

    engine: Engine
    port: int
    search_attributes: Sequence[SearchAttributeKey[Any]]

    async def __call__(self, pid: int) -> str | None:
        """One look; see `Probe`."""
        if not listens(pid, self.port):
            return f"it has not opened port {self.port}"
        client = await self.engine.client()
        if client is None:
            return f"it does not answer on port {self.port}"
        try:
            await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_ANSWER)
            known = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=NAMESPACE), timeout=_ANSWER
            )
        except RPCError as error:
            return f"it answers: {error}"
        missing = [key.name for key in self.search_attributes if key.name not in known.custom_attributes]
        return f"search attributes {', '.join(missing)} are not registered" if missing else None


@dataclass(frozen=True, slots=True)
class HelperReady:
    """A helper: our process has the port and, where it has a health path or a check of its own, is well by that."""

    port: int
    path: str | None = None
    check: ReadyCheck | None = None

    async def __call__(self, pid: int) -> str | None:
        """One look; see `Probe`."""
        if not listens(pid, self.port):
            return f"it has not opened port {self.port}"
        missing = None if self.path is None else await asyncio.to_thread(self._asked, self.path)
        return await self.check(self.port) if missing is None and self.check is not None else missing

    def _asked(self, path: str) -> str | None:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_ANSWER.total_seconds())
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"GET {path} on port {self.port}: {error}"
        finally:
            connection.close()
        return None if 200 <= status < 300 else f"GET {path} on port {self.port} answers {status}"


@dataclass(frozen=True, slots=True)
class PoolReady:
    """A pool: this very process polls each of its queues."""

    engine: Engine
    queues: Sequence[Queue]

    async def __call__(self, pid: int) -> str | None:
        """One look; see `Probe`."""
        client = await self.engine.client()
        if client is None:
            return "the Temporal server does not answer"
        for name, side in self.queues:
            try:
                pollers = await pollers_of(client, (name, side), timeout=_ANSWER)
            except RPCError as error:
                return f"the Temporal server answers: {error}"
            if not polled_by(pid, pollers):
                return f"it does not poll queue {name} for {side}"
        return None


def polled_by(pid: int, pollers: Iterable[PollerInfo]) -> bool:
    """Whether one of the pollers is this process. The server remembers dead ones for minutes, so any will not do.

    The SDK names a worker `<pid>@<host>`.
    """
    return any(poller.identity.partition("@")[0] == str(pid) for poller in pollers)
