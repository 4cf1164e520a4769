"""What a project consists of: the one object from which every command starts."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sagamesh.agent import Agent
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.mesh import Mesh
from sagamesh.plugin import SagameshPlugin
from sagamesh.pool import PoolFactory
from sagamesh.task import Task

if TYPE_CHECKING:
    from sagamesh.load.record import Ended

__all__ = ["App", "Check", "Helper", "ReadyCheck", "app_reference", "load_app", "own_app", "project_root"]


Check: TypeAlias = "Callable[[Iterable[Ended], Mapping[str, str]], Awaitable[Iterable[str]]]"
"""Given tasks that have ended and the environment of the pools: what is wrong, one sentence each; nothing when all is
right. It reads the project's databases and services, which know what was done; the tasks only say what should be."""

ReadyCheck: TypeAlias = "Callable[[int], Awaitable[str | None]]"
"""One look at a helper, given its port: None when it is ready, else what is missing, for people."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A process that the embedded stack runs beside the server and the pools, such as a sandbox payment gateway.

    It is started as `python -m <module> --host 127.0.0.1 --port <port> --dir <its own folder>`, and stopped by SIGTERM.
    It may become another program (`exec`).

    - `port`: the one it takes unless told otherwise.
    - `http_port`: a second one, passed as `--http-port`, for a helper whose first port speaks something else than HTTP.
    - `ready_path`: answers 2xx to a GET (on `http_port`, where there is one) once the helper is ready; None when an
      open port says so.
    - `ready_check`: `module:function`, for a helper that speaks something else than HTTP and whose open port says too
      little; see `ReadyCheck`.
    - `stop_signal`: where SIGTERM does not end it at once.
    - `provides`: environment variables for the pools; `{port}`, `{http_port}` and `{dir}` are filled in.
    - `link`: what a person may open in a browser, `{port}` and `{http_port}` filled in; empty for none.
    """

    name: str
    module: str
    port: int
    http_port: int | None = None
    ready_path: str | None = None
    ready_check: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    provides: Mapping[str, str] = field(default_factory=dict)
    link: str = ""


@dataclass(frozen=True, slots=True)
class App:
    """A project's mesh, tasks, pools and helpers.

    - `contracts`: the packages of the contracts; pure, so the workflow sandbox need not load them again for each task.
    - `workflows`: the workflow classes as `module:Class`, for replay.
    - `pools`: the name of an agent (in a zone `<agent>.<zone>`) or of a task's queue to `module:function`; the
      function returns an async context manager that yields the `Pool`. A string, because the command line must know the
      pools without importing what their implementations need.
    - `embedded`: environment variables for the pools of the embedded stack; `{dir}` is its folder for data.
    - `checks`: `module:function`, the project's proof that what tasks left behind is right, for `sagamesh load` and
      `sagamesh chaos`; see `Check`.
    - `databases`: name to the environment variable of the pools that holds the database's URL (SQLite or PostgreSQL),
      for `sagamesh chaos`, which locks them. `temporal` is the server's own.

    Raises:
        DefinitionError: when two tasks share a name, or an agent of the mesh has no pool.
    """

    mesh: Mesh
    tasks: tuple[Task[Any, Any], ...] = ()
    contracts: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    pools: Mapping[str, str] = field(default_factory=dict)
    helpers: tuple[Helper, ...] = ()
    embedded: Mapping[str, str] = field(default_factory=dict)
    checks: str = ""
    databases: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise DefinitionError(f"more than one task is called {', '.join(doubled)}")
        unserved = [agent.queue for agent in self.mesh.agents if self.pool_of(agent) not in self.pools]
        if unserved:
            raise DefinitionError(f"no pool serves {', '.join(unserved)}: name it in App(pools=...)")

    def task(self, name: str) -> Task[Any, Any]:
        """The task of this name.

        Raises:
            UnknownName: with the nearest names.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        raise UnknownName("task", name, [task.name for task in self.tasks])

    def pool_of(self, agent: Agent) -> str:
        """The name of the pool that serves an agent: its queue (`inventory.eu`), or without such a pool its name."""
        return agent.queue if agent.queue in self.pools else agent.name

    def workflow_classes(self) -> list[type]:
        """Import the workflow classes.

        Raises:
            DefinitionError: when one cannot be imported.
        """
        return [_imported(reference, f"workflow {reference}") for reference in self.workflows]

    def check(self) -> Check | None:
        """Import the project's check; None when it has none.

        Raises:
            DefinitionError: when it cannot be imported.
        """
        if not self.checks:
            return None
        check: Check = _imported(self.checks, f"the check {self.checks}")
        return check

    def ready_check(self, helper: Helper) -> ReadyCheck | None:
        """Import the ready check of a helper; None when it has none.

        Raises:
            DefinitionError: when it cannot be imported.
        """
        if not helper.ready_check:
            return None
        check: ReadyCheck = _imported(helper.ready_check, f"the ready check of helper {helper.name}")
        return check

    def plugin(self) -> SagameshPlugin:
        """The plugin for this app's clients, workers, replayers and tests."""
        return SagameshPlugin(passthrough=self.contracts)

    def pool_factory(self, name: str) -> PoolFactory:
        """Import the function that makes the pool of this name.

        Raises:
            UnknownName: with the nearest names.
        """
        if name not in self.pools:
            raise UnknownName("pool", name, self.pools)
        factory: PoolFactory = _imported(self.pools[name], f"pool {name}")
        return factory


