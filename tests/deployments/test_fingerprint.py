"""The fingerprint of code: the same for the same, another for any other."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mesh_workers import app
from sagamesh.deployments.fingerprint import fingerprint_of_app, fingerprint_of_code, sources
from sagamesh.errors import DefinitionError

FILES = [("a.py", b"x = 1\n"), ("b/c.py", b"")]


@pytest.mark.parametrize(
    "other",
    [
        [("a.py", b"x = 2\n"), ("b/c.py", b"")],
        [("a.py", b"x = 1\n")],
        [("a.py", b"x = 1\n"), ("b/d.py", b"")],
        [("a.py", b"x = 1\nb/c.py")],
        [],
    ],
)
def test_other_code_has_another_fingerprint(other: list[tuple[str, bytes]]) -> None:
    assert fingerprint_of_code(other) != fingerprint_of_code(FILES)


def test_the_order_of_files_does_not_matter() -> None:
    assert fingerprint_of_code(reversed(FILES)) == fingerprint_of_code(FILES)
    assert len(fingerprint_of_code(FILES)) == 16


def test_a_package_is_read_with_what_lies_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_parcels" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "some_parcels" / "__init__.py").write_text("")
    (package / "task.py").write_text("x = 1\n")
    (package / "notes.txt").write_text("no code")
    (tmp_path / "some_module.py").write_text("y = 2\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert sources("some_parcels") == [("some_parcels/__init__.py", b""), ("some_parcels/inner/task.py", b"x = 1\n")]
    assert sources("some_module") == [("some_module.py", b"y = 2\n")]


@pytest.mark.parametrize("package", ["no_such_package", "sys"])
def test_a_package_without_sources_is_refused(package: str) -> None:
    with pytest.raises(DefinitionError, match=package):
        sources(package)


def test_an_app_s_fingerprint_follows_its_contracts_workflows_and_pools() -> None:
    whole = fingerprint_of_app(app)
    assert whole == fingerprint_of_app(app)
    less = [replace(app, contracts=()), replace(app, workflows=()), replace(app, pools={**app.pools, "x": "json:x"})]
    assert len({whole, *map(fingerprint_of_app, less)}) == 4
