"""One short text for the code of a project, by which two processes tell whether they run the same."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path

from sagamesh.app import App
from sagamesh.errors import DefinitionError

__all__ = ["fingerprint_of_app", "fingerprint_of_code", "sources"]

_DIGITS = 16
_FRAMEWORK = "sagamesh"  # imports no project


def fingerprint_of_app(app: App) -> str:
    """The fingerprint of the project's code, the framework and the engine's SDK.

    The project's code is the packages of contracts, workflows and pools, and what these import that is not installed
    as a library, such as the package of the activities; so on. The same for every pool of one build.

    Raises:
        DefinitionError: when a package that the app names has no source files here.
    """
    references = sorted({*app.contracts, *app.workflows, *app.pools.values()})
    named = {reference.partition(":")[0].partition(".")[0] for reference in references}
    files = [*sources(_FRAMEWORK), *_with_imported(named - {_FRAMEWORK})]
    # Not files, and with names that no file has: what is served, and by which engine.
    said = [("<app>", "\n".join(references).encode()), ("temporalio", version("temporalio").encode())]
    return fingerprint_of_code([*files, *said])


def fingerprint_of_code(files: Iterable[tuple[str, bytes]]) -> str:
    """The fingerprint of named contents, whatever their order: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, content in sorted(files):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:_DIGITS]


def sources(package: str) -> list[tuple[str, bytes]]:
    """The Python files of a top-level package or module: names relative to where it is imported from, and contents.

    Raises:
        DefinitionError: when it is not there, or without source files.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise DefinitionError(f"the package {package} cannot be found")
    found = _files(spec)
    if not found:
        raise DefinitionError(f"the package {package} has no source files, by which its code could be told apart")
    return found


def _with_imported(packages: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The files of these packages, and of those of the project that they import."""
    waiting = {package: sources(package) for package in packages}
    seen = {*waiting, _FRAMEWORK}
    while waiting:
        _, files = waiting.popitem()
        yield from files
        for name in {name for _, content in files for name in _imported(content)} - seen:
            seen.add(name)
            waiting[name] = _own(name)


def _imported(content: bytes) -> Iterator[str]:
    """The top-level packages that a source file imports, wherever in it."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # such as a template of a module; nobody can import it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _own(package: str) -> list[tuple[str, bytes]]:
    """The files of a top-level package, none for a library's: what the interpreter or an installer brought."""
    if package in sys.stdlib_module_names:
        return []
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # `__main__` has no place of its own
        return []
    if spec is None:
        return []  # not installed: what only some processes need
    places = [Path(place) for place in spec.submodule_search_locations or [spec.origin or ""]]
    return [] if any(_is_library(place.resolve()) for place in places) else _files(spec)


def _is_library(place: Path) -> bool:
    paths = sysconfig.get_paths()
    installed = {Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return bool({"site-packages", "dist-packages"} & {*place.parts}) or any(map(place.is_relative_to, installed))


def _files(spec: ModuleSpec) -> list[tuple[str, bytes]]:
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    if folders:
        found = [(file, folder.parent) for folder in folders for file in sorted(folder.rglob("*.py"))]
    else:
        file = Path(spec.origin or "")
        found = [(file, file.parent)] if spec.has_location and file.suffix == ".py" else []
    return [(file.relative_to(root).as_posix(), file.read_bytes()) for file, root in found]
