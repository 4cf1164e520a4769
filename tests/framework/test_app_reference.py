"""Which app a command means: said by a variable, by the name of a mesh, by what runs here, or by the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagamesh.app import app_reference
from sagamesh.errors import DefinitionError, UnknownName
from sagamesh.stack.place import Place
from sagamesh.stack.process import ProcessId
from sagamesh.stack.state import Phase, StackState, save

PROJECT = """
[tool.sagamesh]
app = "shop:app"

[tool.sagamesh.meshes]
ten = "shop.ten:app"
zones = "shop.zones:app"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, in which the command runs; nothing is said."""
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for name in ("SAGAMESH_APP", "SAGAMESH_MESH", "SAGAMESH_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def running(project: Path, app: str, phase: Phase = Phase.READY) -> None:
    """Let this process be the supervisor of a stack of this app."""
    place = Place.of(project)
    place.create()
    supervisor = ProcessId.of(os.getpid())
    save(
        place, StackState(supervisor=supervisor, phase=phase, root=project, folder=place.folder, address="h:1", app=app)
    )


@pytest.mark.parametrize(
    ("said", "runs", "meant"),
    [
        ({}, "", "shop:app"),
        ({"SAGAMESH_APP": "", "SAGAMESH_MESH": ""}, "", "shop:app"),
        ({}, "shop.ten:app", "shop.ten:app"),
        ({"SAGAMESH_MESH": "zones"}, "shop.ten:app", "shop.zones:app"),
        ({"SAGAMESH_APP": "other:app"}, "shop.ten:app", "other:app"),
    ],
)
def test_who_says_which_app(
    project: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, str], runs: str, meant: str
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    if runs:
        running(project, runs)
    below = project / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert app_reference() == meant


def test_what_runs_counts_only_where_it_is_asked_about(project: Path) -> None:
    running(project, "shop.ten:app")
    assert app_reference(running=False) == "shop:app"
    running(project, "shop.ten:app", Phase.FAILED)
    assert app_reference() == "shop:app"


def test_a_mesh_that_is_none_names_the_nearest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_MESH", "zone")
    with pytest.raises(UnknownName, match=r"'zone'; did you mean zones\?"):
        app_reference()
    (project / "pyproject.toml").write_text('[tool.sagamesh]\napp = "shop:app"\nmeshes = "ten"\n', encoding="utf-8")
    with pytest.raises(UnknownName, match="known: none"):
        app_reference()


def test_two_that_contradict_each_other_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_MESH", "ten")
    monkeypatch.setenv("SAGAMESH_APP", "other:app")
    with pytest.raises(DefinitionError, match="two apps are named: other:app by SAGAMESH_APP, and mesh 'ten'"):
        app_reference()
