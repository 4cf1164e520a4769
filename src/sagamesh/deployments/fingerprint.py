"""One short text for the code of a project, by which two processes tell whether they run the same."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from sagamesh.app import App
from sagamesh.errors import DefinitionError

__all__ = ["fingerprint_of_app", "fingerprint_of_code", "sources"]

_DIGITS = 16


def fingerprint_of_app(app: App) -> str:
    """The fingerprint of what decides how tasks go: contracts, workflows, pools, the framework, the engine's SDK.

    The same for every pool of one build. Implementations count where they lie in a package of these, other libraries
    do not.

    Raises:
        DefinitionError: when a package has no source files here.
    """
    references = [*app.contracts, *app.workflows, *app.pools.values(), "sagamesh"]
    packages = {reference.partition(":")[0].partition(".")[0] for reference in references}
    files = [file for package in sorted(packages) for file in sources(package)]
    return fingerprint_of_code([*files, ("temporalio", version("temporalio").encode())])


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
    folders = [Path(folder) for folder in spec.submodule_search_locations or []]
    if folders:
        found = [(file, folder.parent) for folder in folders for file in sorted(folder.rglob("*.py"))]
    else:
        file = Path(spec.origin or "")
        found = [(file, file.parent)] if spec.has_location and file.suffix == ".py" else []
    if not found:
        raise DefinitionError(f"the package {package} has no source files, by which its code could be told apart")
    return [(file.relative_to(root).as_posix(), file.read_bytes()) for file, root in found]