def load_app(start: Path | None = None, *, running: bool = True) -> App:
    """The app of `app_reference`, which takes the same arguments.

    Raises:
        UnknownName, DefinitionError: as `app_reference`, or when what is named cannot be imported or is no App.
    """
    reference = app_reference(start, running=running)
    app = _imported(reference, "the app")
    if not isinstance(app, App):
        raise DefinitionError(f"{reference} is a {type(app).__name__}, not a sagamesh App")
    return app


def app_reference(start: Path | None = None, *, running: bool = True) -> str:
    """Which app is meant, as `module:name`.

    `SAGAMESH_APP` says so, or `SAGAMESH_MESH` names one of the project's meshes. Else it is the one that the project's
    embedded stack runs, else the project's own app.

    - `start`: the folder at or below the project's; None for the current one.
    - `running`: whether an embedded stack counts.

    Raises:
        UnknownName: for a mesh that the project does not have.
        DefinitionError: when nothing names an app, or both variables do.
    """
    app, mesh = os.environ.get("SAGAMESH_APP"), os.environ.get("SAGAMESH_MESH")
    if app and mesh:
        raise DefinitionError(
            f"two apps are named: {app} by SAGAMESH_APP, and mesh {mesh!r} by --mesh or SAGAMESH_MESH; name one"
        )
    if app:
        return app
    root = project_root(start)
    if mesh:
        meshes = _meshes_of(root / "pyproject.toml")
        if mesh not in meshes:
            raise UnknownName("mesh of [tool.sagamesh.meshes]", mesh, meshes)
        return meshes[mesh]
    if running:
        from sagamesh.stack.state import running_app  # loaded only where somebody asks

        found = running_app(root)
        if found is not None:
            return found
    return _from_pyproject(root)


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` whose pyproject.toml has a [tool.sagamesh]; else `start` itself."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if own_app(folder):
            return folder
    return start


def own_app(root: Path) -> str | None:
    """The app that the pyproject.toml in this folder names, as `module:name`; None where it names none."""
    app = _table_of(root / "pyproject.toml").get("app")
    return app if isinstance(app, str) else None


def _from_pyproject(root: Path) -> str:
    reference = own_app(root)
    if reference is None:
        raise DefinitionError(
            'no app found: put [tool.sagamesh] app = "module:name" into the pyproject.toml of your project '
            "and run the command inside it, or set SAGAMESH_APP"
        )
    return reference


def _meshes_of(pyproject: Path) -> dict[str, str]:
    meshes = _table_of(pyproject).get("meshes")
    if not isinstance(meshes, dict):
        return {}
    return {name: app for name, app in meshes.items() if isinstance(app, str)}


def _table_of(pyproject: Path) -> dict[str, Any]:
    """Its [tool.sagamesh]; empty where there is none."""
    try:
        document = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    table = document.get("tool", {}).get("sagamesh", {})
    return table if isinstance(table, dict) else {}


def _imported(reference: str, what: str) -> Any:
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute:
        raise DefinitionError(f"{what} must be named as module:name, not {reference!r}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise DefinitionError(f"{what}, {reference}, cannot be imported: {error}") from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise DefinitionError(f"{what}: module {module_name} has no {attribute}") from None
