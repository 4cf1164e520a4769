"""The checks of `doctor` that need no server: this machine and this project."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType

import typer
from packaging.requirements import Requirement
from pydantic_settings import BaseSettings

from sagamesh.app import App, load_app, project_root
from sagamesh.cli.finding import Finding
from sagamesh.cli.stack import port_options
from sagamesh.errors import DefinitionError, InvalidInput, SagameshError, UnknownName
from sagamesh.settings import WorkerSettings, read_settings

__all__ = ["app_check", "local_checks", "project_checks"]

_OLDEST_PYTHON = (3, 11)


def local_checks() -> Iterator[Finding]:
    """Python and the installed packages."""
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}"
    if sys.version_info < _OLDEST_PYTHON or platform.system() == "Windows":
        yield Finding.fail("python", found, "use Python 3.11 or later on Linux or macOS; on Windows, in WSL")
    else:
        yield Finding.ok("python", found)
    yield from _packages()


def app_check() -> tuple[Finding, App | None]:
    """Whether the project's app can be imported and fits together."""
    try:
        app = load_app()
        classes = app.workflow_classes()
    except SagameshError as error:
        return Finding.fail("app", str(error), "correct it; `sagamesh topology` checks the mesh again"), None
    except Exception as error:  # whatever the project's own modules raise while they are imported
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"importing it fails in {place.filename}, line {place.lineno}: {type(error).__name__}: {error}"
        return Finding.fail("app", message, "correct that line"), None
    hosted = {getattr(cls, "task", None) for cls in classes}
    missing = [task.name for task in app.tasks if task not in hosted]
    counts = f"{len(app.mesh.agents)} agents, tasks: {', '.join(task.name for task in app.tasks) or 'none'}"
    if missing:
        advice = "name the class of each task in App(workflows=...), or `sagamesh replay` cannot check it"
        return Finding.warn("app", f"{counts}; no workflow class runs {', '.join(missing)}", advice), app
    return Finding.ok("app", counts), app


def project_checks(app: App) -> Iterator[Finding]:
    """The pools with their settings, the embedded stack, and the ports that it takes."""
    yield from _pools(app)
    yield from _stack(app)


def _packages() -> Iterator[Finding]:
    wrong, absent = [], []
    extras = metadata.metadata("sagamesh").get_all("Provides-Extra") or ()
    for text in metadata.requires("sagamesh") or ():
        requirement = Requirement(text)
        extra = next((e for e in extras if requirement.marker and requirement.marker.evaluate({"extra": e})), "")
        if requirement.name == "sagamesh" or (requirement.marker and not extra and not requirement.marker.evaluate()):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            if extra == "stack":
                absent.append(requirement.name)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in ("sagamesh", "temporalio", "pydantic"))
    if wrong:
        yield Finding.fail(
            "packages", "; ".join(dict.fromkeys(wrong)), "install what pyproject.toml asks for: pip install -U sagamesh"
        )
    elif absent:
        advice = "only `sagamesh up` needs them: pip install 'sagamesh[stack]'"
        yield Finding.warn("packages", f"{shown}; not installed: {', '.join(absent)}", advice)
    else:
        yield Finding.ok("packages", shown)


def _pools(app: App) -> Iterator[Finding]:
    given = {*app.embedded, *(name for helper in app.helpers for name in helper.provides)}
    problems = [*_settings_problems(WorkerSettings)]
    broken = []
    for name in app.pools:
        try:
            module = sys.modules[app.pool_factory(name).__module__]
        except DefinitionError as error:
            broken.append(str(error))
            continue
        for kind in _settings_in(module):
            problems += _settings_problems(kind)
    if broken:
        yield Finding.fail(
            "pools", "; ".join(broken), "correct App(pools=...), or install what the pool's module needs"
        )
    else:
        yield Finding.ok("pools", ", ".join(app.pools))
    own = [str(problem) for variable, problem in problems if variable not in given or variable in os.environ]
    embedded = [variable for variable, _ in problems if variable in given and variable not in os.environ]
    if own:
        yield Finding.fail("settings", "; ".join(own), "set these variables; docs/reference.md has the table")
    elif embedded:
        names = ", ".join(embedded)
        yield Finding.ok("settings", f"`sagamesh up` gives {names}; a worker that you start yourself needs it set")
    else:
        yield Finding.ok("settings", "those of every pool are valid")


def _settings_in(module: ModuleType) -> Iterator[type[BaseSettings]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings:
            yield value


def _settings_problems(kind: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    """Each variable that is missing or wrong, and what is said about it."""
    try:
        read_settings(kind)
    except InvalidInput as error:
        yield from ((field.field, str(field)) for field in error.fields)


def _stack(app: App) -> Iterator[Finding]:
    try:
        from sagamesh.stack.errors import PortTaken
        from sagamesh.stack.overview import overview
        from sagamesh.stack.place import Place
        from sagamesh.stack.plan import port_requests
        from sagamesh.stack.ports import assign
        from sagamesh.stack.state import load
    except ModuleNotFoundError as missing:
        yield Finding.ok("stack", f"not looked at: {missing.name} is not installed")
        return
    place = Place.of(project_root())
    shown = overview(place, load(place))
    ill = [part for part in shown.parts if part.state in ("failed", "restarting")]
    if shown.state in ("killed", "failed"):
        why = shown.error or "its supervisor was killed"
        yield Finding.warn("stack", why, "`sagamesh up` starts it again, `sagamesh down` stops what is left")
    elif ill:
        told = "; ".join(f"{part.name} is {part.state}: {part.note or part.last_line} ({part.log})" for part in ill)
        yield Finding.fail("stack", told, "look at the log, correct it, and the supervisor starts it again")
    else:
        yield Finding.ok("stack", f"{shown.state}, folder {shown.folder}")
    if shown.running:
        return
    taken = []
    try:
        for request in port_requests(app, port_options()):
            try:
                assign([request])
            except PortTaken as error:
                taken.append(str(error))
    except (typer.BadParameter, InvalidInput, UnknownName) as error:
        said = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        yield Finding.fail("ports", said, "`sagamesh up` refuses it; docs/reference.md has the table of variables")
        return
    if taken:
        yield Finding.warn("ports", " ".join(taken), "only `sagamesh up` wants them")
    else:
        yield Finding.ok("ports", "all that `sagamesh up` takes are free")
