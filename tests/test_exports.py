"""What `import sagamesh` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sagamesh

PUBLIC = [
    "Agent",
    "App",
    "Breaker",
    "BusinessError",
    "Call",
    "Capability",
    "Client",
    "Default",
    "Degradable",
    "Helper",
    "Kept",
    "Mesh",
    "Message",
    "Outcome",
    "Policy",
    "Pool",
    "ResourceSlots",
    "Retry",
    "RetryLater",
    "Role",
    "Saga",
    "SagameshPlugin",
    "Task",
    "TaskHandle",
    "TaskWorkflow",
    "current_call",
    "hours",
    "milliseconds",
    "minutes",
    "seconds",
]

EXTRAS = {
    "aiosmtpd",
    "aiosmtplib",
    "aiosqlite",
    "asyncpg",
    "httpx",
    "jinja2",
    "psutil",
    "rich",
    "sqlalchemy",
    "starlette",
    "typer",
    "uvicorn",
    "uvloop",
}
"""What the extras bring. A service that only starts tasks has none of them."""

EVERYTHING = f"import sagamesh\nfor name in {PUBLIC!r}: getattr(sagamesh, name)\n"


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this code."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(run.stdout.split())


def test_the_public_names() -> None:
    """A change here is a change that users see."""
    assert sagamesh.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(sagamesh, name).__doc__
    assert name in dir(sagamesh)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Workflow'"):
        sagamesh.Workflow  # noqa: B018


def test_importing_it_needs_none_of_the_extras() -> None:
    roots = {name.partition(".")[0] for name in modules_after(EVERYTHING)}

    assert "temporalio" in roots
    assert roots & EXTRAS == set()


def test_importing_it_alone_is_quick() -> None:
    """The names come when they are used: `sagamesh --help` must not wait for the engine's SDK."""
    assert "temporalio" not in modules_after("import sagamesh")


@pytest.mark.parametrize("package", ["mesh_agents.order", "mesh_workflows.order"])
def test_contracts_and_tasks_load_no_activities_and_no_heavy_library(package: str) -> None:
    roots = {name.partition(".")[0] for name in modules_after(f"import {package}")}

    assert package.partition(".")[0] in roots
    assert roots & (EXTRAS | {"mesh_activities", "mesh_workers"}) == set()


def test_contracts_load_no_tasks() -> None:
    assert "mesh_workflows" not in modules_after("import mesh_agents.order")


def test_the_app_loads_no_implementations() -> None:
    """The command line must know the pools without installing what they need."""
    roots = {name.partition(".")[0] for name in modules_after("import mesh_workers")}

    assert roots & (EXTRAS | {"mesh_activities"}) == set()
