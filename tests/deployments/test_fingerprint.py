"""The fingerprint of code: the same for the same, another for any other."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from mesh_workers import app
from sagamesh.deployments import fingerprint
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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose pools' package imports its activities, and these a module; beside an installed library."""
    files = {
        "some_workers/__init__.py": "",
        "some_workers/pool.py": "def pool():\n    from some_activities.ledger import book\n    import some_library\n",
        "some_activities/__init__.py": "",
        "some_activities/ledger.py": "import json, not_there, some_rates, some_workers\nbook = 1\n",
        "some_activities/skeleton.py": "class {{ name }}:\n",
        "some_rates.py": "RATE = 1\n",
        "some_stranger.py": "x = 1\n",
        "site-packages/some_library.py": "x = 1\n",
    }
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "site-packages"), *sys.path])
    return tmp_path


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("some_workers/pool.py", True),
        ("some_activities/ledger.py", True),
        ("some_activities/skeleton.py", True),
        ("some_rates.py", True),
        ("some_stranger.py", False),
        ("site-packages/some_library.py", False),
    ],
)
def test_what_a_pool_imports_of_the_project_counts(project: Path, file: str, counts: bool) -> None:
    shop = replace(app, contracts=(), workflows=(), pools=dict.fromkeys(app.pools, "some_workers.pool:pool"))
    before = fingerprint_of_app(shop)
    assert fingerprint_of_app(shop) == before
    with (project / file).open("a") as source:
        source.write("y = 2\n")
    assert (fingerprint_of_app(shop) != before) is counts


def test_the_activities_of_the_application_count(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(files: Iterable[tuple[str, bytes]]) -> str:
        read.extend(name for name, _ in files)
        return ""

    monkeypatch.setattr(fingerprint, "fingerprint_of_code", noted)
    fingerprint_of_app(app)
    packages = {name.partition("/")[0] for name in read}
    own = {"mesh_activities", "mesh_agents", "mesh_workers", "mesh_workflows"}
    assert packages == {*own, "sagamesh", "temporalio", "<app>"}
    assert len(read) == len(set(read))
