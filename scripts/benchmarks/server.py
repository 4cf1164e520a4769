"""The servers that are measured: the embedded stack's, and what `temporal server start-dev` is by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import BenchFailed, Fleet, ProcessEnded
from sagamesh.attributes import SEARCH_ATTRIBUTES
from sagamesh.stack.dynamic_config import DYNAMIC_CONFIG
from sagamesh.stack.ports import PortRequest, assign
from sagamesh.stack.readiness import Engine, ServerReady
from sagamesh.stack.server import ServerPorts, server_command

__all__ = ["start_server"]

_START = 60.0
"""Seconds within which a server must answer."""

_ATTEMPTS = 3


async def start_server(
    fleet: Fleet, folder: Path, *, name: str = "server", stock: bool = False, namespaces: Sequence[str] = ()
) -> str:
    """Start a server on free loopback ports, wait until it answers, and return its address.

    - `stock`: with the command's own settings, in memory; else with the embedded stack's settings and database.
    - `namespaces`: beside the default one.

    Raises:
        BenchFailed: when it ends or does not answer in time.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _started(fleet, folder, name, namespaces, stock=stock)
        except ProcessEnded:
            # Between choosing a free port and opening it, any program may have taken it.
            fleet.forget(name)
    return await _started(fleet, folder, name, namespaces, stock=stock)


async def _started(fleet: Fleet, folder: Path, name: str, namespaces: Sequence[str], *, stock: bool) -> str:
    free = assign(PortRequest(word, 0, "") for word in ("grpc", "web", "http", "metrics"))
    ports = ServerPorts(**free)
    command = _stock_command(ports) if stock else server_command(ports, folder / f"{name}.db")
    fleet.start(name, [*command, *(word for each in namespaces for word in ("--namespace", each))])
    ready = ServerReady(Engine(ports.address), ports.grpc, SEARCH_ATTRIBUTES)
    deadline = time.monotonic() + _START
    while missing := await ready(fleet.pid(name)):
        fleet.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"{name} is not ready after {_START:.0f} s: {missing}")
        await asyncio.sleep(0.1)
    return ports.address


def _stock_command(ports: ServerPorts) -> list[str]:
    """The same command without what the embedded stack tunes. The order needs the search attributes on any server."""
    command = server_command(ports, None)
    for value in DYNAMIC_CONFIG:
        at = command.index(value)
        del command[at - 1 : at + 1]
    return command
