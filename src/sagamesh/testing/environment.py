"""Real engines for tests, from binaries that are installed with the package: nothing is downloaded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.plugin import SimplePlugin
from temporalio.testing import WorkflowEnvironment

from sagamesh.attributes import SEARCH_ATTRIBUTES
from sagamesh.errors import DefinitionError
from sagamesh.namespace import register_search_attributes
from sagamesh.plugin import SagameshPlugin
from sagamesh.stack.dynamic_config import DYNAMIC_CONFIG

__all__ = ["binary", "dev_server", "time_skipping"]


@asynccontextmanager
async def time_skipping(plugin: SimplePlugin | None = None) -> AsyncIterator[WorkflowEnvironment]:
    """The time-skipping test server: timers of days pass at once while the result of a started task is waited for.

    Otherwise time passes as told: `await environment.sleep(...)`. It cannot list tasks.

    It does not know of what is on its way between two workflows (a child's start, a signal, a cancel) and may skip to
    the end of their time meanwhile: wait for those `with environment.auto_time_skipping_disabled()`, or take
    `dev_server`.
    """
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server", "sagamesh[testing]"),
        plugins=[plugin or SagameshPlugin()],
    )
    async with environment:
        await register_search_attributes(environment.client)
        yield environment


@asynccontextmanager
async def dev_server(
    plugin: SimplePlugin | None = None, *, settings: Iterable[str] = ()
) -> AsyncIterator[WorkflowEnvironment]:
    """The real server, in memory, on a free port of the loopback interface, set up like the embedded stack's.

    - `settings`: further dynamic configuration, `name=value` each, the value as JSON.
    """
    server = binary("temporal", "sagamesh[stack]")
    from sagamesh.stack.ports import free_port  # needs the same extra, of which binary() tells

    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=server,
        dev_server_log_level="error",
        dev_server_extra_args=[
            word for value in (*DYNAMIC_CONFIG, *settings) for word in ("--dynamic-config-value", value)
        ],
        ip="127.0.0.1",
        port=free_port(),
        plugins=[plugin or SagameshPlugin()],
        search_attributes=SEARCH_ATTRIBUTES,
    )
    async with environment:
        yield environment


def binary(name: str, extra: str) -> str:
    """The path of a program that a dependency installs beside the interpreter, or that is on PATH.

    Raises:
        DefinitionError: when it is in neither place, naming the extra that brings it.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise DefinitionError(f"{name} is not installed: pip install '{extra}'")
    return found
